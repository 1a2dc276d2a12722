from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from emotion.audio.samples import SampleBuffer
from emotion.core.errors import OutputError


def ramp(size: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + size, dtype=np.float32)


@pytest.mark.parametrize("memory_bytes", [1, 1 << 20])  # in a file, and in memory
def test_what_was_appended_is_read(memory_bytes: int) -> None:
    buffer = SampleBuffer(memory_bytes)
    buffer.append(ramp(1000))
    buffer.append(ramp(600, 1000)[::1])
    assert buffer.size == 1600 and buffer.duration_s == 0.1
    np.testing.assert_array_equal(buffer.read(), ramp(1600))
    np.testing.assert_array_equal(buffer.read(990, 1010), ramp(20, 990))
    np.testing.assert_array_equal(buffer.read(1590, 9999), ramp(10, 1590))
    assert buffer.read(1600).size == 0
    assert [block.size for block in buffer.blocks(700)] == [700, 700, 200]
    buffer.append(ramp(1, 1600))  # after reading
    np.testing.assert_array_equal(buffer.read(1598), ramp(3, 1598))
    buffer.close()


def test_samples_of_any_layout() -> None:
    samples = np.stack([ramp(50), -ramp(50)], axis=1).astype(">f8")[:, 0]
    np.testing.assert_array_equal(SampleBuffer.of(samples).read(), ramp(50))


def test_the_gain_is_applied_to_what_is_read_only() -> None:
    buffer = SampleBuffer.of(ramp(5))
    buffer.gain = 2.0
    np.testing.assert_array_equal(buffer.read(), 2 * ramp(5))
    buffer.gain = 1.0
    np.testing.assert_array_equal(buffer.read(), ramp(5))


def test_silence_in_front_and_an_offset() -> None:
    buffer = SampleBuffer.of(ramp(5))
    buffer.leading, buffer.offset, buffer.gain = 3, 1.0, 2.0
    expected = [0, 0, 0, -2, 0, 2, 4, 6]
    assert buffer.size == 8
    np.testing.assert_array_equal(buffer.read(), expected)
    for start in range(9):
        for stop in range(start, 9):
            np.testing.assert_array_equal(buffer.read(start, stop), expected[start:stop])


def test_a_long_recording_is_not_held_in_memory() -> None:
    buffer = SampleBuffer(memory_bytes=1000)
    assert not buffer._file._rolled
    for i in range(4):
        buffer.append(ramp(100, 100 * i))
    assert buffer._file._rolled


def test_a_temporary_file_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    buffer = SampleBuffer(memory_bytes=100)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        buffer.append(ramp(100))


def test_threads_read_what_they_asked_for() -> None:
    buffer = SampleBuffer(memory_bytes=1)
    buffer.append(ramp(64_000))
    wrong: list[int] = []

    def read(first: int) -> None:
        for start in range(first, 60_000, 997):
            if buffer.read(start, start + 50)[0] != start:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_noticed_when_samples_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = SampleBuffer(memory_bytes=100)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: open("/dev/full", "w+b"))  # noqa: SIM115
    with pytest.raises(OutputError, match="No space left on device"):
        buffer.append(ramp(100))  # less than a file keeps in memory before it writes
    with pytest.raises(OSError, match="No space left"):  # the test's own file
        buffer.close()
