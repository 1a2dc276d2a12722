"""The trainer of the mini model: splits, start, augmentation, export, calibration, resuming."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from emotion.checkpoint import load_checkpoint
from emotion.labels import LABELS, parse_token
from emotion.model import ConvLayer, Emotion2vec
from tools.mini import evaluate
from tools.mini.augment import augment, change_tempo, change_voice, move_formants, random_gains
from tools.mini.data import (
    Clip,
    ClipPool,
    assign_folds,
    read_audio,
    read_manifest,
    sampling_weights,
    speech_span,
)
from tools.mini.evaluate import Predictions
from tools.mini.export import TOKENS, export, funasr_name
from tools.mini.network import channel_dropout, mel_filters, mini_config, start_from_mel
from tools.mini.training import SHORT_SAMPLES, Batches, Recipe, Trainer, loss_of
from tools.train_mini import main

RATE_HZ = 16_000


def tone(hz: float, seconds: float = 1.0, level: float = 8000.0) -> NDArray[np.int16]:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


def make_clips(speakers: int = 2) -> list[Clip]:
    return [
        Clip(Path(f"{corpus}{k}_{label}.wav"), label, f"{corpus}{k}", corpus)
        for corpus, count in (("aa", speakers), ("bb", speakers + 1), ("cc", speakers + 4))
        for k in range(count)
        for label in (0, 3, 6)
    ]


def recordings_of(clips: list[Clip]) -> list[NDArray[np.int16]]:
    rng = np.random.default_rng(0)
    return [
        (tone(150 + 60 * clip.label) + rng.normal(0, 300, RATE_HZ)).astype(np.int16)
        for clip in clips
    ]


@pytest.fixture(scope="module")
def small() -> tuple[list[Clip], list[NDArray[np.int16]]]:
    clips = make_clips()
    return clips, recordings_of(clips)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    clips = make_clips()
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker", "corpus"])
        for clip, audio in zip(clips, recordings_of(clips), strict=True):
            soundfile.write(folder / clip.path, audio, RATE_HZ)
            writer.writerow([clip.path, LABELS[clip.label], clip.speaker, clip.corpus])
    return folder / "manifest.csv"


@pytest.fixture
def model() -> Emotion2vec:
    torch.manual_seed(0)
    return Emotion2vec(mini_config()).eval()


# -- data ---------------------------------------------------------------------------------------


def test_manifest_is_read_in_order(manifest: Path) -> None:
    clips = read_manifest(manifest)
    assert [clip.path.name for clip in clips] == [clip.path.name for clip in make_clips()]
    assert {clip.label for clip in clips} == {0, 3, 6}
    assert len(read_audio(clips[0].path)) == RATE_HZ


@pytest.mark.parametrize(
    ("rows", "reason"),
    [("a.wav,bored,s1,x", "bored"), ("a.wav,sad,s1,x\nb.wav,sad,s1,y", "s1 is in x and in y")],
)
def test_bad_manifest_is_refused(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text("path,label,speaker,corpus\n" + rows + "\n")
    with pytest.raises(ValueError, match=reason):
        read_manifest(path)


def test_other_rates_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8000)
    with pytest.raises(ValueError, match="8000 Hz"):
        read_audio(tmp_path / "a.wav")


def test_folds_share_no_speaker_and_hold_every_corpus() -> None:
    clips = make_clips(5)
    fold_of = assign_folds(clips, 5, seed=3)
    assert set(fold_of) == {clip.speaker for clip in clips}
    for fold in range(5):
        assert {s[:2] for s, k in fold_of.items() if k == fold} == {"aa", "bb", "cc"}
    assert fold_of == assign_folds(clips, 5, seed=3)
    with pytest.raises(ValueError, match="aa has 5 speakers, 6 folds"):
        assign_folds(clips, 6, seed=3)


def test_sampling_is_balanced_over_labels_and_speakers() -> None:
    clips = make_clips() + [Clip(Path("x"), 0, "cc0", "cc")] * 7  # one speaker says more
    weights = sampling_weights(clips, 0.5)
    assert weights.sum() == pytest.approx(1)

    def share(**wanted: object) -> float:
        rows = [all(getattr(c, k) == v for k, v in wanted.items()) for c in clips]
        return float(weights[rows].sum())

    assert share(corpus="cc", label=0) == pytest.approx(share(corpus="cc", label=6))
    assert share(speaker="cc0") == pytest.approx(share(speaker="cc5"))
    assert share(corpus="cc") / share(corpus="aa") == pytest.approx((25 / 6) ** 0.5)


def test_speech_span_finds_the_loud_part() -> None:
    quiet = np.zeros(8000, np.int16)
    first, last = speech_span(np.concatenate([quiet, tone(300), quiet]))
    assert abs(first - 8000) <= 320
    assert abs(last - 24000) <= 320
    assert speech_span(np.ones(100, np.int16)) == (0, 100)


def test_crops_are_within_the_speech_or_around_it() -> None:
    quiet = np.zeros(8000, np.int16)
    pool = ClipPool([tone(300, 2.0), np.concatenate([quiet, tone(300, 0.5), quiet])])
    g = torch.Generator().manual_seed(0)
    rows = torch.tensor([0, 1] * 10)
    crops = pool.crops(rows, RATE_HZ, torch.ones(20), g)
    power = crops.square().sum(1) / 3.2e7
    torch.testing.assert_close(power[0::2], torch.full((10,), 16_000.0), rtol=0.02, atol=0.0)
    torch.testing.assert_close(power[1::2], torch.full((10,), 8_000.0), rtol=0.02, atol=0.0)


def test_speed_raises_the_pitch() -> None:
    pool = ClipPool([tone(400, 2.0)])
    g = torch.Generator().manual_seed(0)
    crop = pool.crops(torch.tensor([0]), RATE_HZ, torch.tensor([1.25]), g)[0]
    assert int(torch.fft.rfft(crop).abs().argmax()) == pytest.approx(500, abs=1)


# -- augmentation -------------------------------------------------------------------------------


def test_augmentation_keeps_shape_and_is_finite() -> None:
    waveforms = torch.randn(6, 12_345)
    waveforms[0] = 0.0
    out = augment(waveforms, torch.Generator().manual_seed(1))
    again = augment(waveforms, torch.Generator().manual_seed(1))
    assert out.shape == waveforms.shape
    assert torch.isfinite(out).all()
    assert torch.equal(out, again)
    torch.testing.assert_close(out[1:].square().mean(1), torch.ones(5))
    assert not torch.allclose(out[1], waveforms[1], atol=0.1)


def test_gains_are_positive() -> None:
    gains = random_gains(50, 700, torch.Generator().manual_seed(0))
    assert gains.shape == (50, 700)
    assert bool((gains > 0).all() & torch.isfinite(gains).all())


def test_tempo_changes_length_not_pitch() -> None:
    audio = tone(250.0, 2.0).astype(float)
    slow = change_tempo(audio, 0.8)
    assert len(slow) / len(audio) == pytest.approx(1.25, abs=0.02)
    peak = np.abs(np.fft.rfft(slow)).argmax() * RATE_HZ / len(slow)
    assert peak == pytest.approx(250, abs=2)


def test_formants_move_and_pitch_stays() -> None:
    pulses = np.zeros(2 * RATE_HZ)
    pulses[::128] = 20_000.0  # 125 Hz
    time_s = np.arange(400) / RATE_HZ
    voice = np.convolve(pulses, np.sin(2 * np.pi * 1000 * time_s) * np.exp(-time_s * 400))
    voice = voice[: len(pulses)]
    moved = move_formants(voice, 1.25)
    assert len(moved) == len(voice)
    spectrum = np.abs(np.fft.rfft(moved[4000:20000])) ** 2  # bins of 1 Hz
    before = np.abs(np.fft.rfft(voice[4000:20000])) ** 2
    assert spectrum[1100:].sum() / spectrum.sum() > 2 * before[1100:].sum() / before.sum()
    at = np.arange(len(spectrum))
    near = np.minimum(at % 125, 125 - at % 125) <= 5  # bins near a harmonic
    assert spectrum[near].sum() > 0.9 * spectrum.sum()
    np.testing.assert_allclose(move_formants(voice, 1.0), voice, atol=2.0)


def test_changed_voice_is_int16() -> None:
    changed = change_voice(tone(200.0), 0.9, 1.1)
    assert changed.dtype == np.int16
    assert len(changed) / RATE_HZ == pytest.approx(1 / 1.1, abs=0.03)


# -- network ------------------------------------------------------------------------------------


def test_mini_has_fifty_frames_a_second_and_fits() -> None:
    config = mini_config()
    assert config.hop_samples == 320
    with torch.device("meta"):
        parameters = sum(p.numel() for p in Emotion2vec(config).parameters())
    assert parameters * 4 <= 8e6


def test_mel_filters_respond_to_their_band() -> None:
    bands = 48
    filters = mel_filters(bands, 400)[:, 0]
    assert filters.shape == (3 * bands, 400)
    phases = filters.reshape(3, bands, 400)
    assert float(phases.sum(0).abs().max()) < 0.03  # three phases nearly cancel
    centres = 700 * (10 ** (torch.linspace(94.3, 2786.0, bands) / 2595) - 1)
    for band in (10, 25, 40):
        time_s = torch.arange(400) / RATE_HZ
        sine = torch.sin(2 * torch.pi * centres[band] * time_s + 0.7)
        energy = (filters @ sine).square().reshape(3, bands).sum(0)
        assert abs(int(energy.argmax()) - band) <= 1


def test_start_makes_bands_equally_loud(model: Emotion2vec) -> None:
    noise = torch.randn(8, RATE_HZ).cumsum(1)  # far louder in low bands
    noise = noise - noise.mean(1, keepdim=True)
    start_from_mel(model, noise)
    first = cast(ConvLayer, model.convs[0])
    frames = noise.unfold(1, first.weight.shape[2], first.stride)
    level = (frames @ first.weight.detach()[:, 0].T).square().mean((0, 1)).sqrt()
    loud = level.reshape(3, -1).mean(0)
    assert float(loud.max() / loud.min()) < 1.1


def test_channel_dropout_only_in_training() -> None:
    layer = torch.nn.Identity()
    layer.register_forward_hook(channel_dropout(0.5))
    x = torch.ones(4, 10, 32)
    assert torch.equal(layer.eval()(x), x)
    dropped = layer.train()(x)
    assert torch.equal(dropped[:, :1].expand_as(dropped), dropped)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


# -- export -------------------------------------------------------------------------------------


def test_export_loads_and_gives_the_same_logits(model: Emotion2vec, tmp_path: Path) -> None:
    export(model, tmp_path)
    loaded = load_checkpoint(tmp_path, convert=False)
    assert loaded.tokens == LABELS
    assert loaded.model.config == model.config
    x = torch.randn(2, RATE_HZ)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(x), model(x))


def test_temperature_divides_the_logits(model: Emotion2vec, tmp_path: Path) -> None:
    export(model, tmp_path, temperature=2.5)
    loaded = load_checkpoint(tmp_path, convert=False).model
    x = torch.randn(2, RATE_HZ)
    with torch.no_grad():
        torch.testing.assert_close(loaded.head(loaded(x)) * 2.5, model.head(model(x)))


def test_names_are_funasrs(model: Emotion2vec, tmp_path: Path) -> None:
    export(model, tmp_path)
    names = set(torch.load(tmp_path / "model.pt", weights_only=True)["model"])
    encoder = "d2v_model.modality_encoders.AUDIO."
    assert {
        "proj.weight",
        "proj.bias",
        f"{encoder}local_encoder.conv_layers.0.0.weight",
        f"{encoder}local_encoder.conv_layers.0.2.1.weight",
        f"{encoder}relative_positional_encoder.1.0.bias",
        f"{encoder}context_encoder.blocks.0.attn.qkv.weight",
        f"{encoder}alibi_scale",
        "d2v_model.blocks.0.mlp.fc2.weight",
    } <= names
    assert tuple(parse_token(token) for token in TOKENS) == LABELS
    with pytest.raises(ValueError, match=r"mask_emb"):
        funasr_name("mask_emb", 1)


@pytest.mark.slow
def test_funasr_gives_the_same_scores(model: Emotion2vec, tmp_path: Path) -> None:
    auto = pytest.importorskip("funasr").AutoModel
    export(model, tmp_path)
    theirs = auto(model=str(tmp_path), disable_update=True, disable_pbar=True)
    audio = tone(220.0) / np.float32(32768)
    found = theirs.generate(audio, granularity="utterance", extract_embedding=False)[0]["scores"]
    with torch.no_grad():
        ours = model.head(model(torch.from_numpy(audio)[None].float()).mean(1)).softmax(-1)[0]
    np.testing.assert_allclose(found, ours.numpy(), atol=1e-5)


# -- evaluation ---------------------------------------------------------------------------------


def some_predictions(scale: float, count: int = 3000) -> Predictions:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (count, len(LABELS)))
    scores = evaluate.softmax(logits)
    label = np.array([rng.choice(len(LABELS), p=row) for row in scores])
    speaker = np.array([f"s{k % 6}" for k in range(count)])
    corpus = np.array(["aa" if k % 6 < 3 else "bb" for k in range(count)])
    return Predictions(logits * scale, label, speaker, corpus)


def test_temperature_is_found_again() -> None:
    calibrated, sharp = some_predictions(1.0), some_predictions(2.0)
    assert evaluate.fit_temperature(sharp) == pytest.approx(2.0, rel=0.1)
    assert evaluate.calibration_error(calibrated) < 0.03
    assert evaluate.calibration_error(sharp) > 0.1
    assert evaluate.calibration_error(sharp, 2.0) == pytest.approx(
        evaluate.calibration_error(calibrated)
    )
    assert evaluate.cross_fitted_error(sharp) < 0.04


def test_recall_is_over_a_corpus_own_labels() -> None:
    label = np.array([0, 0, 0, 3])
    logits = np.eye(len(LABELS))[[0, 0, 5, 3]]
    p = Predictions(logits, label, np.array(["s"] * 4), np.array(["aa"] * 4))
    assert evaluate.corpus_recalls(p)["aa"] == pytest.approx((2 / 3 + 1) / 2)
    assert evaluate.confusion(label, logits.argmax(1))[0, 5] == 1


def test_report_pools_folds_and_refuses_a_speaker_twice(tmp_path: Path) -> None:
    p = some_predictions(1.0)
    p.take(p.corpus == "aa").save(tmp_path / "a.npz")
    p.take(p.corpus == "bb").save(tmp_path / "b.npz")
    pooled = evaluate.load_predictions([tmp_path / "a.npz", tmp_path / "b.npz"])
    recalls, intervals = evaluate.corpus_recalls(pooled), evaluate.bootstrap_recalls(pooled, 200)
    for name, value in recalls.items():
        assert intervals[name][0] <= value <= intervals[name][1]
    assert "| mean | 6 | 3000 |" in evaluate.report(pooled)
    with pytest.raises(ValueError, match="two folds"):
        evaluate.load_predictions([tmp_path / "a.npz", tmp_path / "a.npz"])
    with pytest.raises(ValueError, match="no predictions"):
        evaluate.load_predictions([])


def test_prediction_does_not_depend_on_the_batch(
    model: Emotion2vec, small: tuple[list[Clip], list[NDArray[np.int16]]]
) -> None:
    clips = small[0][:4]
    recordings = [audio[: 6000 + 900 * k] for k, audio in enumerate(small[1][:4])]
    together = evaluate.predict(model, clips, recordings, batch=4)
    alone = evaluate.predict(model, clips, recordings, batch=1)
    np.testing.assert_allclose(together.logits, alone.logits, atol=1e-4)


# -- training -----------------------------------------------------------------------------------

RECIPE = Recipe(epochs=1.0, batch=8, voices=1, warmup_steps=2)


def test_batches_depend_on_seed_and_step_alone(
    small: tuple[list[Clip], list[NDArray[np.int16]]],
) -> None:
    batches, again = Batches(*small, RECIPE), Batches(*small, RECIPE)
    a, b, other = batches(5, 0.9), again(5, 0.9), batches(6, 0.9)
    assert torch.equal(a.waveforms, b.waveforms)
    assert not torch.equal(a.targets, other.targets)
    joined = int(RECIPE.joined * RECIPE.batch)
    assert joined > 0
    assert torch.equal(a.targets[0, joined:], a.targets[1, joined:])
    assert torch.equal(a.targets.sum(-1), torch.ones(2, 8))
    early = batches(5, 0.1)
    assert torch.equal(early.targets[0], early.targets[1])
    assert early.waveforms.shape[1] <= max(SHORT_SAMPLES)


def test_loss_rewards_the_right_label(small: tuple[list[Clip], list[NDArray[np.int16]]]) -> None:
    batch = Batches(*small, RECIPE)(0, 0.0)
    batch = dataclasses.replace(batch, targets=torch.eye(len(LABELS))[3].expand(2, 8, -1))
    model = Emotion2vec(mini_config()).eval()
    with torch.no_grad():
        before = loss_of(model, batch, RECIPE)
        model.head.bias[3] += 2.0
        assert loss_of(model, batch, RECIPE) < before


def test_resumed_run_is_the_same_run(
    small: tuple[list[Clip], list[NDArray[np.int16]]], tmp_path: Path
) -> None:
    batches = Batches(*small, RECIPE)
    straight = Trainer(batches, RECIPE)
    for step in range(4):
        straight.train_step(batches(step, 0.5))
    first = Trainer(batches, RECIPE)
    for step in range(2):
        first.train_step(batches(step, 0.5))
    first.save(tmp_path / "t.pt")
    second = Trainer(batches, RECIPE)
    second.load(tmp_path / "t.pt")
    for step in range(2, 4):
        second.train_step(batches(step, 0.5))
    assert second.step == 4
    for a, b in zip(straight.average.parameters(), second.average.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="seed"):
        Trainer(batches, dataclasses.replace(RECIPE, seed=1)).load(tmp_path / "t.pt")


# -- command line -------------------------------------------------------------------------------


def test_cross_validation_from_the_command_line(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["--manifest", str(manifest), "--out", str(tmp_path)]
    assert main([*start, "--folds", "2", "--epochs", "0.1"]) == 0
    facts = [json.loads((tmp_path / f"fold{k}/run.json").read_text()) for k in range(2)]
    assert not set(facts[0]["held_out"]) & set(facts[1]["held_out"])
    assert load_checkpoint(tmp_path / "fold1", convert=False).tokens == LABELS
    capsys.readouterr()
    assert main(["--report", str(tmp_path)]) == 0
    assert f"| mean | {2 + 3 + 6} | 33 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "extra",
    [
        ["--all", "--folds", "2", "--epochs", "1"],
        ["--epochs", "1"],
        ["--all"],
        ["--all", "--epochs", "1", "--minutes", "1"],
    ],
)
def test_contradictions_are_refused(extra: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--manifest", "m.csv", "--out", str(tmp_path), *extra])


def test_unknown_speaker_or_fold_is_an_error(manifest: Path, tmp_path: Path) -> None:
    start = ["--manifest", str(manifest), "--out", str(tmp_path), "--epochs", "1"]
    assert main([*start, "--holdout-speakers", "nobody"]) == 1
    assert main([*start, "--folds", "2", "--fold", "2"]) == 1
