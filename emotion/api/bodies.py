"""What a request for recognition brings: options, and recordings or what names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from fastapi import Request

from emotion.api import sources
from emotion.api.asking import set_language
from emotion.api.context import Context
from emotion.api.options import QueryOptions, RecognizeBody, RecognizeOptions, from_form
from emotion.core.request_errors import RequestInvalidError

Kind = TypeVar("Kind", bound=RecognizeBody)


@dataclass(frozen=True)
class Asked(Generic[Kind]):
    """What a request asks for.

    Attributes:
        options: From query and body; they have been checked.
        files: The recordings that it brings; none where it names some.
        names: What the caller calls them.
        named: The JSON body that names them; None where it brings them.
    """

    options: RecognizeOptions
    files: list[Path]
    names: list[str]
    named: Kind | None


async def read(
    context: Context,
    request: Request,
    query: QueryOptions,
    folder: Path,
    kind: type[Kind],
    most: int = 1,
) -> Asked[Kind]:
    """Reads a request.

    Args:
        context: What the routes share.
        request: The request.
        query: Options in its query; those in the body come before them.
        folder: Where recordings go.
        kind: What a JSON body must be.
        most: How many recordings a multipart body may bring.

    Raises:
        EmotionError: The request is not one that is answered.
    """
    body = await context.uploads.receive(request, folder, most)
    named = await sources.parse(body.files[0], kind) if body.kind == "json" else None
    options = query.merged(named or from_form(body.fields))
    set_language(request, options.language)
    options.recognition("en")  # checked before anything is fetched
    if not body.files:
        raise RequestInvalidError(reason="there is no part named file")
    files, names = ([], []) if named else (body.files, body.names)
    return Asked(options, files, names, named)
