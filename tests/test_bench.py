from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emotion.bench import agreement, app, child, engines, report, runner
from emotion.bench.child import Spec, sound
from emotion.bench.runner import Plan
from emotion.cli import main
from emotion.core.errors import ConfigError, ModelError
from emotion.models.network import ModelConfig
from tests.test_network import config


def record(ready: float, latency: float, peak: int, score: float = 0.9) -> dict[str, Any]:
    return {
        "ready_s": ready,
        "first_s": ready + 1,
        "latency_s": {"10": latency},
        "throughput": 10 / latency,
        "peak_bytes": peak,
        "vram_bytes": None,
        "gemm_flops": 1e11,
        "gemm_operations": 1e11 * latency,
        "precision": "fp32",
        "answer": {"scores": {"a": score, "b": 1 - score}, "embedding": [3.0, 4.0]},
    }


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for the subprocesses; tells in which order they were started."""
    order: list[str] = []

    def run(_name: str, spec: Spec) -> dict[str, Any]:
        order.append(spec.engine)
        jitter = order.count(spec.engine)  # the median must win
        if spec.engine == "emotion":
            return record(1.0 + jitter, 2.0, 10**9, 0.901)
        return record(20.0 + jitter, 3.0, 4 * 10**9)

    monkeypatch.setattr(runner, "_child", run)
    return order


def test_engines_run_in_turn_and_medians_make_the_ratios(children: list[str]) -> None:
    plan = runner.Plan(Path("m"), precisions=("fp32",), clips_s=(10.0,), rounds=5)
    found = runner.run(plan)
    assert children == ["emotion", "funasr"] * 5
    assert found["engines"]["emotion fp32"]["ready_s"] == 4.0
    ratios = found["ratios"]["emotion fp32"]
    assert ratios["ready_s"] == pytest.approx(23 / 4)
    assert ratios["latency_10s"] == ratios["throughput"] == pytest.approx(1.5)
    assert ratios["peak_bytes"] == 4.0 and "vram_bytes" not in ratios
    parity = found["parity"]["emotion fp32"]
    assert parity == {"scores": pytest.approx(0.001), "embedding": 0.0}
    json.dumps(found)


def test_a_cold_start_reads_the_checkpoint_from_the_disk(
    children: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")
    dropped: list[tuple[str, int]] = []

    def advise(handle: int, start: int, length: int, advice: int) -> None:
        assert (start, length, advice) == (0, 0, os.POSIX_FADV_DONTNEED)
        dropped.append((os.readlink(f"/proc/self/fd/{handle}"), len(children)))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    plan = runner.Plan(tmp_path, precisions=("fp32",), clips_s=(10.0,), rounds=2)
    assert "from the disk" not in report.markdown(runner.run(plan), "bench")
    assert not dropped
    children.clear()
    found = runner.run(dataclasses.replace(plan, cold=True))
    assert dropped == [(str(weights), number) for number in range(4)]  # before each process
    assert "Each process read the checkpoint from the disk" in report.markdown(found, "bench")
    monkeypatch.delattr(os, "posix_fadvise")
    with pytest.raises(ConfigError, match="must be Linux"):
        runner.drop_cached(tmp_path)


def test_parity_of_unlike_engines_is_not_comparable() -> None:
    ours = {"scores": {"a": 1.0}, "embedding": [1.0]}
    other = {"scores": {"x": 1.0}, "embedding": []}
    assert runner.parity(ours, other) == {"scores": None, "embedding": None}


def test_the_report_says_what_was_not_measured(children: list[str]) -> None:
    found = runner.run(runner.Plan(Path("m"), precisions=("fp32",), clips_s=(10.0,)))
    found["operations"] = {"clip": "10", "count": 1e11}
    found["app"] = {"page_s": 0.5, "ready_s": 2.0, "overhead_s": 0.04}
    found["long"] = {"hours": 4.0, "short_bytes": 8e8, "long_bytes": 9e8}
    text = report.markdown(found, "python -m emotion bench --model m")
    assert "| process start → ready | 4 s | 23 s | 5.75× |" in text
    assert "| peak VRAM | not measured | not measured |  |" in text
    assert "| share of the GEMM rate | 0.5 | 0.333 |  |" in text
    assert "| 4 h | 0.90 GB |" in text and "| above | 0.10 GB |" in text
    assert "python -m emotion bench --model m" in text


def test_a_child_measures_this_package(tiny_checkpoint: Path) -> None:
    spec = Spec("emotion", str(tiny_checkpoint), "cpu", "fp32", (0.5, 1.0), 2, 4)
    found = child.measure(spec)
    assert found["ready_at"] < found["first_at"]
    assert set(found["latency_s"]) == {"0.5", "1"} and min(found["latency_s"].values()) > 0
    assert found["throughput"] > 0 and found["peak_bytes"] > 10**7 and found["gemm_flops"] > 1e8
    assert found["gemm_operations"] > 0
    assert sum(found["answer"]["scores"].values()) == pytest.approx(1)
    assert len(found["answer"]["embedding"]) == 32


def test_a_failed_child_is_one_clear_error(tmp_path: Path) -> None:
    spec = Spec("emotion", str(tmp_path), "cpu", "fp32", (1.0,), 1, 0)
    with pytest.raises(ModelError, match=r"the process of emotion fp32 failed: .*CheckpointError"):
        runner._child("emotion fp32", spec)


def test_unknown_engines_and_lengths_are_refused(
    tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="hf:DIR or tree:DIR"):
        engines.open_backend("sphinx", tiny_checkpoint, "cpu", "fp32")
    assert main(["bench", "--model", str(tiny_checkpoint), "--clips", "ten"]) == 2
    assert "clips is 'ten'" in capsys.readouterr().err


def test_the_command_prints_a_table_and_one_json_line(
    children: list[str], tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("json", "report")}
    options = [f"--{name}={path}" for name, path in files.items()]
    assert main(["bench", "--model", str(tiny_checkpoint), "--clips", "10", *options]) == 0
    *lines, last = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("| figure | emotion fp32 | emotion auto | funasr |")
    assert json.loads(last) == json.loads(files["json"].read_text())
    assert "process start → ready" in files["report"].read_text("utf-8")


def test_agreement_counts_labels_and_measures_scores() -> None:
    reference = [{"sad": 0.6, "angry": 0.4}, {"sad": 0.3, "angry": 0.7}]
    found = [{"sad": 0.45, "angry": 0.55}, {"sad": 0.3, "angry": 0.7}]
    apart = pytest.approx(0.15)
    assert agreement.agreement(found, reference) == {"clips": 2, "labels": 0.5, "scores": apart}
    others = [{"ang": 1.0}, {"ang": 1.0}]
    assert agreement.agreement(others, reference)["labels"] is None


def test_engines_are_compared_on_recordings(
    tiny_checkpoint: Path, wav: Callable[..., Path]
) -> None:
    folder = wav(1.0, "a.wav").parent
    wav(1.5, "b.flac", seed=1)
    (folder / "notes.txt").write_text("not audio")
    plan = Plan(model=tiny_checkpoint, against=(), precisions=("fp32", "auto"))
    found = agreement.compare(plan, agreement.recordings(folder))
    assert set(found) == {"emotion auto", "emotion bf16"}
    for engine in found.values():
        assert engine["clips"] == 2
        assert engine["scores"] < 0.05
    assert found["emotion bf16"]["scores"] > 0.0
    rows = report._agreement_rows(found)
    assert ("emotion bf16", "2", f"{found['emotion bf16']['labels']:.2%}") == rows[-1][:3]
    with pytest.raises(ConfigError, match="a folder with recordings"):
        agreement.recordings(tiny_checkpoint)


def test_operations_are_counted_by_hand() -> None:
    shape: ModelConfig = config()
    frames = shape.num_frames(16000)
    lengths, total, channels = 16000, 0, 1
    for width, kernel, stride in shape.feature_encoder:
        lengths = (lengths - kernel) // stride + 1
        total += lengths * width * kernel * channels
        channels = width
    tokens = frames + 3
    total += frames * 16 * 24 + 3 * frames * 24 * 24 * 6 // 4
    total += 3 * (tokens * (3 + 1 + 2 + 2) * 24 * 24 + 2 * tokens * tokens * 24)
    assert runner.operations(shape, 16000) == 2 * total


def test_sounds_are_seeded() -> None:
    assert (sound(0.1, 3) == sound(0.1, 3)).all() and not (sound(0.1, 3) == sound(0.1, 4)).all()


def test_specs_name_each_engine() -> None:
    plan = runner.Plan(Path("m"), against=("funasr", "hf:/other"))
    found = runner.specs(plan)
    assert list(found) == ["emotion fp32", "emotion auto", "funasr", "hf:/other"]
    assert found["hf:/other"].engine == "hf" and found["hf:/other"].model == "/other"
    assert json.loads(json.dumps(asdict(found["funasr"])))["engine"] == "funasr"


def test_another_version_runs_its_own_code(tiny_checkpoint: Path, tmp_path: Path) -> None:
    bench = tmp_path / "emotion" / "bench"
    bench.mkdir(parents=True)
    for package in (bench, bench.parent):
        (package / "__init__.py").touch()
    (bench / "child.py").write_text("raise SystemExit('the code of the other version')")
    name = f"tree:{tmp_path}"
    plan = runner.Plan(tiny_checkpoint, against=(name,))
    assert runner.specs(plan)[name].engine == "emotion"
    assert runner.specs(plan)[name].model == str(tiny_checkpoint.resolve())
    assert runner.specs(plan)[name].precision == "fp32"
    plan = runner.Plan(tiny_checkpoint, against=(name,), precisions=("bf16",))
    assert [spec.precision for spec in runner.specs(plan).values()] == ["bf16", "bf16"]
    with pytest.raises(ModelError, match=rf"{name}.*the code of the other version"):
        runner.run_process("child", {}, name)


def test_engines_that_cannot_run_are_refused_before_any_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_process", lambda *told: pytest.fail("a process was started"))
    for name in ("nonsense", "tree", "tree:", f"tree:{tmp_path}", "hf", f"hf:{tmp_path}/none"):
        with pytest.raises(ConfigError, match=r"funasr, hf:DIR .* tree:DIR"):
            runner.run(runner.Plan(tmp_path, against=("funasr", name)))


@pytest.mark.slow
def test_the_web_app_is_measured_from_outside(tiny_checkpoint: Path) -> None:
    found = app.measure_app(tiny_checkpoint, 1)
    assert 0 < found["page_s"] <= found["ready_s"] and found["overhead_s"] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # other people's packages
def test_a_hugging_face_classifier(tmp_path: Path) -> None:
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    shape = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        num_labels=4,
    )
    Wav2Vec2ForSequenceClassification(shape).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    backend = engines.open_backend("hf", tmp_path, "cpu", "fp32")
    assert sum(backend.infer(sound(1.0, 0)).scores.values()) == pytest.approx(1, abs=1e-5)
    # Clips of one length: it pads others, and hears that.
    _assert_many_as_alone(backend, [sound(1.0, 1), sound(1.0, 2)])


def test_many_clips_as_alone(tiny_checkpoint: Path) -> None:
    backend = engines.open_backend("emotion", tiny_checkpoint, "cpu", "fp32")
    _assert_many_as_alone(backend, [sound(2.0, 1), sound(1.0, 2)])


def _assert_many_as_alone(backend: engines.Backend, clips: list[engines.Samples]) -> None:
    for found, clip in zip(backend.infer_many(clips), clips, strict=True):
        alone = backend.infer(clip)
        assert found.scores == pytest.approx(alone.scores, abs=1e-4)
        assert found.embedding == pytest.approx(alone.embedding, abs=1e-4)
