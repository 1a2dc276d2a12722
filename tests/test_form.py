"""What the page's controls stand for."""

from __future__ import annotations

from typing import Any

import pytest

from emotion.core.errors import ConfigError
from emotion.core.labels import LABEL_SETS, LABELS
from emotion.core.options import EXPORT_NAMES, RecognitionOptions
from emotion.ui.form import LABEL_CHOICES, Form


def test_the_untouched_form_asks_for_the_defaults() -> None:
    assert Form().options("en") == RecognitionOptions()
    assert Form().options("zh").export_language == "zh"


@pytest.mark.parametrize("name", [name for name in LABEL_CHOICES if name != "own"])
def test_named_sets_of_labels(name: Any) -> None:
    assert Form(labels=name, own_labels=["sad"]).options("en").labels == LABEL_SETS[name]


def test_own_labels_are_put_in_order_and_checked() -> None:
    assert Form(labels="own", own_labels=["sad", "angry"]).options("en").labels == ("angry", "sad")
    for few in ([], ["sad"]):
        with pytest.raises(ConfigError, match="labels is"):
            Form(labels="own", own_labels=few).options("en")
    everything = Form(labels="own", own_labels=LABELS).options("en").labels
    assert everything == LABELS


def test_split_channels_are_recognised_by_segment_whatever_is_chosen() -> None:
    options = Form("frame", channels="split", channel_names=" 坐席，客户, x、").options("zh")
    assert (options.granularity, options.channels) == ("segment", "split")
    assert options.channel_names == ("坐席", "客户", "x")
    assert Form(channel_names="a,b").options("en").channel_names == ()  # mixed: no names


def test_exports_that_the_run_does_not_allow_are_left_out() -> None:
    assert "frames" not in Form(exports=EXPORT_NAMES).options("en").exports
    assert Form("frame", True, exports=EXPORT_NAMES).options("en").exports == EXPORT_NAMES
    split = Form("frame", exports=["frames", "srt"], channels="split")
    assert split.options("en").exports == ("srt",)


def test_the_first_thirty_seconds_and_the_confidence() -> None:
    options = Form(first_only=True, min_confidence=0.35).options("en")
    assert (options.first_s, options.min_confidence) == (30.0, 0.35)
