"""The wheel: everything is in it, and it runs outside a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from emotion.core.paths import PROJECT_DIR
from tests.conftest import tone

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


def test_every_package_is_listed() -> None:
    with (PROJECT_DIR / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    folders = (path.parent for path in (PROJECT_DIR / "emotion").rglob("__init__.py"))
    found = {".".join(folder.relative_to(PROJECT_DIR).parts) for folder in folders}
    bundled = {"emotion.bundled.emotion2vec_mini", "emotion.bundled.examples"}
    assert listed == found | bundled


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents in a folder of their own; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignore = shutil.ignore_patterns(".*", "outputs", "runs", "build", "*.egg-info", "__pycache__")
    shutil.copytree(PROJECT_DIR, source, ignore=ignore)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([*pip, *options, str(source)], check=True, capture_output=True)
    shutil.rmtree(source)
    return folder / "site"


def run(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of the installed package, in another folder and for a new user."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_")}
    env |= {"PYTHONPATH": str(installed), "HOME": str(home), "USERPROFILE": str(home)}
    env |= {"XDG_DATA_HOME": str(home / "data"), "XDG_CACHE_HOME": str(home / "cache")}
    command = [sys.executable, "-m", "emotion", *arguments]
    return subprocess.run(
        command, cwd=home, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_clip_is_recognised_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", tone(2.0), 16_000)
    done = run(
        installed, tmp_path, "recognize", "clip.wav", "--json", "--offline", "--export", "html"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["model"]["name"] == "emotion2vec_mini"
    folder = Path(record["output_dir"])
    assert (folder / "result.json").is_file() and tmp_path in folder.parents
    assert "<style>" in (folder / "report.html").read_text("utf-8")  # its parts are in the wheel
    assert not (tmp_path / "outputs").exists()


def test_models_and_examples_are_found(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "models", "--json")
    states = {
        (record := json.loads(line))["name"]: record["state"] for line in done.stdout.splitlines()
    }
    assert states["emotion2vec_mini"] == "ready"
    examples = list((installed / "emotion" / "bundled" / "examples").glob("*.*"))
    assert any(soundfile.info(path).duration > 1 for path in examples if path.suffix != ".md")


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    wheels, venv = tmp_path / "dist", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(wheels)]
    subprocess.run([*pip, str(PROJECT_DIR)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (wheel,) = wheels.iterdir()
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([scripts / "pip", "install", "--quiet", str(wheel)], check=True)
    soundfile.write(tmp_path / "clip.wav", tone(2.0), 16_000)
    command = [scripts / "emotion", "recognize", "clip.wav", "--offline", "--output-dir", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    shutil.rmtree(venv)
    assert done.returncode == 0, done.stderr
    assert next((tmp_path / "out").glob("outputs_*/result.json")).is_file()
