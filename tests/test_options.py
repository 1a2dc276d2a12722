from __future__ import annotations

from typing import Any

import pytest

from emotion.core.errors import ConfigError
from emotion.core.options import RecognitionOptions


def test_defaults() -> None:
    options = RecognitionOptions()
    assert (options.granularity, options.embedding) == ("utterance", False)
    assert options.track is None and options.channel is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("granularity", "word"),
        ("granularity", ""),
        ("track", 0),
        ("channel", -1),
        ("track", True),
        ("track", 1.5),
    ],
)
def test_values_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{option} is {value!r}"):
        RecognitionOptions(**{option: value})


def test_a_frozen_value() -> None:
    with pytest.raises(AttributeError):
        RecognitionOptions().granularity = "frame"  # type: ignore[misc]
    assert RecognitionOptions(track=2) == RecognitionOptions(track=2)
