"""Recordings that people really bring, from file to result, with every FFmpeg that is here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.audio import decode
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import AudioEncryptedError
from emotion.core.paths import PROJECT_DIR
from emotion.inference.engine import Engine
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.recognizer import Recognition, Recognizer

FOLDER = PROJECT_DIR.parent / "shared" / "bad_inputs"

# File, seconds, channels, track, codes of the warnings.
TABLE = [
    ("01_unfinalised_list.wav", 4.54, 1, 1, []),
    ("03_header_says_1s_of_4.5s.wav", 4.54, 1, 1, ["header_mismatch"]),
    ("05_truncated_half.wav", 2.27, 1, 1, ["truncated_audio"]),
    ("06_truncated_with_cover.mp3", 2.56, 1, 1, ["truncated_audio"]),
    ("07_phase_inverted.mp3", 4.54, 2, 1, ["channels_cancel"]),
    ("09_ten_channels.wav", 2.0, 10, 1, []),
    ("11_TIMIT_SA1.WAV", 4.54, 1, 1, []),
    ("12_track1_silent_track2_mic.mkv", 4.58, 1, 2, ["track_chosen"]),
    ("13_two_tracks_both_speech.mp4", 3.25, 1, 1, ["several_tracks"]),
    ("15_gap_6s.webm", 10.54, 1, 1, []),
    ("16_audio_starts_at_3s.mkv", 7.54, 1, 1, []),
    ("17_page_refuses.webm", 4.54, 1, 1, []),
    ("18_page_refuses.mp4", 4.54, 1, 1, []),
    ("19_wechat_voice.silk", 3.62, 1, 1, []),
    ("19b_wechat_voice.amr", 3.62, 1, 1, []),
    ("23_quiet_minus40dB.flac", 3.63, 1, 1, ["quiet_audio"]),
    ("25_float_int16_range.wav", 2.25, 1, 1, ["scaled_audio"]),
    ("27_call.g722", 4.54, 1, 1, ["raw_audio"]),
    ("29_call_two_at_once.mp3", 4.54, 2, 1, ["channels_differ"]),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    if not FOLDER.is_dir():
        pytest.skip("no folder of bad inputs beside the project")
    return FOLDER


@pytest.mark.parametrize(
    ("name", "seconds", "channels", "track", "codes"), TABLE, ids=[row[0] for row in TABLE]
)
def test_each_gives_a_recording_that_says_what_is_wrong_with_it(
    folder: Path,
    config: AudioConfig,
    name: str,
    seconds: float,
    channels: int,
    track: int,
    codes: list[str],
) -> None:
    recording = decode(folder / name, config)
    assert recording.duration_s == pytest.approx(seconds, abs=0.04)
    assert recording.info.channels == channels and recording.info.track == track
    assert [warning.code for warning in recording.warnings] == codes
    assert 0.01 < abs(recording.samples).max() <= 1


def test_an_encrypted_file_says_so(folder: Path, config: AudioConfig) -> None:
    with pytest.raises(AudioEncryptedError, match=r"encrypted \(CENC\)"):
        decode(folder / "20_cenc_encrypted.mp4", config)


def _quieter(
    folder: Path, mini: LoadedModel, out: Path, db: int
) -> tuple[Recognition, Recognition]:
    """One clip at its usual level, and ``db`` decibels quieter."""
    recognizer = Recognizer(mini)
    usual = recognizer.recognize(folder / "11_TIMIT_SA1.WAV")
    samples = usual.samples * 10 ** (-db / 20)
    soundfile.write(out / "quiet.flac", samples, SAMPLE_RATE_HZ, subtype="PCM_24")
    return usual, recognizer.recognize(out / "quiet.flac")


def _furthest(usual: Recognition, quiet: Recognition) -> float:
    return max(abs(quiet.result.scores[k] - v) for k, v in usual.result.scores.items())


@pytest.mark.parametrize("quieter_db", [30, 40, 50])
def test_the_level_does_not_change_the_scores(
    folder: Path, mini_checkpoint: Path, tmp_path: Path, quieter_db: int
) -> None:
    mini = LoadedModel(Engine.load(mini_checkpoint, device="cpu"), name="mini", title="Mini")
    usual, quiet = _quieter(folder, mini, tmp_path, quieter_db)
    (warning,) = quiet.result.warnings
    assert warning.code == "quiet_audio"
    assert np.sqrt(np.square(quiet.samples).mean()) == pytest.approx(0.1, rel=0.3)
    assert _furthest(usual, quiet) < 0.02


@pytest.mark.parametrize("quieter_db", [30, 40, 50])
def test_without_that_the_level_would_change_them(
    folder: Path, mini_checkpoint: Path, tmp_path: Path, quieter_db: int
) -> None:
    engine = Engine.load(mini_checkpoint, device="cpu")
    never_amplify = AudioConfig(quiet_dbfs=-200)
    mini = LoadedModel(engine, name="mini", title="Mini", audio=never_amplify)
    assert _furthest(*_quieter(folder, mini, tmp_path, quieter_db)) > 0.02
