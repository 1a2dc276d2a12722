from __future__ import annotations

import subprocess
import sys

from emotion.config import PROJECT_DIR


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    return done.stdout.strip()


def test_gradio_comes_without_writing_stubs_and_still_works() -> None:
    code = (
        "import builtins, os, sys\n"
        "os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'\n"
        "from emotion.ui.gradio_patches import skip_stubs\n"
        "skip_stubs(); skip_stubs()\n"
        "finders = len(sys.meta_path)\n"
        "import gradio as gr\n"
        "from gradio import component_meta\n"
        "with gr.Blocks() as page: gr.Button('x').click(lambda: None)\n"
        "print(component_meta.create_or_modify_pyi.__name__, finders - len(sys.meta_path))\n"
        "skip_stubs(); print(finders - len(sys.meta_path), len(page.config['dependencies']))"
    )
    assert run(code).splitlines() == ["<lambda> 1", "1 1"]
