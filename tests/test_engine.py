from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from emotion.core.errors import CancelledError, CheckpointError, ModelError, ModelNotReadyError
from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.inference.device import cpu_has_bf16, place
from emotion.inference.engine import Engine
from emotion.models.checkpoint import load_checkpoint
from emotion.models.layers import Block
from tests.conftest import tone


@pytest.fixture(scope="module")
def engine(tiny_checkpoint: Path) -> Engine:
    return Engine.load(tiny_checkpoint, device="cpu", precision="fp32")


def test_frame_logits_average_to_the_head_of_the_mean(
    engine: Engine, tiny_checkpoint: Path
) -> None:
    output = engine.infer(tone(2.7))
    model = load_checkpoint(tiny_checkpoint).model
    with torch.inference_mode():
        features = model(torch.from_numpy(tone(2.7))[None])
        expected = model.head(features.mean(1))[0].numpy()
    tokens = load_checkpoint(tiny_checkpoint).tokens
    order = [tokens.index(label) for label in LABELS]
    np.testing.assert_allclose(output.logits.mean(0), expected[order], atol=1e-4)
    assert output.features.shape == (134, 32) and output.features.dtype == np.float32


def test_a_load_runs_one_block_and_a_request_all(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    forward = Block.forward

    def counted(self: Block, *args: Any) -> torch.Tensor:
        runs.append(id(self))
        return forward(self, *args)

    monkeypatch.setattr(Block, "forward", counted)
    engine = Engine.load(tiny_checkpoint, device="cpu")
    assert len(runs) == 1
    engine.infer(tone(1.0))
    assert len(runs) == 1 + engine.config.num_blocks > 2


def test_a_load_computes_in_a_thread_that_ends(tiny_checkpoint: Path) -> None:
    # The OpenMP workers of a thread that lives on would slow down every later pass.
    threads: list[threading.Thread] = []
    Engine.load(
        tiny_checkpoint,
        device="cpu",
        on_phase=lambda phase: threads.append(threading.current_thread()),
    )
    assert len(threads) == 3
    assert not any(thread.is_alive() for thread in threads)


def test_an_engine_that_nobody_has_leaves_no_thread(tiny_checkpoint: Path) -> None:
    engine = Engine.load(tiny_checkpoint, device="cpu")
    engine.infer(tone(1.0))
    worker = engine._batcher._thread
    assert worker.is_alive()
    del engine
    worker.join(10)
    assert not worker.is_alive()


def test_an_error_of_a_load_reaches_its_caller(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        Engine.load(tmp_path, device="cpu")


def test_weights_in_any_layout_load_from_a_folder_that_cannot_be_written(
    engine: Engine, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "strided"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    data = torch.load(folder / "model.pt", weights_only=True)
    data["model"]["proj.weight"] = data["model"]["proj.weight"].t().contiguous().t()
    assert not data["model"]["proj.weight"].is_contiguous()
    torch.save(data, folder / "model.pt")
    monkeypatch.setattr("emotion.models.checkpoint.write_converted", lambda *args: None)
    found = Engine.load(folder, device="cpu", precision="fp32").infer(tone(1.0))
    np.testing.assert_allclose(found.logits, engine.infer(tone(1.0)).logits, atol=1e-5)


def test_nine_labels_in_our_order_whatever_the_checkpoint_says(
    engine: Engine, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shuffled"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    tokens = (folder / "tokens.txt").read_text("utf-8").split()
    order = [4, 8, 0, 2, 6, 1, 7, 3, 5]
    names = [tokens[i] for i in order]
    names[2] = "unuse_1"  # was angry
    (folder / "tokens.txt").write_text("\n".join(names), "utf-8")
    data = torch.load(folder / "model.pt", weights_only=True)
    for part in ("proj.weight", "proj.bias"):
        data["model"][part] = data["model"][part][order]
    torch.save(data, folder / "model.pt")
    ours = engine.infer(tone(1.0)).logits
    shuffled = Engine.load(folder, device="cpu", precision="fp32").infer(tone(1.0)).logits
    assert np.isneginf(shuffled[:, 0]).all()
    np.testing.assert_allclose(shuffled[:, 1:], ours[:, 1:], atol=1e-5)


def test_phases_are_told_in_order(tiny_checkpoint: Path) -> None:
    seen: list[str] = []
    Engine.load(tiny_checkpoint, device="cpu", on_phase=seen.append)
    assert seen == ["reading", "building", "warming"]


def test_the_shortest_input(engine: Engine) -> None:
    output = engine.infer(tone(1.0)[: engine.minimum_samples])
    assert output.logits.shape == (1, 9)


def test_threads_get_their_own_results(engine: Engine) -> None:
    clips = [tone(0.5 + i / 10, i) for i in range(6)]
    expected = [engine.infer(clip).logits for clip in clips]
    found: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        found[i] = engine.infer(clips[i]).logits

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, logits in enumerate(expected):
        np.testing.assert_allclose(found[i], logits, atol=1e-5)


def test_what_waits_can_be_withdrawn(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, entered = threading.Event(), threading.Event()
    forward = engine._model.forward_packed

    def held(clips: list[torch.Tensor], depth: int | None) -> list[torch.Tensor]:
        entered.set()
        assert gate.wait(20)
        return forward(clips, depth)

    monkeypatch.setattr(engine._model, "forward_packed", held)
    running = threading.Thread(target=engine.infer, args=(tone(1.0),))
    running.start()
    assert entered.wait(20)
    with pytest.raises(CancelledError):
        engine.infer(tone(1.0), lambda: True)
    gate.set()
    running.join(20)


def test_the_smallest_numbers_are_zero_in_the_worker_only(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, counts = engine._model.forward_packed, []

    def count() -> int:
        return int((torch.full((1 << 20,), 1e-30) * 1e-10).count_nonzero())  # by all its threads

    def counted(clips: list[torch.Tensor], depth: int | None) -> list[torch.Tensor]:
        counts.append(count())
        return forward(clips, depth)

    monkeypatch.setattr(engine._model, "forward_packed", counted)
    engine.infer(tone(0.5))
    assert counts == [0] and count() == 1 << 20


def test_padded_batches_equal_packed_ones(engine: Engine) -> None:
    clips = [tone(s, i) for i, s in enumerate((0.4, 2.0, 1.1))]
    for batch in (clips, clips[:1], [clips[0], clips[0]]):
        packed, padded = engine._infer_packed(batch), engine._infer_padded(batch)
        for a, b in zip(packed, padded, strict=True):
            np.testing.assert_allclose(a.logits, b.logits, atol=1e-4)
            np.testing.assert_allclose(a.features, b.features, atol=1e-4)


def test_more_clips_at_once_than_may_wait(engine: Engine) -> None:
    clips = [tone(0.05 + 0.001 * (i % 7), i) for i in range(300)]
    outputs = dict(engine.infer_many(clips))
    assert len(outputs) == 300
    for i in (0, 127, 128, 299):
        np.testing.assert_allclose(outputs[i].logits, engine.infer(clips[i]).logits, atol=1e-4)


def test_of_many_clips_it_forgets_what_was_fetched(engine: Engine) -> None:
    seen: list[weakref.ref[Any]] = []
    for _, output in engine.infer_many([tone(10.0)] * 20):  # two to a batch
        seen.append(weakref.ref(output.features))
        del output
        assert sum(features() is not None for features in seen) <= 4
    assert len(seen) == 20


def test_many_clips_that_nobody_waits_for_are_dropped(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, left = threading.Event(), threading.Event()
    sizes: list[int] = []
    whole = engine._model.forward_packed

    def forward(clips: list[torch.Tensor], depth: int | None) -> list[torch.Tensor]:
        if sizes:
            begun.set()
            assert left.wait(30)
        sizes.append(len(clips))
        return whole(clips, depth)

    monkeypatch.setattr(engine._model, "forward_packed", forward)
    many = engine.infer_many([tone(10.0)] * 20)
    next(many)
    assert begun.wait(30)
    many.close()
    left.set()
    engine.infer(tone(1.0))
    assert sizes == [2, 2, 1]


def test_closing_withdraws_what_waits(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Engine.load(tiny_checkpoint, device="cpu")
    closed = threading.Event()
    whole = other._model.forward_packed

    def forward(clips: list[torch.Tensor], depth: int | None) -> list[torch.Tensor]:
        other._batcher.close(wait=False)
        closed.set()
        return whole(clips, depth)

    monkeypatch.setattr(other._model, "forward_packed", forward)
    many = other.infer_many([tone(10.0)] * 3)  # two to a batch
    assert [next(many)[0] for _ in range(2)] == [0, 1]
    assert closed.is_set()
    with pytest.raises(CancelledError):
        next(many)


def test_a_closed_engine_refuses(tiny_checkpoint: Path) -> None:
    other = Engine.load(tiny_checkpoint, device="cpu")
    other.close()
    with pytest.raises(ModelNotReadyError, match="closed"):
        other.infer(tone(1.0))


def test_bf16_stays_close(engine: Engine, tiny_checkpoint: Path) -> None:
    half = Engine.load(tiny_checkpoint, device="cpu", precision="bf16")
    assert half.placement.dtype is torch.bfloat16
    a, b = (e.infer(tone(2.0)).features.mean(0) for e in (engine, half))
    assert np.linalg.norm(a - b) < 0.05 * np.linalg.norm(a)


@pytest.mark.skipif(not cpu_has_bf16(), reason="no native bf16")
def test_in_bf16_clips_together_are_as_alone(tiny_checkpoint: Path) -> None:
    half = Engine.load(tiny_checkpoint, device="cpu", precision="bf16")
    clips = [tone(seconds, i) for i, seconds in enumerate((0.03, 0.5, 2.7, 1.33, 6.0))]
    together = dict(half.infer_many(clips))
    assert sorted(together) == list(range(len(clips)))
    for i, clip in enumerate(clips):
        alone = half.infer(clip)
        assert together[i].features.shape == alone.features.shape
        distance = np.linalg.norm(together[i].features - alone.features)
        assert distance < 0.01 * np.linalg.norm(alone.features)


def test_a_checkpoint_of_another_precision_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="another precision than bf16"):
        Engine(load_checkpoint(tiny_checkpoint), place("cpu", "bf16"))


def test_values_that_are_not_finite_are_an_error(engine: Engine) -> None:
    with pytest.raises(ModelError, match="overflowed in fp32"):
        engine.infer(np.full(16000, np.nan, np.float32))


def test_other_frame_rates_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hop"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    path = folder / "config.yaml"
    data = yaml.safe_load(path.read_text())
    audio = data["model_conf"]["modalities"]["audio"]
    checkpoint = load_checkpoint(tiny_checkpoint)
    layers = list(checkpoint.model.config.feature_encoder)
    channels, kernel, stride = layers[0]
    layers[0] = (channels, kernel, stride + 1)
    audio["feature_encoder_spec"] = str(layers)
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(CheckpointError, match="must be 320"):
        Engine.load(folder, device="cpu")


def test_loading_imports_no_compiler(tiny_checkpoint: Path) -> None:
    code = (
        "import pathlib, sys; from emotion.inference.engine import Engine\n"
        "Engine.load(pathlib.Path(sys.argv[1]), device='cpu')\n"
        "print([name for name in ('sympy', 'torch._dynamo') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tiny_checkpoint)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT_DIR)
    assert done.stdout.strip() == "[]"  # they take seconds
