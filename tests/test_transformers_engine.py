"""Classifiers of transformers on tiny checkpoints with the labels of real ones."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion import Recognizer
from emotion.cli import main
from emotion.core.config import EngineConfig
from emotion.core.errors import CheckpointError, DeviceError, ModelError
from emotion.core.labels import LABELS
from emotion.inference.transformers_engine import TransformersEngine
from emotion.models.store import is_transformers, locate, missing_files
from emotion.recognition.opening import load_engine
from tests.conftest import tone

Wav = Callable[..., Path]
SUPERB = {0: "neu", 1: "hap", 2: "ang", 3: "sad"}  # superb/wav2vec2-base-superb-er's
WHISPER = {
    0: "angry", 1: "disgust", 2: "fearful", 3: "happy", 4: "neutral", 5: "sad", 6: "surprised",
}  # fmt: skip  # firdhokk's Whisper classifier's
RAVDESS = {0: "angry", 1: "calm", 2: "neutral", 3: "sad"}
CONVOLUTIONS: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "conv_dim": [16] * 7, "num_feat_extract_layers": 7, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 24,
}  # fmt: skip


def save(kind: str, folder: Path, labels: dict[int, str], **changes: Any) -> Path:
    """Makes a random classifier as its authors would have saved it."""
    import transformers

    if kind == "Whisper":
        config = transformers.WhisperConfig(
            d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=48,
            decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=48, num_mel_bins=80,
            classifier_proj_size=24, id2label=labels, vocab_size=100, pad_token_id=0,
            bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, **changes,
        )  # fmt: skip
        network = transformers.WhisperForAudioClassification
        extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    else:
        config = getattr(transformers, f"{kind}Config")(
            **{**CONVOLUTIONS, **changes}, id2label=labels
        )
        network = getattr(transformers, f"{kind}ForSequenceClassification")
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    torch.manual_seed(0)
    made = network(config)
    with torch.no_grad():  # random heads are nearly alike
        made.classifier.weight.normal_(0, 2)
        if getattr(config, "use_weighted_layer_sum", False):
            made.layer_weights.normal_(0, 1)
    made.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


KINDS: dict[str, tuple[str, dict[int, str], dict[str, Any]]] = {
    "wav2vec2": ("Wav2Vec2", SUPERB, {"use_weighted_layer_sum": True}),
    "hubert": ("Hubert", SUPERB, {"use_weighted_layer_sum": True, "feat_extract_norm": "layer",
                                  "do_stable_layer_norm": True}),
    "wavlm": ("WavLM", SUPERB, {}),
    "whisper": ("Whisper", WHISPER, {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each kind."""
    root = tmp_path_factory.mktemp("classifiers")
    return {
        name: save(kind, root / name, labels, **changes)
        for name, (kind, labels, changes) in KINDS.items()
    }


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A wav2vec2 checkpoint that a test may damage."""
    shutil.copytree(folders["wav2vec2"], tmp_path / "copy")
    return tmp_path / "copy"


def theirs(folder: Path, samples: Any) -> Any:
    """The logits that transformers itself gives: (rows,)."""
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    network = AutoModelForAudioClassification.from_pretrained(folder).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    with torch.inference_mode():
        given = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        return network(**given).logits[0].numpy()


@pytest.mark.parametrize("name", KINDS)
def test_the_mean_of_the_frames_is_what_transformers_says(
    name: str, folders: dict[str, Path]
) -> None:
    engine = TransformersEngine.load(folders[name], device="cpu")
    samples = tone(1.5)
    output = engine.infer(samples)
    assert output.logits.shape == (engine.num_frames(samples.size), 9)
    assert output.features.shape == (len(output.logits), 32)
    assert np.ptp(output.logits[:, LABELS.index("sad")]) > 1e-3  # frames differ
    from emotion.core.emotion_names import emotion_of

    mean = output.logits.mean(0)
    for row, label in KINDS[name][1].items():
        expected = theirs(folders[name], samples)[row]
        assert mean[LABELS.index(str(emotion_of(label)))] == pytest.approx(expected, abs=1e-5)
    known = {emotion_of(label) for label in KINDS[name][1].values()}
    assert engine.labels == known
    assert np.isneginf(mean[[label not in known for label in LABELS]]).all()


def test_frames_of_wav2vec2_are_the_head_on_each_frame(folders: dict[str, Path]) -> None:
    engine = TransformersEngine.load(folders["wav2vec2"], device="cpu")
    output = engine.infer(tone(1.0))
    network = engine._network
    with torch.inference_mode():
        rows = network.classifier(network.projector(torch.from_numpy(output.features))).numpy()
    order = [LABELS.index(name) for name in ("neutral", "happy", "angry", "sad")]
    assert output.logits[:, order] == pytest.approx(rows, abs=1e-5)


def test_whisper_hears_more_than_its_thirty_seconds_in_parts(folders: dict[str, Path]) -> None:
    engine = TransformersEngine.load(folders["whisper"], device="cpu")
    samples = tone(31.0)
    output = engine.infer(samples)
    first, rest = engine.infer(samples[:480_000]), engine.infer(samples[480_000:])
    assert len(output.logits) == len(first.logits) + len(rest.logits)
    assert output.logits == pytest.approx(np.concatenate([first.logits, rest.logits]), abs=1e-6)
    assert len(engine.infer(samples[:480_100]).logits) == len(first.logits)  # no rest to hear


def test_labels_that_mean_the_same_add_up(tmp_path: Path) -> None:
    folder = save("Wav2Vec2", tmp_path / "m", RAVDESS)
    engine = TransformersEngine.load(folder, device="cpu")
    samples = tone(1.0)
    logits = theirs(folder, samples)
    expected = np.exp(logits) / np.exp(logits).sum()
    mean = engine.infer(samples).logits.mean(0).astype(float)
    scores = np.exp(mean) / np.exp(mean).sum()
    assert scores[LABELS.index("neutral")] == pytest.approx(expected[1] + expected[2], abs=1e-5)
    assert scores[LABELS.index("sad")] == pytest.approx(expected[3], abs=1e-5)


@pytest.mark.parametrize("granularity", ["utterance", "frame", "segment"])
def test_recognising(folders: dict[str, Path], wav: Wav, granularity: Any) -> None:
    recognizer = Recognizer.load(str(folders["hubert"]), device="cpu")
    found = recognizer.recognize(wav(2.0), granularity=granularity, embedding=True)
    assert found.result.model.engine == "transformers"
    assert found.result.model.name == "hubert"
    assert sum(found.result.scores.values()) == pytest.approx(1, abs=1e-3)
    assert found.result.scores["disgusted"] == 0
    assert found.embedding is not None
    assert found.embedding.shape == (32,)
    if granularity == "frame":
        assert found.result.frames is not None


def test_the_command_line(
    folders: dict[str, Path], wav: Wav, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = ["--model", str(folders["wav2vec2"]), "--device", "cpu", "--output-dir", str(tmp_path)]
    assert main(["recognize", str(wav(1.0)), "--json", *given]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["model"]["engine"] == "transformers"
    assert main(["recognize", str(wav(1.0)), "--labels", "fearful,disgusted", *given]) == 2
    assert "angry, happy, neutral, sad" in capsys.readouterr().err


def test_a_folder_is_found_and_what_it_lacks_is_named(copied: Path, tmp_path: Path) -> None:
    assert is_transformers(copied)
    assert locate(str(copied), tmp_path) == copied
    (copied / "preprocessor_config.json").unlink()
    (copied / "model.safetensors").unlink()
    assert missing_files(copied)[0] == "preprocessor_config.json"
    with pytest.raises(CheckpointError, match=r"lacks preprocessor_config\.json, model\.safeten"):
        locate(str(copied), tmp_path)


@pytest.mark.parametrize("engine", ["native", "funasr"])
def test_other_engines_refuse_it(copied: Path, engine: Any) -> None:
    with pytest.raises(CheckpointError, match=f"--engine {engine} cannot run"):
        load_engine(copied, EngineConfig(engine=engine, device="cpu"))
    found, fallback = load_engine(copied, EngineConfig(device="cpu"))
    assert (found.name, fallback) == ("transformers", None)


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"architectures": ["Wav2Vec2ForCTC"]}, "Wav2Vec2ForCTC is no audio classifier"),
        ({"architectures": []}, "IndexError"),
        ({"id2label": {"0": "yes", "1": "no", "2": "up", "3": "down"}}, "label 'yes' is none of"),
        ({"id2label": {"0": "sad", "2": "happy"}}, "id2label is incomplete"),
        ({"problem_type": "regression"}, "its head is for regression"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised weights"),
        ({"add_adapter": True}, "transformers refuses it"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "the hop is 160 samples, but must be 320"),
        ({"classifier_proj_size": 20}, "its weights lack .* or have another shape"),
        ({"num_hidden_layers": 3}, "its weights lack"),
        ({"model_type": "nothing"}, "transformers refuses it"),
    ],
)
def test_checkpoints_that_are_refused(copied: Path, values: dict[str, Any], reason: str) -> None:
    change(copied, **values)
    with pytest.raises(CheckpointError, match=reason):
        TransformersEngine.load(copied, device="cpu")


def test_a_broken_config(copied: Path) -> None:
    (copied / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        TransformersEngine.load(copied, device="cpu")


def test_weights_that_are_not_numbers_and_another_rate(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copied / "model.safetensors")
    state["classifier.bias"][1] = float("nan")
    save_file(state, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"classifier\.bias"):
        TransformersEngine.load(copied, device="cpu")
    path = copied / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sampling_rate": 8000}))
    with pytest.raises(CheckpointError, match="it hears 8000 Hz"):
        TransformersEngine.load(copied, device="cpu")


def test_read_only_samples(folders: dict[str, Path]) -> None:
    samples = tone(0.5)
    samples.flags.writeable = False
    engine = TransformersEngine.load(folders["wavlm"], device="cpu")
    assert len(engine.infer(samples).logits) == engine.num_frames(samples.size)


class Evil:
    """What a pickle runs when it is loaded without care."""

    def __reduce__(self) -> Any:
        return (print, ("it ran",))


def test_a_pickle_is_read_as_tensors_only(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from safetensors.torch import load_file

    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(state, copied / "pytorch_model.bin")
    samples = tone(1.0)
    assert np.isfinite(TransformersEngine.load(copied, device="cpu").infer(samples).features).all()
    torch.save({**state, "evil": Evil()}, copied / "pytorch_model.bin", pickle_module=pickle)
    with pytest.raises(CheckpointError, match="not safe to load"):
        TransformersEngine.load(copied, device="cpu")
    assert "it ran" not in capfd.readouterr().out


def test_precisions_and_a_missing_package(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="fp32"):
        TransformersEngine.load(copied, device="cpu", precision="bf16")
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ModelError, match="transformers cannot be imported"):
        TransformersEngine.load(copied, device="cpu")


def test_loading_says_nothing_of_its_own(
    copied: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        TransformersEngine.load(copied, device="cpu")
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
