"""What Gradio does with files, corrected: none from addresses, nothing left of failed uploads."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from emotion.core.errors import OutputError


def refuse_addresses() -> None:
    """Makes Gradio refuse an address that a visitor names in place of a file."""
    from gradio import processing_utils
    from gradio.exceptions import InvalidPathError

    def refuse(url: str, cache_dir: str) -> str:
        raise InvalidPathError(f"{url} is not fetched for {cache_dir}: files come by upload only")

    async def refuse_async(url: str, cache_dir: str) -> str:
        return refuse(url, cache_dir)

    processing_utils.async_ssrf_protected_download = refuse_async
    processing_utils.ssrf_protected_download = refuse
    processing_utils.save_url_to_cache = refuse


def clean_up_uploads() -> None:
    """Has failed uploads leave no file, and say in words that they could not be written.

    Gradio removes what came of an upload only where the form is damaged. Where the visitor goes
    away or the disk is full it stays, and nothing ever deletes it.
    """
    import gradio.routes
    from gradio.route_utils import GradioMultiPartParser

    routes: Any = gradio.routes
    plain_parse, plain_upload = GradioMultiPartParser.parse, routes.upload_fn
    if plain_parse.__module__ == __name__:  # done for another page of this process
        return

    async def parse(self: Any) -> Any:
        try:
            return await plain_parse(self)
        except BaseException:
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # closing writes what is left
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise

    async def upload(*args: Any, **options: Any) -> Any:
        try:
            return await plain_upload(*args, **options)
        except OSError as e:
            raise OutputError(path="uploads", reason=e.strerror or str(e)) from e

    GradioMultiPartParser.parse = parse  # type: ignore[method-assign]
    routes.upload_fn = upload
