"""FunASR's network behind the native engine's interface: the same answers, the same safety."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from emotion.core.config import EngineConfig
from emotion.core.errors import CancelledError, CheckpointError, DeviceError
from emotion.inference.engine import Engine
from emotion.inference.engine_base import FrameOutput
from emotion.inference.funasr_engine import FunasrEngine
from emotion.recognition.opening import load_engine
from tests.conftest import MINI, tone
from tools.make_checkpoint import write_checkpoint


@pytest.fixture(scope="module")
def engines(tiny_checkpoint: Path) -> dict[str, tuple[Engine, FunasrEngine]]:
    """The native engine and FunASR's, by checkpoint."""
    return {
        folder.name: (
            Engine.load(folder, device="cpu", precision="fp32"),
            FunasrEngine.load(folder, device="cpu"),
        )
        for folder in (tiny_checkpoint, MINI)
    }


@pytest.fixture
def pre_ln(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A variant that the native network refuses: LayerNorm before the positional convolutions."""
    folder = tmp_path / "pre_ln"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    edit_config(folder, conv_pos_pre_ln=True)
    data = torch.load(folder / "model.pt", weights_only=True)
    encoder = "d2v_model.modality_encoders.AUDIO.relative_positional_encoder."
    state = {
        name.replace(encoder, encoder + "1.") if name.startswith(encoder) else name: tensor
        for name, tensor in data["model"].items()
    }
    state[encoder + "0.weight"] = torch.linspace(0.5, 1.5, 32)
    state[encoder + "0.bias"] = torch.linspace(-0.2, 0.2, 32)
    torch.save(data | {"model": state}, folder / "model.pt")
    return folder


def edit_config(folder: Path, **audio: object) -> None:
    path = folder / "config.yaml"
    data = yaml.safe_load(path.read_text())
    data["model_conf"]["modalities"]["audio"].update(audio)
    path.write_text(yaml.safe_dump(data))


def assert_same(found: FrameOutput, expected: FrameOutput) -> None:
    scale = np.abs(expected.features).max()
    np.testing.assert_allclose(found.features, expected.features, atol=1e-4 * scale)
    a, b = (np.exp(o.logits.mean(0)) / np.exp(o.logits.mean(0)).sum() for o in (found, expected))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.7])
def test_both_engines_agree(
    engines: dict[str, tuple[Engine, FunasrEngine]], seconds: float
) -> None:
    for native, funasr in engines.values():
        assert funasr.minimum_samples == native.minimum_samples
        assert_same(funasr.infer(tone(seconds)), native.infer(tone(seconds)))


def test_the_shortest_input(engines: dict[str, tuple[Engine, FunasrEngine]]) -> None:
    for native, funasr in engines.values():
        shortest = tone(1.0)[: native.minimum_samples]
        assert_same(funasr.infer(shortest), native.infer(shortest))


@pytest.mark.slow
def test_both_engines_agree_on_large(tmp_path: Path) -> None:
    folder = write_checkpoint("large", tmp_path / "large")
    native = Engine.load(folder, device="cpu", precision="fp32")
    funasr = FunasrEngine.load(folder, device="cpu")
    for path in folder.iterdir():  # pytest keeps the folders of three runs: gigabytes
        path.unlink()
    for seconds in (1.0, 10.0):
        assert_same(funasr.infer(tone(seconds)), native.infer(tone(seconds)))


def test_batches_and_cancellation(
    engines: dict[str, tuple[Engine, FunasrEngine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, funasr = engines[MINI.name]
    clips = [tone(seconds, i) for i, seconds in enumerate((0.5, 2.0, 1.1))]
    together = dict(funasr.infer_many(clips))
    for i, clip in enumerate(clips):
        np.testing.assert_array_equal(together[i].logits, funasr.infer(clip).logits)
    gate, entered = threading.Event(), threading.Event()
    infer = funasr._infer_clip

    def held(samples: torch.Tensor) -> FrameOutput:
        entered.set()
        assert gate.wait(20)
        return infer(samples)

    monkeypatch.setattr(funasr, "_infer_clip", held)
    running = threading.Thread(target=funasr.infer, args=(clips[0],))
    running.start()
    assert entered.wait(20)
    with pytest.raises(CancelledError):
        funasr.infer(clips[1], lambda: True)
    gate.set()
    running.join(20)


def test_it_answers_where_the_native_engine_refuses(pre_ln: Path) -> None:
    with pytest.raises(CheckpointError, match="conv_pos_pre_ln"):
        load_engine(pre_ln, EngineConfig(engine="native", device="cpu"))
    engine, refusal = load_engine(pre_ln, EngineConfig(device="cpu"))
    assert engine.name == "funasr" and refusal is not None
    assert "conv_pos_pre_ln is True" in str(refusal)
    assert str(pre_ln) not in str(refusal)
    assert engine.infer(tone(1.0)).logits.shape == (49, 9)


def test_it_is_not_asked_where_the_native_engine_answers(tiny_checkpoint: Path) -> None:
    engine, refusal = load_engine(tiny_checkpoint, EngineConfig(device="cpu"))
    assert engine.name == "native" and refusal is None
    engine, refusal = load_engine(tiny_checkpoint, EngineConfig(engine="funasr", device="cpu"))
    assert engine.name == "funasr" and refusal is None


class MakesFolder:
    """Unpickling it freely would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.folder),))


