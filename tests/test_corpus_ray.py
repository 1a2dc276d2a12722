from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from emotion.core.config import AudioConfig
from emotion.core.corpus_errors import ClusterError
from emotion.core.errors import ConfigError
from emotion.corpus.inputs import Input
from emotion.corpus.part_worker import PartWorker, WorkerSetup
from emotion.corpus.ray_cluster import LOCAL, connected
from emotion.corpus.ray_executor import ClusterPlan, RayParts
from emotion.corpus.ray_model import place_model, share_model
from emotion.corpus.shards import split

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of Ray in Ray
]
ray = pytest.importorskip("ray", reason="requirements-ray.txt is not installed")

Wav = Callable[..., Path]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A private Ray on this machine."""
    with connected(LOCAL):
        yield


def _workers() -> list[psutil.Process]:
    return [
        one
        for one in psutil.process_iter(["cmdline", "ppid"])
        if any("ray::MapWorker" in part for part in one.info["cmdline"] or ())
        and os.getpid() in {parent.pid for parent in one.parents()}
    ]


def test_a_cluster_gives_what_one_process_gives_though_a_worker_is_killed(
    cluster: None, worker_setup: WorkerSetup, clips: list[Input]
) -> None:
    with PartWorker(worker_setup) as worker:
        alone = worker.records(clips)
    parts = split(clips, 1)
    with closing(RayParts(worker_setup, ClusterPlan(1, 1)).run(parts)) as running:
        part, records = next(running)
        found = {part.number: records}
        (killed,) = _workers()
        killed.kill()
        for part, records in running:
            assert part.number not in found
            found[part.number] = records
    together = [record for part in parts for record in found[part.number]]
    for one, other in zip(alone, together, strict=True):
        assert (one.file, one.columns, one.error) == (other.file, other.columns, other.error)
        if one.result is not None and other.result is not None:
            assert other.result["scores"] == pytest.approx(one.result["scores"], abs=1e-5)


def test_a_recording_that_ends_its_process_is_a_row_with_an_error(
    cluster: None, deadly: tuple[WorkerSetup, Input], clips: list[Input]
) -> None:
    setup, deadly_one = deadly
    items = [clips[0], deadly_one, clips[1]]
    ((_, records),) = RayParts(setup, ClusterPlan(1, 1)).run(split(items))
    assert [record.file for record in records] == [item.name for item in items]
    assert [record.result is None for record in records] == [False, True, False]
    assert records[1].error is not None and records[1].error["code"] == "worker_lost"


def test_what_is_no_fault_of_a_recording_ends_it(
    cluster: None, worker_setup: WorkerSetup, clips: list[Input]
) -> None:
    config = replace(worker_setup.config, audio=AudioConfig(ffmpeg="/no/such/ffmpeg"))
    parts = split(clips)
    with pytest.raises(ConfigError, match="an FFmpeg program"):
        list(RayParts(replace(worker_setup, config=config), ClusterPlan(1, 1)).run(parts))


def test_nothing_to_do(cluster: None, worker_setup: WorkerSetup) -> None:
    assert list(RayParts(worker_setup, ClusterPlan(1, 1)).run([])) == []


@pytest.mark.parametrize("plan", [ClusterPlan(1, 9999), ClusterPlan(9999, 1), ClusterPlan(gpus=1)])
def test_more_than_the_cluster_has(
    cluster: None, worker_setup: WorkerSetup, plan: ClusterPlan
) -> None:
    if plan.gpus and ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(ClusterError, match=r"it has \d+ CPUs and \d+ GPUs, room for"):
        RayParts(worker_setup, plan)


def test_a_model_is_put_on_a_node_once(
    cluster: None, mini_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    shared = share_model(mini_checkpoint)
    assert place_model(shared) == mini_checkpoint  # the node that it comes from
    away = replace(shared, node="another")
    folder = place_model(away)
    assert cache in folder.parents and folder.name == mini_checkpoint.name
    for name in ("model.pt", "config.yaml", "tokens.txt"):
        assert (folder / name).read_bytes() == (mini_checkpoint / name).read_bytes()

    def fetched(*_: Any, **__: Any) -> Any:
        raise AssertionError("a second worker fetches it again")

    monkeypatch.setattr(ray, "get", fetched)
    assert place_model(away) == folder


def test_where_nothing_answers() -> None:
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:9: "), connected("127.0.0.1:9"):
        pass
    with pytest.raises(ClusterError, match="nonsense: "), connected("nonsense"):
        pass
