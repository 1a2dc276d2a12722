"""/metrics: read back by Prometheus' own parsers, over fakes and over real requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from emotion.api.gate import Gate
from emotion.api.metrics import WatchCollector
from emotion.core.config import AudioConfig, ServerConfig
from emotion.inference.engine_base import EngineBase
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import PHASES, Status
from emotion.services.access import Entry, hash_key, write_entries
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService
from tests.api import app_of, served, until
from tests.fakes import FakeEngine, FakeService
from tests.watching import CARD, Watched

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
NAMES = {
    "emotion_http_requests": "counter",
    "emotion_http_request_duration_seconds": "histogram",
    "emotion_http_requests_in_progress": "gauge",
    "emotion_jobs": "counter",
    "emotion_jobs_running": "gauge",
    "emotion_queue_depth": "gauge",
    "emotion_queue_wait_seconds": "histogram",
    "emotion_recognised_audio_seconds": "counter",
    "emotion_real_time_ratio": "histogram",
    "emotion_inference_batch_clips": "histogram",
    "emotion_inference_batch_audio_seconds": "histogram",
    "emotion_inference_pass_seconds": "histogram",
    "emotion_inference_failures": "counter",
    "emotion_worker_restarts": "counter",
    "emotion_process_cpu_seconds": "counter",
    "emotion_process_resident_memory_bytes": "gauge",
    "emotion_process_open_files": "gauge",
    "emotion_machine_memory_bytes": "gauge",
    "emotion_machine_memory_available_bytes": "gauge",
    "emotion_outputs_free_bytes": "gauge",
    "emotion_uptime_seconds": "gauge",
    "emotion_model_phase": "stateset",
    "emotion_model": "info",
    "emotion_live_sessions": "gauge",
    "emotion_build": "info",
}


def read(text: str) -> Samples:
    """All samples of the text format by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, /, **labels: str) -> float:
    return samples[f"emotion_{name}", frozenset(labels.items())]


def scrape(watched: Watched) -> Samples:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WatchCollector(watched.watch))
    return read(generate_latest(registry).decode())


@pytest.fixture
def watched(service: RecognitionService, tmp_path: Path) -> Watched:
    sessions = LiveSessions(service.models, AudioConfig(), 8)
    return Watched(service, tmp_path, sessions)


def models_of(watched: Watched) -> FakeService:
    models = watched.watch.service.models
    assert isinstance(models, FakeService)
    return models


def test_workers_that_went_on_are_counted(watched: Watched, service: RecognitionService) -> None:
    service.jobs.restarts.ended(SystemExit())
    assert service.models.current is not None
    for _ in range(2):
        service.models.current.engine.restarts.ended(SystemExit())
    samples = scrape(watched)
    assert value(samples, "worker_restarts_total", worker="jobs") == 1
    assert value(samples, "worker_restarts_total", worker="inference") == 2


def test_every_family_has_a_name_a_type_and_a_help(watched: Watched) -> None:
    families = {family.name: family for family in WatchCollector(watched.watch).collect()}
    assert {name: family.type for name, family in families.items()} == NAMES
    assert all(family.documentation for family in families.values())


def test_requests_and_their_times(watched: Watched) -> None:
    watched.call(0.004)
    watched.call(0.3)
    watched.call(700.0, 504)
    samples = scrape(watched)
    route = "/api/v1/recognize"
    # Without a route in its scope this stands for an address that nobody answers.
    assert value(samples, "http_requests_total", route="other", method="POST", status="200") == 2
    assert value(samples, "http_requests_total", route="other", method="POST", status="504") == 1
    assert not any(route in dict(labels).values() for _, labels in samples)
    steps = {"0.005": 1, "0.25": 1, "0.5": 2, "600.0": 2, "+Inf": 3}
    for bound, count in steps.items():
        name = "http_request_duration_seconds_bucket"
        assert value(samples, name, route="other", le=bound) == count
    total_s = value(samples, "http_request_duration_seconds_sum", route="other")
    assert total_s == pytest.approx(700.304)
    assert value(samples, "http_request_duration_seconds_count", route="other") == 3


