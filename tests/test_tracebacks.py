"""Errors that are kept hold nothing of the frames that they went through."""

from __future__ import annotations

import gc
import traceback
import weakref

import pytest

from emotion.core.tracebacks import clear_frames


class Large:
    """Stands for an hour of samples."""


def failing(kept: list[weakref.ref[Large]], error: type[Exception]) -> None:
    samples = Large()
    kept.append(weakref.ref(samples))
    raise error(str(len(kept)))


def caused(kept: list[weakref.ref[Large]]) -> None:
    samples = Large()
    kept.append(weakref.ref(samples))
    try:
        failing(kept, ValueError)
    except ValueError as e:
        raise RuntimeError("outer") from e


def followed(kept: list[weakref.ref[Large]]) -> None:
    try:
        failing(kept, ValueError)
    finally:
        failing(kept, KeyError)


@pytest.mark.parametrize(("fail", "frames"), [(caused, 2), (followed, 2)])
def test_an_error_and_what_led_to_it_let_go(fail: object, frames: int) -> None:
    kept: list[weakref.ref[Large]] = []
    error: Exception | None = None
    try:
        fail(kept)  # type: ignore[operator]
    except Exception as e:
        error = e
    assert len(kept) == frames and all(one() is not None for one in kept)
    clear_frames(error)
    gc.collect()
    assert [one() for one in kept] == [None] * frames
    assert "failing" in "".join(traceback.format_exception(error))  # the text stays


def test_no_error_is_nothing_to_clear() -> None:
    clear_frames(None)
