"""Errors after which the engine goes on: out of memory, and a worker that was ended.

Below ``ModelError``: ``MemoryExhaustedError``, ``WorkerEndedError``.
"""

from __future__ import annotations

from emotion.core.errors import ModelError


class MemoryExhaustedError(ModelError):
    """A single stretch of audio does not fit into the memory of the device."""

    code = "memory_exhausted"
    template = "{seconds:.1f} s of audio do not fit into the memory of {device} ({precision})"
    hint = (
        "Free memory on the device, or start with --precision bf16 or fp16, a smaller model, or "
        "--device cpu"
    )


class WorkerEndedError(ModelError):
    """A worker was ended by something that ends programs; another took its place."""

    code = "worker_ended"
    template = "the {worker} was ended while it worked on this ({reason}), and was started again"
    hint = "Try again; the server's log has the reason"
