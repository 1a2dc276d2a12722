"""The monitor: what happened in the last minute and hour, curves, the machine, who may ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from emotion.api import monitor as monitor_module
from emotion.api.monitor import Monitor, monitored
from emotion.core.config import AudioConfig
from emotion.inference.engine_base import EngineBase
from emotion.recognition.opening import Status
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService
from tests.api import app_of
from tests.fakes import FakeEngine, FakeService
from tests.watching import CARD, Guarded, Watched


@pytest.fixture
def watched(service: RecognitionService, tmp_path: Path) -> Watched:
    return Watched(service, tmp_path)


def test_a_server_that_has_just_started(watched: Watched) -> None:
    found = monitored(watched.watch)
    assert found.uptime_s == 0
    for period in (found.last_minute, found.last_hour):
        assert (period.span_s, period.requests, period.jobs.done) == (0, 0, 0)
        assert period.latency_p50_s is None and period.latency_p95_s is None
        assert period.queue_wait_p95_s is None and period.real_time_factor_p50 is None
        assert period.batch_clips is None and period.pass_s is None
    assert found.curves.requests_per_s == [] and found.cpu.percent == 0
    assert found.gpu is None and found.live_sessions == 0


def test_the_last_minute_is_the_end_of_the_last_hour(watched: Watched) -> None:
    for _ in range(10):
        watched.call(10.0)
    watched.call(10.0, 500)
    watched.pass_(600)
    for _ in range(19):
        watched.call(0.1)
    watched.call(2.0, 422)
    watched.now_s += 3
    found = monitored(watched.watch)
    minute, hour = found.last_minute, found.last_hour
    assert (minute.requests, minute.refused, minute.failed) == (20, 1, 0)
    assert (hour.requests, hour.refused, hour.failed) == (31, 1, 1)
    assert minute.span_s == 63 and hour.span_s == 603 == found.uptime_s
    assert minute.latency_p50_s == pytest.approx(0.1, rel=0.2)
    assert minute.latency_p95_s == pytest.approx(0.1, rel=0.2)
    assert hour.latency_p95_s == pytest.approx(10, rel=0.2)


def test_nothing_happens_any_more(watched: Watched) -> None:
    watched.call(1.0)
    watched.watch.service.jobs.stats.ended("done")
    watched.pass_(65)
    found = monitored(watched.watch)
    assert found.last_minute.requests == found.last_minute.jobs.done == 0
    assert found.last_minute.latency_p95_s is None
    assert found.last_hour.requests == found.last_hour.jobs.done == 1


def test_recognitions_waits_pace_and_passes(watched: Watched, fake_engine: FakeEngine) -> None:
    stats = watched.watch.service.jobs.stats
    for state in ("done", "done", "failed", "cancelled"):
        stats.ended(state)  # type: ignore[arg-type]
    stats.taken(0.4)
    stats.recognised(100.0, 4.0)
    fake_engine.stats.passed([4.0, 6.0], 0.5)
    fake_engine.stats.passed([2.0], 0.1)
    period = monitored(watched.watch).last_minute
    assert period.jobs.model_dump() == {"done": 2, "failed": 1, "cancelled": 1}
    assert period.queue_wait_p50_s is not None and 0.25 < period.queue_wait_p50_s <= 0.5
    assert period.audio_s == 100
    assert period.real_time_factor_p50 is not None and 0.03 < period.real_time_factor_p50 <= 0.05
    assert (period.batch_clips, period.batch_audio_s, period.pass_s) == (1.5, 6.0, 0.3)


def test_a_new_model_begins_to_count_anew(watched: Watched, fake_engine: FakeEngine) -> None:
    for _ in range(5):
        fake_engine.stats.passed([1.0], 0.1)
    watched.pass_(60)
    model = watched.watch.service.models.current
    assert model is not None
    model.engine = FakeEngine()
    model.engine.stats.passed([2.0, 2.0], 0.2)
    period = monitored(watched.watch).last_minute
    assert (period.batch_clips, period.batch_audio_s) == (2, 4)


def test_curves_have_a_value_for_each_step(watched: Watched) -> None:
    watched.call(0.1)
    watched.call(0.1)
    watched.pass_(5)
    watched.pass_(5)
    watched.call(1.0)
    watched.pass_(5)
    watched.now_s += 2
    curves = monitored(watched.watch).curves
    assert curves.step_s == 5
    assert curves.requests_per_s == [0.4, 0, 0.2]
    assert curves.latency_p95_s[1] is None
    assert curves.latency_p95_s[0] == pytest.approx(0.1, rel=0.2)
    assert curves.latency_p95_s[2] == pytest.approx(1.0, rel=0.2)
    assert curves.waiting == [0, 0, 0, 0]  # and now
    assert len(curves.memory_bytes) == 4 and min(curves.memory_bytes) > 10_000_000


def test_curves_show_ten_minutes_at_most(watched: Watched) -> None:
    watched.pass_(3600)
    curves = monitored(watched.watch).curves
    assert len(curves.waiting) == 120
    assert len(curves.requests_per_s) == 119


@pytest.mark.parametrize(("cores", "percent"), [(1, 100.0), (4, 50.0)])
def test_the_cpu_is_shared_by_the_cores(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, cores: int, percent: float
) -> None:
    monkeypatch.setattr(monitor_module, "usable_cores", lambda: cores)
    used_s = 0.0
    monkeypatch.setattr("emotion.api.watch.cpu_s", lambda _: used_s)
    watched.pass_(5)
    used_s = 10.0  # two cores for five seconds
    watched.now_s += 5
    found = monitored(watched.watch).cpu
    assert (found.percent, found.cores) == (percent, cores)


def test_the_card_and_the_model(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineBase, "gpu", CARD)
    found = monitored(watched.watch)
    assert found.gpu is not None and found.gpu.model_dump() == vars(CARD)
    assert found.model.model_dump() == {
        "phase": "ready",
        "title": "Fake",
        "name": "fake",
        "engine": "native",
        "device": "cpu",
        "precision": "fp32",
    }


def test_a_model_that_is_still_loading(watched: Watched) -> None:
    models = watched.watch.service.models
    assert isinstance(models, FakeService)
    models.current, models.status = None, Status("reading", model="Emotion2Vec+ Large")
    model = monitored(watched.watch).model
    assert (model.phase, model.title, model.name) == ("reading", "Emotion2Vec+ Large", None)


def test_live_recordings(service: RecognitionService, tmp_path: Path) -> None:
    sessions = LiveSessions(service.models, AudioConfig(), 8)
    watched = Watched(service, tmp_path, sessions)
    sessions.open()
    assert monitored(watched.watch).live_sessions == 1
    sessions.close_all()


def test_the_route_gives_what_its_schema_says(api: TestClient, wav: Callable[..., Path]) -> None:
    assert api.post("/api/v1/recognize", content=wav(2.0).read_bytes()).status_code == 200
    answer = api.get("/api/v1/monitor")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    found = Monitor.model_validate(answer.json())
    assert found.last_minute.requests == 1 and found.last_minute.jobs.done == 1
    assert found.last_minute.audio_s == 2.0
    assert found.memory.process_bytes < found.memory.machine_bytes
    assert set(found.versions) == {"emotion", "python", "torch", "gradio", "ffmpeg"}
    again = Monitor.model_validate(api.get("/api/v1/monitor").json())
    assert again.last_minute.requests == 1  # looking is not counted


def test_it_names_no_folder(api: TestClient, tmp_path: Path) -> None:
    assert str(tmp_path) not in api.get("/api/v1/monitor").text


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({}, 200),
        ({"caller": None}, 200),
        ({"caller": "ann", "operator": False}, 403),
        ({"operator": False}, 403),
        ({"caller": "root", "operator": True}, 200),
    ],
)
def test_who_may_ask(service: RecognitionService, state: dict[str, Any], status: int) -> None:
    with TestClient(Guarded(app_of(service), state)) as client:
        answer = client.get("/api/v1/monitor", headers={"Accept-Language": "zh-CN"})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["detail"] == "只有本服务器的管理员可以这样做"
