from __future__ import annotations

import pytest

from emotion.analysis.items import Compared
from emotion.analysis.trends import moment_of, trends
from emotion.core.errors import ConfigError


def item(date: str | None, speaker: str | None = "Ann", sad: float | None = 0.5) -> Compared:
    scores = None if sad is None else {"sad": sad, "happy": 1 - sad}
    return Compared("a", [1.0], scores, date=date, speaker=speaker)


def test_each_speakers_recordings_in_order_of_date() -> None:
    items = [
        item("2026-03-01", "Ann", 0.1),
        item("2026-01-01", "Bob"),
        item("2026-01-15T10:00", "Ann", 0.2),
        item("2025-12-31", "Bob"),
        item("2026-02-01", "Cid"),
        item(None, "Ann"),
    ]
    ann, bob = trends(items)
    assert (ann.speaker, ann.indices) == ("Ann", (2, 0))
    assert ann.dates == ("2026-01-15T10:00", "2026-03-01")
    assert ann.scores["sad"] == (0.2, 0.1)
    assert ann.scores["angry"] == (0.0, 0.0) and len(ann.scores) == 9
    assert (bob.speaker, bob.indices) == ("Bob", (3, 1))


def test_recordings_without_a_speaker_are_one_course() -> None:
    (course,) = trends([item("2026-01-02", None), item("2026-01-01", "")])
    assert (course.speaker, course.indices) == (None, (1, 0))


def test_embeddings_alone_have_no_mood() -> None:
    assert trends([item("2026-01-02", sad=None), item("2026-01-01")]) == ()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-31", "2026-02-01"),
        ("2026-01-31", "2026-01-31T00:00:01"),
        ("2026-01-31 09:00", "2026-01-31T10:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00-05:00"),
        ("2026-01-31T12:00:00+08:00", "2026-01-31T12:00:00Z"),
    ],
)
def test_dates_and_times_compare_with_their_zones(earlier: str, later: str) -> None:
    assert moment_of(earlier, "date") < moment_of(later, "date")


@pytest.mark.parametrize("text", ["soon", "31.01.2026", "2026-13-01", "", "0001-01-01T00:00+14"])
def test_what_is_no_date_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"items\.3\.date is .*YYYY-MM-DD"):
        moment_of(text, "items.3.date")


def test_a_wrong_date_names_its_item() -> None:
    with pytest.raises(ConfigError, match=r"items\.1\.date"):
        trends([item("2026-01-01"), item("soon")])
