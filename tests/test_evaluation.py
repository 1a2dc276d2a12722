from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from emotion.cli import main
from emotion.core.corpus_errors import ManifestError
from emotion.core.errors import AudioDecodeError, ConfigError
from emotion.core.labels import LABELS
from emotion.core.options import RecognitionOptions
from emotion.corpus.executor import Executor, Work
from emotion.corpus.remote import place_of
from emotion.evaluation.answers import Answer, Batched, OneByOne, answer_all
from emotion.evaluation.evaluation import Evaluation
from emotion.evaluation.files import write_evaluation
from emotion.evaluation.predictions import read_predictions
from emotion.evaluation.report import About, html, markdown
from emotion.evaluation.samples import Sample, label
from emotion.recognition.loaded_model import LoadedModel
from emotion.storage.run_store import RunStore

Wav = Callable[..., Path]
ABOUT = About("m<b>|.csv", "table", "mini (cpu)", "2026-01-01 12:00", "1.0")


def row(emotion: str, confidence: float = 0.8) -> Any:
    found = np.full(9, (1 - confidence) / 8)
    found[LABELS.index(emotion)] = confidence
    return found


def evaluation(**changes: Any) -> Evaluation:
    """Six recordings of two speakers; one mistake of each kind, one failure, one left out."""
    names = ("angry", "anger", "sad", "sad", "sad", "xxx", "happy")
    samples = [
        Sample(
            f"<{k}>.wav", Path(f"/x/{k}.wav"), name, f"s{k % 2}", columns={"corpus": f"c{k % 2}"}
        )
        for k, name in enumerate(names)
    ]
    answers = [
        Answer(row("angry")), Answer(row("sad", 0.6)), Answer(row("sad")),
        Answer(row("other", 0.9)), Answer(row("sad", 0.5)), Answer(error="it is broken"),
    ]  # fmt: skip
    given: dict[str, Any] = {"group_by": ["corpus"], "min_confidence": 0.7, **changes}
    return Evaluation(label(samples), answers, **given)


def test_figures_groups_speakers_and_mistakes() -> None:
    found = evaluation()
    data = found.to_dict()
    overall = data["overall"]
    assert (overall["num"], overall["wa"]) == (5, 0.6)
    assert overall["ua"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert set(overall) >= {"wa", "ua", "micro_f1", "macro_f1", "confusion", "num", "report"}
    assert (overall["intervals"]["units"], overall["intervals"]["drawn"]) == ("speakers", 2)
    assert data["unmapped"] == 1
    assert data["failed"] == [{"file": "<6>.wav", "error": "it is broken"}]
    assert {name: one["num"] for name, one in data["groups"]["corpus"].items()} == {
        "c0": 3,
        "c1": 2,
    }
    assert data["groups"]["corpus"]["c1"]["intervals"]["units"] == "recordings"  # of one speaker
    assert data["speakers"]["s0"]["wa"] == 1.0
    assert [one["predicted"] for one in data["mistakes"]] == ["other", "sad"]
    assert data["min_confidence"]["coverage"] == pytest.approx(3 / 5)
    json.dumps(data, allow_nan=False)


def test_recordings_are_drawn_where_a_speaker_is_unknown() -> None:
    found = evaluation()
    lost = found.labelled.samples[0]
    object.__setattr__(lost, "speaker", None)
    assert found.overall.units == "recordings"
    assert set(found.speakers) == {"s0", "s1"}


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="one of corpus"):
        evaluation(group_by=["room"]).groups  # noqa: B018


def test_reports_say_the_figures_and_escape_names() -> None:
    text = markdown(evaluation(), ABOUT)
    assert "UA 58.3%" in text
    assert "| sad | 0.667 | 0.667 | 0.667 | 3 |" in text
    assert r"m\<b\>\|.csv" in text
    assert r"\<3\>.wav" in text
    page = html(evaluation(), ABOUT)
    assert "<b>" not in page
    assert "&lt;3&gt;.wav" in page
    assert 'href="file:///x/3.wav"' in page
    assert "it is broken" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # nothing is loaded


