"""run.sh against an interpreter that only writes down what it is asked: no network, no pip."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from emotion.core.paths import PROJECT_DIR

# Says its version, makes a .venv whose Python is itself, and appends its arguments to $LOG.
STUB = """#!/usr/bin/env bash
[[ "$1" == -I ]] && shift
case "$1 ${2:-}" in
  "-c "*) echo "${FAKE_VERSION:-3.11}"; exit 0 ;;
  "-m pip") [[ "$3" == --version ]] && exit 0 ;;
  "-m emotion.inference.gpu_check")
    [[ -z "${GPU_WARNING:-}" ]] || echo "WARNING: $GPU_WARNING" >&2
    exit "${FAIL_CHECK:-0}"
    ;;
esac
echo "$*" >>"$LOG"
if [[ "$1 $2" == "-m venv" ]]; then
  [[ -z "${FAIL_VENV:-}" ]] || { printf '%b' "$FAIL_VENV"; exit 1; }
  mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python"
elif [[ "$1 $2" == "-m pip" ]]; then
  [[ -z "${SLOW_PIP:-}" ]] || sleep "$SLOW_PIP"
  [[ "$*" != *"${FAIL_FOR:-none}"* ]] || exit 1
  [[ -z "${FAIL_PIP:-}" ]] || { echo "ERROR: no network" >&2; exit 1; }
else
  echo "in $PWD with $PYTHONPATH" >>"$LOG"
