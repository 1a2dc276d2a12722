from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from emotion import errors
from emotion.cli import EXIT_CODES, exit_code
from emotion.errors import AudioTooShortError, EmotionError, ModelMissingError


def tree(root: type[EmotionError] = EmotionError) -> Iterator[type[EmotionError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from tree(child)


def test_the_docstring_shows_the_whole_tree() -> None:
    shown = set(re.findall(r"[─ ] (\w+Error)\b", errors.__doc__ or ""))
    assert shown == {kind.__name__ for kind in tree()} | {"EmotionError"}


def test_codes_are_unique_and_every_class_is_documented() -> None:
    kinds = [EmotionError, *tree()]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(inspect.getdoc(kind) for kind in kinds)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.code)
def test_every_class_has_an_exit_code_of_its_own_table_row(kind: type[EmotionError]) -> None:
    assert any(issubclass(kind, row) for row, _ in EXIT_CODES)
    error = kind.__new__(kind)
    assert exit_code(error) != 0


def test_message_shows_both_sides_and_the_hint() -> None:
    error = AudioTooShortError(file="a.wav", duration_s=0.01, minimum_s=0.025)
    assert str(error) == (
        "a.wav: 0.010 s of audio, but the model needs at least 0.025 s. Use a longer recording"
    )
    assert error.to_dict() == {
        "code": "audio_too_short",
        "message": "a.wav: 0.010 s of audio, but the model needs at least 0.025 s",
        "hint": "Use a longer recording",
    }


def test_a_missing_model_names_the_command_that_fetches_it() -> None:
    error = ModelMissingError(name="emotion2vec_plus_base", folder="models", reason="offline")
    assert error.hint == "Fetch it with `python -m emotion download emotion2vec_plus_base`"
    assert "{name}" in ModelMissingError.hint