@pytest.mark.parametrize("engine", ["auto", "funasr"])
def test_it_is_never_given_what_is_not_safe(
    pre_ln: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*args: object) -> None:
        raise AssertionError("FunASR was given an unsafe checkpoint")

    monkeypatch.setattr("emotion.inference.funasr_engine._build", build)
    config = EngineConfig(engine=engine, device="cpu")  # type: ignore[arg-type]
    marker = pre_ln / "marker"
    edit_config(pre_ln, feature_encoder_spec=f"[__import__('os').mkdir({str(marker)!r})]")
    refused_first = "conv_pos_pre_ln" if engine == "auto" else None  # the native engine's reason
    with pytest.raises(CheckpointError, match=refused_first or "feature_encoder_spec"):
        load_engine(pre_ln, config)
    edit_config(pre_ln, feature_encoder_spec="[(16,10,5)]+[(16,3,2)]*4+[(16,2,2)]*2")
    data = {"model": {"proj.bias": MakesFolder(marker)}}
    (pre_ln / "model.pt").write_bytes(pickle.dumps(data, protocol=2))
    with pytest.raises(CheckpointError, match=refused_first or "damaged"):
        load_engine(pre_ln, config)
    assert not marker.exists()


def test_a_missing_tensor_is_an_error_although_funasr_goes_on(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    data = torch.load(folder / "model.pt", weights_only=True)
    del data["model"]["proj.weight"]
    data["model"]["proj.bias"] = torch.full((9,), torch.nan)
    torch.save(data, folder / "model.pt")
    with pytest.raises(CheckpointError, match=r"missing proj\.weight"):
        FunasrEngine.load(folder, device="cpu")
    data["model"]["proj.weight"] = torch.zeros(9, 32)
    torch.save(data, folder / "model.pt")
    with pytest.raises(CheckpointError, match=r"not finite in fp32: proj\.bias"):
        FunasrEngine.load(folder, device="cpu")


def test_options_that_funasr_refuses_too(pre_ln: Path) -> None:
    edit_config(pre_ln, conv_pos_groups=5)  # does not divide the width
    with pytest.raises(CheckpointError, match="FunASR refuses"):
        FunasrEngine.load(pre_ln, device="cpu")
    with pytest.raises(CheckpointError, match="conv_pos_pre_ln"):  # the native engine's reason
        load_engine(pre_ln, EngineConfig(device="cpu"))


def test_half_precision_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(DeviceError, match="FunASR computes in fp32"):
        FunasrEngine.load(tiny_checkpoint, device="cpu", precision="bf16")


COMMAND_LINE = """
import logging, sys, torch
before = torch.get_num_threads(), logging.root.level, len(logging.root.handlers)
from emotion.cli import main
code = main(["recognize", *sys.argv[1:]])
assert "funasr" in sys.modules
assert torch.get_num_threads() == before[0], torch.get_num_threads()
sys.exit(code)
"""


def test_the_command_line_announces_it(pre_ln: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, tone(1.5), 16_000)
    command = [sys.executable, "-c", COMMAND_LINE, str(clip), "--json", "--model", str(pre_ln)]
    command += ["--device", "cpu", "--output-dir", str(tmp_path / "outputs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stderr and "FunASR answers, because the native" in done.stderr
    model = json.loads(done.stdout)["model"]
    assert model["engine"] == "funasr"
    assert "conv_pos_pre_ln" in model["fallback_reason"]
