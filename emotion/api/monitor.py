"""``GET /api/v1/monitor``: what the server counts, for the operator's card in the page."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from emotion.api.answers import PREFIX
from emotion.api.asking import check_operator
from emotion.api.context import Context
from emotion.api.openapi import problems
from emotion.api.vitals import Vitals, usable_cores
from emotion.api.watch import HOUR_S, STEP_S, Sample, Watch

MINUTE_S: Final = 60.0
_SHOWN: Final = 120  # steps of the curves: ten minutes
_CPU_S: Final = 5.0  # over which the use of the CPU is taken


class Jobs(BaseModel):
    """Recognitions of the page and of the API."""

    done: int
    failed: int
    cancelled: int


class Period(BaseModel):
    """What happened in a stretch of time that ends now. Times are in seconds; null where nothing
    happened that they could be taken from."""

    span_s: float = Field(description="Its length; shorter where the server started later")
    requests: int = Field(description="Calls of the API, without polls of status and monitor")
    refused: int = Field(description="Of those: answered with 4xx")
    failed: int = Field(description="Of those: answered with 5xx")
    latency_p50_s: float | None
    latency_p95_s: float | None
    jobs: Jobs
    queue_wait_p50_s: float | None = Field(description="How long jobs waited for a worker")
    queue_wait_p95_s: float | None
    audio_s: float = Field(description="Audio recognised")
    real_time_factor_p50: float | None = Field(description="Processing time over audio time")
    real_time_factor_p95: float | None
    batch_clips: float | None = Field(description="Mean number of clips in a pass of the network")
    batch_audio_s: float | None = Field(description="Mean audio in a pass")
    pass_s: float | None = Field(description="Mean time of a pass")


class QueueNow(BaseModel):
    """Jobs under way."""

    interactive: int = Field(description="Interactive jobs that wait")
    bulk: int = Field(description="Bulk jobs that wait")
    running: int = Field(description="Jobs that a worker has taken")


class ModelNow(BaseModel):
    """The model that answers or is being loaded."""

    phase: str
    title: str
    name: str | None
    engine: str | None
    device: str | None
    precision: str | None


class Cpu(BaseModel):
    """Use of the CPU by this process over the last seconds."""

    percent: float = Field(description="Of all cores that it may use, 0 to 100")
    cores: int


class Memory(BaseModel):
    """Memory of the process and of the machine, in bytes."""

    process_bytes: int
    machine_bytes: int
    machine_free_bytes: int


class Gpu(BaseModel):
    """Memory of the card, in bytes, and how busy it is."""

    device: str
    used_bytes: int = Field(description="By all programs")
    reserved_bytes: int = Field(description="By this process, in use or not")
    allocated_bytes: int = Field(description="By this process, in use")
    total_bytes: int
    utilization: float | None = Field(description="0 to 1; null where the driver does not tell")


class Disk(BaseModel):
    """The disk that run folders are made on, in bytes."""

    total_bytes: int
    free_bytes: int


class Curves(BaseModel):
    """The last ten minutes at most, oldest first: one value for each step."""

    step_s: float
    requests_per_s: list[float]
    latency_p95_s: list[float | None]
    waiting: list[int]
    memory_bytes: list[int]


class Monitor(BaseModel):
    """What the server counts, for people."""

    model_config = ConfigDict(protected_namespaces=())

    model: ModelNow
    uptime_s: float
    last_minute: Period
    last_hour: Period
    queue: QueueNow
    live_sessions: int
    cpu: Cpu
    memory: Memory
    gpu: Gpu | None
    disk: Disk
    versions: dict[str, str]
    curves: Curves


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["server"])

    @routes.get(
        f"{PREFIX}/monitor",
        summary="What the server does now, in the last minute and in the last hour",
        response_model=Monitor,
        responses=problems(403),
    )
    def monitor(request: Request, response: Response) -> Monitor:
        """Only for the operator, where the server has authentication. `GET /metrics` gives the
        same figures to Prometheus."""
        check_operator(request)
        response.headers["Cache-Control"] = "no-store"
        return monitored(context.watch)

    return routes


def monitored(watch: Watch) -> Monitor:
    """What a server does now and did in the last hour."""
    now = watch.now()
    vitals = Vitals.read(watch.config.server.outputs_dir)
    snapshot = watch.service.models.snapshot
    model = snapshot.model
    usage = model.engine.gpu if model else None
    info = model.info if model else None
    return Monitor(
        model=ModelNow(
            phase=snapshot.status.phase,
            title=info.title
            if info and snapshot.status.phase == "ready"
            else snapshot.status.model,
            name=info.name if info else None,
            engine=info.engine if info else None,
            device=info.device if info else None,
            precision=info.precision if info else None,
        ),
        uptime_s=round(now.at_s - watch.started_s, 1),
        last_minute=_period(now, watch.ago(now, MINUTE_S)),
        last_hour=_period(now, watch.ago(now, HOUR_S)),
        queue=QueueNow(**vars(now.queue)),
        live_sessions=watch.sessions.count if watch.sessions else 0,
        cpu=_cpu(now, watch.ago(now, _CPU_S)),
        memory=Memory(
            process_bytes=vitals.resident_bytes,
            machine_bytes=vitals.machine_bytes,
            machine_free_bytes=vitals.machine_free_bytes,
        ),
        gpu=Gpu(**vars(usage)) if usage else None,
        disk=Disk(total_bytes=vitals.disk_bytes, free_bytes=vitals.disk_free_bytes),
        versions=watch.versions(),
        curves=_curves([*watch.last(_SHOWN), now]),
    )


def _period(now: Sample, then: Sample) -> Period:
    took_s = now.calls.took_s.since(then.calls.took_s)
    waits_s = now.jobs.waits_s.since(then.jobs.waits_s)
    ratios = now.jobs.ratios.since(then.jobs.ratios)
    ended = {state: count - then.jobs.ended[state] for state, count in now.jobs.ended.items()}
    clips, audio_s, pass_s = _passes(now, then)
    return Period(
        span_s=round(now.at_s - then.at_s, 1),
        requests=took_s.count,
        refused=now.calls.refused - then.calls.refused,
        failed=now.calls.failed - then.calls.failed,
        latency_p50_s=_rounded(took_s.quantile(0.5)),
        latency_p95_s=_rounded(took_s.quantile(0.95)),
        jobs=Jobs(**ended),
        queue_wait_p50_s=_rounded(waits_s.quantile(0.5)),
        queue_wait_p95_s=_rounded(waits_s.quantile(0.95)),
        audio_s=round(now.jobs.audio_s - then.jobs.audio_s, 1),
        real_time_factor_p50=_rounded(ratios.quantile(0.5)),
        real_time_factor_p95=_rounded(ratios.quantile(0.95)),
        batch_clips=clips,
        batch_audio_s=audio_s,
        pass_s=pass_s,
    )


def _passes(now: Sample, then: Sample) -> tuple[float | None, float | None, float | None]:
    if now.passes is None:
        return None, None, None
    after, before = now.passes, then.passes
    pairs = (
        (after.clips, before and before.clips),
        (after.audio_s, before and before.audio_s),
        (after.took_s, before and before.took_s),
    )
    clips, audio_s, took_s = (late.since(early) if early else late for late, early in pairs)
    return _rounded(clips.mean), _rounded(audio_s.mean), _rounded(took_s.mean)


def _cpu(now: Sample, then: Sample) -> Cpu:
    cores, span_s = usable_cores(), now.at_s - then.at_s
    share = (now.cpu_s - then.cpu_s) / span_s / cores if span_s > 0 else 0.0
    return Cpu(percent=round(100 * min(1.0, share), 1), cores=cores)


def _curves(samples: list[Sample]) -> Curves:
    rates: list[float] = []
    latencies_s: list[float | None] = []
    # The step that is under way is too short to say anything.
    for then, now in pairwise(samples[:-1]):
        took_s = now.calls.took_s.since(then.calls.took_s)
        span_s = now.at_s - then.at_s
        rates.append(round(took_s.count / span_s, 3) if span_s > 0 else 0.0)
        latencies_s.append(_rounded(took_s.quantile(0.95)))
    return Curves(
        step_s=STEP_S,
        requests_per_s=rates,
        latency_p95_s=latencies_s,
        waiting=[sample.queue.interactive + sample.queue.bulk for sample in samples[1:]],
        memory_bytes=[sample.resident_bytes for sample in samples[1:]],
    )


def _rounded(value: float | None) -> float | None:
    """Four digits that count."""
    return None if value is None else float(f"{value:.4g}")
