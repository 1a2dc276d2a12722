from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.cli import main
from emotion.core.config import Config, EngineConfig
from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS
from emotion.evaluation import child, comparison
from emotion.evaluation.answers import Answer
from emotion.evaluation.child import Spec
from emotion.evaluation.comparison import Row, compare_models, confusions
from emotion.evaluation.contenders import opened
from emotion.evaluation.evaluation import Evaluation
from emotion.evaluation.models_report import ACCURACY, COST, MISSING, html, markdown, text_table
from emotion.evaluation.samples import Labelled, Sample, label
from emotion.evaluation.stored import store, stored

Wav = Callable[..., Path]
FACTS = {
    "title": "Tiny <b>", "engine": "native", "device": "cpu", "precision": "fp32",
    "embedding_dim": 8, "size_bytes": 2_500_000, "languages": "English", "licence": "MIT",
}  # fmt: skip


@pytest.fixture
def labelled(wav: Wav, tmp_path: Path) -> Labelled:
    """Three recordings, one of them broken."""
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"x" * 99)
    paths = (wav(1.0, "a.wav", 1), wav(1.0, "b.wav", 2), broken)
    return label([Sample(path.name, path, "sad", "s1") for path in paths])


def cpu(model_dir: Path, **engine: Any) -> Config:
    return Config(engine=EngineConfig(device="cpu", offline=True, models_dir=model_dir, **engine))


def test_a_spec_survives_the_way_to_the_child(labelled: Labelled, tmp_path: Path) -> None:
    sample = replace(labelled.samples[0], start_s=0.5, end_s=0.9, columns={"corpus": "é"})
    spec = Spec("m", ("sad", "angry"), Labelled((sample,), ("sad",), ()), cpu(tmp_path))
    again = Spec.loads(spec.dumps())
    assert again == spec


def test_models_in_processes_of_their_own(
    labelled: Labelled, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    names = [str(tiny_checkpoint), "emotion2vec_plus_large", "no-such-model"]
    told: list[str] = []
    config = cpu(tmp_path)
    rows = compare_models(names, labelled, config, told=lambda row: told.append(row.model))
    assert told == names
    good, missing, unknown = rows
    assert good.error is None
    assert good.facts is not None
    assert (good.facts["engine"], good.facts["device"]) == ("native", "cpu")
    assert good.load_s is not None
    assert good.latency_s is not None
    assert min(good.load_s, good.latency_s, good.peak_bytes or 0) > 0
    assert good.evaluation is not None
    assert [name for name, _ in good.evaluation.failed] == ["broken.wav"]
    assert "is not on this machine (offline)" in str(missing.error)
    assert missing.public is not None and "这台机器上没有" in missing.public["zh"]
    assert "no-such-model" in str(unknown.error)
    assert [row.to_dict()["error"] is None for row in rows] == [True, False, False]
    json.dumps([row.to_dict() for row in rows], allow_nan=False)


def test_funasr_says_what_we_say(labelled: Labelled, tiny_checkpoint: Path, tmp_path: Path) -> None:
    config, path = cpu(tmp_path), labelled.samples[0].path
    with opened(f"funasr:{tiny_checkpoint}", config, LABELS) as theirs:
        (expected,) = [one for _, one in theirs.answerer.run([(0, _input(path))])]
        assert theirs.facts.engine == "FunASR AutoModel"
        width = theirs.facts.embedding_dim
    with opened(str(tiny_checkpoint), config, LABELS) as ours:
        (found,) = [one for _, one in ours.answerer.run([(0, _input(path))])]
        assert ours.facts.embedding_dim == width
    assert found.scores == pytest.approx(expected.scores, abs=1e-4)


def _input(path: Path) -> Any:
    from emotion.corpus.inputs import Input

    return Input(path.name, path)


def test_the_baseline_learns_from_its_own_manifest(wav: Wav, tmp_path: Path) -> None:
    pytest.importorskip("opensmile")
    for name in ("sad", "angry"):
        for number in range(2):
            path = tmp_path / "train" / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            wav(0.6, f"{name}{number}.wav", number + (name == "sad")).rename(path)
    with opened(f"opensmile-svm:{tmp_path / 'train'}", cpu(tmp_path), LABELS) as baseline:
        assert baseline.facts.embedding_dim == 88
        assert "research" in baseline.facts.licence
        (answer,) = [one for _, one in baseline.answerer.run([(0, _input(wav(0.6, "new.wav", 5)))])]
    assert answer.scores is not None
    assert answer.scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["funasr:", "opensmile-svm:"])