def test_only_some_emotions_are_told() -> None:
    assert "Only these compete" in markdown(evaluation(labels=("angry", "sad")), ABOUT)
    assert "Only these compete" not in markdown(evaluation(), ABOUT)


def test_files(tmp_path: Path) -> None:
    found = evaluation()
    paths = write_evaluation(found, ABOUT, found.to_dict(), tmp_path / "out")
    assert len(paths) == len(list((tmp_path / "out").iterdir())) == 7
    for path in (tmp_path / "out").glob("*.svg"):
        ElementTree.parse(path)
    again = read_predictions(tmp_path / "out" / "predictions.csv", found.labelled.samples)
    assert again[5] == Answer(error="it is broken")
    assert Evaluation(found.labelled, again).overall.figures.to_dict() == (
        found.overall.figures.to_dict()
    )


def test_predictions_of_a_batch(tmp_path: Path) -> None:
    samples = evaluation().labelled.samples[:3]
    lines = [
        {
            "file": "<0>.wav",
            "status": "done",
            "result": {"scores": dict(zip(LABELS, row("sad"), strict=True))},
        },
        {"file": "/x/1.wav", "status": "failed", "error": {"message": "bad"}},
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    first, second, third = read_predictions(path, samples, ("angry", "happy"))
    assert first.scores is not None
    assert first.scores[LABELS.index("sad")] == 0
    assert first.scores.sum() == pytest.approx(1)
    assert second.error == "bad"
    assert third.error == "p.jsonl has no row for it"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("p.csv", "path,angry\na.wav,1\n", "lacks the column file"),
        ("p.csv", "file,angry\na.wav,much\n", "line 2 has scores that are none"),
        ("p.csv", "file,angry\na.wav,-1\n", "line 2 has scores"),
        ("p.csv", "file,angry\na.wav,\n", "line 2 has scores"),
        ("p.jsonl", "{}\n", "line 1 is no line of a batch"),
    ],
)
def test_predictions_that_cannot_be_read(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ManifestError, match=reason):
        read_predictions(path, evaluation().labelled.samples)


def test_parts_of_recordings_are_cut_and_go_away(wav: Wav, tmp_path: Path) -> None:
    path = wav(3.0)
    spans = [(0.0, 1.0), (1.0, None), (2.5, 9.0), (5.0, None), (0.0, None)]
    samples = [Sample(f"{k}", path, "sad", None, *span) for k, span in enumerate(spans)]
    samples.append(Sample("gone", tmp_path / "gone.wav", "sad", None, 1.0))
    samples.append(Sample("away", place_of(path.as_uri()), "sad", None, 2.0))
    paths: list[Path] = []
    lengths: list[float] = []

    def scores(path: Path) -> Any:
        paths.append(path)
        lengths.append(soundfile.info(path).duration)
        return row("sad")

    answers = answer_all(OneByOne(scores), samples)
    assert lengths == [1.0, 2.0, 0.5, 3.0, 1.0]
    assert "0.000 s" in str(answers[3].error)
    assert "No such file" in str(answers[5].error)
    assert [one.exists() for one in paths] == [False, False, False, True, False]


def test_a_model_that_takes_one_at_a_time(wav: Wav) -> None:
    def scores(path: Path) -> Any:
        if path.name == "bad.wav":
            raise AudioDecodeError(file=path.name, reason="noise")
        return row("sad", 0.5)

    good, bad = wav(0.2), wav(0.2, "bad.wav")
    samples = [Sample("g", good, "sad"), Sample("b", bad, "sad")]
    told: list[str] = []
    first, second = answer_all(
        OneByOne(scores, ("angry", "sad")), samples, lambda s, a: told.append(s.name)
    )
    assert first.scores is not None
    assert first.scores.sum() == pytest.approx(1)
    assert first.scores[LABELS.index("sad")] == pytest.approx(0.5 / (0.5 + 0.0625))
    assert "noise" in str(second.error)
    assert told == ["g", "b"]


def test_a_model_without_the_emotions_that_compete(wav: Wav) -> None:
    def scores(path: Path) -> Any:
        return np.eye(9)[LABELS.index("happy")]

    sample = Sample("g", wav(0.2), "sad")
    (answer,) = answer_all(OneByOne(scores, ("angry", "sad")), [sample])
    assert "none of the emotions that compete" in str(answer.error)


