"""The trainer of the mini model: splits, network, export, evaluation, command line."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from emotion.core.labels import LABELS, parse_token
from emotion.models.checkpoint import load_checkpoint
from emotion.models.layers import ConvLayer
from emotion.models.network import Emotion2vec
from tests.mini_clips import RATE_HZ, make_clips, recordings_of, tone
from tools.mini import evaluate
from tools.mini.bands import BANDS, analyse, band_filters, frame_count, to_phases
from tools.mini.data import (
    Clip,
    assign_folds,
    read_audio,
    read_manifest,
    sampling_weights,
    speech_span,
)
from tools.mini.evaluate import Predictions
from tools.mini.export import TOKENS, export, funasr_name
from tools.mini.network import BandNetwork, at_fifty_hz, mini_config, start
from tools.mini.pool import BandPool
from tools.mini.training import Recipe
from tools.train_mini import main


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
    assert speech_span(quiet) == (0, 8000)


# -- network ------------------------------------------------------------------------------------


@pytest.fixture
def band_network() -> BandNetwork:
    torch.manual_seed(0)
    network = BandNetwork(mini_config())
    start(network, torch.linspace(2.0, 0.2, BANDS))
    return cast(BandNetwork, network.eval())


def test_shipped_network_has_fifty_frames_a_second_and_fits(band_network: BandNetwork) -> None:
    network = at_fifty_hz(band_network)
    assert network.config.hop_samples == 320
    assert sum(p.numel() for p in network.parameters()) * 4 <= 8e6


def test_bands_give_what_the_waveform_gives(band_network: BandNetwork) -> None:
    audio = tone(220.0, 1.5) + np.random.default_rng(0).normal(0, 500, 24_000).astype(np.int16)
    network = Emotion2vec(band_network.config).eval()
    network.load_state_dict(band_network.state_dict())
    with torch.no_grad():
        ours = band_network(analyse(audio, band_filters()).float()[None])
        theirs = network(torch.from_numpy(audio / np.float32(32768))[None])
    torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0.0)  # float16 is kept
    with pytest.raises(ValueError, match="padded"):
        band_network(torch.zeros(1, 100, 2 * BANDS), torch.tensor([50]))


def test_every_second_frame_sees_the_same_at_fifty_hz(band_network: BandNetwork) -> None:
    slow = Emotion2vec(band_network.config).eval()
    slow.load_state_dict(band_network.state_dict())
    fast = at_fifty_hz(band_network)
    x = torch.randn(2, RATE_HZ)
    with torch.no_grad():
        torch.testing.assert_close(fast.encode(x)[:, ::2], slow.encode(x), atol=1e-5, rtol=1e-4)
        local, finer = slow.position(slow.encode(x), None), fast.position(fast.encode(x), None)
        torch.testing.assert_close(finer[:, ::2], local, atol=1e-5, rtol=1e-4)
    extra = slow.config.num_extra_tokens
    frames = local.shape[1]
    coarse = slow.attention_biases(frames, None, x.dtype)[0][..., extra:, extra:]
    fine = fast.attention_biases(2 * frames, None, x.dtype)[0][..., 2 * extra :, 2 * extra :]
    torch.testing.assert_close(fine[..., ::2, ::2], coarse)
    assert torch.equal(fast.extra_tokens[:, :extra], slow.extra_tokens)
    assert torch.equal(fast.extra_tokens[:, extra:], slow.extra_tokens)


def test_start_makes_bands_equally_loud_and_keeps_quiet_frames_quiet() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 8 * RATE_HZ).cumsum()  # far louder in low bands
    noise -= np.convolve(noise, np.ones(400) / 400, "same")
    noise *= 3000 / noise.std()
    noise[: 4 * RATE_HZ] *= 0.03  # half of it 30 dB down
    recording = noise.astype(np.int16)
    pool = BandPool([recording], [np.zeros(frame_count(len(recording)), np.uint8)])
    network = BandNetwork(mini_config())
    start(network, pool.loudness())
    first = cast(ConvLayer, network.convs[0])
    scale = first.weight.detach().norm(dim=(1, 2))
    x = to_phases(analyse(recording, band_filters()).float()) * scale
    level = x.square().mean(0).reshape(3, BANDS).mean(0).sqrt()
    assert float(level.max() / level.min()) < 1.1
    y = first.norm(x).detach()[:, 3:]
    quiet, loud = y[:300].std(), y[-300:].std()
    assert float(quiet) < 0.2 * float(loud)


# -- export -------------------------------------------------------------------------------------


def test_export_loads_and_gives_the_same_logits(model: Emotion2vec, tmp_path: Path) -> None:
    export(model, tmp_path)
    loaded = load_checkpoint(tmp_path, cache=False)
    assert loaded.tokens == LABELS
    assert loaded.model.config == model.config
    x = torch.randn(2, RATE_HZ)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(x), model(x))


def test_temperature_divides_the_logits(model: Emotion2vec, tmp_path: Path) -> None:
    export(model, tmp_path, temperature=2.5)
    loaded = load_checkpoint(tmp_path, cache=False).model
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


# -- command line -------------------------------------------------------------------------------


@pytest.mark.slow
def test_cross_validation_from_the_command_line(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.train_mini.Recipe", functools.partial(Recipe, voices=2))
    start = ["--manifest", str(manifest), "--out", str(tmp_path)]
    voices = ["--voices", str(tmp_path / "voices")]
    short = ["--epochs", "2"]
    assert main([*start, "--folds", "2", *short, *voices]) == 0
    facts = [json.loads((tmp_path / f"fold{k}/run.json").read_text()) for k in range(2)]
    assert not set(facts[0]["held_out"]) & set(facts[1]["held_out"])
    assert facts[0]["steps"] == 1
    assert load_checkpoint(tmp_path / "fold1", cache=False).tokens == LABELS
    capsys.readouterr()
    assert main(["--report", str(tmp_path)]) == 0
    assert f"| mean | {2 + 3 + 6} | 33 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "extra",
    [
        ["--all", "--folds", "2", "--epochs", "1"],
        ["--epochs", "1"],
        ["--all", "--holdout-speakers", "aa0"],
    ],
)
def test_contradictions_are_refused(extra: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--manifest", "m.csv", "--out", str(tmp_path), *extra])


def test_unknown_speaker_or_fold_is_an_error(manifest: Path, tmp_path: Path) -> None:
    start = ["--manifest", str(manifest), "--out", str(tmp_path), "--epochs", "1"]
    assert main([*start, "--holdout-speakers", "nobody"]) == 1
    assert main([*start, "--folds", "2", "--fold", "2"]) == 1
