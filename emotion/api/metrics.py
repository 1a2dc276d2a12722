"""``GET /metrics``: what the server counts, in Prometheus' formats.

Nothing is counted here. A collector reads, at each scrape, what is counted where it happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from emotion.api.asking import check_operator
from emotion.api.context import Context
from emotion.api.openapi import problems
from emotion.api.vitals import Vitals
from emotion.api.watch import Sample, Watch
from emotion.core.stats import Counts
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import PHASES

PATH: Final = "/metrics"

# By the field of `GpuUsage`: (name, help).
_GPU: Final = {
    "used_bytes": ("memory_used_bytes", "Memory of the card in use by all programs"),
    "reserved_bytes": ("memory_reserved_bytes", "Memory that this process has reserved"),
    "allocated_bytes": ("memory_allocated_bytes", "Memory that this process uses"),
    "total_bytes": ("memory_total_bytes", "Memory of the card"),
    "utilization": ("utilization_ratio", "Share of the last moments in which the card computed"),
}


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["server"])
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WatchCollector(context.watch))

    @routes.get(
        PATH,
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
        responses=problems(403),
    )
    def metrics(request: Request) -> Response:
        """The text format of Prometheus, or OpenMetrics where `Accept` asks for it. Only for the
        operator, where the server has authentication."""
        check_operator(request)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    return routes


class WatchCollector(Collector):
    """Reads a `Watch` at each scrape."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        watch, now = self._watch, self._watch.now()
        yield from _requests(watch)
        yield from _jobs(now)
        yield from _passes(now)
        yield _restarts(watch)
        yield from _process(watch, now)
        snapshot = watch.service.models.snapshot
        yield from _model(snapshot.status.phase, snapshot.status.model, snapshot.model)
        if watch.sessions is not None:
            yield _gauge("live_sessions", "Live recordings under way", watch.sessions.count)
        yield _info("build", "Versions of the package and of what it rests on", watch.versions())


def _requests(watch: Watch) -> Iterator[Metric]:
    answered = CounterMetricFamily(
        "emotion_http_requests",
        "Requests by template of the route, method and status",
        labels=["route", "method", "status"],
    )
    for kind, count in watch.requests.answered().items():
        answered.add_metric(kind, count)
    yield answered
    text = "How long requests took; streams count until they begin"
    yield _histograms("http_request_duration_seconds", text, "route", watch.requests.routes())
    open_now = watch.requests.open
    yield _gauge("http_requests_in_progress", "Requests that are being answered", open_now)


def _jobs(now: Sample) -> Iterator[Metric]:
    ended = CounterMetricFamily("emotion_jobs", "Recognitions by how they ended", labels=["state"])
    for state, count in now.jobs.ended.items():
        ended.add_metric([state], count)
    yield ended
    yield _gauge("jobs_running", "Recognitions that a worker has taken", now.queue.running)
    depth = GaugeMetricFamily(
        "emotion_queue_depth", "Recognitions that wait for a worker", labels=["priority"]
    )
    depth.add_metric(["interactive"], now.queue.interactive)
    depth.add_metric(["bulk"], now.queue.bulk)
    yield depth
    text = "How long recognitions waited for a worker"
    yield _histogram("queue_wait_seconds", text, now.jobs.waits_s)
    yield CounterMetricFamily(
        "emotion_recognised_audio_seconds", "Audio recognised", value=now.jobs.audio_s
    )
    text = "Real-time factor: processing time of a recording over its length"
    yield _histogram("real_time_ratio", text, now.jobs.ratios)


def _passes(now: Sample) -> Iterator[Metric]:
    passes = now.passes
    if passes is None:
        return  # no model yet
    text = "Clips in a pass of the network; counts begin anew with each model"
    yield _histogram("inference_batch_clips", text, passes.clips)
    text = "Audio in a pass of the network, without padding"
    yield _histogram("inference_batch_audio_seconds", text, passes.audio_s)
    yield _histogram("inference_pass_seconds", "How long a pass took", passes.took_s)
    yield CounterMetricFamily(
        "emotion_inference_failures", "Passes of the network that failed", value=passes.failures
    )


def _restarts(watch: Watch) -> Metric:
    model = watch.service.models.current
    family = CounterMetricFamily(
        "emotion_worker_restarts",
        "Workers that were ended by something that is no error, and went on",
        labels=["worker"],
    )
    family.add_metric(["jobs"], watch.service.jobs.restarts.count)
    if model is not None:
        family.add_metric(["inference"], model.engine.restarts.count)
    return family


def _process(watch: Watch, now: Sample) -> Iterator[Metric]:
    vitals = Vitals.read(watch.config.server.outputs_dir)
    yield CounterMetricFamily(
        "emotion_process_cpu_seconds", "CPU time of the process", value=vitals.cpu_s
    )
    yield _gauge("process_resident_memory_bytes", "Its memory", vitals.resident_bytes)
    if vitals.open_files is not None:
        yield _gauge("process_open_files", "Its open files and sockets", vitals.open_files)
    yield _gauge("machine_memory_bytes", "Memory of the machine", vitals.machine_bytes)
    text = "What of it programs can still get"
    yield _gauge("machine_memory_available_bytes", text, vitals.machine_free_bytes)
    text = "What is free on the disk that run folders are made on"
    yield _gauge("outputs_free_bytes", text, vitals.disk_free_bytes)
    yield _gauge("uptime_seconds", "Since the server started", now.at_s - watch.started_s)


def _model(phase: str, title: str, model: LoadedModel | None) -> Iterator[Metric]:
    states = StateSetMetricFamily(
        "emotion_model_phase", "Where loading the model stands", labels=["model"]
    )
    states.add_metric([title], {name: name == phase for name in PHASES})
    yield states
    if model is None:
        return
    info = model.info
    values = {key: str(getattr(info, key)) for key in ("name", "engine", "device", "precision")}
    yield _info("model", "The model that answers", values)
    usage = model.engine.gpu
    for field, (name, text) in _GPU.items():
        value = getattr(usage, field, None)
        if usage is not None and value is not None:
            family = GaugeMetricFamily(f"emotion_gpu_{name}", text, labels=["device"])
            family.add_metric([usage.device], value)
            yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"emotion_{name}", text, value=value)


def _info(name: str, text: str, values: dict[str, str]) -> Metric:
    return InfoMetricFamily(f"emotion_{name}", text, value=values)


def _histogram(name: str, text: str, counts: Counts) -> Metric:
    family = HistogramMetricFamily(f"emotion_{name}", text)
    family.add_metric([], _cumulative(counts), counts.total)
    return family


def _histograms(name: str, text: str, label: str, every: dict[str, Counts]) -> Metric:
    family = HistogramMetricFamily(f"emotion_{name}", text, labels=[label])
    for value, counts in every.items():
        family.add_metric([value], _cumulative(counts), counts.total)
    return family


def _cumulative(counts: Counts) -> list[tuple[str, float]]:
    bounds: Iterable[str] = (*(str(float(bound)) for bound in counts.bounds), "+Inf")
    seen, pairs = 0, []
    for bound, inside in zip(bounds, counts.buckets, strict=True):
        seen += inside
        pairs.append((bound, float(seen)))
    return pairs
