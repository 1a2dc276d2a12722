"""Silero VAD: what is speech and what is not, whatever the length."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.audio import SampleBuffer, decode
from emotion.audio.segmentation import speech_segments
from emotion.audio.vad import SileroDetector, audible_start, contains_speech, speech_probabilities
from emotion.core.config import AudioConfig
from emotion.core.paths import PROJECT_DIR
from tests.spoken import choose, read, share_near, spoken

BAD_INPUTS = PROJECT_DIR.parent / "shared" / "bad_inputs"
EXAMPLES = sorted((PROJECT_DIR / "examples").glob("*.ogg"))
SECONDS = 10
T = np.arange(SECONDS * 16_000) / 16_000
Sound = Callable[[], NDArray[np.floating]]


@pytest.fixture(scope="module")
def detector() -> SileroDetector:
    return SileroDetector()


def noise(exponent: float, level: float = 0.1) -> NDArray[np.floating]:
    """Noise whose power follows that power of the frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(T.size))
    frequencies = np.fft.rfftfreq(T.size)
    spectrum[1:] *= frequencies[1:] ** (exponent / 2)
    spectrum[0] = 0
    sound = np.fft.irfft(spectrum, T.size)
    return level * sound / sound.std()


def tones(*frequencies_hz: float, on_s: float = SECONDS, every_s: float = SECONDS) -> Sound:
    sound = sum(0.2 * np.sin(2 * np.pi * f * T) for f in frequencies_hz)
    return lambda: sound * (T % every_s < on_s)


