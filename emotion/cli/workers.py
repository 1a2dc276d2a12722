"""Options for the commands that share their work among processes or machines."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from emotion.cli import options
from emotion.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from emotion.corpus.part_worker import WorkerSetup
    from emotion.corpus.rows import Record
    from emotion.corpus.shards import Part

_MOST: Final = 10_000
_OF_EACH: Final = ("worker-cpus", "worker-gpus", "part-size")
_RANGES: Final = {
    "workers": (1, _MOST), "worker-cpus": (1, _MOST), "worker-gpus": (0, 1), "part-size": (1, _MOST)
}  # fmt: skip


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        count: How many there are; None for as many as fit in the cluster.
        cpus: Cores of each; None for the default.
        gpus: GPUs of each; 0 or 1.
        ray: Address of a Ray cluster, ``local`` for a private one; None for processes.
        part_size: Recordings that a worker is given at once; None for the default.
    """

    count: int | None
    cpus: int | None
    gpus: int
    ray: str | None
    part_size: int | None


class PartExecutor(Protocol):
    """Recognises parts of a collection; closing the generator stops what is under way."""

    def run(self, parts: Iterable[Part]) -> Generator[tuple[Part, list[Record]], None, None]:
        """Each part with the records of its recordings, in the order in which they end."""


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command."""
    group = parser.add_argument_group("many recordings, several workers")
    text = "share the work among N processes of this machine, or N workers of a Ray cluster"
    group.add_argument("--workers", type=int, metavar="N", help=text)
    options.add_ray(group, "share the work among workers of a Ray cluster")
    text = "cores of each worker (the machine's, shared; 2 with --ray)"
    group.add_argument("--worker-cpus", type=int, metavar="N", help=text)
    text = "GPUs of each worker of a Ray cluster, 0 or 1 (0)"
    group.add_argument("--worker-gpus", type=int, metavar="N", help=text)
    text = "recordings that a worker is given at once, and rows of a file (64)"
    group.add_argument("--part-size", type=int, metavar="N", help=text)


def asked_workers(args: argparse.Namespace) -> Workers | None:
    """Who does the work; None for this process alone.

    Raises:
        ConfigError: An option has a value that it cannot have, or lacks one that it needs.
    """
    options.check_ranges(args, _RANGES)
    if args.workers is None and args.ray is None:
        options.check_together(args, _OF_EACH, "--workers or --ray")
        return None
    if args.worker_gpus and args.ray is None:
        raise ConfigError(option="worker-gpus", value=args.worker_gpus, expected="used with --ray")
    return Workers(args.workers, args.worker_cpus, args.worker_gpus or 0, args.ray, args.part_size)


@contextlib.contextmanager
def executor_of(workers: Workers, setup: WorkerSetup) -> Iterator[PartExecutor]:
    """What gives the parts to them.

    Raises:
        ClusterError: The cluster of Ray cannot be used.
    """
    if workers.ray is None:
        from emotion.corpus.processes import Processes

        with Processes(setup, workers.count or 1, workers.cpus) as processes:
            yield processes
        return
    from emotion.corpus.ray_cluster import connected
    from emotion.corpus.ray_executor import ClusterPlan, RayParts

    with connected(workers.ray):
        yield RayParts(setup, ClusterPlan(workers.count, workers.cpus, workers.gpus))
