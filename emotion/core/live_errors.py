"""Errors of live recordings.

Below ``BusyError``: ``LiveFullError``, ``LiveChunkError``. Below ``JobNotFoundError``:
``LiveNotFoundError``.
"""

from __future__ import annotations

from emotion.core.errors import BusyError, JobNotFoundError


class LiveFullError(BusyError):
    """As many live recordings are under way as the server takes."""

    code = "live_full"
    template = "{most} live recordings are under way, which is the limit of this server"
    hint = "Try again when one of them has ended, or upload a recording"


class LiveNotFoundError(JobNotFoundError):
    """A live recording that has ended, was left alone too long, or never was."""

    code = "live_not_found"
    template = "this live recording is not known: it has ended, or nothing came for {idle_s:.0f} s"
    hint = "Start a new one"


class LiveChunkError(BusyError):
    """A part of a live recording came before the part in front of it."""

    code = "live_chunk"
    template = "part {sequence} of the live recording came where part {expected} was due"
    hint = "Send the parts one after another"