def music(harmonics: int, note_s: float) -> Sound:
    """Chords of a synthesiser that fade."""

    def play() -> NDArray[np.floating]:
        rng = np.random.default_rng(harmonics)
        chords = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16))
        t = np.arange(round(note_s * 16_000)) / 16_000
        shape = np.minimum(1, t / 0.01) * np.exp(-2 * t) * np.minimum(1, (note_s - t) / 0.02)
        notes = []
        for _ in range(T.size // t.size):
            roots = 220 * 2 ** (np.array(chords[rng.integers(4)]) / 12)
            partials = [
                np.sin(2 * np.pi * f * k * t) / k for f in roots for k in range(1, harmonics + 1)
            ]
            notes.append(shape * sum(partials))
        sound = np.concatenate(notes)
        return 0.3 * sound / np.abs(sound).max()

    return play


NO_SPEECH: dict[str, Sound] = {
    "noise floor": lambda: noise(0, 1e-3),
    "white noise": lambda: noise(0),
    "pink noise": lambda: noise(-1),
    "brown noise": lambda: noise(-2),
    "violet noise": lambda: noise(2),
    "loud noise": lambda: noise(0, 0.5),
    "low tone": tones(150),
    "tone": tones(440),
    "high tone": tones(3000),
    "ringing, Europe": tones(425, on_s=1, every_s=5),
    "ringing, America": tones(440, 480, on_s=2, every_s=6),
    "dialling": tones(697, 1209, on_s=0.2, every_s=0.4),
    "hum": tones(50, 100, 150, 200, 250),
    "direct current": lambda: np.full(T.size, 0.25),
    "pure chords": music(1, 0.5),
    "fast chords": music(4, 0.25),
    "rich chords": music(10, 0.5),
    "slow chords": music(6, 2.0),
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_what_is_no_speech(detector: SileroDetector, name: str) -> None:
    sound = NO_SPEECH[name]().astype(np.float32)
    assert np.abs(sound).max() > 1e-3
    assert not contains_speech(detector, SampleBuffer.of(sound))


def test_a_dead_microphone(detector: SileroDetector) -> None:
    path = BAD_INPUTS / "21_dc_only.wav"
    if not path.is_file():
        pytest.skip("no folder of bad inputs beside the project")
    assert not contains_speech(detector, decode(path, AudioConfig()).buffer)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_speech(detector: SileroDetector, path: Path) -> None:
    assert contains_speech(detector, decode(path, AudioConfig()).buffer)


def silent(detector: SileroDetector, folder: Path, count: int) -> list[Path]:
    """The clips in which no speech is found."""
    paths = [path for path, _ in choose(folder, count)]
    assert len({path.relative_to(folder).parts[0] for path in paths}) >= 3, "all corpora"
    return [path for path in paths if not contains_speech(detector, SampleBuffer.of(read(path)))]


def test_real_speech(detector: SileroDetector, speech: Path) -> None:
    assert silent(detector, speech, 100) == []


@pytest.mark.slow
def test_more_real_speech(detector: SileroDetector, speech: Path) -> None:
    assert silent(detector, speech, 400) == []


def test_blocks_are_as_one(detector: SileroDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.concatenate([decode(path, AudioConfig()).samples for path in EXAMPLES[:2]])
    buffer = SampleBuffer.of(clip[:-100])
    whole = speech_probabilities(detector, buffer)
    assert whole.shape == (-(-(clip.size - 100) // 512),) and whole.dtype == np.float32
    monkeypatch.setattr("emotion.audio.vad._BLOCK_FRAMES", 7)
    np.testing.assert_allclose(speech_probabilities(detector, buffer), whole, atol=1e-5)


def test_it_stops_at_the_first_speech() -> None:
    class Endless:
        def __init__(self, *blocks: float) -> None:
            self.left = [np.full(20, value, np.float32) for value in blocks]

        def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
            while self.left:
                yield self.left.pop(0)

    nothing = SampleBuffer()
    early = Endless(0, 0.9, 0, 0)
    assert contains_speech(early, nothing) and len(early.left) == 2
    assert not contains_speech(Endless(0, 0, 0), nothing)
    assert speech_probabilities(Endless(), nothing).size == 0


def test_a_voice_too_high_is_found_on_the_second_look() -> None:
    sounds: list[int] = []

    class Low:
        """Hears the second half of what is slow, and nothing in what is not."""

        def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
            sounds.append(samples.size - start)
            found = np.zeros(-(-sounds[-1] // 512), np.float32)
            if len(sounds) % 2 == 0:
                found[found.size // 2 :] = 0.9
            yield found

    ramp = np.linspace(0.1, 0.5, 600_000, dtype=np.float32)
    found = speech_probabilities(Low(), SampleBuffer.of(ramp))
    assert sounds == [600_000, 900_000]  # at two thirds of the speed
    assert found.size == -(-600_000 // 512)
    assert (found > 0.5).argmax() == pytest.approx(found.size / 2, abs=2)
    assert contains_speech(Low(), SampleBuffer.of(ramp))


def test_only_long_pauses_are_looked_at_again() -> None:
    looks: list[int] = []

    class Low:
        """Hears speech from 1 to 3 s and from 3.6 to 5 s, and in all that is slow."""

        def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
            looks.append(samples.size - start)
            found = np.full(-(-looks[-1] // 512), float(len(looks) > 1), np.float32)
            if len(looks) == 1:
                found[31:94] = found[113:156] = 0.8
            yield found

    ramp = np.linspace(0.1, 0.5, 8 * 16_000 + 7, dtype=np.float32)
    found = speech_probabilities(Low(), SampleBuffer.of(ramp), 7)
    assert looks == [128_000, 31 * 768, (250 - 156) * 768]
    assert found.size == 250 and not found[94:113].any()
    assert (found[:31] == 1).all() and (found[156:] == 1).all()


@pytest.mark.parametrize("name", ["05-02-02-01-14", "05-02-02-01-18"])
def test_calm_speech_hides_no_scream(detector: SileroDetector, speech: Path, name: str) -> None:
    scream = read(speech / "ravdess" / f"rav{name[-2:]}" / f"ravdess_03-01-{name}.ogg")
    calm, pause = decode(EXAMPLES[0], AudioConfig()).samples, np.zeros(24_000, np.float32)
    samples = np.concatenate([calm, pause, 0.1 * scream / scream.std(), pause, calm])
    samples += 6e-4 * np.random.default_rng(0).standard_normal(samples.size)  # a quiet room
    begins, ends = calm.size + pause.size, samples.size - calm.size - pause.size

    def heard_s(probabilities: NDArray[np.float32]) -> float:
        found = speech_segments(probabilities, samples.size, min_s=1, max_s=15, pad_s=0.1)
        return max(min(part.stop, ends) - max(part.start, begins) for part in found) / 16_000

    buffer = SampleBuffer.of(samples.astype(np.float32))
    assert heard_s(np.concatenate(list(detector.blocks(buffer)))) < 0
    assert heard_s(speech_probabilities(detector, buffer)) > 1


def test_silence_before_the_sound_moves_no_frame(detector: SileroDetector) -> None:
    clip = decode(EXAMPLES[0], AudioConfig()).samples
    floor = 5e-4 * np.random.default_rng(0).uniform(-1, 1, 160_123).astype(np.float32)
    plain, late = SampleBuffer.of(clip), SampleBuffer.of(np.concatenate([floor, clip]))
    starts = audible_start(plain), audible_start(late)
    assert starts[1] - starts[0] == floor.size
    found = [
        speech_probabilities(detector, *each) for each in zip((plain, late), starts, strict=True)
    ]
    np.testing.assert_array_equal(*found)
    assert audible_start(SampleBuffer.of(floor)) == floor.size


def test_speech_across_two_blocks_is_found() -> None:
    class Two:
        def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
            yield np.repeat([0, 0.9], [20, 5]).astype(np.float32)
            yield np.repeat([0.9, 0], [5, 20]).astype(np.float32)

    assert contains_speech(Two(), SampleBuffer())


def test_borders_are_where_speech_begins_and_ends(detector: SileroDetector, speech: Path) -> None:
    made = spoken(speech, 360)
    probabilities = speech_probabilities(detector, SampleBuffer.of(made.samples))
    size = made.samples.size
    found = speech_segments(probabilities, size, min_s=1, max_s=15, pad_s=0.1)
    borders_s = np.array([x for part in found for x in (part.start, part.stop)]) / 16_000
    assert len(found) >= 0.9 * len(made.clips)
    assert share_near(borders_s, made.edges_s) >= 0.95
    anywhere_s = np.random.default_rng(0).uniform(0, size / 16_000, 1000)
    assert share_near(anywhere_s, made.edges_s) < 0.4  # so the share above says something


def test_torch_is_neither_loaded_nor_slowed() -> None:
    code = (
        "import sys, numpy as np\n"
        "from emotion.audio import SampleBuffer\n"
        "from emotion.audio.vad import SileroDetector, speech_probabilities as find\n"
        "find(SileroDetector(), SampleBuffer.of(np.zeros(16000, np.float32)))\n"
        "print('torch' in sys.modules, 'silero_vad' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    assert done.stdout.split() == ["False", "False", "True"]


def test_nothing_is_reported_to_the_maker_of_onnxruntime(tmp_path: Path) -> None:
    code = "from emotion.audio.vad import _load; _load()"
    unwanted = ("CI", "ORT_", "GITHUB", "XDG_")  # some of these would switch reports off too
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT_DIR, env=env)
    assert list(tmp_path.iterdir()) == []  # else a device id, a database and a session file


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="silero_vad"):
        list(SileroDetector().blocks(SampleBuffer.of(np.zeros(512, np.float32))))
