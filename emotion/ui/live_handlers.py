"""What the live tab does when a recording has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gradio as gr

from emotion.core import logs
from emotion.core.errors import EmotionError
from emotion.core.options import RecognitionOptions
from emotion.services.live import LiveSessions
from emotion.services.recognitions import JobRequest, RecognitionService
from emotion.ui import views
from emotion.ui.handlers import Handlers, Outputs, Update, cleared
from emotion.ui.language import language_of
from emotion.ui.problems import problem_of
from emotion.ui.visitors import owner_of, request_id_of, visitor_of


class LiveHandlers:
    """Turns live recordings into ordinary runs.

    Args:
        service: Runs the recognitions.
        sessions: The live recordings.
        handlers: Follow a job on the page.
    """

    def __init__(
        self, service: RecognitionService, sessions: LiveSessions, handlers: Handlers
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._handlers = handlers

    def finish(self, out: Outputs) -> Callable[[str, gr.Request], Iterator[Update]]:
        """The handler of the end of a recording, for these outputs."""

        def handler(live_id: str, request: gr.Request) -> Iterator[Update]:
            lang = language_of(request)
            path = None
            try:
                path = self._sessions.finish(live_id)
                options = RecognitionOptions("segment", export_language=lang)
                work = JobRequest(path, options, owner=owner_of(request))
                logs.request_id.set(request_id_of(request))
                job = self._service.jobs.submit(work, visitor=_visitor(request))
            except EmotionError as e:  # the recording is still there
                if path is not None:
                    self._sessions.discard(path)
                problem = problem_of(e)
                yield cleared(out) | {out.card: views.error(problem.message, problem.hint)}
                raise problem.toast(lang) from e
            self._sessions.close(live_id)
            try:
                yield from self._handlers.follow(out, job, lang)
            finally:
                self._sessions.discard(path)

        return handler

    def cancel(self, request: gr.Request) -> None:
        """Stops the visitor's job of a live recording."""
        for job in self._service.jobs.active(_visitor(request)):
            self._service.jobs.cancel(job)


def _visitor(request: gr.Request) -> str:
    # Beside the job of the recognition tab, which may be under way.
    return f"{visitor_of(request)}/live"
