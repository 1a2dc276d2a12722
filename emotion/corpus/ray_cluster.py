"""Connects to a Ray cluster, and asks what fits in it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any, Final

from emotion.core.corpus_errors import ClusterError

LOCAL: Final = "local"
_ANSWER_S: Final = 10.0
_OUR_CPUS: Final = 2  # of a worker, by default


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects to a cluster, or starts one on this machine, for as long as the block lasts.

    Args:
        address: As `ray.init` takes it; ``local`` for a private one on this machine.

    Raises:
        ClusterError: Ray is not installed, or nothing answers there.
    """
    try:
        import ray
    except ImportError as e:
        reason = "it is not installed; `pip install -r requirements-ray.txt` installs it"
        raise ClusterError(reason=reason) from e
    options: dict[str, Any] = {}
    _check_answers(address)
    if address == LOCAL:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody else can reach it
        options = {"include_dashboard": False}
    try:
        ray.init(address=address, logging_level=logging.WARNING, **options)
    except (ConnectionError, RuntimeError, ValueError) as e:
        raise ClusterError(reason=f"{address}: {e}") from e
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuses an address where nothing answers, for which Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except OSError as e:
        raise ClusterError(reason=f"{address}: {e.strerror or e}") from e


def fit(workers: int | None, cpus: int | None, gpus: int) -> tuple[int, int]:
    """How many workers the cluster is to have, and the CPUs of each.

    Args:
        workers: How many are asked for; as many as fit by default.
        cpus: Of each; 2 by default.
        gpus: Of each.

    Raises:
        ClusterError: They do not fit in the cluster.
    """
    import ray

    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    all_cpus, all_gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
    cpus = cpus or min(_OUR_CPUS, max(1, all_cpus))
    room = all_cpus // cpus
    if gpus:
        room = min(room, all_gpus // gpus)
    if room < (workers or 1):
        reason = (
            f"it has {all_cpus} CPUs and {all_gpus} GPUs, room for {room} workers with {cpus} CPUs "
            f"and {gpus} GPUs each, not for {workers or 1}"
        )
        raise ClusterError(reason=reason)
    return workers or room, cpus
