"""What an engine counts of its passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emotion.core.errors import ModelError
from emotion.inference.pass_stats import PassStats
from tests.fakes import FakeEngine

SECOND = np.zeros(16_000, np.float32)


def test_a_pass_is_counted_once_with_all_it_held() -> None:
    stats = PassStats()
    stats.passed([1.0, 2.5], 0.02)
    stats.passed([4.0], 0.5)
    counts = stats.counts()
    assert counts.clips.count == counts.audio_s.count == counts.took_s.count == 2
    assert counts.clips.mean == 1.5
    assert counts.audio_s.total == pytest.approx(7.5)
    assert counts.took_s.total == pytest.approx(0.52)
    assert counts.failures == 0


def test_a_moment_does_not_change_afterwards() -> None:
    stats = PassStats()
    before = stats.counts()
    stats.passed([1.0], 0.1)
    stats.failed()
    assert before.clips.count == 0 and before.failures == 0
    assert stats.counts().failures == 1


def test_clips_that_come_together_are_one_pass(fake_engine: FakeEngine) -> None:
    outputs = list(fake_engine.infer_many([SECOND, SECOND, SECOND[:8000]]))
    assert len(outputs) == 3
    counts = fake_engine.stats.counts()
    assert counts.clips.count == 1 and counts.clips.total == 3
    assert counts.audio_s.total == pytest.approx(2.5)
    took_s = outputs[0][1].ended_s - outputs[0][1].began_s
    assert counts.took_s.total == pytest.approx(took_s)


def test_single_clips_are_passes_of_their_own(fake_engine: FakeEngine) -> None:
    for _ in range(3):
        fake_engine.infer(SECOND)
    counts = fake_engine.stats.counts()
    assert counts.clips.count == counts.clips.total == 3


def test_a_pass_that_raises_is_a_failure(
    fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ModelError(reason="the network overflowed")

    monkeypatch.setattr(fake_engine, "_infer_clip", fail)
    with pytest.raises(ModelError):
        fake_engine.infer(SECOND)
    counts = fake_engine.stats.counts()
    assert counts.failures == 1 and counts.clips.count == 0


def test_there_is_no_card_on_a_cpu(fake_engine: FakeEngine) -> None:
    assert fake_engine.gpu is None
