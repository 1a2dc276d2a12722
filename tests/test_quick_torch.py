"""torch without its meta kernels: what is left out, in which processes, and that it can be had."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emotion.config import PROJECT_DIR

_OWN = "from emotion import quick_torch; quick_torch.own_process(); quick_torch.import_torch()\n"
_LIBRARY = "from emotion import quick_torch; quick_torch.import_torch()\n"
_LACKS = "import sys; assert 'torch' in sys.modules; assert 'torch._prims' not in sys.modules\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "code",
    [
        _OWN + _LACKS,
        _OWN + "import torch._meta_registrations, torch._prims; import torch\n"
        "shape = torch._meta_registrations.pooling_output_shape(9, 3, 0, 3, 1, False)\n"
        "assert shape == 3",
        # What was loaded by others stays as it is.
        "import torch; before = torch._meta_registrations\n"
        + _OWN
        + "assert torch._meta_registrations is before",
    ],
)
def test_own_process_imports_less_and_can_have_the_rest(code: str) -> None:
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_library_leaves_the_import_to_others() -> None:
    done = run(_LIBRARY + "import sys; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_compiling_works_once_the_rest_is_imported() -> None:
    code = _OWN + (
        "import torch, torch._meta_registrations\n"
        "double = torch.compile(lambda x: torch.addbmm(x, y, z), backend='aot_eager')\n"
        "y, z = torch.ones(2, 3, 4), torch.ones(2, 4, 5)\n"
        "assert float(double(torch.zeros(3, 5))[0, 0]) == 8.0\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