def test_jobs_queue_and_pace(watched: Watched) -> None:
    stats = watched.watch.service.jobs.stats
    stats.taken(0.02)
    stats.taken(20.0)
    stats.ended("done")
    stats.ended("failed")
    stats.recognised(60.0, 3.0)
    samples = scrape(watched)
    assert value(samples, "jobs_total", state="done") == 1
    assert value(samples, "jobs_total", state="failed") == 1
    assert value(samples, "jobs_total", state="cancelled") == 0
    assert value(samples, "jobs_running") == 0
    assert value(samples, "queue_depth", priority="interactive") == 0
    assert value(samples, "queue_depth", priority="bulk") == 0
    assert value(samples, "queue_wait_seconds_bucket", le="0.025") == 1
    assert value(samples, "queue_wait_seconds_sum") == pytest.approx(20.02)
    assert value(samples, "recognised_audio_seconds_total") == 60
    assert value(samples, "real_time_ratio_bucket", le="0.05") == 1
    assert value(samples, "real_time_ratio_bucket", le="0.03") == 0


def test_passes_of_the_network(watched: Watched, fake_engine: FakeEngine) -> None:
    fake_engine.stats.passed([1.0, 2.0, 3.0], 0.2)
    fake_engine.stats.failed()
    samples = scrape(watched)
    assert value(samples, "inference_batch_clips_sum") == 3
    assert value(samples, "inference_batch_audio_seconds_sum") == 6
    assert value(samples, "inference_pass_seconds_bucket", le="0.25") == 1
    assert value(samples, "inference_failures_total") == 1


def test_process_machine_and_uptime(watched: Watched) -> None:
    watched.now_s += 90
    samples = scrape(watched)
    assert value(samples, "uptime_seconds") == 90
    memory = value(samples, "process_resident_memory_bytes")
    assert 1e7 < memory < value(samples, "machine_memory_bytes")
    assert value(samples, "process_cpu_seconds_total") > 0
    assert value(samples, "process_open_files") >= 3
    assert value(samples, "outputs_free_bytes") > 0


@pytest.mark.parametrize("phase", PHASES)
def test_the_phase_is_one_of_a_set(watched: Watched, phase: str) -> None:
    models_of(watched).status = Status(phase, model="Emotion2Vec+ Large")
    samples = scrape(watched)
    states = {
        dict(labels)["emotion_model_phase"]: count
        for (name, labels), count in samples.items()
        if name == "emotion_model_phase" and dict(labels)["model"] == "Emotion2Vec+ Large"
    }
    assert states == {name: float(name == phase) for name in PHASES}


def test_without_a_model(watched: Watched) -> None:
    models_of(watched).current = None
    names = {name for name, _ in scrape(watched)}
    assert not names & {"emotion_model_info", "emotion_inference_batch_clips_count"}
    assert "emotion_model_phase" in names


def test_the_model_that_answers(watched: Watched) -> None:
    labels = {"name": "fake", "engine": "native", "device": "cpu", "precision": "fp32"}
    assert value(scrape(watched), "model_info", **labels) == 1


