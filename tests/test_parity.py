"""The network gives what FunASR, the reference implementation, gives for the same folder.

FunASR runs in a process of its own: importing it takes seconds, warns, and changes thread counts
and log levels of whoever imports it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from emotion.core.labels import parse_token
from emotion.core.paths import PROJECT_DIR
from emotion.models.checkpoint import load_checkpoint
from tools.make_checkpoint import SHAPES, write_checkpoint

Array = npt.NDArray[np.float32]

MINI = PROJECT_DIR / "models" / "emotion2vec_mini"
# argv: where to write, the waveform, folders.
REFERENCE = """
import sys
import numpy as np
from funasr import AutoModel

out, wave, *folders = sys.argv[1:]
results = {}
for i, folder in enumerate(folders):
    model = AutoModel(model=folder, disable_update=True, device="cpu")
    (result,) = model.generate(
        np.load(wave), granularity="utterance", extract_embedding=True, disable_pbar=True
    )
    results[f"embedding{i}"] = result["feats"]
    results[f"scores{i}"] = np.array(result["scores"])
    results[f"labels{i}"] = np.array(result["labels"])
np.savez(out, **results)
"""
CASES: dict[str, Callable[[Path], Path]] = {
    "tiny": lambda folder: write_checkpoint("tiny", folder, seed=1),
    "tiny stored as float16": lambda folder: write_checkpoint(
        "tiny", folder, seed=2, dtype=torch.float16
    ),
    "tiny with ALiBi scales per layer": lambda folder: write_checkpoint(
        replace(SHAPES["tiny"], depth=2, alibi_per_layer=True), folder, seed=3
    ),
    "mini": lambda _: MINI,
}


_DECODER = "modality_encoders.AUDIO.decoder."


@pytest.fixture(scope="module")
def waveform() -> Array:
    """3 s of a sine that swells over noise."""
    time_s = np.arange(48_000) / 16_000
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    wave = np.sin(2 * np.pi * 220 * time_s) * time_s / 10 + 0.05 * noise
    return wave.astype(np.float32)


def run_funasr(waveform: Array, folders: list[Path], scratch: Path) -> list[tuple[Array, Array]]:
    """Embedding and scores, in the order of our labels' tokens, of each folder."""
    np.save(scratch / "wave.npy", waveform)
    out = scratch / "reference.npz"
    command = [sys.executable, "-c", REFERENCE, str(out), str(scratch / "wave.npy")]
    done = subprocess.run(
        command + [str(folder) for folder in folders],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    # FunASR goes on with random weights where a tensor is missing. The published Large has no
    # decoder, which serves pre-training only.
    missing = re.findall(r"miss key in ckpt: ([^\s,]+)", done.stdout)
    assert [name for name in missing if not name.startswith(_DECODER)] == []
    with np.load(out) as results:
        for i, folder in enumerate(folders):
            ours = load_checkpoint(folder).tokens
            theirs = [parse_token(label) for label in results[f"labels{i}"]]
            assert theirs == [token for token in ours if token is not None]
        return [(results[f"embedding{i}"], results[f"scores{i}"]) for i in range(len(folders))]


def run_ours(waveform: Array, folder: Path) -> tuple[Array, Array]:
    """The same by this package, in float32 whatever the weights are stored as."""
    checkpoint = load_checkpoint(folder)
    model = checkpoint.model.float()
    scored = [i for i, token in enumerate(checkpoint.tokens) if token is not None]
    with torch.inference_mode():
        embedding = model(torch.from_numpy(waveform)[None]).mean(1)
        scores = model.head(embedding)[0, scored].softmax(-1)
    return embedding[0].numpy(), scores.numpy()


def check(waveform: Array, folder: Path, reference: tuple[Array, Array]) -> None:
    embedding, scores = run_ours(waveform, folder)
    error = np.linalg.norm(embedding - reference[0]) / np.linalg.norm(reference[0])
    assert error < 1e-5
    np.testing.assert_allclose(scores, reference[1], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def references(
    waveform: Array, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, tuple[Array, Array]]]:
    """Folder and FunASR's results of each case whose folder is there."""
    scratch = tmp_path_factory.mktemp("parity")
    folders = {name: make(scratch / name.replace(" ", "_")) for name, make in CASES.items()}
    there = {name: folder for name, folder in folders.items() if (folder / "model.pt").exists()}
    results = run_funasr(waveform, list(there.values()), scratch)
    return dict(zip(there, zip(there.values(), results, strict=True), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_parity(
    case: str, waveform: Array, references: dict[str, tuple[Path, tuple[Array, Array]]]
) -> None:
    if case not in references:
        pytest.skip(f"{MINI} has no model.pt")
    check(waveform, *references[case])


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["base", "large"])
def test_parity_of_published_sizes(shape: str, waveform: Array, tmp_path: Path) -> None:
    folder = write_checkpoint(shape, tmp_path / shape)
    (reference,) = run_funasr(waveform, [folder], tmp_path)
    check(waveform, folder, reference)
    # Not left to pytest, which keeps the folders of three runs: gigabytes.
    for path in folder.iterdir():
        path.unlink()
