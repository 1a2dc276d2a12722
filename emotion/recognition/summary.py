"""Speech segments in short: shares of speech time, and one sentence in both languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from emotion.core.i18n import Pair
from emotion.core.labels import BY_ID
from emotion.core.results import Segment, Summary, clock

_GAIN = 0.1  # share of the speech that a change of emotion must explain better
_PURE = 0.7  # share of the speech on each side of a change that its emotion must have
_MOSTLY = 0.5
_THROUGHOUT = 0.995
_SENTENCES: Final[dict[str, Pair]] = {
    "none": ("没有检测到语音", "no speech was found"),
    "throughout": ("全程为{first_zh}", "{first_en} throughout"),
    "mostly": ("以{first_zh}为主", "mostly {first_en}"),
    "mixed": (
        "情绪多样，以{first_zh}和{second_zh}较多",
        "mixed, most often {first_en} and {second_en}",
    ),
    "change": (
        "前 {length_zh}以{first_zh}为主，随后转为{second_zh}",
        "mostly {first_en} for {length_en}, then {second_en} until {end}",
    ),
}


_UNCERTAIN: Final[Pair] = ("不确定", "uncertain")


def summarize(segments: Sequence[Segment], speech_s: Sequence[float], duration_s: float) -> Summary:
    """The summary of a recording.

    Args:
        segments: Its speech segments.
        speech_s: Seconds of speech in each; they weigh the emotions.
        duration_s: Length of the recording.
    """
    times = _times(segments, speech_s)
    total_s = float(sum(times.values()))
    shares = {label: round(time_s / total_s, 4) for label, time_s in times.most_common() if total_s}
    zh, en = _sentence(segments, speech_s)
    return Summary(
        speech_s=round(total_s, 3),
        silence_s=round(max(0.0, duration_s - total_s), 3),
        shares=shares,
        sentence={"zh": zh, "en": en},
    )


def _times(segments: Sequence[Segment], speech_s: Sequence[float]) -> Counter[str]:
    """Seconds of speech with each emotion."""
    times: Counter[str] = Counter()
    for segment, time_s in zip(segments, speech_s, strict=True):
        times[_emotion(segment)] += time_s  # type: ignore[assignment]
    return times


def _emotion(segment: Segment) -> str:
    return "uncertain" if segment.uncertain else segment.emotion


def _names(emotion: str) -> Pair:
    if emotion == "uncertain":
        return _UNCERTAIN
    return BY_ID[emotion].zh, BY_ID[emotion].en.lower()


def _sentence(segments: Sequence[Segment], speech_s: Sequence[float]) -> Pair:
    if not segments:
        return _SENTENCES["none"]
    times = _times(segments, speech_s)
    total_s = float(sum(times.values()))
    (first, most_s), *others = times.most_common(2)
    change = _change(segments, speech_s, most_s + _GAIN * total_s)
    if change is None and most_s < _MOSTLY * total_s:
        return _filled("mixed", first, others[0][0])
    if change is None:
        kind = "throughout" if most_s >= _THROUGHOUT * total_s else "mostly"
        return _filled(kind, first=first)
    place, first, second = change
    length_s = segments[place].start_s - segments[0].start_s
    return _filled("change", first, second, length_s, max(part.end_s for part in segments))


def _change(
    segments: Sequence[Segment], speech_s: Sequence[float], least_s: float
) -> tuple[int, str, str] | None:
    """Where two emotions, one before and one after, explain most of the speech.

    Returns:
        Place of the first segment after the change, and the emotion on each side; None where
        less than ``least_s`` of the speech has them.
    """
    before: Counter[str] = Counter()
    after = _times(segments, speech_s)
    best = None
    for place in range(1, len(segments)):
        moved, time_s = _emotion(segments[place - 1]), speech_s[place - 1]
        before[moved] += time_s  # type: ignore[assignment]
        after[moved] -= time_s  # type: ignore[assignment]
        (first, first_s), (second, second_s) = before.most_common(1)[0], after.most_common(1)[0]
        pure = first_s >= _PURE * before.total() and second_s >= _PURE * after.total()
        if first != second and pure and first_s + second_s > least_s:
            best, least_s = (place, first, second), first_s + second_s
    return best


def _filled(
    kind: str, first: str, second: str = "neutral", length_s: float = 0.0, end_s: float = 0.0
) -> Pair:
    minutes, seconds = divmod(round(length_s), 60)
    (first_zh, first_en), (second_zh, second_en) = _names(first), _names(second)
    values = {
        "first_zh": first_zh,
        "first_en": first_en,
        "second_zh": second_zh,
        "second_en": second_en,
        "length_zh": f"{minutes} 分 {seconds} 秒" if minutes else f"{seconds} 秒",
        "length_en": f"{minutes} min {seconds} s" if minutes else f"{seconds} s",
        "end": clock(end_s),
    }
    zh, en = _SENTENCES[kind]
    return zh.format(**values), en.format(**values)