def test_a_card(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("gpu" in name for name, _ in scrape(watched))
    monkeypatch.setattr(EngineBase, "gpu", CARD)
    samples = scrape(watched)
    assert value(samples, "gpu_memory_used_bytes", device="cuda:0") == 9e9
    assert value(samples, "gpu_memory_reserved_bytes", device="cuda:0") == 4e9
    assert value(samples, "gpu_memory_allocated_bytes", device="cuda:0") == 3e9
    assert value(samples, "gpu_memory_total_bytes", device="cuda:0") == 24e9
    assert value(samples, "gpu_utilization_ratio", device="cuda:0") == 0.75


def test_live_recordings(watched: Watched) -> None:
    sessions = watched.watch.sessions
    assert sessions is not None
    live = sessions.open()
    assert value(scrape(watched), "live_sessions") == 1
    sessions.close(live)
    assert value(scrape(watched), "live_sessions") == 0


def test_the_plain_format_is_the_default(api: TestClient) -> None:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# EOF" not in answer.text


def test_openmetrics_where_it_is_asked_for(api: TestClient) -> None:
    accept = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    answer = api.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    families = {f.name: f.type for f in openmetrics.text_string_to_metric_families(answer.text)}
    assert families == {n: t for n, t in NAMES.items() if n != "emotion_live_sessions"}


def test_two_apps_in_a_process_count_apart(
    service: RecognitionService, fake_model: LoadedModel
) -> None:
    with TestClient(app_of(service)) as one, TestClient(app_of(service)) as other:
        one.get("/api/v1/nothing")
        labels = {"route": "other", "method": "GET", "status": "404"}
        assert value(read(one.get("/metrics").text), "http_requests_total", **labels) == 1
        assert 'status="404"' not in other.get("/metrics").text


def test_only_the_operator_sees_figures_where_there_is_authentication(
    service: RecognitionService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    write_entries(keys, [Entry("ann", hash_key("a-key")), Entry("op", hash_key("o-key"), True)])
    app = app_of(service, guarded_by=Gate(ServerConfig(api_key_file=keys)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/metrics").status_code == 401
        refused = client.get("/metrics", headers={"X-API-Key": "a-key"})
        assert (refused.status_code, refused.json()["code"]) == (403, "operator_only")
        samples = read(client.get("/metrics", headers={"X-API-Key": "o-key"}).text)
    labels = {"route": "/metrics", "method": "GET", "status": "403"}
    assert value(samples, "http_requests_total", **labels) == 1
    # The guard refuses before a route is looked for.
    labels |= {"route": "other", "status": "401"}
    assert value(samples, "http_requests_total", **labels) == 1


@pytest.fixture
def address(service: RecognitionService) -> Iterator[str]:
    with served(app_of(service)) as url:
        yield url


def test_a_real_server_counts_what_it_did(
    address: str, wav: Callable[..., Path], fake_engine: FakeEngine
) -> None:
    clip = wav(2.0).read_bytes()
    with httpx.Client(base_url=address, timeout=30) as client:
        for _ in range(3):
            assert client.post("/api/v1/recognize", content=clip).status_code == 200
        assert client.post("/api/v1/recognize", content=b"no audio").status_code == 415
        assert client.get("/api/v1/recognize").status_code == 405
        assert client.get("/api/v1/none/of/these").status_code == 404
        samples = read(client.get("/metrics").text)
        route = "/api/v1/recognize"
        labels = {"route": route, "method": "POST"}
        assert value(samples, "http_requests_total", status="200", **labels) == 3
        assert value(samples, "http_requests_total", status="415", **labels) == 1
        assert value(samples, "http_request_duration_seconds_count", route=route) == 4
        assert value(samples, "jobs_total", state="done") == 3
        assert value(samples, "jobs_total", state="failed") == 1
        assert value(samples, "recognised_audio_seconds_total") == pytest.approx(6.0, abs=0.01)
        assert value(samples, "real_time_ratio_count") == 3
        assert value(samples, "queue_wait_seconds_count") == 4
        assert value(samples, "inference_batch_clips_sum") == 3
        others = {
            dict(found)["status"]
            for (name, found) in samples
            if name == "emotion_http_requests_total" and dict(found)["route"] == "other"
        }
        assert others == {"404", "405"}


def test_a_job_that_runs_is_seen_running(
    address: str, wav: Callable[..., Path], fake_engine: FakeEngine
) -> None:
    clip = wav(2.0).read_bytes()
    fake_engine.gate.clear()
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.post(f"{address}/api/v1/recognize", content=clip).status_code)

    thread = threading.Thread(target=ask)
    thread.start()

    def running() -> float:
        return value(read(httpx.get(f"{address}/metrics").text), "jobs_running")

    until(lambda: running() == 1)
    samples = read(httpx.get(f"{address}/metrics").text)
    assert value(samples, "http_requests_in_progress") == 2  # this one too
    fake_engine.gate.set()
    thread.join(30)
    assert answers == [200] and running() == 0
