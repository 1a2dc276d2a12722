"""Live recordings: readings, bounds, parts that come twice, and the end."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioEmptyError,
    AudioTooLongError,
    ModelNotReadyError,
    OutputError,
)
from emotion.core.labels import LABELS
from emotion.core.live_errors import LiveChunkError, LiveFullError, LiveNotFoundError
from emotion.recognition.loaded_model import LoadedModel
from emotion.services import live
from emotion.services.live import IDLE_S, LiveSessions, Reading
from tests.conftest import tone
from tests.fakes import FakeEngine, FakeService

S = 16_000
HALF = S // 2


class Clock:
    """Time under the test's control."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(fake_model: LoadedModel, clock: Clock) -> LiveSessions:
    return LiveSessions(FakeService(fake_model), AudioConfig(max_duration_s=60.0), 2, clock)


def send(
    sessions: LiveSessions, live_id: str, sound: NDArray[np.float32], first: int = 0
) -> list[Reading]:
    """Sends a sound in parts of half a second; the readings."""
    found = []
    for number, at in enumerate(range(0, sound.size, HALF), first):
        found += sessions.add(live_id, number, sound[at : at + HALF])
    return found


def test_a_reading_every_second_from_the_last_three(
    sessions: LiveSessions, fake_engine: FakeEngine
) -> None:
    found = send(sessions, sessions.open(), tone(5.5))
    assert [reading.time_s for reading in found] == [1, 2, 3, 4, 5]
    assert fake_engine.calls == [S, 2 * S, 3 * S, 3 * S, 3 * S]
    for reading in found:
        assert reading.speech and reading.emotion in LABELS
        assert sum(reading.scores.values()) == pytest.approx(1, abs=1e-6)
        assert reading.confidence == max(reading.scores.values())


def test_a_window_is_what_the_network_would_hear_of_it(
    sessions: LiveSessions, fake_engine: FakeEngine
) -> None:
    sound = tone(4.0)
    last = send(sessions, sessions.open(), sound)[-1]
    logits = fake_engine.infer(sound[S : 4 * S]).logits
    assert last.emotion == LABELS[int(logits.mean(0).argmax())]


def test_silence_is_silence_soon_after_the_last_word(
    sessions: LiveSessions, fake_engine: FakeEngine
) -> None:
    sound = np.concatenate([tone(2.0), np.zeros(4 * S, np.float32), tone(1.0)])
    found = send(sessions, sessions.open(), sound)
    assert [reading.speech for reading in found] == [True, True, True, False, False, False, True]
    quiet = found[4]
    assert (quiet.emotion, quiet.confidence, quiet.scores) == (None, None, {})
    assert quiet.level_dbfs == -100 and found[0].level_dbfs > -20
    assert len(fake_engine.calls) == 4  # the network never hears silence


def test_a_quiet_microphone_is_levelled_first(sessions: LiveSessions) -> None:
    loud = send(sessions, sessions.open(), tone(2.0))[-1]
    quiet = send(sessions, sessions.open(), np.float32(0.002) * tone(2.0))[-1]
    assert loud.level_dbfs - quiet.level_dbfs == pytest.approx(54, abs=0.5)
    assert quiet.speech and quiet.emotion == loud.emotion


def test_a_part_that_comes_twice_counts_once(sessions: LiveSessions) -> None:
    live_id = sessions.open()
    first = sessions.add(live_id, 0, tone(1.0))
    assert len(first) == 1 and sessions.add(live_id, 0, tone(1.0)) == first
    second = sessions.add(live_id, 1, tone(1.0))
    assert [reading.time_s for reading in second] == [2]
    assert sessions.add(live_id, 0, tone(1.0)) == []
    with pytest.raises(LiveChunkError, match=r"part 5 .* where part 2 was due"):
        sessions.add(live_id, 5, tone(1.0))
    path = sessions.finish(live_id)
    assert soundfile.info(path).frames == 2 * S
    sessions.discard(path)


