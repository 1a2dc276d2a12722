"""The history tab's markup, texts and handler."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from emotion.core.config import ServerConfig
from emotion.core.labels import EMOTIONS
from emotion.core.options import Granularity
from emotion.storage.run_store import RunStore
from emotion.ui.files import HandOver
from emotion.ui.history_tab import panel
from emotion.ui.history_texts import HISTORY_TEXTS
from emotion.ui.style import head, style_sheet
from tests import timeline_results
from tests.test_handlers import OUT, drain

STATIC = Path(__file__).parents[1] / "emotion" / "ui" / "static"
SCRIPT = "\n".join((STATIC / name).read_text("utf-8") for name in ("history.js", "history_list.js"))
TAB = (STATIC.parent / "history_tab.py").read_text("utf-8")


def visitor(caller: str | None = None, lang: str = "en") -> Any:
    state = SimpleNamespace(caller=caller)
    return SimpleNamespace(cookies={"ui_lang": lang}, session_hash="me", state=state)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def add(store: RunStore, owner: str | None = None) -> str:
    with store.create(owner=owner) as run:
        run.write_json(timeline_results.clip().to_dict())
        return run.commit().name


def opening(store: RunStore, **config: Any) -> Any:
    from emotion.ui.history_handlers import HistoryHandlers

    made = HistoryHandlers(store, HandOver(store.folder / "c"), ServerConfig(**config))
    return made.open(OUT)


def test_every_text_is_used() -> None:
    for key in HISTORY_TEXTS:
        short = key.removeprefix("history_")
        used = re.search(rf"""["']({key}|{short})["']""", SCRIPT + TAB)
        assert used or key == "tab_history" or short in get_args(Granularity), key


def test_each_granularity_has_a_name() -> None:
    assert "words(run.granularity)" in SCRIPT
    assert all(f"history_{name}" in HISTORY_TEXTS for name in get_args(Granularity))


def test_every_place_that_the_script_looks_for_is_there() -> None:
    markup = panel(ServerConfig()) + TAB
    for name in set(re.findall(r"find\('\.(his-[\w-]+)", SCRIPT)):
        assert name in markup, name


def test_the_choice_of_emotions_has_all_of_them() -> None:
    markup = panel(ServerConfig())
    for emotion in EMOTIONS:
        assert f'<option value="{emotion.id}"' in markup
    assert markup.count('role="status"') >= 3 and 'role="search"' in markup


@pytest.mark.parametrize(
    ("config", "words"),
    [({"history": False}, "--no-history"), ({"host": "0.0.0.0"}, "多人共用")],
)
def test_a_history_that_is_off_says_why_in_both_languages(
    config: dict[str, Any], words: str
) -> None:
    markup = panel(ServerConfig(**config))
    assert words in markup and 'class="zh"' in markup and 'class="en"' in markup
    assert "his-list" not in markup and "is-off" in markup


def test_the_page_has_script_texts_and_style() -> None:
    assert '"history_undo"' in head() and "emotionHistory" in head()
    assert ".his-row" in style_sheet()


def test_the_script_writes_text_only() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", SCRIPT)


def test_a_run_is_opened(store: RunStore) -> None:
    state, toast = drain(opening(store)(add(store), visitor()))
    assert not toast and "<emotion-timeline" in state["timeline"]


@pytest.mark.parametrize("run_id", ["", "../x", "outputs_20200101_000000"])
def test_what_is_not_there_is_told(store: RunStore, run_id: str) -> None:
    state, toast = drain(opening(store)(run_id, visitor(lang="zh")))
    assert "没有编号为" in toast and "is-error" in state["card"]


def test_only_its_owner_opens_a_run(store: RunStore) -> None:
    name = add(store, "ann")
    _, toast = drain(opening(store)(name, visitor("bob")))
    assert f"there is no run {name}" in toast
    state, toast = drain(opening(store)(name, visitor("ann")))
    assert not toast and "<emotion-timeline" in state["timeline"]


@pytest.mark.parametrize(
    ("config", "words"), [({"history": False}, "switched off"), ({"host": "0.0.0.0"}, "share")]
)
def test_nothing_is_opened_where_it_is_off(
    store: RunStore, config: dict[str, Any], words: str
) -> None:
    state, toast = drain(opening(store, **config)(add(store), visitor()))
    assert words in toast and "timeline" in state and "<emotion-timeline" not in state["timeline"]