def test_names_that_lack_something(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MANIFEST"), opened(name, cpu(tmp_path), LABELS):
        pass


def test_a_process_that_dies_is_a_row(
    labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\ncat > /dev/null\necho 'no memory' >&2\nexit 9\n")
    script.chmod(0o755)
    monkeypatch.setattr(comparison.sys, "executable", str(script))
    (row,) = compare_models(["m"], labelled, cpu(tmp_path))
    assert row.error == "its process ended with 9: no memory"


def test_the_child_tells_errors_and_keeps_stdout_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def measure(spec: Spec) -> dict[str, Any]:
        print("a notice of some package")
        raise ConfigError(option="models", value=spec.model, expected="another")

    monkeypatch.setattr(child, "measure", measure)
    text = Spec("m", LABELS, Labelled((), (), ()), cpu(tmp_path)).dumps()
    monkeypatch.setattr(sys, "stdin", __import__("io").StringIO(text))
    assert child.main() == 0
    captured = capsys.readouterr()
    assert "another" in json.loads(captured.out)["error"]
    assert "a notice" in captured.err


def rows() -> list[Row]:
    def answer(emotion: str) -> Answer:
        scores = np.full(9, 0.05)
        scores[LABELS.index(emotion)] = 0.6
        return Answer(scores)

    samples = [
        Sample(f"{k}", Path(f"{k}.wav"), name) for k, name in enumerate(["sad"] * 4 + ["angry"])
    ]
    found = Evaluation(
        label(samples), [answer(name) for name in ("sad", "sad", "sad", "happy", "angry")]
    )
    good = Row("tiny", None, None, 1.25, 0.0123, 2.0, 350_000_000, None, FACTS, found)
    return [good, Row("large", error="not here | <i>")]


def test_reports_have_a_row_a_model() -> None:
    assert confusions(rows()[0].evaluation) == [  # type: ignore[arg-type]
        {"reference": "sad", "predicted": "happy", "share": 0.25}
    ]
    text = markdown(rows(), "Models", ["One."])
    assert "| 0.875 |" in text
    assert "sad → happy 25%" in text
    assert "| large | not here \\| \\<i\\> |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {
        len(header) + 1 for header in (ACCURACY, COST, MISSING)
    }
    page = html(rows(), "Models", ["One."])
    assert "Tiny &lt;b&gt;" in page
    assert "<i>" not in page
    table = "\n".join(text_table(rows()))
    assert "12 ms" in table
    assert "not measured: not here" in table


def test_the_last_comparison_is_kept_for_the_page(tmp_path: Path) -> None:
    config = cpu(tmp_path)
    assert stored(config) is None
    lost = Row(
        "funasr:/secret/large", error="/secret/x: bad", public={"zh": "x：坏了", "en": "x: bad"}
    )
    data = {"manifest": "/secret/m.csv", "rows": [row.to_dict() for row in (*rows(), lost)]}
    assert store(data, config) == tmp_path / "comparison.json"
    assert "secret" not in (tmp_path / "comparison.json").read_text()
    kept = stored(config)
    assert kept is not None
    assert kept["manifest"] == "m.csv"
    assert kept["rows"][0]["overall"] == json.loads(json.dumps(data["rows"][0]["overall"]))
    assert (kept["rows"][2]["title"], kept["rows"][2]["error"]) == ("funasr:large", "x: bad")
    assert kept["rows"][2]["error_zh"] == "x：坏了"
    for text in ("{", "[]", '{"rows": 1}'):
        (tmp_path / "comparison.json").write_text(text)
        assert stored(config) is None


def test_the_command(
    wav: Wav, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("EMOTION_MODELS_DIR", str(tmp_path / "models"))
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"path,label\n{wav(1.0)},sad\n")
    given = ["evaluate", str(manifest), "--offline", "--device", "cpu"]
    models = ["--models", f"{tiny_checkpoint},emotion2vec_plus_base"]
    assert main([*given, *models, "--out", str(tmp_path / "out"), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [row["error"] is None for row in data["rows"]] == [True, False]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "models.md", "models.html", "models.json",
    }  # fmt: skip
    assert (tmp_path / "models" / "comparison.json").is_file()
    assert main([*given, "--models", "one"]) == 2
    assert "two or more" in capsys.readouterr().err
