from __future__ import annotations

from typing import Any

import pytest

from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS
from emotion.core.options import EXPORT_NAMES, RecognitionOptions, parse_labels

SPLIT: dict[str, Any] = {"channels": "split", "granularity": "segment"}


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
        *[("min_confidence", value) for value in (-0.1, 1.5, float("nan"))],
        *[("first_s", value) for value in (0.0, -1.0, float("nan"))],
        ("channels", "both"),
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


@pytest.mark.parametrize("labels", [(), ("sad",), ("sad", "sad"), ("sad", "joy")])
def test_labels_are_two_or_more_known_ones(labels: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"labels is .*two or more of angry, disgusted"):
        RecognitionOptions(labels=labels)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("all", LABELS),
        ("primary", ("angry", "happy", "neutral", "sad")),
        (" Sad, angry ,sad", ("angry", "sad")),
        ("primary,surprised", ("angry", "happy", "neutral", "sad", "surprised")),
        ("joy,sad", ("sad", "joy")),  # refused by the options
        ("", ()),
    ],
)
def test_labels_by_name_of_a_set_or_one_by_one(text: str, labels: tuple[str, ...]) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"channels": "split"}, "granularity"),
        ({"channels": "split", "granularity": "frame"}, "granularity"),
        ({"channels": "split", "granularity": "segment", "channel": 1}, "channel"),
        ({"channel_names": ("a",)}, "channel_names"),
        ({**SPLIT, "channel_names": ("a", "a")}, "channel_names"),
        ({**SPLIT, "channel_names": ("a", " ")}, "channel_names"),
        ({**SPLIT, "channel_names": ("a" * 41,)}, "channel_names"),
    ],
)
def test_what_does_not_go_with_split_channels(options: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is"):
        RecognitionOptions(**options)
    assert RecognitionOptions(**SPLIT, channel_names=("坐席", "客户")).channels == "split"
