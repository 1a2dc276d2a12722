"""The compare tab without a browser: its markup and its texts."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from emotion.analysis.comparison import MOST
from emotion.core.labels import LABELS
from emotion.core.options import Clustering, Projecting
from emotion.ui.compare_tab import panel
from emotion.ui.compare_texts import COMPARE_TEXTS

STATIC = Path(__file__).parent.parent / "emotion" / "ui" / "static"
SCRIPTS = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("compare*.js"))


def test_what_the_scripts_need_is_in_the_markup() -> None:
    found = re.search(r'data-emotions="([^"]*)"', panel())
    assert found
    emotions = json.loads(html.unescape(found[1]))
    assert [emotion["id"] for emotion in emotions] == list(LABELS)
    assert f'data-most="{MOST}"' in panel()


def test_options_are_those_of_the_analysis() -> None:
    for name, kind in (("projection", Projecting), ("clustering", Clustering)):
        (select,) = re.findall(rf'<select data-option="{name}">(.*?)</select>', panel())
        values = set(re.findall(r'value="(\w+)"', select))
        assert values <= set(kind.__args__) and "auto" in values


def test_every_class_that_the_scripts_look_for_is_there() -> None:
    looked_for = set(re.findall(r"find\('\.(cmp-[a-z-]+)", SCRIPTS))
    assert len(looked_for) > 20
    assert {name for name in looked_for if f"{name}" not in panel()} == set()


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    markup = Path(STATIC.parent / "compare_tab.py").read_text(encoding="utf-8")
    keys = {key.removeprefix("compare_") for key in COMPARE_TEXTS if key.startswith("compare_")}
    named = set(re.findall(r"'([a-z_]+)'", SCRIPTS)) | set(
        re.findall(r"[\"']([a-z_]+)[\"']", markup)
    )
    built = {f"{name}_remark" for name in ("matrix", "trend")}
    built |= {f"download_{name}" for name in ("similarity", "map", "svg")}
    assert keys - named - built == set()
    said = set(re.findall(r"\bsay\('([a-z_]+)'", SCRIPTS))
    assert said and said <= keys


def test_names_of_visitors_never_become_markup() -> None:
    assert "innerHTML" not in SCRIPTS and "insertAdjacentHTML" not in SCRIPTS
