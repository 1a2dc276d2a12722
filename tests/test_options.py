from __future__ import annotations

from typing import Any

import pytest

from emotion.core.errors import ConfigError
from emotion.core.options import EXPORT_NAMES, RecognitionOptions


def test_defaults() -> None:
    options = RecognitionOptions()
    assert (options.granularity, options.embedding) == ("utterance", False)
    assert options.track is None and options.channel is None
    lengths = options.segment_min_s, options.segment_max_s, options.segment_pad_s
    assert lengths == (1.0, 15.0, 0.1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("granularity", "word"), ("granularity", "")],
        *[("track", 0), ("channel", -1), ("track", True), ("track", 1.5)],
        *[("segment_min_s", value) for value in (0.05, 11.0, float("nan"))],
        *[("segment_max_s", value) for value in (2.1, 31.0, float("nan"))],
        *[("segment_pad_s", value) for value in (-0.1, 1.5, float("nan"))],
    ],
)
def test_values_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{option} is {value!r}"):
        RecognitionOptions(**{option: value})


def test_a_long_segment_can_be_split_into_two_short_ones() -> None:
    assert RecognitionOptions(segment_min_s=7.4).segment_max_s == 15
    with pytest.raises(ConfigError, match=r"segment_max_s is 15.0.* = 15.2 or more"):
        RecognitionOptions(segment_min_s=7.5)


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
