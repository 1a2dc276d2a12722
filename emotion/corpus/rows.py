"""A recording of a collection as one row of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from emotion.core.labels import BY_ID, LABELS

Kind = Literal["text", "number", "truth"]
Value = str | float | bool | None

# The columns of every table, in order; the user's own follow ``file``.
COLUMNS: Final[dict[str, Kind]] = {
    "file": "text",
    "status": "text",
    "duration_s": "number",
    "emotion": "text",
    "emotion_zh": "text",
    "confidence": "number",
    "second": "text",
    "second_score": "number",
    "speech": "truth",
    "uncertain": "truth",
    "warnings": "text",
    "error": "text",
    **dict.fromkeys(LABELS, "number"),
    "granularity": "text",
    "model": "text",
    "run_id": "text",
}
INPUT_PREFIX: Final = "input_"


@dataclass(frozen=True)
class Record:
    """What is known of a recording that has ended: a result or an error.

    Attributes:
        file: Its name as it was given, with ``/`` between folders.
        result: What its ``result.json`` holds; None where it failed.
        error: ``code``, ``message`` and ``hint`` of what went wrong; None where it has a result.
        run_id: The run that was stored; None where none was.
        columns: The user's own columns.
    """

    file: str
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    run_id: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, for a line of JSON; what is absent is left out."""
        parts: dict[str, Any] = {
            "run_id": self.run_id,
            "columns": dict(self.columns),
            "result": self.result,
            "error": self.error,
        }
        status = "failed" if self.result is None else "done"
        given = {name: value for name, value in parts.items() if value}
        return {"file": self.file, "status": status, **given}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The inverse of `to_dict`.

        Raises:
            KeyError: It has no name.
        """
        return cls(
            data["file"],
            data.get("result"),
            data.get("error"),
            data.get("run_id"),
            data.get("columns", {}),
        )


def input_names(columns: Iterable[str]) -> dict[str, str]:
    """What the user's columns are called in a table.

    Args:
        columns: Their own names.

    Returns:
        Their own names with those in the table: ``input_emotion`` where the table has an
        ``emotion`` of its own.
    """
    names: dict[str, str] = {}
    taken = set(COLUMNS)
    for column in columns:
        name = column
        while name in taken:
            name = INPUT_PREFIX + name
        names[column] = name
        taken.add(name)
    return names


def row_of(record: Record) -> dict[str, Value]:
    """A record by the names in `COLUMNS`; None where there is nothing to say."""
    row: dict[str, Value] = dict.fromkeys(COLUMNS)
    row["file"], row["run_id"] = record.file, record.run_id
    if record.result is None:
        error = record.error or {}
        texts = (error.get("message"), error.get("hint"))
        row["status"], row["error"] = "failed", ". ".join(text for text in texts if text)
        return row
    result = record.result
    scores: Mapping[str, float] = result["scores"]
    codes = [warning["code"] for warning in result.get("warnings", ())]
    second = _second(scores, result["emotion"])
    return row | {
        "status": "done",
        "duration_s": result["audio"]["duration_s"],
        "emotion": result["emotion"],
        "emotion_zh": BY_ID[result["emotion"]].zh if result["emotion"] in BY_ID else None,
        "confidence": result["confidence"],
        "second": second,
        "second_score": scores[second] if second else None,
        "speech": "no_speech" not in codes,
        "uncertain": bool(result.get("uncertain", False)),
        "warnings": "; ".join(codes),
        **{label: scores.get(label, 0.0) for label in LABELS},
        "granularity": result["granularity"],
        "model": result["model"]["name"],
    }


def _second(scores: Mapping[str, float], first: str) -> str | None:
    others = [label for label in scores if label != first and scores[label] > 0]
    return max(others, key=scores.__getitem__, default=None)