def test_only_recordings_whose_emotions_compete_count() -> None:
    labelled = label([Sample(f"{k}", Path("x"), name) for k, name in enumerate(("sad", "fear"))])
    kept = labelled.among(("sad", "angry"))
    assert (kept.emotions, kept.outside) == (("sad",), 1)
    assert labelled.among(LABELS) == labelled


def test_our_engines_give_the_scores_of_a_result(
    fake_model: LoadedModel, wav: Wav, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"x")
    samples = [Sample("a", wav(1.0), "sad"), Sample("b", broken, "sad")]
    with Executor(Work(fake_model, RecognitionOptions(), RunStore(tmp_path))) as executor:
        first, second = answer_all(Batched(executor), samples)
    assert first.scores is not None
    assert first.scores.sum() == pytest.approx(1, abs=1e-3)
    assert "b: " in str(second.error)


@pytest.fixture
def corpus(speech: Path, tmp_path: Path) -> Path:
    """A manifest of twelve real clips, one broken file and one label of no emotion."""
    lines = (speech / "manifest.csv").read_text("utf-8").splitlines()
    picked = [line.split(",") for line in lines[1::400]][:12]
    rows = [f"{speech / cells[0]},{cells[1]},{cells[3]},{cells[6]}" for cells in picked]
    (tmp_path / "broken.wav").write_bytes(b"x" * 99)
    rows += ["broken.wav,sad,Zed,emodb", f"{speech / picked[0][0]},xxx,Zed,emodb"]
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["path,label,speaker,corpus", *rows]))
    return path


def test_the_command_on_real_speech(
    corpus: Path, mini_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate", str(corpus), "--model", str(mini_checkpoint), "--out", str(tmp_path / "o")]
    assert main([*given, "--min-confidence", "0.3"]) == 1  # one is broken
    out = capsys.readouterr().out
    assert "12 recordings, 1 failed, 1 left out" in out
    assert "xxx" in out
    assert "At a confidence of 0.3 or more" in out
    assert main([*given, "--json", "--labels", "primary"]) == 1
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert data["labels"] == ["angry", "happy", "neutral", "sad"]
    assert data["outside"] > 0
    assert data["outside"] + data["overall"]["num"] == 12
    assert set(data["overall"]["report"]) <= set(data["labels"])
    assert set(data["overall"]["confusion"]["predicted"]) >= set(data["overall"]["report"])
    assert set(data["groups"]) == {"corpus"}
    assert data["model"]["name"] == "emotion2vec_mini"
    assert "emotion2vec" in (tmp_path / "o" / "report.html").read_text("utf-8")
    table = str(tmp_path / "o" / "predictions.csv")
    again = ["--predictions", table, "--labels", "primary", "--json"]
    assert main(["evaluate", str(corpus), *again]) == 1
    assert json.loads(capsys.readouterr().out)["overall"]["wa"] == data["overall"]["wa"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["gone.csv"], 1, "gone.csv"),
        (["m.csv", "--group", "room"], 2, "one of corpus"),
        (["m.csv", "--limit", "0"], 2, "limit"),
        (["m.csv", "--labels", "sad"], 2, "two or more"),
        (["n.csv"], 2, "no labels"),
        (["x.csv"], 2, "no labels"),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, told: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text("path,label,corpus\na.wav,sad,c\n")
    Path("n.csv").write_text("path,note\na.wav,x\n")
    Path("x.csv").write_text("path,label\na.wav,xxx\n")
    assert main(["evaluate", *arguments]) == code
    assert told in capsys.readouterr().err


def test_without_a_mistake_the_report_says_so() -> None:
    labelled = label([Sample("a", Path("/x/a.wav"), "sad"), Sample("b", Path("/x/b.wav"), "angry")])
    found = Evaluation(labelled, [Answer(row("sad")), Answer(row("angry"))])
    assert "None." in markdown(found, ABOUT)
    assert "<p>None.</p>" in html(found, ABOUT)