def test_a_late_part_gives_its_last_readings_only(sessions: LiveSessions) -> None:
    found = sessions.add(sessions.open(), 0, tone(20.0))
    assert [reading.time_s for reading in found] == [16, 17, 18, 19, 20]


def test_one_too_many_is_refused_and_a_place_comes_free(
    sessions: LiveSessions, clock: Clock
) -> None:
    first, second = sessions.open(), sessions.open()
    with pytest.raises(LiveFullError, match="2 live recordings are under way"):
        sessions.open()
    sessions.close(first)
    third = sessions.open()
    clock.now += IDLE_S - 1
    sessions.add(third, 0, tone(0.5))
    clock.now += 2  # the second one has been left alone
    fourth = sessions.open()
    assert len({first, second, third, fourth}) == 4
    with pytest.raises(LiveNotFoundError, match="nothing came for 30 s"):
        sessions.add(second, 0, tone(0.5))
    sessions.add(third, 1, tone(0.5))


def test_one_that_is_worked_on_is_not_idle(
    sessions: LiveSessions, fake_engine: FakeEngine, clock: Clock
) -> None:
    live_id = sessions.open()
    fake_engine.gate.clear()
    slow = threading.Thread(target=sessions.add, args=(live_id, 0, tone(1.0)))
    slow.start()
    assert fake_engine.entered.wait(10)
    clock.now += 2 * IDLE_S
    sessions.open()
    fake_engine.gate.set()
    slow.join()
    assert [reading.time_s for reading in sessions.add(live_id, 1, tone(1.0))] == [2]


def test_a_recording_is_no_longer_than_any_other(sessions: LiveSessions) -> None:
    live_id = sessions.open()
    sessions.add(live_id, 0, np.zeros(59 * S, np.float32))
    with pytest.raises(AudioTooLongError):
        sessions.add(live_id, 1, np.zeros(2 * S, np.float32))
    path = sessions.finish(live_id)  # what came before is kept
    assert soundfile.info(path).duration == 59
    sessions.discard(path)


def test_without_a_model_nothing_begins(fake_model: LoadedModel) -> None:
    models = FakeService(None)
    sessions = LiveSessions(models, AudioConfig(), 2)
    with pytest.raises(ModelNotReadyError):
        sessions.open()
    models.current = fake_model
    live_id = sessions.open()
    models.current = None
    with pytest.raises(ModelNotReadyError):
        sessions.add(live_id, 0, tone(1.0))


def test_the_file_of_a_recording(sessions: LiveSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    live_id = sessions.open()
    with pytest.raises(AudioEmptyError):
        sessions.finish(live_id)
    sound = tone(1.3)
    send(sessions, live_id, sound)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(live, "write_wav", full)
        with pytest.raises(OutputError, match="No space left"):
            sessions.finish(live_id)
    path = sessions.finish(live_id)  # nothing was lost
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == S and path.name.startswith("live_") and path.suffix == ".wav"
    np.testing.assert_allclose(samples, sound, atol=1e-4)
    sessions.close(live_id)
    with pytest.raises(LiveNotFoundError):
        sessions.finish(live_id)
    sessions.discard(path)
    assert not path.parent.exists()


def test_closing_all_forgets_all(sessions: LiveSessions) -> None:
    live_id = sessions.open()
    sessions.close_all()
    sessions.close(live_id)  # a second time does no harm
    with pytest.raises(LiveNotFoundError):
        sessions.add(live_id, 0, tone(0.5))


def test_no_folder_is_left_by_a_write_that_failed(
    sessions: LiveSessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    live_id = sessions.open()
    sessions.add(live_id, 0, tone(0.5))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(live, "write_wav", full)
    with pytest.raises(OutputError):
        sessions.finish(live_id)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(
    sessions: LiveSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_id = sessions.open()
    sessions.add(live_id, 0, tone(0.5))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(live, "make_own", full)
        with pytest.raises(OutputError, match="No space left"):
            sessions.finish(live_id)
    path = sessions.finish(live_id)
    assert path.parent.name.startswith(live.FOLDER_PREFIX)
    sessions.discard(path)