fi
"""


@dataclass(frozen=True)
class Project:
    """A copy of run.sh, a stub for Python, and what the stub was asked."""

    folder: Path
    elsewhere: Path
    log: Path
    environment: dict[str, str]

    def command(self, *args: str) -> list[str]:
        return ["bash", str(self.folder / "run.sh"), *args]

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            cwd=self.elsewhere,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was asked since the last time."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def installs(self) -> int:
        return sum(call.startswith("-m pip install") for call in self.calls())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "a project's folder"
    folder.mkdir()
    shutil.copy(PROJECT_DIR / "run.sh", folder)
    (folder / "requirements.txt").write_text("torch==1\n")
    (folder / "requirements-dev.txt").write_text("pytest==1\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stub = tmp_path / "my python"
    stub.write_text(STUB)
    stub.chmod(0o755)
    log = tmp_path / "log"
    environment = {"PATH": os.environ["PATH"], "LOG": str(log), "PYTHON": str(stub)}
    return Project(folder, elsewhere, log, environment)


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("run.sh: ")
    for word in words:
        assert word in last


def test_first_run_installs_then_serves(project: Project) -> None:
    done = project.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    venv, pip, serve, where = project.calls()
    assert venv == f"-m venv --clear {project.folder}/.venv"
    assert pip.startswith("-m pip install ")
    assert f"-r {project.folder}/requirements.txt" in pip
    assert serve == "-m emotion serve"
    assert where == f"in {project.elsewhere} with {project.folder}"


def test_arguments_are_passed_as_they_are_in_the_callers_folder(project: Project) -> None:
    project.run()
    project.calls()
    project.run("recognize", "my file.wav", "*", PYTHONPATH="/other")
    call, where = project.calls()
    assert call == "-m emotion recognize my file.wav *"
    assert where == f"in {project.elsewhere} with {project.folder}:/other"


def test_second_run_does_not_call_pip(project: Project) -> None:
    assert project.run().returncode == 0
    assert project.installs() == 1
    done = project.run(FAIL_PIP="1", FAIL_VENV="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert project.installs() == 0


def test_changed_requirements_are_installed_into_the_same_venv(project: Project) -> None:
    project.run()
    project.calls()
    (project.folder / "requirements.txt").write_text("torch==2\n")
    project.run()
    calls = project.calls()
    assert [call.split()[1] for call in calls if call.startswith("-m")] == ["pip", "emotion"]


def test_another_python_version_in_the_venv_installs_again(project: Project) -> None:
    project.run()
    project.calls()
    project.run(FAKE_VERSION="3.12")
    assert project.installs() == 1


def test_failed_install_ends_clearly_and_is_tried_again(project: Project) -> None:
    done = project.run(FAIL_PIP="1")
    assert_one_clear_line(done, "requirements.txt", "failed", "network")
    assert "ERROR: no network" in done.stderr
    assert not any("emotion" in call.split() for call in project.calls())
    assert project.run().returncode == 0
    assert project.installs() == 1


def test_failed_upgrade_does_not_leave_the_old_stamp(project: Project) -> None:
    old = (project.folder / "requirements.txt").read_text()
    project.run()
    (project.folder / "requirements.txt").write_text("torch==2\n")
    assert project.run(FAIL_PIP="1").returncode == 1
    (project.folder / "requirements.txt").write_text(old)
    project.calls()
    project.run()
    assert project.installs() == 1


def test_tests_install_both_files_and_run_in_the_project(project: Project) -> None:
    project.run("test", "-k", "a b")
    calls = project.calls()
    assert sum(call.startswith("-m pip install") for call in calls) == 2
    assert calls[-2:] == [
        "-m pytest -n logical --maxprocesses 4 --dist loadfile -k a b",
        f"in {project.folder} with {project.folder}",
    ]
    project.run("test")
    assert project.installs() == 0


def test_two_at_once_install_once(project: Project) -> None:
    if shutil.which("flock") is None:
        pytest.skip("no flock here")
    environment = project.environment | {"SLOW_PIP": "0.5"}
    both = [
        subprocess.Popen(
            project.command("models"),
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    calls = project.calls()
    assert sum(call.startswith("-m venv") for call in calls) == 1
    assert sum(call.startswith("-m pip install") for call in calls) == 1
    assert calls.count("-m emotion models") == 2


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PYTHON": "/nowhere/python"}, ("/nowhere/python", "does not run")),
        ({"FAKE_VERSION": "3.9"}, ("Python 3.9", "3.10 or newer")),
        ({"FAIL_VENV": "because ensurepip is not\\navailable"}, ("apt install python3-venv",)),
        ({"FAIL_VENV": "No module named venv"}, ("apt install python3-venv",)),
        ({"FAIL_VENV": "usage\\nError: disk full"}, ("making .venv failed: Error: disk full",)),
    ],
)
def test_no_usable_python_ends_clearly(
    project: Project, environment: dict[str, str], words: tuple[str, ...]
) -> None:
    done = project.run(**environment)
    assert_one_clear_line(done, *words)
    assert project.installs() == 0


# Builds of torch.

CPU = "https://download.pytorch.org/whl/cpu"


def torch_installs(calls: list[str]) -> list[str]:
    """The pip calls for torch alone, without what all pip calls have in common."""
    same = "-m pip install --no-input --disable-pip-version-check "
    return [call.removeprefix(same) for call in calls if "--no-deps" in call]


def test_torch_comes_from_its_own_index_first(project: Project) -> None:
    done = project.run(TORCH_INDEX_URL=CPU)
    assert done.returncode == 0, done.stderr
    calls = project.calls()
    expected = f"--force-reinstall --no-deps --index-url {CPU} torch==1"
    assert torch_installs(calls) == [expected]
    assert [call.split()[1] for call in calls if call.startswith("-m")] == [
        "venv", "pip", "pip", "emotion",
    ]  # fmt: skip
    assert "-r" in calls[2] and "--index-url" not in calls[2]


def test_without_an_index_torch_comes_with_the_rest(project: Project) -> None:
    project.run()
    assert torch_installs(project.calls()) == []


def test_the_index_is_remembered(project: Project) -> None:
    project.run(TORCH_INDEX_URL=CPU)
    project.calls()
    for environment in ({}, {"TORCH_INDEX_URL": CPU}):
        done = project.run(**environment, FAIL_PIP="1")
        assert (done.returncode, done.stderr) == (0, "")
    assert project.installs() == 0


def test_another_index_installs_torch_again(project: Project) -> None:
    project.run(TORCH_INDEX_URL=CPU)
    project.calls()
    project.run(TORCH_INDEX_URL="https://mirror.example/cu126")
    calls = project.calls()
    (torch,) = torch_installs(calls)
    assert torch.endswith("--index-url https://mirror.example/cu126 torch==1")
    assert not any(call.startswith("-m venv") for call in calls)
    project.run()
    assert project.installs() == 0


def test_an_empty_index_goes_back_to_the_default(project: Project) -> None:
    project.run(TORCH_INDEX_URL=CPU)
    project.calls()
    done = project.run(TORCH_INDEX_URL="")
    assert "torch==1 from the default index" in done.stderr
    assert torch_installs(project.calls()) == ["--force-reinstall --no-deps torch==1"]
    project.run(TORCH_INDEX_URL="")
    project.run()
    assert project.installs() == 0


def test_other_requirements_do_not_install_torch_again(project: Project) -> None:
    project.run(TORCH_INDEX_URL=CPU)
    project.calls()
    (project.folder / "requirements.txt").write_text("torch==1\nnumpy==2\n")
    project.run()
    calls = project.calls()
    assert torch_installs(calls) == []
    assert sum("-m pip install" in call for call in calls) == 1
    (project.folder / "requirements.txt").write_text("torch==2\nnumpy==2\n")
    project.run()
    (torch,) = torch_installs(project.calls())
    assert torch.endswith(f"--index-url {CPU} torch==2")


def test_an_index_that_fails_is_named_and_tried_again(project: Project) -> None:
    project.run(TORCH_INDEX_URL=CPU)
    project.calls()
    failing = {"FAIL_FOR": "--index-url https://wrong.example"}
    done = project.run(TORCH_INDEX_URL="https://wrong.example", **failing)
    assert_one_clear_line(done, "torch==1 from https://wrong.example failed", "TORCH_INDEX_URL")
    project.calls()
    project.run()  # the one that worked is still the remembered one
    assert torch_installs(project.calls()) == []
    project.run(TORCH_INDEX_URL="https://wrong.example")
    assert len(torch_installs(project.calls())) == 1


def test_a_card_that_torch_cannot_use_is_a_warning(project: Project) -> None:
    done = project.run(GPU_WARNING="NVIDIA T4 is not used", FAIL_CHECK="1")
    assert done.returncode == 0
    assert "WARNING: NVIDIA T4 is not used" in done.stderr
    assert project.calls()[-2] == "-m emotion serve"
    assert project.run(GPU_WARNING="NVIDIA T4 is not used").stderr == ""  # the program says it


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="elsewhere torch comes without CUDA",
)
@pytest.mark.skipif(Path("/proc/driver/nvidia/gpus").exists(), reason="an NVIDIA card is here")
def test_without_a_card_the_smaller_torch_is_named(project: Project, tmp_path: Path) -> None:
    path = search_path(tmp_path / "bin", "env")
    done = project.run(PATH=str(path))
    assert f"TORCH_INDEX_URL={CPU} bash run.sh" in done.stderr
    assert "5 GB" not in project.run("models", PATH=str(path)).stderr
    shutil.rmtree(project.folder / ".venv")
    assert "5 GB" not in project.run(PATH=str(path), TORCH_INDEX_URL=CPU).stderr
    shutil.rmtree(project.folder / ".venv")
    (path / "nvidia-smi").write_text("#!/bin/sh\n")
    (path / "nvidia-smi").chmod(0o755)
    assert "5 GB" not in project.run(PATH=str(path)).stderr


def test_missing_programs_are_named_with_what_follows(project: Project, tmp_path: Path) -> None:
    done = project.run("test", PATH=str(search_path(tmp_path / "bin", "env")))
    assert done.returncode == 0
    assert "no ffmpeg here, the tests use the bundled one" in done.stderr
    assert "will fail" not in done.stderr


def search_path(folder: Path, *programs: str) -> Path:
    """A PATH with the few programs that run.sh itself uses, and no Python."""
    folder.mkdir()
    for program in ("bash", "cat", "cp", "dirname", "mkdir", "mv", "rm", *programs):
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    return folder


def test_no_python_at_all(project: Project, tmp_path: Path) -> None:
    done = project.run(PYTHON="", PATH=str(search_path(tmp_path / "bin")))
    assert_one_clear_line(done, "Python 3.10 or newer is needed", "set PYTHON")


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"python3": "3.11", "python3.12": "3.12"}, "python3"),
        ({"python3": "3.9", "python3.12": "3.12", "python3.10": "3.10"}, "python3.12"),
        ({"python3": "3.15", "python3.12": "3.12"}, "python3.12"),
        ({"python3": "3.15"}, "python3"),
        ({"python": "3.10"}, "python"),
    ],
)
def test_which_python_is_chosen(
    project: Project, tmp_path: Path, versions: dict[str, str], chosen: str
) -> None:
    path = search_path(tmp_path / "bin", "env")
    for name, version in versions.items():
        (path / name).write_text(STUB.replace("${FAKE_VERSION:-3.11}", version))
        (path / name).chmod(0o755)
    done = project.run(PYTHON="", PATH=str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"run.sh: making .venv with {chosen}\n")
