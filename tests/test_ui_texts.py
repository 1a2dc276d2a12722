"""The page's texts: both languages, the same values, every error and warning."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from emotion.audio.checks import MESSAGES, warning
from emotion.core.errors import (
    AudioDecodeError,
    AudioTooShortError,
    EmotionError,
    ModelMissingError,
)
from emotion.core.i18n import (
    ERRORS_ZH,
    WARNINGS_ZH,
    error_pairs,
    warning_pair,
)
from emotion.core.i18n_reasons import REASONS_ZH
from emotion.core.paths import PROJECT_DIR
from emotion.core.results import ResultWarning
from emotion.ui.language import LOCALES, language_of, message_id, translations
from emotion.ui.texts import TEXTS, pair
from tests.error_tree import tree

HAN = re.compile(r"[\u4e00-\u9fff]")
SOURCES = [path for path in (PROJECT_DIR / "emotion").rglob("*.py") if path.parent.name != "ui"]
SAME_IN_BOTH = {"confidence"}


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def all_errors() -> list[type[EmotionError]]:
    return [EmotionError, *tree()]


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_the_same_values(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh.strip() and en.strip()
    assert fields(zh) == fields(en)
    if key not in SAME_IN_BOTH:
        assert not HAN.search(en)


@pytest.mark.parametrize("key", sorted(set(TEXTS) - SAME_IN_BOTH))
def test_chinese_is_chinese_with_its_own_punctuation(key: str) -> None:
    zh = TEXTS[key][0]
    assert HAN.search(zh)
    assert not re.search(r"[\u4e00-\u9fff][,:;?!]|[,:;?!][\u4e00-\u9fff]", zh)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_chinese_message_with_the_same_values(kind: type[EmotionError]) -> None:
    message, hint = ERRORS_ZH[kind.code]
    assert fields(message) == fields(kind.template)
    assert bool(hint) == bool(kind.hint)
    assert fields(hint) == fields(kind.hint)
    commands = re.findall(r"`[^`]+`|--[a-z-]+", kind.hint)
    assert all(command in hint for command in commands)


def test_no_chinese_message_without_an_error() -> None:
    assert set(ERRORS_ZH) == {kind.code for kind in all_errors()}


def test_an_error_is_told_in_both_languages() -> None:
    error = AudioTooShortError(file="a.wav", duration_s=0.01, minimum_s=0.025)
    message, hint = error_pairs(error)
    assert message[0].startswith("a.wav") and "0.010 秒" in message[0]
    assert message[1] == error.message
    assert hint == ("请使用更长的录音", "Use a longer recording")


def test_a_hint_names_the_model() -> None:
    error = ModelMissingError(name="big", folder="models", reason="offline")
    _, hint = error_pairs(error)
    assert "python -m emotion download big" in hint[0]
    assert "python -m emotion download big" in hint[1]


def test_every_warning_of_the_core_is_translated_with_the_same_values() -> None:
    source = (PROJECT_DIR / "emotion" / "recognition" / "plan.py").read_text("utf-8")
    others = set(re.findall(r'ResultWarning\(\s*"(\w+)"', source))
    assert set(WARNINGS_ZH) == others | set(MESSAGES)
    for code, message in MESSAGES.items():
        assert fields(WARNINGS_ZH[code]) == fields(message)
        assert ("--" in message) == ("--" in WARNINGS_ZH[code])


def test_a_truncation_without_a_length_has_its_own_words() -> None:
    told = warning_pair(warning("truncated_audio.unknown_length", decoded_s=2.0))
    assert told == (
        "文件没有正常结尾，读出了 2.0 秒，可能不完整。",
        "The file has no proper end: 2.0 s could be decoded, it may be truncated.",
    )
    assert "4.0 秒" in warning_pair(warning("truncated_audio", declared_s=4.0, decoded_s=2.0))[0]


def test_a_warning_is_told_in_both_languages() -> None:
    warning = ResultWarning("short_audio", "Only 0.50 s of audio.", {"duration_s": 0.5})
    zh, en = warning_pair(warning)
    assert "0.50 秒" in zh
    assert en == "Only 0.50 s of audio."


def test_an_unknown_warning_is_shown_as_it_is() -> None:
    assert warning_pair(ResultWarning("new", "Something.")) == ("Something.", "Something.")


def test_values_are_filled_in() -> None:
    assert pair("elapsed", seconds=3.4) == ("已用 3 秒", "3 s elapsed")
    assert pair("elapsed", seconds=3.4)[0] == "已用 3 秒"
    assert pair("elapsed", seconds=3.4)[1] == "3 s elapsed"


def test_texts_of_the_contract() -> None:
    assert TEXTS["start"] == ("🎯 开始识别", "🎯 Start Recognition")
    assert TEXTS["example"] == ("📝 加载示例音频", "📝 Load example audio")
    assert TEXTS["granularity"] == ("粒度选择", "Granularity")
    assert TEXTS["embedding"] == ("提取 Embedding 特征", "Extract embedding")
    assert pair("confidence", percent="85.3%")[0] == "置信度 / Confidence: 85.3%"
    assert TEXTS["status_loading"][0].startswith("Loading...")
    assert TEXTS["status_ready"][1] == "✅ {model} loaded ({memory})"


def test_translations_have_every_text_in_every_locale() -> None:
    tables = translations()
    assert tuple(tables) == LOCALES
    assert all(table.keys() == tables["en"].keys() for table in tables.values())
    assert tables["zh-TW"][message_id("start")] == "🎯 开始识别"
    assert tables["en"][message_id("start")] == "🎯 Start Recognition"


class Request:
    """A request with cookies."""

    def __init__(self, **cookies: str) -> None:
        self.cookies = cookies


@pytest.mark.parametrize(
    ("request_", "lang"),
    [
        (Request(ui_lang="zh-CN"), "zh"),
        (Request(ui_lang="zh"), "zh"),
        (Request(ui_lang="en"), "en"),
        (Request(ui_lang="<script>"), "en"),
        (Request(), "en"),
        (None, "en"),
    ],
)
def test_language_by_cookie(request_: Request | None, lang: str) -> None:
    assert language_of(request_) == lang


def test_reasons_of_our_own_are_told_in_chinese() -> None:
    source = "".join(path.read_text("utf-8") for path in SOURCES)
    assert [reason for reason in REASONS_ZH if f'"{reason}"' not in source] == []
    error = AudioDecodeError(file="a.mp3", reason="invalid data: not audio, or damaged")
    (message, _), _ = error_pairs(error)
    assert "数据无效" in message and "invalid" not in message
