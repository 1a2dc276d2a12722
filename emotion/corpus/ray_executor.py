"""Parts of a collection on a Ray cluster: Ray Data with an actor for each worker.

Ray gives the parts out, starts actors again that were lost with their processes or nodes, and holds
parts back while the table is written slower than they come. The table itself is written here.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import warnings
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from emotion.core.corpus_errors import ClusterError
from emotion.core.errors import EmotionError
from emotion.corpus.part_worker import WorkerSetup
from emotion.corpus.processes import Processes
from emotion.corpus.ray_cluster import fit
from emotion.corpus.ray_model import ModelFiles, place_model, share_model
from emotion.corpus.rows import Record
from emotion.corpus.shards import Part

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

_RETRIES: Final = 3  # of a part whose worker is lost


@dataclass(frozen=True)
class ClusterPlan:
    """What is asked of a cluster.

    Attributes:
        workers: How many; as many as fit by default.
        cpus: Of each worker.
        gpus: Of each worker, 0 or 1.
    """

    workers: int | None = None
    cpus: int | None = None
    gpus: int = 0


class RayParts:
    """Recognises parts on the Ray cluster that this process is connected to.

    Args:
        setup: What workers have to know.
        plan: What is asked of the cluster.

    Raises:
        ClusterError: The cluster is too small for that.
    """

    def __init__(self, setup: WorkerSetup, plan: ClusterPlan) -> None:
        self._setup = setup
        self._workers, self._cpus = fit(plan.workers, plan.cpus, plan.gpus)
        self._gpus = plan.gpus

    def run(self, parts: Iterable[Part]) -> Generator[tuple[Part, list[Record]], None, None]:
        """Recognises parts; closing the generator stops what is under way.

        Args:
            parts: The parts.

        Yields:
            Each part with the records of its recordings, in the order in which they end.

        Raises:
            EmotionError: Something fails that is no fault of a recording.
            ClusterError: Ray lost the worker of a part four times, or fails itself.
        """
        by_number = {part.number: part for part in parts}
        if not by_number:
            return
        with _told():
            for row in self._rows(by_number):
                records = pickle.loads(row["records"])
                if isinstance(records, EmotionError):
                    raise records
                yield by_number[row["number"]], records

    def _rows(self, parts: dict[int, Part]) -> Iterator[dict[str, Any]]:
        import ray
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.WARNING)
        logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        workers = min(self._workers, len(parts))
        logger.info("workers: %d; of each, CPUs: %d, GPUs: %d", workers, self._cpus, self._gpus)
        rows = [
            {"number": number, "items": pickle.dumps(tuple(item.absolute() for item in part.items))}
            for number, part in parts.items()
        ]
        model = share_model(self._setup.model.folder)
        # A block for each part, so that what is lost with a worker is a part.
        parted = ray.data.from_items(rows, override_num_blocks=len(rows))
        with warnings.catch_warnings():
            # There is no other way yet to say how often; the default is without end.
            warnings.simplefilter("ignore", DeprecationWarning)
            dataset = parted.map_batches(
                _Actor,
                fn_constructor_args=(self._setup, model, self._cpus),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=workers),
                num_cpus=self._cpus,
                num_gpus=self._gpus,
                max_task_retries=_RETRIES,
            )
        yield from dataset.iter_rows()


class _Actor:
    """A worker in the cluster. The model is in a process of its own, which a recording may end.

    It is loaded with the first part, so that errors are told.
    """

    def __init__(self, setup: WorkerSetup, model: ModelFiles, cpus: int) -> None:
        logging.basicConfig(level=logging.WARNING)
        self._setup, self._model, self._cpus = setup, model, cpus
        self._worker: Processes | None = None

    def __call__(self, batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[Any]]:
        """Recognises one part."""
        part = Part(int(batch["number"][0]), pickle.loads(batch["items"][0]))
        try:
            if self._worker is None:
                found = replace(self._setup.model, folder=place_model(self._model))
                self._worker = Processes(replace(self._setup, model=found), 1, self._cpus)
            ((_, records),) = self._worker.run([part])
            told: object = records
        except EmotionError as e:
            told = e
        return {"number": [part.number], "records": [pickle.dumps(told)]}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tells Ray's errors as ours."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as e:
        lines = [line for line in str(e).splitlines() if line.strip()]
        raise ClusterError(reason=f"{type(e).__name__}: {lines[0] if lines else ''}") from e
