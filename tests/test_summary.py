"""The summary of segments, and its sentence in both languages."""

from __future__ import annotations

import pytest

from emotion.core.labels import BY_ID, LABELS
from emotion.core.results import Segment, Summary, clock
from emotion.recognition.summary import summarize


def summary(*parts: tuple[str, float], start_s: float = 0.0, pause_s: float = 0.0) -> Summary:
    """Of (emotion, seconds of speech) after one another."""
    segments, at = [], start_s
    for emotion, length_s in parts:
        scores = {label: float(label == emotion) for label in LABELS}
        segments.append(Segment(at, at + length_s, emotion, 1.0, scores))
        at += length_s + pause_s
    return summarize(segments, [length_s for _, length_s in parts], at + 2)


def test_shares_are_of_speech_time_largest_first() -> None:
    found = summary(("sad", 2), ("angry", 5), ("sad", 1), pause_s=1)
    assert found.shares == {"angry": 0.625, "sad": 0.375}
    assert list(found.shares) == ["angry", "sad"]
    assert (found.speech_s, found.silence_s) == (8, 5)


def test_without_speech() -> None:
    found = summary()
    assert found == Summary(0, 2, {}, {"zh": "没有检测到语音", "en": "no speech was found"})


@pytest.mark.parametrize(
    ("parts", "zh", "en"),
    [
        ([("sad", 3), ("sad", 4)], "全程为悲伤", "sad throughout"),
        ([("sad", 3), ("happy", 0.5), ("sad", 4)], "以悲伤为主", "mostly sad"),
        (
            [("neutral", 7), ("neutral", 5), ("angry", 36)],
            "前 12 秒以中性为主，随后转为愤怒",
            "mostly neutral for 12 s, then angry until 0:48",
        ),
        (  # an exception on each side does not hide the change
            [
                ("neutral", 70),
                ("happy", 2),
                ("neutral", 20),
                ("angry", 30),
                ("sad", 2),
                ("angry", 9),
            ],
            "前 1 分 32 秒以中性为主，随后转为愤怒",
            "mostly neutral for 1 min 32 s, then angry until 2:13",
        ),
        ([("neutral", 30), ("angry", 1)], "以中性为主", "mostly neutral"),
        (
            [("sad", 4), ("happy", 3), ("angry", 2)] * 3,
            "情绪多样，以悲伤和快乐较多",
            "mixed, most often sad and happy",
        ),
        ([("sad", 4), ("happy", 4), ("sad", 4), ("happy", 4.1)] * 2, "以快乐为主", "mostly happy"),
    ],
)
def test_the_sentence(parts: list[tuple[str, float]], zh: str, en: str) -> None:
    assert summary(*parts).sentence == {"zh": zh, "en": en}


def test_uncertain_segments_count_as_uncertain() -> None:
    scores = {label: float(label == "sad") for label in LABELS}
    segments = [
        Segment(0, 2, "sad", 0.3, scores, uncertain=True),
        Segment(2, 6, "sad", 0.9, scores),
        Segment(6, 14, "happy", 0.3, scores, uncertain=True),
    ]
    found = summarize(segments, [2, 4, 8], 20)
    assert found.shares == {"uncertain": 0.7143, "sad": 0.2857}
    assert found.sentence == {"zh": "以不确定为主", "en": "mostly uncertain"}


def test_leading_silence_moves_times_in_the_file_only() -> None:
    parts = ("neutral", 12.0), ("angry", 36.0)
    late = summary(*parts, start_s=10).sentence
    assert late["zh"] == summary(*parts).sentence["zh"]
    assert late["en"] == "mostly neutral for 12 s, then angry until 0:58"


@pytest.mark.parametrize("label", LABELS)
def test_every_emotion_has_its_words(label: str) -> None:
    sentence = summary((label, 3)).sentence
    assert BY_ID[label].zh in sentence["zh"] and BY_ID[label].en.lower() in sentence["en"]


@pytest.mark.parametrize(
    ("time_s", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3723, "1:02:03")]
)
def test_clock(time_s: float, text: str) -> None:
    assert clock(time_s) == text
