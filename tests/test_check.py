"""scripts/check: what known vulnerabilities, and a network that does not answer, make of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.core.paths import PROJECT_DIR

Check = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs the script beside tools that find nothing, and a given stand-in for pip-audit."""
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(PROJECT_DIR / "scripts" / "check", tmp_path / "scripts")

    def run(audit: str) -> subprocess.CompletedProcess[str]:
        for name in ("python", "ruff", "mypy", "lint-imports", "pip-audit"):
            file = tools / name
            file.write_text(f"#!/bin/sh\n{audit if name == 'pip-audit' else 'true'}\n")
            file.chmod(0o755)
        return subprocess.run(["bash", script], capture_output=True, text=True, check=False)

    return run


def test_nothing_is_known(check: Check) -> None:
    done = check("echo 'No known vulnerabilities found' >&2")
    assert (done.returncode, done.stdout) == (0, "pip-audit: nothing known\n")


def test_a_finding_is_shown_and_fails(check: Check) -> None:
    found = "Found 1 known vulnerability in 1 package\nName Version ID\nx 1.0 PYSEC-1"
    done = check(f"echo '{found}'; exit 1")
    assert done.returncode == 1 and done.stderr == f"{found}\n"


def test_a_network_that_refuses_is_one_line(check: Check) -> None:
    done = check("printf 'Traceback\\n  line\\nConnectionError: no route' >&2; exit 1")
    assert (done.returncode, done.stdout) == (0, "pip-audit: skipped: ConnectionError: no route\n")


def test_a_network_that_does_not_answer_is_one_line(check: Check) -> None:
    done = check("exit 124")  # as `timeout` does
    assert (done.returncode, done.stdout) == (0, "pip-audit: skipped: no answer in time\n")
