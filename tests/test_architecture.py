"""Holds the rules of docs/architecture.md: levels, heavy packages, sizes, no work at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion.core.config import PROJECT_DIR

PACKAGE = PROJECT_DIR / "emotion"
LEVELS = {
    "errors": 0, "config": 0, "labels": 0, "schema": 0, "registry": 0,
    "audio": 1, "gpu_check": 1, "device": 1, "layers": 1, "model": 1,
    "hubs": 1, "hub_clients": 1, "weights": 1, "download": 1,
    "converted": 1, "weights_file": 1, "checkpoint": 1, "batching": 1, "imports": 0,
    "engine_base": 2, "engine": 2, "funasr_engine": 2,
    "recognizer": 2, "lifecycle": 2, "model_service": 2,
    "outputs": 3, "plots": 3, "job": 3,
    "ui": 4, "bench": 4,
    "server": 5, "cli": 5, "guard": 5, "__main__": 5, "__init__": 5,
}  # fmt: skip
# Who may import a heavy package; everybody else must not.
CONFINED = {
    "torch": {
        "gpu_check",
        "device",
        "layers",
        "model",
        "converted",
        "checkpoint",
        "weights_file",
        "engine_base",
        "engine",
        "funasr_engine",
        "bench",
    },
    "safetensors": {"converted", "weights_file"},
    "gradio": {"ui", "server"},
    "fastapi": {"server", "ui"},
    "starlette": {"server", "ui"},
    "uvicorn": {"server"},
    "modelscope": {"hub_clients"},
    "huggingface_hub": {"hub_clients"},
    "requests": {"hubs", "bench"},
    "ffmpeg": {"audio"},
    "soundfile": {"audio"},
    "pysilk": {"audio"},
    "funasr": {"bench", "funasr_engine"},
    "transformers": {"bench"},
    "ray": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module, and whether the import is made inside a function."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        child
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "emotion":
                yield from ((f"emotion.{alias.name}", node in inside) for alias in node.names)
            else:
                yield module, node in inside


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_point_down(path: Path) -> None:
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    for module, lazy in imports(path):
        parts = module.split(".")
        if parts[0] != "emotion" or len(parts) == 1 or parts[1] in ("__version__", own):
            continue
        if own == "recognizer" and parts[1] == "lifecycle" and lazy:
            continue  # Recognizer.load opens a model by name
        below, level = LEVELS[parts[1]], LEVELS[own]
        assert below <= level, f"{path.name} (level {level}) imports {module} (level {below})"
        if level == 4:
            assert below < level, f"{path.name} imports {module}, a neighbour of level 4"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    for module, _ in imports(path):
        allowed = CONFINED.get(module.split(".")[0])
        if allowed is not None:
            assert room(path) in allowed, f"{path.name} imports {module}"


def test_every_room_has_a_level_and_every_level_a_room() -> None:
    assert {room(path) for path in FILES} == set(LEVELS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sizes_docstrings_and_style(path: Path) -> None:
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(tree), "no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            public = not node.name.startswith("_") and node in tree.body
            assert not public or ast.get_docstring(node), f"{node.name} has no docstring"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or path.name == "cli.py", "print outside the CLI"
            assert node.func.id not in ("eval", "exec"), "eval"


def test_functions_are_short() -> None:
    long = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0]
                docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                begin = first.end_lineno if docstring else node.lineno
                length = (node.end_lineno or 0) - (begin or 0)
                if length > 50:
                    long.append(f"{path.name}:{node.name} {length}")
    assert long == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("emotion", sorted(CONFINED)),
        ("emotion.cli", sorted(CONFINED)),
        # The server answers before these are there.
        ("emotion.server", ["torch", "gradio", "pandas", "requests", "funasr", "modelscope"]),
    ],
)
def test_imports_load_nothing_heavy(module: str, heavy: list[str]) -> None:
    code = (
        f"import sys, {module}\n"
        "if 'emotion.cli' in sys.modules: sys.modules['emotion.cli'].build_parser()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    assert done.stdout.strip() == "[]"
