"""How the package's own programs have torch: without what is rarely used, in large pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from emotion.config import PROJECT_DIR
from tests.conftest import MINI

_LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")
_LIBRARY = "from emotion.quick_start import import_torch; import_torch()\n"
_NAMED = "__spec__.name = 'emotion.__main__'\n"
_OWN = _NAMED + _LIBRARY
_LACKS = (
    "import sys; from emotion import quick_start\n"
    "assert 'torch' in sys.modules and 'torch._prims' not in sys.modules\n"
    "assert not set(quick_start._LATER) & set(sys.modules)\n"
)


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    # A module that is run with -m has a name, a string or a file has none.
    (folder / "program.py").write_text(code)
    command = [sys.executable, "-m", "program"]
    env = {**os.environ, "PYTHONPATH": f"{PROJECT_DIR}{os.pathsep}{folder}"}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "code",
    [
        _OWN + _LACKS,
        _OWN + "import torch._meta_registrations, torch._prims; import torch\n"
        "shape = torch._meta_registrations.pooling_output_shape(9, 3, 0, 3, 1, False)\n"
        "assert shape == 3",
        _OWN + "import torch\n"
        "assert float(torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(0.0))) == 0.5\n"
        "assert torch.nn.intrinsic.LinearReLU.__module__.startswith('torch.ao')\n"
        "assert torch.nn.quantized.Linear(2, 3).in_features == 2\n"
        "assert torch.quantization.QConfig and torch.masked.masked_tensor\n"
        "assert torch.export.Dim('frames').__name__ == 'frames'\n"
        "import torch.distributions, torch.nn.quantized\n"
        "assert hasattr(torch.distributions, '__file__')",
        _OWN + "from torch.distributions import Normal; from torch.nn.qat import Linear\n"
        "import torch; assert torch.distributions.Normal is Normal",
        # Imported in torch's order, whichever part is asked for first; each part runs only once.
        _OWN + "import torch.utils.checkpoint, torch, sys; from emotion import quick_start\n"
        "assert set(quick_start._LATER) <= set(sys.modules)\n"
        "assert torch.utils.checkpoint.__spec__.origin == torch.utils.checkpoint.__file__",
        _OWN
        + "import torch.optim.adam, torch.nested._internal, torch; from torch.fx import graph\n"
        "assert graph is torch.fx.graph and torch.fx.operator_schemas.normalize_function\n"
        "assert float(torch.vmap(torch.sum)(torch.ones(2, 3))[0]) == 3.0\n"
        "assert isinstance(torch.nn.Linear(2, 2).to('meta').weight, torch.nn.Parameter)",
        _OWN + "from torch._higher_order_ops.utils import HopInstance; import torch\n"
        "x = torch.ones(2, requires_grad=True); x.square().sum().backward()\n"
        "torch.optim.SGD([x], lr=0.5).step(); assert repr(x).startswith('tensor([0., 0.]')\n"
        "assert torch.hub.load and torch.cond is torch._higher_order_ops.cond\n"
        "assert torch.vmap is torch.func.vmap and isinstance(torch._guards.CompileId, type)\n"
        "assert torch._logging._internal.CompileId is torch._guards.CompileId\n"
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        "with FakeTensorMode() as mode: assert torch._guards.detect_fake_mode() is mode\n"
        "assert torch.Generator().manual_seed(1).initial_seed() == 1",
        # What was loaded by others stays as it is.
        "import torch; before = torch._meta_registrations\n"
        + _OWN
        + "assert torch._meta_registrations is before",
    ],
)
def test_own_process_imports_less_and_can_have_the_rest(code: str, tmp_path: Path) -> None:
    done = run(tmp_path, code)
    assert done.returncode == 0 and "quick_start" not in done.stderr, done.stderr


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_own_process_recognises_without_the_rest(device: str, tmp_path: Path) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    code = _OWN + (
        "import numpy as np; from pathlib import Path; from emotion.engine import Engine\n"
        "from emotion.checkpoint import read_pickle\n"
        f"assert read_pickle(Path({str(MINI)!r}))\n"
        "for precision in ('fp32', 'bf16'):\n"
        f"    engine = Engine.load(Path({str(MINI)!r}), device={device!r}, precision=precision)\n"
        "    for samples in (engine.minimum_samples, 16000, 16000, 16000):\n"
        "        engine.infer(np.ones(samples, np.float32))\n"
        "    list(engine.infer_many([np.ones(8000, np.float32)] * 3))\n"
    )
    done = run(tmp_path, code + _LACKS)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not _LARGE_PAGES.exists(), reason="no transparent huge pages")
@pytest.mark.parametrize("own", [True, False])
def test_large_tensors_of_own_processes_are_in_large_pages(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    code = (_NAMED if own else "") + (
        "import re; from pathlib import Path; from emotion.config import EngineConfig\n"
        "from emotion.lifecycle import load_engine\n"
        f"load_engine(Path({str(MINI)!r}), EngineConfig(device='cpu'))\n"
        "import torch\n"
        "tensor = torch.empty(1 << 26, dtype=torch.uint8)\n"
        "found = tensor.data_ptr() + tensor.nbytes // 2\n"
        "for line in open('/proc/self/smaps'):\n"
        "    if place := re.match('([0-9a-f]+)-([0-9a-f]+) ', line):\n"
        "        here = int(place[1], 16) <= found < int(place[2], 16)\n"
        "    elif here and line.startswith('VmFlags:'): print('asked:', 'hg' in line.split())\n"
    )
    done = run(tmp_path, code)
    assert done.stdout == f"asked: {own}\n", done.stderr


def test_garbage_is_not_looked_for_during_a_large_import_only(tmp_path: Path) -> None:
    code = (
        "__spec__.name = 'emotion.__main__'\n"
        "import gc; from emotion.quick_start import large_import\n"
        "for i in range(2):\n"  # twice: the first, which fails, must let the second in
        "    try:\n"
        "        with large_import():\n"
        "            assert not gc.isenabled()\n"
        "            raise ImportError\n"
        "    except ImportError: assert gc.isenabled() and gc.get_freeze_count()\n"
    )
    done = run(tmp_path, code)
    assert done.returncode == 0, done.stderr


def test_library_leaves_the_import_to_others(tmp_path: Path) -> None:
    done = run(tmp_path, _LIBRARY + "import sys; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_compiling_works(tmp_path: Path) -> None:
    code = _OWN + (
        "import torch\n"
        "double = torch.compile(lambda x: torch.addbmm(x, y, z), backend='aot_eager')\n"
        "y, z = torch.ones(2, 3, 4), torch.ones(2, 4, 5)\n"
        "assert float(double(torch.zeros(3, 5))[0, 0]) == 8.0\n"
    )
    done = run(tmp_path, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", [["-m", "emotion"], [str(PROJECT_DIR / "app.py")]])
def test_programs_of_this_package_are_known(program: list[str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit\n"
        "def tell():\n"
        "    from emotion.quick_start import own_process\n"
        "    print('own:', own_process())\n"
        "atexit.register(tell)\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{PROJECT_DIR}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, *program, "--help"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "own: True" in done.stdout, done.stderr
