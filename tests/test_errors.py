from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import pytest

from emotion.cli.exit_codes import EXIT_CODES, exit_code
from emotion.core.errors import (
    AudioTooShortError,
    CheckpointError,
    DownloadError,
    EmotionError,
    ModelError,
    ModelMissingError,
    OutputError,
)
from tests.error_tree import MODULES, tree


def test_the_docstrings_show_the_whole_tree() -> None:
    shown = {
        name for module in MODULES for name in re.findall(r"\b\w+Error\b", module.__doc__ or "")
    }
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


def test_an_error_crosses_a_process_boundary() -> None:
    error = ModelMissingError(name="emotion2vec_plus_base", folder="models", reason="offline")
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.params, str(copied)) == (type(error), error.params, str(error))
    assert copied.hint == error.hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CheckpointError(folder=Path("/srv/my models/large"), reason="x"), "large: x."),
        (OutputError(path="/srv/out puts", reason="No space"), "out puts: cannot be written"),
        (ModelError(reason="OSError: '/home/ann/x/model.pt' is gone"), "OSError: 'model.pt' is"),
        (ModelError(reason="No such file: '/home/my models/x.pt'"), "No such file: 'x.pt'"),
        (ModelError(reason="open file:/srv/x.pt; /srv/y/z"), "open file:x.pt; z"),
        (DownloadError(name="large", reason=OSError("/srv/a/b: full")), "large could not"),
        (DownloadError(name="a", reason="https://hub.org/iic/a: 404"), "(https://hub.org/iic/a: "),
        (DownloadError(name="a", reason="no <b>route</b>, 1/2"), "(no <b>route</b>, 1/2)"),
    ],
)
def test_visitors_get_an_error_without_folders(error: EmotionError, words: str) -> None:
    public = error.without_paths()
    assert type(public) is type(error) and words in str(public)
    assert not re.search("/srv|/home|my models", str(public))
    assert public.without_paths().message == public.message


def test_a_missing_models_folder_is_told_to_nobody() -> None:
    error = ModelMissingError(name="large", folder=Path("/srv/models/large"), reason="offline")
    assert "srv" not in str(error) and error.params["folder"] == Path("/srv/models/large")
    assert error.without_paths().hint == error.hint
