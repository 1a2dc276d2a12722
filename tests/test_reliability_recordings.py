from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from emotion.audio import decode
from emotion.core.config import AudioConfig
from tools.reliability.recordings import FORMATS, Recordings, choose, wav


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings(choose(None, 1, 0))


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_format_is_a_recording_that_is_readable(
    form: str, recordings: Recordings, tmp_path: Path
) -> None:
    if form == "gsm" and shutil.which("ffmpeg") is None:
        pytest.skip("the bundled FFmpeg writes no GSM; with the system's this is tested")
    found = recordings.get(0, form)
    assert found is not None and found.suffix == f".{form.partition('-')[0]}"
    path = tmp_path / found.name
    path.write_bytes(found.data)
    assert 2.5 < decode(path, AudioConfig()).duration_s < 6.5
    assert recordings.get(0, form) is found  # made once


def test_files_do_not_differ_from_time_to_time(recordings: Recordings) -> None:
    again = Recordings(recordings.clips)
    for form in ("wav", "m4a", "opus", "mkv-two-tracks", "silk"):
        assert recordings.get(0, form) == again.get(0, form)


def test_a_format_that_nothing_writes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "wav-odd", ("-c:a", "no_such_encoder"))
    recordings = Recordings(choose(None, 1, 0), ("wav-odd", "wav"))
    assert recordings.get(0, "wav-odd") is None
    for number in range(5):
        assert recordings.pick(random.Random(number)).name == "speech-0.wav"
    assert recordings.missing == {"wav-odd"}


def test_clips_by_manifest_by_folder_and_by_default(tmp_path: Path) -> None:
    for name in ("a.wav", "b.mp3", "c.txt"):
        (tmp_path / name).touch()
    assert {path.name for path in choose(tmp_path, 9, 0)} == {"a.wav", "b.mp3"}
    (tmp_path / "manifest.csv").write_text("path,label\na.wav,happy\nx/d.wav,sad\n", "utf-8")
    assert set(choose(tmp_path, 9, 0)) == {tmp_path / "a.wav", tmp_path / "x" / "d.wav"}
    assert choose(None, 3, 5) == choose(None, 3, 5) != choose(None, 3, 6)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SystemExit, match="no recordings"):
        choose(empty, 1, 0)


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio", "utf-8")
    with pytest.raises(SystemExit, match=r"does not read .*a\.wav"):
        wav(tmp_path / "a.wav")
