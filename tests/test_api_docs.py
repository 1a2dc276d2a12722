"""The examples of docs/api.md, run as written: only the port is that of the test's server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import playwright
import pytest
import soundfile

from emotion.core.config import Config, ServerConfig
from emotion.core.paths import PROJECT_DIR, examples_dir
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import create_app
from tests.api import served, until
from tests.fakes import FakeEngine, FakeService

TEXT = (PROJECT_DIR / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
WRITTEN = "http://127.0.0.1:7860"
# The same program in which the browser tests run.
NODE = Path(playwright.__file__).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
COMMANDS = {
    "bash": ["bash", "-e", "-o", "pipefail", "-c"],
    "python": [sys.executable, "-W", "error", "-c"],
    "javascript": [str(NODE), "--input-type=module", "-e"],
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    outputs = tmp_path_factory.mktemp("outputs")
    service: Any = FakeService(LoadedModel(FakeEngine(), name="fake", title="Fake"))
    app = create_app(Config(server=ServerConfig(port=0, outputs_dir=outputs)), service)
    with served(app) as url:
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = sorted(examples_dir().glob("*.ogg"))
    for name, clip in zip(("speech.wav", "call.wav"), clips, strict=False):
        soundfile.write(tmp_path / name, *soundfile.read(clip))
    return tmp_path


def test_there_are_examples_in_each_language() -> None:
    assert {language for language, _ in EXAMPLES} == set(COMMANDS)
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize(
    ("language", "code"),
    EXAMPLES,
    ids=[f"{number}-{language}" for number, (language, _) in enumerate(EXAMPLES, 1)],
)
def test_an_example(language: str, code: str, address: str, folder: Path) -> None:
    # Stored runs are listed and deleted by one of them.
    with (folder / "speech.wav").open("rb") as file:
        assert httpx.post(f"{address}/api/v1/recognize", files={"file": file}).is_success
    done = subprocess.run(
        [*COMMANDS[language], code.replace(WRITTEN, address)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIR)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and "Traceback" not in done.stderr
