"""The monitoring tab's markup and texts: a place for every value that the script fills in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emotion.api.monitor import Monitor
from emotion.recognition.opening import PHASES
from emotion.ui.monitor_tab import panel
from emotion.ui.monitor_texts import MONITOR_TEXTS
from emotion.ui.style import head, style_sheet
from emotion.ui.texts import TEXTS

STATIC = Path(__file__).parents[1] / "emotion" / "ui" / "static"
SCRIPT = "\n".join((STATIC / name).read_text("utf-8") for name in ("words.js", "monitor.js"))


def table(name: str) -> set[str]:
    """The keys of one of the script's tables."""
    body = re.search(rf"const {name} = \{{\n(.*?)\n  \}};", SCRIPT, re.S)
    assert body
    return set(re.findall(r"^    (\w+): \(", body[1], re.M))


@pytest.mark.parametrize(
    ("name", "attribute"), [("ROWS", "row"), ("FACTS", "fact"), ("TILES", "curve")]
)
def test_every_value_has_its_place(name: str, attribute: str) -> None:
    places = re.findall(rf'data-{attribute}="(\w+)"', panel())
    assert len(places) == len(set(places))
    assert set(places) == table(name)


def test_every_version_has_its_place() -> None:
    places = set(re.findall(r'data-version="(\w+)"', panel()))
    assert places == {"emotion", "python", "torch", "gradio", "ffmpeg"}


def test_the_script_reads_only_fields_that_there_are() -> None:
    fields = Monitor.model_json_schema()["$defs"]["Period"]["properties"]
    read = set(re.findall(r"period\.(\w+)", SCRIPT))
    assert read and read <= set(fields)
    curves = Monitor.model_json_schema()["$defs"]["Curves"]["properties"]
    assert set(re.findall(r"curves\.(\w+)", SCRIPT)) <= set(curves)


def test_every_text_is_used_and_there() -> None:
    markup = panel()
    for key, (zh, en) in MONITOR_TEXTS.items():
        short = key.removeprefix("monitor_")
        said = f">{zh}<" in markup or f">{en}<" in markup or zh in markup
        assert said or key in SCRIPT or key == "tab_monitor" or f"'{short}'" in SCRIPT, key
    for key in re.findall(r"'(monitor_\w+)'", SCRIPT):
        assert key in TEXTS
    assert {f"phase_{phase}" for phase in PHASES} <= set(TEXTS)
    for state in ("waiting", "forbidden", "offline"):
        assert f"monitor_{state}" in TEXTS


def test_the_page_has_script_texts_and_style() -> None:
    assert "emotion:tab" in head() and '"monitor_forbidden"' in head()
    assert ".mon-tiles" in style_sheet()


def test_the_table_has_headings_for_screen_readers() -> None:
    markup = panel()
    assert markup.count('scope="row"') == len(table("ROWS"))
    assert markup.count('scope="col"') == 2 and "<caption>" in markup
    assert markup.count('<svg viewBox="0 0 120 36"') == markup.count('aria-hidden="true"') == 4
    assert markup.count('role="status"') == 1
    assert "aria-live" not in markup  # values that change every 2 s are not read out


def test_nothing_is_shown_before_there_is_something_to_show() -> None:
    markup = panel()
    assert '<div class="mon-body" hidden>' in markup
    assert 'class="mon-pause" hidden>' in markup


def test_the_script_writes_text_only() -> None:
    assert "textContent" in SCRIPT
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", SCRIPT)
