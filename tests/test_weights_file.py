"""Reading a weights file: what is picked, what is ignored and counted, what is refused."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emotion.core.errors import CheckpointError
from emotion.models.weights_file import pick, read_weights

WANTED = {"a.weight": (2, 3), "a.bias": (2,)}


def tensors(prefix: str = "", value: float = 1.0) -> dict[str, Any]:
    return {prefix + name: torch.full(shape, value) for name, shape in WANTED.items()}


def picked(folder: Path, data: Any) -> dict[str, torch.Tensor]:
    torch.save(data, folder / "model.pt")
    return pick(read_weights(folder), WANTED)


@pytest.mark.parametrize("nest", ["model", "state_dict", "model_state_dict", None])
@pytest.mark.parametrize("prefix", ["", "d2v_model.", "module.", "module.d2v_model."])
def test_nests_and_prefixes(tmp_path: Path, nest: str | None, prefix: str) -> None:
    state = tensors(prefix)
    found = picked(tmp_path, {nest: state} if nest else state)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == WANTED


def test_a_training_checkpoint_is_read_and_the_rest_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = {f"blocks.{i}.weight": torch.ones(2) for i in range(3)}
    data = {
        "args": None,
        "cfg": {"task": {"normalize": True}, "model": None},
        "model": tensors("d2v_model.")
        | {"d2v_model._ema": teacher, "d2v_model.a.decoder.weight": torch.ones(1)}
        | {"d2v_model.never.seen": torch.ones(5), "d2v_model.step": 7},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3), "step": 9}}},
        "optimizer_history": [{"lr": 0.1, "best": torch.tensor(0.5)}],
    }
    with caplog.at_level(logging.INFO):
        found = picked(tmp_path, data)
    assert found.keys() == WANTED.keys()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path.name}: ignored 7 tensors: d2v_model._ema (3), d2v_model.a.decoder (1), "
        "d2v_model.never (1), last_optimizer_state (1), optimizer_history (1)"
    ]


def test_nothing_is_logged_where_nothing_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        picked(tmp_path, {"model": tensors()})
    assert not caplog.records


def test_of_two_names_the_one_that_funasr_takes_unless_its_shape_is_wrong(tmp_path: Path) -> None:
    both = tensors("d2v_model.", 2.0) | tensors("", 1.0)
    assert float(picked(tmp_path, {"model": both})["a.bias"][0]) == 2.0
    both["d2v_model.a.bias"] = torch.zeros(5)
    found = picked(tmp_path, {"model": both})
    assert float(found["a.bias"][0]) == 1.0 and float(found["a.weight"][0, 0]) == 2.0


def test_what_is_missing_or_of_another_shape_is_listed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        picked(tmp_path, {"model": {"a.bias": torch.zeros(5), "other": torch.zeros(1)}})
    reason = caught.value.params["reason"]
    assert reason == (
        "2 tensor(s) do not fit: a.bias is (5,), but config.yaml and tokens.txt make it (2,); "
        "missing a.weight (2, 3)"
    )


def test_values_that_are_not_used_may_be_anything(tmp_path: Path) -> None:
    broken = {"optimizer": torch.full((3,), torch.nan), "_ema": {"a.bias": torch.tensor(torch.inf)}}
    assert picked(tmp_path, {"model": tensors() | broken}).keys() == WANTED.keys()


def test_safetensors_are_read_where_there_is_no_pickle(tmp_path: Path) -> None:
    save_file(tensors("d2v_model."), tmp_path / "model.safetensors")
    assert pick(read_weights(tmp_path), WANTED).keys() == WANTED.keys()
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        read_weights(tmp_path)


class MakesFolder:
    """Unpickling it freely would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.folder),))


def test_nothing_in_a_pickle_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data = {"model": tensors(), "extra_state": MakesFolder(marker)}
    (tmp_path / "model.pt").write_bytes(pickle.dumps(data, protocol=2))
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(tmp_path)
    torch.save(data, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "no such file"), (b"PK\x03\x04 not a zip", "is damaged"), (b"", "is damaged")],
)
def test_broken_files(tmp_path: Path, content: bytes | None, text: str) -> None:
    if content is not None:
        (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=text):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02h\x05.", b"\x80\x02.", b"\x80\x02}q\x01e.", b"\x80\x02U\xffab", b"\x80\x02R."],
    ids=["no memo", "empty stack", "no mark", "short string", "no function"],
)
def test_a_pickle_that_makes_no_sense(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        read_weights(tmp_path)


def test_a_file_without_a_table_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="holds no table of tensors"):
        read_weights(tmp_path)


MEASURE = """
import sys
from pathlib import Path
import psutil
from emotion.models.weights_file import pick, read_weights
process = psutil.Process()
before = process.memory_info().rss
found = pick(read_weights(Path(sys.argv[1])), {"a.weight": (2, 3), "a.bias": (2,)})
assert float(sum(tensor.sum() for tensor in found.values())) == 8.0
print(process.memory_info().rss - before)
"""


def test_what_is_not_used_is_never_held(tmp_path: Path) -> None:
    large = {"_ema": {"w": torch.zeros(30_000_000)}, "stray": torch.zeros(20_000_000)}
    torch.save({"model": tensors() | large}, tmp_path / "model.pt")
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (tmp_path / "model.pt").unlink()
    assert grown < 50_000_000  # of 200 MB
