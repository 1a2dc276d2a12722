"""The mini model's training: batches, teacher, steps, resuming, and the head at its end."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.core.labels import LABELS
from emotion.models.network import Emotion2vec
from tests.mini_clips import RATE_HZ, make_clips, recordings_of, tone
from tools.mini import evaluate
from tools.mini.bands import BANDS, frame_count
from tools.mini.changes import any_change
from tools.mini.clip_targets import Described, describe
from tools.mini.data import Clip
from tools.mini.head import NEVER, fit_head, listen, one_second
from tools.mini.network import mini_config
from tools.mini.teacher import teach
from tools.mini.training import (
    LIMIT,
    LONGEST,
    MOST_SILENCE,
    SHORTEST,
    Batches,
    Recipe,
    Trainer,
    standardise,
)


@pytest.fixture
def model() -> Emotion2vec:
    torch.manual_seed(0)
    return Emotion2vec(mini_config()).eval()


# -- training -----------------------------------------------------------------------------------

RECIPE = Recipe(epochs=1.0, batch=8, voices=2, warmup_steps=2, long_silent=0.0)


@pytest.fixture(scope="module")
def batches() -> Batches:
    clips = make_clips()
    recordings = recordings_of(clips)
    voices = [recordings, [audio[::-1].copy() for audio in recordings]]
    made = [[describe(audio) for audio in voice] for voice in voices]
    described = [Described(np.stack([f for f, _ in v]), [p for _, p in v]) for v in made]
    return Batches(clips, voices, described, RECIPE)


def test_batches_depend_on_seed_and_step_alone(batches: Batches) -> None:
    a, b, other = batches(5), batches(5), batches(6)
    for one, again, another in zip(*(vars(x).values() for x in (a, b, other)), strict=True):
        assert torch.equal(one, again)
        assert not torch.equal(one, another)
    assert a.frames.shape[:2] == a.bands.shape[:2]


def test_silence_lies_around_some_batches(batches: Batches) -> None:
    lengths = [batches(step).bands.shape[1] for step in range(20)]
    assert min(lengths) == SHORTEST  # recordings are of one second
    assert SHORTEST + 100 < max(lengths) < SHORTEST + MOST_SILENCE


def test_long_silence_has_half_as_many_recordings(batches: Batches) -> None:
    always = copy.copy(batches)
    always.recipe = dataclasses.replace(RECIPE, silent=0.0, long_silent=1.0)
    made = [always(step).bands for step in range(20)]
    assert {len(bands) for bands in made} == {RECIPE.batch // 2}
    assert max(bands.shape[1] for bands in made) > SHORTEST + MOST_SILENCE


@pytest.mark.parametrize(("power", "share"), [(1.0, 0.9), (0.5, 0.75), (0.0, 0.5)])
def test_a_small_corpus_is_drawn_more_often(power: float, share: float) -> None:
    audio = tone(200.0)
    names = ["large" if k % 10 else "small" for k in range(1000)]
    clips = [
        Clip(Path(f"{k}.wav"), 3 * (k // 10 % 2), f"{name}{k % 5}", name)
        for k, name in enumerate(names)
    ]
    figures = np.array([[name == "large"] for name in names], np.float32)
    pitch = [np.zeros(frame_count(len(audio)), np.uint8)] * 1000
    plain = dataclasses.replace(RECIPE, phone=0.0, rooms=0.0, noisy=0.0)
    recipe = dataclasses.replace(plain, batch=64, draw_power=power)
    drawing = Batches(clips, [[audio] * 1000], [Described(figures, pitch)], recipe)
    drawn = torch.cat([drawing(step).figures[:, 0] for step in range(60)])
    assert float((drawn > 0).float().mean()) == pytest.approx(share, abs=0.03)


def test_recordings_of_a_batch_are_of_similar_length() -> None:
    recordings = [tone(200.0, 0.5 + 0.005 * (k * 373 % 1000)) for k in range(1000)]
    pitch = [np.zeros(frame_count(len(audio)), np.uint8) for audio in recordings]
    figures = np.array([[len(audio)] for audio in recordings], np.float32)
    clips = [Clip(Path(f"{k}.wav"), 3 * (k % 2), f"s{k % 5}", "aa") for k in range(1000)]
    recipe = dataclasses.replace(RECIPE, silent=0.0)
    long = Batches(clips, [recordings], [Described(figures, pitch)], recipe)
    widths = [long(step).bands.shape[1] for step in range(12)]
    assert min(widths) < 300
    assert max(widths) == LONGEST
    drawn = torch.stack([long(step).figures[:, 0] for step in range(12)])
    spread = drawn.max(1).values - drawn.min(1).values  # of all, it is 3.5
    assert float(spread.max()) < 1.5


def test_figures_are_standardised_over_all_voices() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.normal(mean, 3.0, (500, 2)).astype(np.float32) for mean in (5.0, 7.0)]
    tables[0][0] = 1000.0
    one, other = standardise(tables)
    assert other.mean() > one.mean()
    assert one.max() == LIMIT


def test_teacher_says_of_any_voice_what_its_figures_do() -> None:
    clips = make_clips(4)
    rng = np.random.default_rng(0)
    centre = rng.normal(0, 1, (len(LABELS), 30)).astype(np.float32)
    label = np.array([clip.label for clip in clips])
    tables = [centre[label] + rng.normal(0, 0.3, (len(clips), 30)).astype(np.float32)] * 2
    tables[1] = tables[1][::-1].copy()  # a voice in which each clip sounds like another
    taught = teach(clips, tables, 0.3)
    assert taught[0].shape == (len(clips), 4 * 3)  # of all clips, and of three corpora
    np.testing.assert_array_equal(taught[1], taught[0][::-1])
    plain = teach(clips, tables[:1], 0.3)[0]
    assert (np.array([0, 3, 6])[plain[:, :3].argmax(1)] == label).mean() > 0.9
    own = [clip for clip in clips if clip.corpus == "aa"]
    rows = [clip.corpus == "aa" for clip in clips]
    assert teach(own, [tables[0][rows]], 0.3)[0].shape == (len(own), 3)  # no other corpus


def test_network_learns_what_the_recordings_are_like(batches: Batches) -> None:
    trainer = Trainer(batches, dataclasses.replace(RECIPE, epochs=15.0))
    same = batches(0)
    with torch.no_grad():
        before = [float(loss) for loss in trainer.losses(same)]
    rates = []
    while trainer.step < trainer.steps:
        trainer.train_step(batches(trainer.step))
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    with torch.no_grad():
        after = [float(loss) for loss in trainer.losses(same)]
    assert all(new < 0.7 * old for old, new in zip(before, after, strict=True))
    assert rates[0] < max(rates) <= RECIPE.learning_rate
    assert rates[-1] < 0.1 * max(rates)


def test_targets_lie_where_the_features_do(batches: Batches) -> None:
    trainer = Trainer(batches, RECIPE)
    heard: list[int] = []
    for frame in (0, 10, 20):  # what a feature depends on, without attention and position
        bands = torch.randn(1, 150, 2 * BANDS, requires_grad=True)
        trainer.model.encode(bands)[0, frame].sum().backward()  # type: ignore[no-untyped-call]
        assert bands.grad is not None
        touched = bands.grad.abs().sum(2)[0].nonzero()[:, 0]
        heard.append(int(touched.min() + touched.max()) // 2)
    hop = 4
    targets = torch.arange(150.0)[None, :, None].expand(8, 150, 1)
    probe = dataclasses.replace(batches(0), bands=torch.randn(8, 150, 2 * BANDS), frames=targets)
    own = trainer.align(probe.frames, 36)
    assert own.shape == (8, 36, 1)
    for frame, centre in zip((0, 10, 20), heard, strict=True):
        assert abs(float(own[0, frame, 0]) - centre) <= hop / 8


def test_resumed_run_is_the_same_run(batches: Batches, tmp_path: Path) -> None:
    straight = Trainer(batches, RECIPE)
    for step in range(4):
        straight.train_step(batches(step))
    first = Trainer(batches, RECIPE)
    for step in range(2):
        first.train_step(batches(step))
    first.save(tmp_path / "t.pt")
    second = Trainer(batches, RECIPE)
    second.load(tmp_path / "t.pt")
    for step in range(2, 4):
        second.train_step(batches(step))
    assert second.step == 4
    for a, b in zip(straight.average.parameters(), second.average.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(straight.readouts.parameters(), second.readouts.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="seed"):
        Trainer(batches, dataclasses.replace(RECIPE, seed=1)).load(tmp_path / "t.pt")


# -- head ---------------------------------------------------------------------------------------


HEAD = Recipe(strength=1.0, changes=0)


def test_head_tells_the_labels_and_leaves_the_rest(model: Emotion2vec) -> None:
    clips = make_clips(4)
    recordings = recordings_of(clips)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit_head(model, clips, recordings, HEAD)
    found = evaluate.predict(model, clips, recordings)
    assert (found.logits.argmax(1) == found.label).mean() > 0.95
    never = [k for k in range(len(LABELS)) if k not in (0, 3, 6)]
    assert bool((model.head.bias[never] == NEVER).all())
    for name, tensor in model.state_dict().items():
        assert name.startswith("head.") or torch.equal(tensor, before[name])


def test_head_of_two_labels_has_a_row_for_each(model: Emotion2vec) -> None:
    clips = [clip for clip in make_clips(4) if clip.label]
    recordings = recordings_of(clips)
    fit_head(model, clips, recordings, HEAD)
    found = evaluate.predict(model, clips, recordings)
    assert (found.logits.argmax(1) == found.label).mean() > 0.95


def test_smooth_head_jumps_less_within_a_recording(model: Emotion2vec) -> None:
    clips = make_clips(4)
    recordings = recordings_of(clips)
    jumps = []
    for smoothness in (0.0, 30.0):
        fit_head(model, clips, recordings, dataclasses.replace(HEAD, smoothness=smoothness))
        means, within = listen(model, recordings)
        matrix = model.head.weight[[0, 3, 6]].detach().double().numpy()
        between = np.trace(matrix @ np.cov(means.T) @ matrix.T)
        jumps.append(np.trace(matrix @ within @ matrix.T) / between)
        found = evaluate.predict(model, clips, recordings)
        assert (found.logits.argmax(1) == found.label).mean() > 0.95
    assert jumps[1] < 0.8 * jumps[0]


def test_steady_head_changes_less_with_the_condition(model: Emotion2vec) -> None:
    clips = make_clips(4)
    recordings = recordings_of(clips)
    whole, _ = listen(model, recordings)
    rng = np.random.default_rng(HEAD.seed)  # draws what the head hears
    for audio in recordings:
        one_second(audio, rng)
    changed, _ = listen(model, [any_change(audio, rng) for audio in recordings])
    moved = []
    for steadiness in (0.0, 30.0):
        recipe = dataclasses.replace(HEAD, changes=1, changed_weight=0.0, steadiness=steadiness)
        fit_head(model, clips, recordings, recipe)
        matrix = model.head.weight[[0, 3, 6]].detach().double().numpy()
        between = np.trace(matrix @ np.cov(whole.T) @ matrix.T)
        moved.append(np.square((changed - whole) @ matrix.T).sum(1).mean() / between)
    assert moved[1] < 0.5 * moved[0]


def test_head_learns_from_changed_recordings(model: Emotion2vec) -> None:
    clips = make_clips(4)
    recordings = recordings_of(clips)
    rng = np.random.default_rng(5)
    changed = [any_change(audio, rng) for audio in recordings]
    right = []
    for weight in (0.0, 1.0):
        recipe = dataclasses.replace(HEAD, changes=2, changed_weight=weight, steadiness=0.0)
        fit_head(model, clips, recordings, recipe)
        found = evaluate.predict(model, clips, changed)
        right.append((found.logits.argmax(1) == found.label).mean())
    assert right[1] > right[0]


def test_variance_within_a_recording_is_about_its_own_mean(model: Emotion2vec) -> None:
    recordings = recordings_of(make_clips(1))[:3]
    means, within = listen(model, recordings)
    with torch.no_grad():
        heard = [model(torch.from_numpy(a / np.float32(32768))[None])[0] for a in recordings]
    for mean, features in zip(means, heard, strict=True):
        np.testing.assert_allclose(mean, features.mean(0), atol=1e-6)
    expected = np.mean([np.cov(features.T, bias=True) for features in heard], axis=0)
    np.testing.assert_allclose(within, expected, rtol=1e-4, atol=1e-7)


def test_one_second_is_of_the_speech() -> None:
    quiet = np.zeros(3 * RATE_HZ, np.int16)
    audio = np.concatenate([quiet, tone(300, 1.5), quiet])
    rng = np.random.default_rng(0)
    seconds = [one_second(audio, rng) for _ in range(30)]
    assert {len(second) for second in seconds} == {RATE_HZ}
    assert all((second != 0).mean() > 0.75 for second in seconds)
    assert len({second.tobytes() for second in seconds}) > 10
    assert len(one_second(quiet, rng)) == RATE_HZ
    assert one_second(audio[:500], rng) is not None
    assert len(one_second(audio[:500], rng)) == 500
