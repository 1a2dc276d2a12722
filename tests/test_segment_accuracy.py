"""How segments are measured: what is an edge, which borders are near, whose a segment is."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.core.labels import LABELS
from emotion.core.results import AudioInfo, ModelInfo, Result, Segment, Timing
from emotion.recognition.recognizer import Recognition
from tests.mini_clips import RATE_HZ, tone
from tools import segment_accuracy as accuracy
from tools.mini.data import Clip
from tools.segment_accuracy import Placed

ANGRY, SAD = LABELS.index("angry"), LABELS.index("sad")


def quiet(seconds: float) -> NDArray[np.int16]:
    """50 dB below the tone: a room, not speech."""
    return tone(200, seconds, 25.0)


def clip(name: str, label: int = ANGRY, corpus: str = "aa") -> Clip:
    return Clip(Path(name), label, "a", corpus)


def placed(name: str, start_s: float, stop_s: float, label: int = ANGRY) -> Placed:
    edges = (start_s + 0.2, stop_s - 0.2)
    return Placed(clip(name, label), start_s, stop_s, edges, edges)


# -- where speech is ----------------------------------------------------------------------------


def test_speech_is_within_40_db_of_the_loudest() -> None:
    soft = tone(200, 0.3, 160.0)  # 34 dB below
    audio = np.concatenate([quiet(0.4), soft, tone(200, 1.0), quiet(0.3)])
    assert accuracy.speech_stretches(audio) == [pytest.approx((0.4, 1.7))]


@pytest.mark.parametrize(("pause_s", "count"), [(0.48, 1), (0.5, 2), (0.9, 2)])
def test_a_pause_counts_from_half_a_second(pause_s: float, count: int) -> None:
    audio = np.concatenate([tone(200, 1.0), quiet(pause_s), tone(200, 1.0)])
    found = accuracy.speech_stretches(audio)
    assert len(found) == count
    assert (found[0][0], found[-1][1]) == pytest.approx((0, 2 + pause_s))
    if count == 2:
        assert (found[0][1], found[1][0]) == pytest.approx((1, 1 + pause_s))


def test_rumble_is_sound_but_not_above_80_hz() -> None:
    rumble = tone(30, 3.0, 800.0)  # 20 dB below the voice
    audio = rumble + np.concatenate([quiet(1.0), tone(200, 1.0), quiet(1.0)])
    found = Placed.at(clip("a"), audio, 10.0)
    assert (found.start_s, found.stop_s) == (10, 13)
    assert found.edges_s == pytest.approx((10, 13))
    assert found.edges_above_rumble_s == pytest.approx((11, 12), abs=0.05)


# -- the recording ------------------------------------------------------------------------------


def made(path: Path) -> NDArray[np.int16]:
    """A clip for a name: its number of tenths of a second of tone, in silence of 0.3 s."""
    return np.concatenate([quiet(0.3), tone(200, int(path.name) / 10), quiet(0.3)])


def drawn() -> list[Clip]:
    return [clip(str(8 + i), corpus=corpus) for corpus in ("aa", "bb") for i in range(20)]


def test_a_recording_is_clips_with_pauses_and_knows_their_edges() -> None:
    samples, parts = accuracy.build(drawn(), 60.0, 3, made)
    assert samples.dtype == np.float32
    before = [part.stop_s for part in parts]
    pauses_s = [p.start_s - stop_s for p, stop_s in zip(parts, [0.0, *before], strict=False)]
    assert all(0.6 <= pause_s <= 3 for pause_s in pauses_s) and len(set(pauses_s)) > 10
    assert before[-1] >= 60 > before[-2]
    assert samples.size / RATE_HZ == pytest.approx(before[-1] + 0.6)
    for part in parts:
        expected = part.start_s + 0.3, part.stop_s - 0.3
        assert part.edges_s == pytest.approx(expected, abs=0.03)
        speech = samples[int(expected[0] * RATE_HZ) : int(expected[1] * RATE_HZ)]
        assert 20 * np.log10(np.sqrt(np.square(speech).mean())) == pytest.approx(-26, abs=0.3)
    pause = samples[: int(parts[0].start_s * RATE_HZ)]
    assert 20 * np.log10(np.sqrt(np.square(pause).mean())) == pytest.approx(-65, abs=3)


def test_the_seed_decides() -> None:
    one, again, other = (accuracy.build(drawn(), 10.0, seed, made) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[0], again[0])
    assert one[1] == again[1] and one[1] != other[1]


def test_a_recording_ends_where_a_corpus_does() -> None:
    samples, parts = accuracy.build(drawn(), 1e6, 0, made)
    counts = [sum(part.clip.corpus == corpus for part in parts) for corpus in ("aa", "bb")]
    assert max(counts) == 20 and min(counts) >= 10
    assert samples.size / RATE_HZ == pytest.approx(parts[-1].stop_s + 0.6)


def test_only_speech_has_the_level() -> None:
    """Silence around a clip does not make its speech louder."""
    audio = tone(200, 1.0)
    alone = accuracy.at_level(audio)
    padded = accuracy.at_level(np.concatenate([quiet(2.0), audio, quiet(2.0)]))
    np.testing.assert_allclose(padded[32_000:48_000], alone, atol=1e-4)
    assert accuracy.at_level(audio // 50).max() == pytest.approx(alone.max(), rel=0.02)


def test_corpora_are_drawn_alike_until_one_is_empty() -> None:
    clips = [clip(f"a{i}") for i in range(300)] + [clip(f"b{i}", corpus="bb") for i in range(100)]
    found = list(accuracy.draw(clips, random.Random(0)))
    small = sum(each.corpus == "bb" for each in found)
    assert small == 100 and 160 < len(found) < 240
    assert len({each.path for each in found}) == len(found)


def test_noise_falls_by_3_db_an_octave_and_fits_itself() -> None:
    noise = accuracy.pink_noise(0)
    power = np.square(np.abs(np.fft.rfft(noise)))
    octaves = [power[30 * hz : 60 * hz].sum() for hz in (100, 400, 1600)]  # 30 s: 30 bins a Hz
    assert octaves == pytest.approx([octaves[0]] * 3, rel=0.1)
    assert abs(noise[0] - noise[-1]) < 6 * np.abs(np.diff(noise)).mean()


# -- figures ------------------------------------------------------------------------------------


def test_the_border_of_segments_that_touch_is_apart() -> None:
    segments = [(1.0, 4.0), (4.0, 8.0), (9.0, 10.0)]
    assert accuracy.borders(segments) == ([1.0, 8.0, 9.0, 10.0], [4.0])
    assert accuracy.borders([]) == ([], [])


def test_near_is_within_300_ms() -> None:
    assert accuracy.near([0.7, 1.31, 1.3, 5.2], [1.0, 5.0]).tolist() == [True, False, True, True]
    assert accuracy.near([1.0], []).tolist() == [False]
    assert accuracy.near([], [1.0]).tolist() == []


@pytest.mark.parametrize("seed", range(10))
def test_near_is_what_comparing_all_with_all_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times, edges = rng.uniform(0, 100, 300), rng.uniform(0, 100, int(rng.integers(1, 60)))
    expected = np.abs(times[:, None] - edges).min(1) <= 0.3
    np.testing.assert_array_equal(accuracy.near(times.tolist(), edges.tolist()), expected)


def test_a_segment_belongs_to_the_clip_that_it_overlaps_most() -> None:
    parts = [placed("a", 1, 4), placed("b", 5, 7)]
    assert accuracy.owners([(0, 2), (3.5, 6), (4.2, 4.8)], parts) == [0, 1, None]


def result(*segments: tuple[float, float, str]) -> Result:
    model = ModelInfo("fake", "Fake", "cpu", "fp32")
    return Result(
        emotion="sad",
        confidence=1.0,
        scores={"sad": 1.0},
        granularity="segment",
        timestamp="",
        secondary={},
        audio=AudioInfo("a.wav", 20.0, RATE_HZ, 1, "pcm_s16le", "wav", 1),
        model=model,
        timing=Timing(0, 0, 0, 0),
        segments=tuple(Segment(a, b, label, 1.0, {label: 1.0}) for a, b, label in segments),
    )


def test_figures_by_hand() -> None:
    parts = [placed("a", 1, 4), placed("b", 6, 9, SAD), placed("c", 12, 15), placed("d", 17, 19)]
    found = accuracy.figures(
        result((1.2, 2.5, "angry"), (2.5, 3.8, "sad"), (6.7, 8.9, "sad"), (12.4, 14.8, "angry")),
        parts,
        {Path("a"): "angry", Path("b"): "happy", Path("c"): "angry", Path("d"): "angry"},
    )
    assert found["clips"] == 4 and found["clips_without_segment"] == 1
    assert found["segments"] == 4 and found["segments_without_clip"] == 0
    assert found["borders"] == 6 and found["split_borders"] == 1
    assert found["clips_right_alone"] == 0.75  # not the sad one: its segment does not count
    assert found["segments_of_right_clips"] == 3 and found["segments_agree"] == 0.6667
    borders = found["all_sound"]
    assert borders["borders_near"] == round(5 / 6, 4)  # 6.7 is half a second after its edge
    assert borders["split_borders_near"] == 0.0
    assert borders["edges"] == 8 and borders["edges_with_border"] == 5 / 8
    assert borders["anywhere_near"] == pytest.approx(8 * 0.6 / 20, abs=0.01)
    assert found["above_80_hz"] == borders


def test_without_segments_there_is_nothing_to_share() -> None:
    found = accuracy.figures(result(), [placed("a", 1, 4)], {Path("a"): "sad"})
    assert found["clips_without_segment"] == 1 and found["segments_agree"] is None
    assert found["all_sound"]["borders_near"] is None
    assert found["all_sound"]["edges_with_border"] == 0.0


def test_the_command_line_is_run_in_its_own_process(tiny_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, tone(200, 2.0), RATE_HZ)
    done = accuracy.run_command(tiny_checkpoint, path, tmp_path / "outputs")
    assert done.result.granularity == "segment" and done.result.audio.file == "talk.wav"
    assert done.peak_bytes > 50e6
    (folder,) = (tmp_path / "outputs").glob("outputs_*")
    assert (
        json.loads((folder / "result.json").read_text(encoding="utf-8"))["audio"]
        == (done.result.to_dict()["audio"])
    )


def test_memory_is_above_30_s_and_speed_is_without_loading(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Alone:
        """Recognises every clip as angry."""

        @classmethod
        def load(cls, model: str) -> Alone:
            return cls()

        def recognize(self, path: Path) -> Recognition:
            heard.append(path)
            found = dataclasses.replace(result(), emotion="angry")
            return Recognition(found, np.zeros(0, np.float32))

    def run(model: Path, recording: Path, folder: Path) -> accuracy.Measured:
        seconds = soundfile.info(recording).duration
        timing = Timing(decode_s=1.0, inference_s=2.0, total_s=seconds / 50)
        found = dataclasses.replace(result((1.2, 3.8, "sad")), timing=timing)
        lengths_s.append(seconds)
        return accuracy.Measured(found, int(300e6 + seconds * 1e6))

    lengths_s: list[float] = []
    heard: list[Path] = []
    monkeypatch.setattr(accuracy, "run_command", run)
    monkeypatch.setattr(accuracy, "Recognizer", Alone)
    samples = np.zeros(90 * RATE_HZ, np.float32)
    found = accuracy.measure(tmp_path, samples, [placed("a", 1, 4)], tmp_path)
    assert lengths_s == [90, 30] and heard == [Path("a")]
    assert (found["peak_mb"], found["peak_mb_above_30_s"]) == (390, 60)
    assert found["times_real_time"] == 50
    assert found["clips_right_alone"] == 1 and found["segments_agree"] == 0


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)gone\.wav failed: .*cannot be opened"):
        accuracy.run_command(accuracy.PROJECT_DIR / "models/emotion2vec_mini",
                             tmp_path / "gone.wav", tmp_path)  # fmt: skip


def test_a_minute_from_end_to_end(
    speech: Path, mini_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--manifest", str(speech / "manifest.csv"), "--model", str(mini_checkpoint)]
    kept = tmp_path / "kept.wav"
    assert accuracy.main([*options, "--minutes", "1", "--seed", "4", "--keep", str(kept)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["minutes"] == pytest.approx(soundfile.info(kept).duration / 60, abs=0.01)
    assert 1 <= found["minutes"] < 1.2
    assert found["clips"] > 5 and found["segments"] > 5
    assert found["all_sound"]["borders_near"] > 0.6 > found["all_sound"]["anywhere_near"]
    assert found["segments_agree"] > 0.5
    assert found["times_real_time"] > 0 and found["peak_mb"] > found["peak_mb_above_30_s"]
