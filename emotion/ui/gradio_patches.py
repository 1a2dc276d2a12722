"""Keeps Gradio from fetching addresses for visitors: files come by upload only."""

from __future__ import annotations


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
