"""The log's formats, and the request that a line belongs to."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Final, Literal

LogFormat = Literal["text", "json"]

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)


class TextFormatter(logging.Formatter):
    """Lines for people; the request's id in brackets follows the message where there is one."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without the text of an exception."""
        line, asked = super().formatMessage(record), request_id.get()
        return f"{line} [{asked}]" if asked else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, request_id, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole record as one line."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        fields: dict[str, str] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if asked := request_id.get():
            fields["request_id"] = asked
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        # Escaped, so that no character of a file's name ends the line for any reader.
        return json.dumps(fields)


def formatter(kind: LogFormat) -> logging.Formatter:
    """The formatter of a format."""
    return JsonFormatter() if kind == "json" else TextFormatter()
