"""Who uses the page: a browser tab, and the account that the server's guard found behind it."""

from __future__ import annotations

import gradio as gr


def owner_of(request: gr.Request) -> str | None:
    """The account; None where the server tells nobody apart."""
    owner: str | None = getattr(getattr(request, "state", None), "caller", None)
    return owner


def visitor_of(request: gr.Request) -> str:
    """The tab of an account: a tab's name alone is chosen by the browser."""
    return f"{owner_of(request) or ''}/{request.session_hash}"


def request_id_of(request: gr.Request) -> str | None:
    """The id of the request behind an event, which Gradio handles in a context of its own."""
    number: str | None = getattr(getattr(request, "state", None), "request_id", None)
    return number
