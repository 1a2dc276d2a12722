from __future__ import annotations

from typing import Any

import pytest

from emotion.core.errors import ConfigError
from emotion.core.options import EXPORT_NAMES, RecognitionOptions


def test_defaults() -> None:
    options = RecognitionOptions()
    assert (options.granularity, options.embedding) == ("utterance", False)
    assert options.track is None and options.channel is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("granularity", "word"), ("granularity", ""), ("track", 0), ("channel", -1), ("track", True)],
)
def test_values_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{option} is {value!r}"):
        RecognitionOptions(**{option: value})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"exports": ("srt", "word")}, "export is 'word', but must be one of segments, frames"),
        ({"exports": ("frames",)}, "must be asked of a result with frame granularity"),
        ({"exports": ("npz",), "granularity": "frame"}, "must be asked of a result with an embed"),
        ({"export_language": "de"}, "export_language is 'de', but must be 'en' or 'zh'"),
    ],
)
def test_exports_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RecognitionOptions(**options)
    everything = RecognitionOptions("frame", embedding=True, exports=EXPORT_NAMES)
    assert everything.exports == EXPORT_NAMES


def test_a_frozen_value() -> None:
    with pytest.raises(AttributeError):
        RecognitionOptions().granularity = "frame"  # type: ignore[misc]
    assert RecognitionOptions(track=2) == RecognitionOptions(track=2)
