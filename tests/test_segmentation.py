"""Speech probabilities to segments: nothing is lost, nothing overlaps, lengths are as asked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from emotion.audio.segmentation import (
    FRAME_SAMPLES,
    Probabilities,
    SpeechSegment,
    has_speech,
    long_pauses,
    speech_segments,
    speech_spans,
)

FRAME_S = FRAME_SAMPLES / 16_000


def timeline(*parts: tuple[float, float]) -> Probabilities:
    """Probabilities of (seconds, value) after one another."""
    values = [np.zeros(0), *(np.full(round(seconds / FRAME_S), value) for seconds, value in parts)]
    return np.concatenate(values).astype(np.float32)


def segments(
    probabilities: Probabilities, min_s: float = 1.0, max_s: float = 15.0, pad_s: float = 0.1
) -> list[SpeechSegment]:
    samples = len(probabilities) * FRAME_SAMPLES
    return speech_segments(probabilities, samples, min_s=min_s, max_s=max_s, pad_s=pad_s)


def times(found: list[SpeechSegment]) -> list[float]:
    return [round(x / 16_000, 2) for part in found for x in (part.start, part.stop)]


def random_timeline(seed: int) -> Probabilities:
    """Speech and pauses of many lengths, with dips in the speech."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(rng.integers(1, 30)):
        parts.append((float(rng.exponential(0.7)), float(rng.uniform(0, 0.3))))
        parts.append((float(rng.exponential(4)), float(rng.uniform(0.5, 1))))
    values = timeline(*parts, (0.1, 0.0))
    dips = rng.random(values.size) < 0.02
    return np.where(dips, values * 0.5, values).astype(np.float32)


def test_speech_begins_sure_and_ends_unsure() -> None:
    assert speech_spans(timeline((1, 0), (1, 0.9), (0.5, 0.4), (1, 0.3), (1, 0.4))) == [(31, 78)]


def test_a_closure_is_no_pause_and_a_note_is_no_speech() -> None:
    assert len(speech_spans(timeline((1, 0.9), (0.09, 0), (1, 0.9)))) == 1
    assert len(speech_spans(timeline((1, 0.9), (0.2, 0), (1, 0.9)))) == 2
    assert not has_speech(timeline((1, 0), (0.2, 0.9), (1, 0)))
    assert has_speech(timeline((1, 0), (0.3, 0.9), (1, 0)))


def test_speech_is_missed_in_long_pauses_or_anywhere() -> None:
    values = timeline((1.2, 0), (1, 0.9), (0.8, 0), (1, 0.9), (1.5, 0.2), (0.1, 0.9), (2, 0))
    found = [(round(a * FRAME_S, 1), round(b * FRAME_S, 1)) for a, b in long_pauses(values)]
    assert found == [(0.0, 1.2), (4.0, 7.6)]
    assert long_pauses(timeline((0.5, 0.2))) == [(0, 16)]
    assert long_pauses(timeline((0.5, 0.9))) == [] and long_pauses(timeline()) == [(0, 0)]


@pytest.mark.parametrize("values", [[], [0.0], [0.2] * 500])
def test_without_speech_there_are_no_segments(values: list[float]) -> None:
    assert segments(np.array(values, np.float32)) == []


def test_long_pauses_separate_and_short_ones_do_not() -> None:
    found = segments(timeline((1, 0), (2, 0.9), (0.4, 0), (2, 0.9), (0.7, 0), (2, 0.9), (1, 0)))
    assert times(found) == pytest.approx([0.89, 5.5, 5.95, 8.14], abs=0.1)
    assert found[0].speech == pytest.approx(4 * 16_000, abs=2 * FRAME_SAMPLES)
    assert found[1].speech == pytest.approx(2 * 16_000, abs=2 * FRAME_SAMPLES)


def test_short_speech_joins_a_near_neighbour_and_stays_alone_otherwise() -> None:
    near = timeline((2, 0.9), (0.8, 0), (0.4, 0.9), (3, 0), (0.4, 0.9), (2, 0))
    found = segments(near)
    lengths = [(part.stop - part.start) / 16_000 for part in found]
    assert lengths == pytest.approx([3.3, 0.6], abs=0.1)


def test_a_long_stretch_is_split_at_its_deepest_pause() -> None:
    # 20 s: the parts are wanted at 10 s; a shallow pause is nearer to that than the deep one.
    speech = timeline((8, 0.95), (0.2, 0.4), (0.8, 0.95), (0.2, 0.6), (10.8, 0.95))
    first, second = segments(speech)
    assert first.stop == second.start
    assert first.stop / 16_000 == pytest.approx(8.1, abs=0.06)


def test_steady_speech_is_split_into_equal_parts() -> None:
    found = segments(timeline((60, 0.9)), max_s=15)
    lengths = [(part.stop - part.start) / 16_000 for part in found]
    assert len(found) == 5 and max(lengths) - min(lengths) < 0.5


def test_padding_stays_in_the_recording_and_never_overlaps() -> None:
    found = segments(timeline((2, 0.9), (0.6, 0), (2, 0.9)), pad_s=0.5)
    assert (found[0].start, found[1].stop) == (0, len(timeline((2, 1), (0.6, 1), (2, 1))) * 512)
    assert found[0].stop == found[1].start == pytest.approx(2.3 * 16_000, abs=512)


@pytest.mark.parametrize("lengths", [(1.0, 15.0, 0.1), (0.5, 3.0, 0.2), (2.0, 4.0, 0.0)])
@pytest.mark.parametrize("seed", range(40))
def test_all_speech_is_covered_once(seed: int, lengths: tuple[float, float, float]) -> None:
    min_s, max_s, pad_s = lengths
    values = random_timeline(seed)
    found = segments(values, min_s, max_s, pad_s)
    spans = speech_spans(values)
    assert all(a.stop <= b.start for a, b in pairwise(found))
    covered = np.zeros(len(values) * FRAME_SAMPLES, bool)
    for part in found:
        covered[part.start : part.stop] = True
    speech = np.zeros_like(covered)
    for a, b in spans:
        speech[a * FRAME_SAMPLES : b * FRAME_SAMPLES] = True
    assert not (speech & ~covered).any()
    assert [part.speech for part in found] == [speech[p.start : p.stop].sum() for p in found]
    for i, part in enumerate(found):
        length_s = (part.stop - part.start) / 16_000
        assert length_s <= max_s + 1e-6
        if length_s < min_s - FRAME_S:
            before = part.start - found[i - 1].stop if i else 10**9
            after = found[i + 1].start - part.stop if i + 1 < len(found) else 10**9
            assert min(before, after) / 16_000 >= 0.95 - 2 * pad_s, "short and not isolated"


def test_the_last_frame_may_be_partial() -> None:
    values = timeline((2, 0.9))
    samples = len(values) * FRAME_SAMPLES - 100
    (found,) = speech_segments(values, samples, min_s=1, max_s=15, pad_s=0.1)
    assert (found.start, found.stop, found.speech) == (0, samples, samples)


def test_four_hours() -> None:
    values = np.tile(timeline((3, 0.9), (0.7, 0)), 4000)
    assert len(segments(values)) == 4000
