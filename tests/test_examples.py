"""The example clips: those of the product and a model's own."""

from __future__ import annotations

from pathlib import Path

from emotion.core.paths import PROJECT_DIR
from emotion.models.store import example_clip
from emotion.ui.examples import load_examples


def test_those_of_the_product_are_one_an_emotion() -> None:
    from emotion.ui.handlers import example_choices

    examples = load_examples(PROJECT_DIR / "examples")
    assert [example.emotion.id for example in examples] == [
        "angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised",
    ]  # fmt: skip
    assert example_choices(examples)[0] == ("愤怒 Angry", "0")
    readme = (PROJECT_DIR / "examples" / "README.md").read_text("utf-8")
    assert all(example.path.name in readme for example in examples)
    assert "CC BY-NC-SA 4.0" in readme and "Livingstone" in readme


def test_other_files_are_left_out(tmp_path: Path) -> None:
    for name in ("happy_1.wav", "happy.txt", "notes_1.wav", "README.md"):
        (tmp_path / name).touch()
    assert [example.path.name for example in load_examples(tmp_path)] == ["happy_1.wav"]
    assert load_examples(tmp_path / "absent") == ()


def test_the_models_own_clip(tmp_path: Path) -> None:
    assert example_clip(None) is None
    assert example_clip(tmp_path / "absent") is None
    (tmp_path / "notes.txt").touch()
    assert example_clip(tmp_path) is None
    (tmp_path / "test.wav").touch()
    assert example_clip(tmp_path) == tmp_path / "test.wav"
    assert example_clip(tmp_path / "test.wav") == tmp_path / "test.wav"
