"""Wrong keys and passwords are slowed down by address."""

from __future__ import annotations

import pytest

from emotion.api import tries
from emotion.api.tries import FailedTries


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_waits_double_up_to_a_minute(clock: Clock) -> None:
    found, waits = FailedTries(clock), []
    for _ in range(14):
        found.failed("192.0.2.1")
        waits.append(found.wait_s("192.0.2.1"))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert found.wait_s("192.0.2.2") == 0
    clock.now += 59
    assert found.wait_s("192.0.2.1") == 1
    clock.now += 1
    assert found.wait_s("192.0.2.1") == 0


def test_a_right_one_or_a_quarter_of_an_hour_forgets(clock: Clock) -> None:
    found = FailedTries(clock)
    for _ in range(8):
        found.failed("a")
    found.succeeded("a")
    assert found.wait_s("a") == 0
    for _ in range(8):
        found.failed("a")
    clock.now += 901
    found.failed("a")
    assert found.wait_s("a") == 0


def test_an_ipv6_network_counts_as_one(clock: Clock) -> None:
    found = FailedTries(clock)
    for number in range(6):
        found.failed(f"2001:db8::{number}")
    assert found.wait_s("2001:db8::ffff") > 0
    assert found.wait_s("2001:db8:0:1::1") == 0
    for _ in range(6):
        found.failed("::ffff:192.0.2.1")
    assert found.wait_s("::ffff:192.0.2.2") == 0


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_MOST_ADDRESSES", 3)
    found = FailedTries(clock)
    for name in "abcd":
        for _ in range(6):
            found.failed(name)
    assert [found.wait_s(name) > 0 for name in "abcd"] == [False, True, True, True]
