from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.core.labels import LABELS
from emotion.evaluation.metrics import (
    confusion,
    figures,
    intervals,
    macro_f1,
    recall_mean,
    unit_tables,
)

CARD = Path(__file__).parents[1] / "models" / "emotion2vec_mini" / "README.md"
ANGRY, DISGUSTED, FEARFUL = 0, 1, 2


def drawn(seed: int, classes: int = 5, count: int = 300) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    reference = rng.integers(classes, size=count)
    predicted = np.where(rng.random(count) < 0.6, reference, rng.integers(9, size=count))
    return reference, predicted


def test_a_prediction_outside_the_reference_classes_is_an_error_and_no_class() -> None:
    reference = np.array([ANGRY, ANGRY, DISGUSTED, DISGUSTED])
    predicted = np.array([ANGRY, FEARFUL, DISGUSTED, DISGUSTED])
    found = figures(confusion(reference, predicted))
    assert list(found.classes) == ["angry", "disgusted"]
    assert (found.wa, found.ua, found.micro_f1) == (0.75, 0.75, 0.75)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1) / 2)  # not thirds, with an empty class
    data = found.to_dict()["confusion"]
    assert data["reference"] == ["angry", "disgusted"]
    assert data["predicted"] == ["angry", "disgusted", "fearful"]
    assert data["counts"] == [[1, 0, 1], [0, 2, 0]]


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics

    reference, predicted = drawn(seed)
    found = figures(confusion(reference, predicted))
    classes = sorted(set(reference))
    assert found.wa == pytest.approx(metrics.accuracy_score(reference, predicted))
    with warnings.catch_warnings():  # it warns of predictions outside the reference classes
        warnings.simplefilter("ignore")
        assert found.ua == pytest.approx(metrics.balanced_accuracy_score(reference, predicted))
    for average, value in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        expected = metrics.f1_score(reference, predicted, labels=classes, average=average)
        assert value == pytest.approx(expected)
    micro = metrics.f1_score(reference, predicted, average="micro")
    assert found.micro_f1 == pytest.approx(micro)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        reference, predicted, labels=classes, zero_division=0
    )
    for k, one in enumerate(found.classes.values()):
        got = (one.precision, one.recall, one.f1, one.support)
        assert got == pytest.approx((precision[k], recall[k], f1[k], support[k]))


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_audmetric(seed: int) -> None:
    audmetric = pytest.importorskip("audmetric")
    reference, predicted = drawn(seed)
    found = figures(confusion(reference, predicted))
    truth, guess = ([LABELS[k] for k in ks] for ks in (reference, predicted))
    assert found.wa == pytest.approx(audmetric.accuracy(truth, guess))
    # With predictions outside the reference classes, audmetric's own means count those classes
    # too, or forget such predictions where classes are given; its figures of each class do not.
    for name, per_class, mean in (
        ("recall", audmetric.recall_per_class, found.ua),
        ("f1", audmetric.fscore_per_class, found.macro_f1),
    ):
        values = per_class(truth, guess)
        assert {label: getattr(one, name) for label, one in found.classes.items()} == pytest.approx(
            {label: values[label] for label in found.classes}
        )
        assert mean == pytest.approx(np.mean([values[label] for label in found.classes]))


@pytest.mark.parametrize("seed", range(4))
def test_means_are_those_of_audmetric_where_all_predictions_are_classes(seed: int) -> None:
    audmetric = pytest.importorskip("audmetric")
    reference, predicted = drawn(seed, classes=9)
    truth, guess = ([LABELS[k] for k in ks] for ks in (reference, predicted))
    found = figures(confusion(reference, predicted))
    assert found.ua == pytest.approx(audmetric.unweighted_average_recall(truth, guess))
    assert found.macro_f1 == pytest.approx(audmetric.unweighted_average_fscore(truth, guess))


def test_the_model_card_says_the_recalls_of_its_own_tables() -> None:
    text = CARD.read_text("utf-8")
    stated = dict(re.findall(r"\| (EMO-DB|nEMO|RAVDESS) \| \d+ \| \d+ \| (0\.\d+) \|", text))
    assert len(stated) == 3
    for corpus, value in stated.items():
        part = text.split(f"\n{corpus}, rows are true:")[1]
        rows = re.findall(r"\| \*\*(\w+)\*\* \|((?: \d+ \|)+)", part.split("\n\n")[1])
        names = re.findall(r"\w+", part.split("\n\n")[1].splitlines()[0])
        counts = np.zeros((9, 9), int)
        for name, cells in rows:
            for column, cell in zip(names, re.findall(r"\d+", cells), strict=True):
                counts[LABELS.index(name), LABELS.index(column)] = int(cell)
        assert f"{figures(counts).ua:.3f}" == value, corpus


def test_many_tables_at_once_give_the_same() -> None:
    tables = np.stack([confusion(*drawn(seed)) for seed in range(3)])
    assert recall_mean(tables) == pytest.approx([figures(table).ua for table in tables])
    assert macro_f1(tables) == pytest.approx([figures(table).macro_f1 for table in tables])
    assert np.isnan(recall_mean(np.zeros((9, 9), int)))


def test_intervals_hold_the_figure_and_are_wider_for_few_speakers() -> None:
    reference, predicted = drawn(1, count=600)
    alone = [str(k) for k in range(600)]
    # Whole speakers are right or wrong, so recordings tell less than they seem to.
    predicted = np.where(np.arange(600) // 60 % 2, reference, predicted)
    speakers = [f"s{k // 60}" for k in range(600)]
    by_recording = intervals(reference, predicted, alone, draws=500)
    by_speaker = intervals(reference, predicted, speakers, draws=500)
    ua = figures(confusion(reference, predicted)).ua
    for bounds in (by_recording, by_speaker):
        low, high = bounds["ua"]
        assert low < ua < high
    width = {name: b["ua"][1] - b["ua"][0] for name, b in (("r", by_recording), ("s", by_speaker))}
    assert width["s"] > 1.5 * width["r"]
    assert intervals(reference, predicted, speakers, draws=500) == by_speaker


def test_the_interval_of_an_accuracy_is_that_of_a_binomial() -> None:
    reference = np.zeros(400, int)
    predicted = np.where(np.arange(400) < 300, ANGRY, DISGUSTED)
    low, high = intervals(reference, predicted, [str(k) for k in range(400)])["wa"]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.008)


def test_tables_of_speakers_add_up_to_the_whole() -> None:
    reference, predicted = drawn(2)
    tables = unit_tables(reference, predicted, [f"s{k % 7}" for k in range(300)])
    assert tables.shape == (7, 9, 9)
    assert (tables.sum(0) == confusion(reference, predicted)).all()
