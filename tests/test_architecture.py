"""Rules that import-linter does not hold: sizes, style, what a start imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from emotion.core.paths import PROJECT_DIR

PACKAGE = PROJECT_DIR / "emotion"
HEAVY = (
    "torch",
    "onnxruntime",
    "silero_vad",
    "safetensors",
    "gradio",
    "fastapi",
    "starlette",
    "uvicorn",
    "modelscope",
    "huggingface_hub",
    "requests",
    "ffmpeg",
    "soundfile",
    "pysilk",
    "pysubs2",
    "praatio",
    "pympi",
    "sklearn",
    "funasr",
    "transformers",
    "ray",
)
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_private_name_of_another(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            ours = (node.module or "").startswith("emotion")
            assert not ours or not set(private) - {"__version__"}, f"{path} imports {private}"


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
            assert node.func.id != "print" or path.parent.name == "cli", "print outside the CLI"
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
        ("emotion", list(HEAVY)),
        ("emotion.cli", list(HEAVY)),
        ("emotion.audio.vad", ["torch", "onnxruntime", "silero_vad"]),
        # The server answers before these are there.
        ("emotion.server", ["torch", "gradio", "pandas", "requests", "funasr", "modelscope"]),
    ],
)
def test_imports_load_nothing_heavy(module: str, heavy: list[str]) -> None:
    code = (
        f"import sys, {module}\n"
        "if 'emotion.cli.main' in sys.modules: sys.modules['emotion.cli.main'].build_parser()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    assert done.stdout.strip() == "[]"
