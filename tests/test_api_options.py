"""Options of requests: one model for query, form and JSON."""

from __future__ import annotations

from typing import Any

import pytest

from emotion.api.options import QueryOptions, RecognizeBody, RecognizeOptions, from_form
from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS
from emotion.core.options import RecognitionOptions, possible_exports


def test_the_defaults_are_those_of_the_pipeline() -> None:
    assert RecognizeOptions().recognition("en") == RecognitionOptions()
    assert RecognizeOptions().recognition("zh") == RecognitionOptions(export_language="zh")


@pytest.mark.parametrize(
    "given", ["srt,vtt", "SRT , vtt", ["srt", "vtt"], ["srt,vtt"], ["srt", "vtt,srt"]]
)
def test_names_as_text_or_list(given: Any) -> None:
    options = RecognizeOptions(exports=given).recognition("en")
    assert options.exports == ("srt", "vtt")


def test_sets_of_labels_and_all_exports() -> None:
    options = RecognizeOptions(labels="primary,surprised", exports="all", granularity="frame")  # type: ignore[arg-type]
    made = options.recognition("en")
    assert made.labels == ("angry", "happy", "neutral", "sad", "surprised")
    assert made.exports == possible_exports(frames=True, embedding=False)
    assert RecognizeOptions(labels=["all"]).recognition("en").labels == LABELS


def test_later_options_come_first_where_they_are_set() -> None:
    query = QueryOptions(granularity="frame", track=2, filename="a.wav")
    body = RecognizeBody(track=3, audio_base64="x", filename="b.wav")
    merged = query.merged(body)
    assert (merged.granularity, merged.track) == ("frame", 3)
    assert query.merged(RecognizeOptions()) == query


def test_fields_of_a_form() -> None:
    options = from_form(
        {
            "granularity": ["segment"],
            "channels": ["split"],
            "channel_names": ["agent", "customer"],
            "extract_embedding": ["1"],
            "min_confidence": ["0.5"],
            "first_s": ["10"],
        }
    )
    made = options.recognition("en")
    assert made.channel_names == ("agent", "customer") and made.embedding
    assert (made.min_confidence, made.first_s) == (0.5, 10.0)
    for fields in ({"track": ["1", "2"]}, {"nothing": ["x"]}, {"labels": ["what"]}):
        with pytest.raises(ConfigError):
            from_form(fields).recognition("en")


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"segment_min": 11.0}, "segment_min"),
        ({"segment_max": 31.0}, "segment_max"),
        ({"segment_pad": 2.0}, "segment_pad"),
        ({"exports": ["pdf"]}, "exports"),
        ({"min_confidence": 2.0}, "min_confidence"),
        ({"channel_names": ["a"]}, "channel_names"),
        ({"channel": 0}, "channel"),
    ],
)
def test_errors_use_the_names_of_requests(values: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RecognizeOptions(**values).recognition("en")
    assert caught.value.params["option"] == option


def test_every_option_is_described() -> None:
    for model in (QueryOptions, RecognizeBody):
        assert all(field.description for field in model.model_fields.values())
