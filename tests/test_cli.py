from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from emotion import __version__
from emotion.cli import main
from emotion.core.errors import DownloadError, TorchWithoutCudaError
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import DEFAULT, MODELS
from emotion.inference import gpu_check
from emotion.models import download
from emotion.recognition import hearing, opening
from tests.conftest import tone

Wav = Callable[..., Path]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "DEVICE", "PRECISION", "OFFLINE", "OUTPUTS_DIR", "MODELS_DIR", "FFMPEG"):
        monkeypatch.delenv(f"EMOTION_{name}", raising=False)


@pytest.fixture(autouse=True)
def no_handlers_left() -> Iterator[None]:
    """Takes away the log handler that a command installed: it writes to this test's stream."""
    yield
    root = logging.getLogger()
    for handler in [found for found in root.handlers if type(found) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture
def recognize(tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., int]:
    def run(*arguments: object) -> int:
        options = ["--model", tiny_checkpoint, "--device", "cpu", "--output-dir", tmp_path / "o"]
        return main(["recognize", *map(str, options), *map(str, arguments)])

    return run


def codes(record: dict[str, Any]) -> list[str]:
    """Codes of a record's warnings."""
    return [warning["code"] for warning in record["warnings"]]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_a_line_with_the_content_of_result_json(
    recognize: Callable[..., int], wav: Wav, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [wav(1.0, "a.wav"), wav(2.0, "b.wav")]
    assert recognize("--json", "--embedding", *files) == 0
    first, second = records(capsys.readouterr().out)
    assert (first["file"], second["file"]) == (str(files[0]), str(files[1]))
    folder = Path(first["output_dir"])
    on_disk = json.loads((folder / "result.json").read_text("utf-8"))
    assert {k: v for k, v in first.items() if k not in ("file", "output_dir")} == on_disk
    assert np.load(folder / "embedding.npy").shape == (32,)
    assert folder != Path(second["output_dir"])


def test_one_bad_file_does_not_stop_the_others(
    recognize: Callable[..., int], wav: Wav, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert recognize("--json", empty, tmp_path / "none.wav", wav()) == 1
    captured = capsys.readouterr()
    bad, missing, good = records(captured.out)
    assert bad == {
        "file": str(empty),
        "error": {
            "code": "audio_empty",
            "message": "empty.wav: the file is empty (0 bytes)",
            "hint": "Export or upload the recording again",
        },
    }
    assert missing["error"]["code"] == "audio_not_found"
    assert good["emotion"] in good["scores"]


def test_an_unexpected_failure_does_not_stop_the_others_either(
    recognize: Callable[..., int],
    wav: Wav,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decode = hearing.decode

    def broken(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "bad.wav":
            raise ZeroDivisionError("surprise")
        return decode(path, *arguments, **options)

    monkeypatch.setattr(hearing, "decode", broken)
    assert recognize("--json", wav(1.0, "bad.wav"), wav(1.0, "good.wav")) == 1
    bad, good = records(capsys.readouterr().out)
    assert bad["error"]["message"] == "ZeroDivisionError: surprise" and "emotion" in good


def test_speech_segments(recognize: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    clip = next((PROJECT_DIR / "examples").glob("sad_*.ogg"))
    lengths = ["--segment-min", 0.5, "--segment-max", 1.5, "--segment-pad", 0]
    assert recognize("--json", "--granularity", "segment", *lengths, clip) == 0
    (row,) = records(capsys.readouterr().out)
    assert row["granularity"] == "segment" and row["warnings"] == []
    assert len(row["segments"]) >= 2
    assert all(part["end_s"] - part["start_s"] <= 1.5 for part in row["segments"])
    assert recognize("--granularity", "segment", clip) == 0
    out = capsys.readouterr().out
    assert " s  " in out and "throughout" in out and "全程为" in out


def test_lengths_of_segments_that_cannot_be(
    recognize: Callable[..., int], wav: Wav, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recognize("--segment-max", 1, wav(0.5)) == 2
    assert "segment_max_s is 1.0" in capsys.readouterr().err


def test_the_table_for_people(
    recognize: Callable[..., int], wav: Wav, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recognize("--granularity", "frame", wav(0.5), tmp_path / "none.wav") == 1
    captured = capsys.readouterr()
    assert "愤怒" in captured.out and "Surprised" in captured.out
    assert "! Only 0.50 s of audio" in captured.out
    assert "outputs_" in captured.out
    assert "error: " in captured.err and "No such file" in captured.err


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """Two channels: the second one is silent in the first half."""
    channels = np.stack([tone(4.0, 1), tone(4.0, 2)], 1)
    channels[:32000, 1] = 0
    path = tmp_path / "call.flac"
    soundfile.write(path, channels, 16000)
    return path


def test_channels_apart(
    recognize: Callable[..., int], call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = ["--channels", "split", "--channel-names", "agent, customer"]
    assert recognize("--json", *split, "--export", "srt,eaf", call) == 0
    (row,) = records(capsys.readouterr().out)
    assert row["granularity"] == "segment" and row["audio"]["channels"] == 2
    assert [part["name"] for part in row["channels"]] == ["agent", "customer"]
    assert all(len(part["quarters"]) == 4 for part in row["channels"])
    assert {path.name for path in Path(row["output_dir"]).iterdir()} == {
        "result.json",
        "processed_audio.wav",
        "emotions.srt",
        "emotions.eaf",
    }
    assert recognize(*split, call) == 0
    out = capsys.readouterr().out
    assert "agent: " in out and "overlap: " in out and "× real time" in out
    assert recognize(call) == 0
    assert "--channels split" in capsys.readouterr().out
    assert recognize("--channel", "2", "--json", call) == 0
    assert records(capsys.readouterr().out)[0]["audio"]["channel"] == 2


def test_without_speech_no_emotion_is_named(
    recognize: Callable[..., int], wav: Wav, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recognize(wav(3.0)) == 0  # a buzz, and a real detector
    assert capsys.readouterr().out.splitlines()[1] == "  🔇 没有检测到语音 No speech found"


def test_labels_confidence_and_the_first_seconds(
    recognize: Callable[..., int], wav: Wav, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--labels", "sad,happy", "--min-confidence", "0.99", "--first", "1.5"]
    assert recognize("--json", *options, wav(3.0)) == 0
    (row,) = records(capsys.readouterr().out)
    assert row["labels"] == ["happy", "sad"] and row["uncertain"] is True
    assert {label for label, score in row["scores"].items() if score} == {"happy", "sad"}
    assert row["audio"]["duration_s"] == 1.5 and "first_only" in codes(row)
    spoken = next((PROJECT_DIR / "examples").glob("angry_*.ogg"))
    assert recognize(*options, spoken) == 0
    out = capsys.readouterr().out
    assert "🤷 不确定 Uncertain (" in out and "Angry" not in out


def test_a_track_is_chosen(
    recognize: Callable[..., int],
    wav: Wav,
    convert: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    maps = ["-map", "0", "-map", "1"]
    both = convert(wav(1.0), "both.mkv", "-i", str(wav(2.0)), *maps)
    assert recognize("--json", both) == 0
    (row,) = records(capsys.readouterr().out)
    assert codes(row) == ["several_tracks", "no_speech"]  # the sound is not quite speech
    assert recognize("--json", "--track", 2, both) == 0
    (row,) = records(capsys.readouterr().out)
    assert (row["audio"]["track"], row["audio"]["tracks"]) == (2, 2)
    assert codes(row) == ["no_speech"]
    assert recognize("--track", 3, both) == 1
    assert "there is no audio track 3, the file has 2" in capsys.readouterr().err
    assert recognize("--track", 0, both) == 2
    assert "track is 0, but must be 1 or more" in capsys.readouterr().err


def test_the_ffmpeg_program_can_be_chosen(
    recognize: Callable[..., int],
    wav: Wav,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert recognize("--ffmpeg", imageio_ffmpeg.get_ffmpeg_exe(), wav(1.0, "clip.flac")) == 0
    assert recognize("--ffmpeg", "/no/such/program", wav(1.0, "clip.flac")) == 2
    assert "ffmpeg is '/no/such/program'" in capsys.readouterr().err
    monkeypatch.setenv("EMOTION_FFMPEG", "/none/either")
    assert recognize(wav(1.0, "clip.flac")) == 2
    assert "ffmpeg is '/none/either'" in capsys.readouterr().err


def test_the_fallback_is_announced(
    monkeypatch: pytest.MonkeyPatch,
    tiny_checkpoint: Path,
    wav: Wav,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fetch(name: str, *args: object) -> Path:
        if name == DEFAULT:
            raise DownloadError(name=name, reason="hub unreachable")
        return tiny_checkpoint

    monkeypatch.setattr(download, "fetch", fetch)
    monkeypatch.setattr(opening, "locate", lambda name, folder: None)
    assert main(["recognize", "--output-dir", str(tmp_path / "o"), str(wav())]) == 0
    captured = capsys.readouterr()
    assert "Answered by Emotion2Vec Mini" in captured.out and "hub unreachable" in captured.out
    assert "WARNING" in captured.err


def test_models_lists_every_known_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "--json", "--models-dir", str(tmp_path)]) == 0
    rows = records(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(MODELS)
    assert {row["state"] for row in rows if row["name"] != "emotion2vec_mini"} == {"missing"}
    assert main(["models", "--models-dir", str(tmp_path)]) == 0
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out


def test_models_warns_of_a_card_that_is_not_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    why = TorchWithoutCudaError(card="Card", driver="1.2", torch="2+cpu", command="do this")
    monkeypatch.setattr(gpu_check, "unused_gpu", lambda: why)
    assert main(["models", "--json", "--models-dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert len(records(captured.out)) == len(MODELS)
    assert "WARNING" in captured.err and "Install the build with CUDA: do this" in captured.err
    monkeypatch.setenv("EMOTION_DEVICE", "cpu")
    assert main(["models", "--models-dir", str(tmp_path)]) == 0
    assert "CUDA" not in capsys.readouterr().err


def test_a_missing_device_ends_before_a_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(*args: object) -> Path:
        raise AssertionError("downloaded")

    monkeypatch.setattr(download, "fetch", fetch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpu_check, "find_card", lambda: None)
    options = ["--device", "cuda", "--models-dir", str(tmp_path), "x.wav"]
    assert main(["recognize", *options]) == 3
    assert "--device cuda was asked for, but no CUDA device" in capsys.readouterr().err


def test_download_prints_the_folder_or_says_why_not(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", str(tiny_checkpoint)]) == 0
    assert capsys.readouterr().out.strip() == str(tiny_checkpoint)
    options = ["--offline", "--models-dir", str(tmp_path)]
    assert main(["download", DEFAULT, *options]) == 3
    assert "error: emotion2vec_plus_large is not on this machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["recognize", "--model", "no_such_model", "x.wav"], 3, "neither a known model"),
        (["recognize", "--device", "gpu", "x.wav"], 2, "device is 'gpu'"),
        (["recognize", "--max-duration", "-1", "x.wav"], 2, "max-duration is -1.0"),
        (["recognize", "--labels", "joy", "x.wav"], 2, "labels is 'joy'"),
        (["recognize", "--min-confidence", "2", "x.wav"], 2, "min_confidence is 2.0"),
        (["recognize", "--first", "0", "x.wav"], 2, "first_s is 0.0"),
        (["recognize", "--channel-names", "a", "x.wav"], 2, "channel_names is 'a'"),
        (["recognize", "--max-upload", "nan", "x.wav"], 2, "max-upload is nan"),
        (["serve", "--port", "99999"], 2, "port is 99999"),
        (["serve", "--host", "203.0.113.1"], 2, "anyone who reaches 203.0.113.1:7860 could"),
        (
            ["serve", "--host", "203.0.113.1", "--allow-unprotected"],
            1,
            "cannot listen at 203.0.113.1:7860",
        ),
        (["serve", "--public-url", "example.org"], 2, "public-url is 'example.org'"),
        (["serve", "--api-key-file", "/none"], 2, "/none cannot be used (No such file"),
        (["access", "add-key", "a b", "--file", "/none"], 2, "name is 'a b'"),
        (["access", "list", "--file", "/none"], 2, "/none cannot be used (No such file"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err and "Traceback" not in captured.err


def test_a_taken_port_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--model", "emotion2vec_mini"]) == 1
    expected = f"127.0.0.1:{port} is in use by another program. Choose another port with --port"
    assert expected in capsys.readouterr().err


def test_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == __version__
    with pytest.raises(SystemExit) as caught:
        main(["recognize"])
    assert caught.value.code == 2
