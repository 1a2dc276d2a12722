"""Gradio without what the page does not need: what is left out, and that all still works."""

from __future__ import annotations

import subprocess
import sys

from emotion.config import PROJECT_DIR

_IMPORT = (
    "import os, sys\n"
    "os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'\n"
    "from emotion.ui.gradio_patches import quick_import\n"
    "finders = list(sys.meta_path)\n"
    "with quick_import(): import gradio as gr\n"
    "assert sys.meta_path == finders\n"
    "left_out = {'pandas', 'gradio.cli', 'gradio.external', 'gradio.workflow', 'httpx._main'}\n"
    "assert not left_out & set(sys.modules)\n"
)


def run(code: str) -> None:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT_DIR)
    assert done.returncode == 0, done.stderr


def test_no_stubs_no_docstrings_no_pandas_and_a_page_still_works() -> None:
    run(
        _IMPORT + "from gradio import component_meta, events\n"
        "assert component_meta.create_or_modify_pyi.__name__ == '<lambda>'\n"
        "assert events.EventListener.set_doc.__name__ == '<lambda>'\n"
        "with gr.Blocks() as page: gr.Button('x').click(lambda: None)\n"
        "assert len(page.config['dependencies']) == 1 and not left_out & set(sys.modules)"
    )


def test_functions_that_were_left_out_are_imported_when_called() -> None:
    run(
        _IMPORT + "try: gr.load('nowhere', src='nothing')\n"
        "except ValueError as e: assert 'src' in str(e)\n"
        "else: raise SystemExit('load did nothing')\n"
        "assert 'gradio.external' in sys.modules\n"
        "from gradio.cli import deploy, cli\n"
        "assert callable(gr.deploy) and callable(deploy)"
    )


def test_a_page_gets_no_app_of_its_own_until_it_is_mounted() -> None:
    run(
        _IMPORT + "from emotion.ui.gradio_patches import without_app\n"
        "from gradio.routes import App\n"
        "with without_app():\n"
        "    with gr.Blocks() as page: gr.Button('x').click(lambda: None)\n"
        "assert page.app is None\n"
        "with gr.Blocks() as other: pass\n"
        "assert isinstance(other.app, App)"
    )


def test_pandas_comes_when_it_is_used() -> None:
    run(
        _IMPORT + "from gradio import caching\n"
        "assert not hasattr(caching.pd, '__file__') and 'pandas' not in sys.modules\n"
        "frame = caching.pd.DataFrame({'a': [1]})\n"
        "import pandas\n"
        "assert isinstance(frame, pandas.DataFrame) and hasattr(pandas, '__file__')\n"
        "with gr.Blocks(): assert gr.Dataframe().postprocess(frame).data == [[1]]"
    )


def test_pandas_may_be_used_while_gradio_is_imported() -> None:
    run(
        "import sys\n"
        "from emotion.ui.gradio_patches import quick_import\n"
        "with quick_import():\n"
        "    import pandas as first\n"
        "    assert first.Series([1]).sum() == 1\n"
        "    import pandas as second\n"
        "assert sys.modules['pandas'] is second and hasattr(second, '__file__')"
    )


def test_pandas_that_is_there_stays() -> None:
    run(
        "import pandas, sys\n"
        "from emotion.ui.gradio_patches import quick_import\n"
        "with quick_import(): assert sys.modules['pandas'] is pandas\n"
        "assert sys.modules['pandas'] is pandas"
    )
