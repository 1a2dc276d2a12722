"""The models tab's markup and texts."""

from __future__ import annotations

import re
from pathlib import Path

from emotion.api.models import Model, Models
from emotion.ui.models_tab import COLUMNS, COMMAND, panel
from emotion.ui.models_texts import MODELS_TEXTS
from emotion.ui.style import head, style_sheet
from emotion.ui.texts import TEXTS

SCRIPT = (
    Path(__file__).parents[1] / "emotion" / "ui" / "static" / "models.js"
).read_text("utf-8")  # fmt: skip


def test_every_text_is_used_and_there() -> None:
    markup = panel()
    for key, (_, en) in MODELS_TEXTS.items():
        short = key.removeprefix("models_")
        # The states of a model are texts by their names.
        state = short in ("ready", "partial", "missing")
        assert state or f">{en}<" in markup or f"'{short}'" in SCRIPT or key == "tab_models", key
    for short in re.findall(r"(?:words|joined|fact)\('(\w+)'", SCRIPT):
        assert f"models_{short}" in TEXTS, short
    assert {f"models_{column}" for column in COLUMNS} <= set(TEXTS)


def test_every_place_that_the_script_looks_for_is_there() -> None:
    markup = panel()
    for name in re.findall(r"find\('\.(mdl-[a-z]+)", SCRIPT):
        assert name in markup or name == "mdl-switch", name
    assert markup.count('scope="col"') == len(COLUMNS)
    assert COMMAND in markup
    assert 'class="mdl-problem" role="alert" hidden' in markup


def test_the_script_fills_a_cell_for_each_column() -> None:
    body = re.search(r"return \[\n(.*?)\n    \];", SCRIPT, re.S)
    assert body
    given = re.findall(r"(?:^|, |\s)(same\(|confused)", body[1])
    assert len(given) == len(COLUMNS) - 1  # the first is the heading of its row


def test_the_script_reads_only_fields_that_there_are() -> None:
    assert set(re.findall(r"\bmodel\.(\w+)", SCRIPT)) <= set(Model.model_fields)
    assert set(re.findall(r"\bdata\.(\w+)", SCRIPT)) <= {*Models.model_fields, "rows"}


def test_the_page_has_script_texts_and_style() -> None:
    assert '"models_switch"' in head()
    assert ".mdl-list" in style_sheet()
