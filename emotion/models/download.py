"""Downloads a model: completely, or not at all.

A download goes to ``<models>/.partial-<name>/<hub>/`` and is renamed to ``<models>/<name>/`` when
every file has the size and the SHA-256 that the hub announces: nobody sees half a model, whatever
happens, and an interrupted download goes on where it stopped. How the hubs are asked is in
`emotion.models.hubs`. Where a hub's answers are not understood, its official client downloads to
``<models>/.partial-<name>/<hub>-client/`` (`emotion.models.hub_clients`), and what it brought is
published in the same way.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from emotion.core.config import EngineConfig, Hub
from emotion.core.errors import CancelledError, DownloadError, ModelMissingError
from emotion.core.registry import KnownModel
from emotion.models import hub_clients, hubs
from emotion.models.hubs import HubFailedError, Limits, NotUnderstoodError
from emotion.models.store import (
    file_size,
    is_complete,
    known,
    locate,
    model_folder,
    partial_folder,
    tree_size,
)

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class _Job:
    model: KnownModel
    folder: Path
    progress: Progress
    cancelled: Cancelled
    limits: Limits

    @property
    def partial(self) -> Path:
        return partial_folder(self.model, self.folder.parent)

    def check(self) -> None:
        if self.cancelled():
            raise CancelledError()


def fetch(
    name: str,
    config: EngineConfig,
    progress: Progress = lambda _done_bytes, _total_bytes: None,
    cancelled: Cancelled = lambda: False,
    *,
    limits: Limits = Limits(),  # noqa: B008  # frozen
) -> Path:
    """The folder of a model, downloaded if it is not here yet.

    Args:
        name: A known name or hub id, or a folder, which is returned as it is.
        config: ``hub``, ``offline`` and ``models_dir`` are used; ``model`` is not.
        progress: Called with the bytes that are here and the bytes of the whole model, about a
            thousand times, from the calling thread; the first falls when a damaged file or
            another hub starts anew.
        cancelled: Asked at each piece; true stops, and keeps what is here for the next time.
        limits: How patient the download is.

    Raises:
        ModelUnknownError: Neither a known model nor a folder.
        CheckpointError: A folder that lacks files.
        ModelMissingError: Not here, and offline or not on the hub asked for.
        DownloadError: Names every hub that was tried and why it failed, or what the disk lacks.
        CancelledError: ``cancelled`` returned true.
    """
    found = locate(name, config.models_dir)
    if found is not None:
        return found
    model = known(name)
    sources = _sources(model, config.hub)
    if config.offline or not sources:
        folder = model_folder(model, config.models_dir)
        reason = "it comes with the source code, not from a hub"
        if sources:
            reason = "offline"
        elif _sources(model, None):
            reason = "it is not on the hub that was asked for"
        raise ModelMissingError(name=model.name, folder=folder, reason=reason)
    job = _Job(model, config.models_dir / model.name, progress, cancelled, limits)
    try:
        config.models_dir.mkdir(parents=True, exist_ok=True)
        with _locked(job):
            return job.folder if is_complete(job.folder) else _fetch(job, sources)
    except OSError as e:
        reason = f"{e.filename or config.models_dir}: {e.strerror or e}"
        raise DownloadError(name=model.name, reason=reason) from e


def _sources(model: KnownModel, only: Hub | None) -> list[Hub]:
    ids: dict[Hub, str | None] = {"ms": model.modelscope_id, "hf": model.huggingface_id}
    return [hub for hub, repo in ids.items() if repo and only in (None, hub)]


@contextlib.contextmanager
def _locked(job: _Job) -> Iterator[None]:
    # One download of a model at a time, over all processes; the system frees a dead one's lock.
    lock = filelock.FileLock(job.folder.parent / f".lock-{job.model.name}")
    waiting = False
    while not lock.is_locked:
        job.check()
        try:
            lock.acquire(timeout=0.2 if waiting else 0, poll_interval=0.05)
        except filelock.Timeout:
            if not waiting:
                logger.info("%s is being downloaded by another process", job.model.name)
            waiting = True
    try:
        yield
    finally:
        lock.release()


def _fetch(job: _Job, sources: list[Hub]) -> Path:
    reasons = []
    for hub in sources:
        try:
            return _fetch_from(job, hub)
        except HubFailedError as e:
            reasons.append(f"{hubs.TITLES[hub]} at {hubs.endpoint(hub)}: {e}")
            logger.warning("%s: %s", job.model.name, reasons[-1])
    raise DownloadError(name=job.model.name, reason="; ".join(reasons))


def _fetch_from(job: _Job, hub: Hub) -> Path:
    started_s = time.monotonic()
    job.check()
    try:
        staging = _fetch_by_http(job, hub)
    except NotUnderstoodError as e:
        title, package = hubs.TITLES[hub], hub_clients.PACKAGES[hub]
        logger.warning("%s: %s: %s; trying its client %s", job.model.name, title, e, package)
        try:
            staging = _fetch_by_client(job, hub)
        except HubFailedError as also:
            raise HubFailedError(f"{e}; and its client {package} {also}") from also
    size_mb = tree_size(staging) / 1e6
    _publish(job, staging)
    seconds = time.monotonic() - started_s
    logger.info("%s: downloaded %.1f MB in %.1f s", job.model.name, size_mb, seconds)
    return job.folder


def _fetch_by_http(job: _Job, hub: Hub) -> Path:
    files = hubs.list_files(hub, job.model, job.limits)
    names = {file.name for file in files}
    lacking = [name for name in job.model.needed if name not in names]
    if lacking:
        raise HubFailedError(f"the repository lacks {', '.join(lacking)}")
    total_bytes = sum(file.size_bytes for file in files)
    staging = job.partial / hub
    staging.mkdir(parents=True, exist_ok=True)
    with _space_for(job, staging, total_bytes):
        title = hubs.TITLES[hub]
        logger.info("%s: downloading %.1f MB from %s", job.model.name, total_bytes / 1e6, title)
        _download_all(job, files, staging, total_bytes)
    return staging


def _fetch_by_client(job: _Job, hub: Hub) -> Path:
    total_bytes = job.model.size_bytes  # about; the hub's own figure is what was not understood
    folder = job.partial / f"{hub}-client"
    folder.mkdir(parents=True, exist_ok=True)

    def advance(done_bytes: int) -> None:
        job.check()
        job.progress(min(done_bytes, total_bytes), total_bytes)

    with _space_for(job, folder, total_bytes):
        fetched = hub_clients.download(hub, job.model, folder, job.limits, advance)
    lacking = [name for name in job.model.needed if not file_size(fetched / name)]
    if lacking:
        raise HubFailedError(f"did not bring {', '.join(lacking)}")
    staging = job.partial / hub
    shutil.rmtree(staging, ignore_errors=True)
    for name in job.model.files:  # and nothing that the client keeps beside them
        if (fetched / name).is_file():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (fetched / name).rename(staging / name)
    job.progress(total_bytes, total_bytes)
    return staging


def _download_all(job: _Job, files: list[hubs.RemoteFile], staging: Path, total_bytes: int) -> None:
    before_bytes, told_bytes = 0, -total_bytes

    def advance(file_bytes: int) -> None:
        nonlocal told_bytes
        job.check()
        done_bytes = before_bytes + file_bytes
        if abs(done_bytes - told_bytes) >= total_bytes / 1000:  # a screen shows no more
            told_bytes = done_bytes
            job.progress(done_bytes, total_bytes)

    for file in files:
        hubs.download(file, staging / file.name, job.limits, advance)
        before_bytes += file.size_bytes
    job.progress(total_bytes, total_bytes)


@contextlib.contextmanager
def _space_for(job: _Job, folder: Path, total_bytes: int) -> Iterator[None]:
    # So many bytes will lie in the folder; a disk without room for them is one clear error.
    needed_bytes = total_bytes - tree_size(folder)
    if shutil.disk_usage(job.folder.parent).free < needed_bytes:
        raise _disk_full(job, needed_bytes)
    try:
        yield
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _disk_full(job, total_bytes - tree_size(folder)) from e


def _disk_full(job: _Job, needed_bytes: int) -> DownloadError:
    free_bytes = shutil.disk_usage(job.folder.parent).free
    reason = (
        f"{job.folder.parent} needs {needed_bytes / 1e6:.1f} MB more, "
        f"but {free_bytes / 1e6:.1f} MB are free"
    )
    return DownloadError(name=job.model.name, reason=reason)


def _publish(job: _Job, staging: Path) -> None:
    if job.folder.exists():  # incomplete and not made here: kept, but out of the way
        aside = job.folder.with_name(f"{job.folder.name}.incomplete-{time.time_ns()}")
        job.folder.rename(aside)
        logger.warning("%s lacked files and is now %s", job.folder, aside.name)
    staging.rename(job.folder)
    shutil.rmtree(job.partial, ignore_errors=True)
