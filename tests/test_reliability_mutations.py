from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from emotion.audio import decode
from emotion.core.config import AudioConfig
from emotion.core.errors import AudioError
from tools.reliability.hostile_text import NAMES, PLAYLISTS
from tools.reliability.mutations import _BYTES, KINDS, Mutated, Targets, mutated
from tools.reliability.recordings import Recordings, choose

TARGETS = Targets(("/etc/passwd", "/tmp/secret.wav"), "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings(choose(None, 2, 0), ("wav", "mp3", "m4a", "opus"))


def made(recordings: Recordings, number: int, seed: int = 0) -> Mutated:
    return mutated(random.Random(f"{seed}:{number}"), recordings, TARGETS)


def test_the_same_numbers_give_the_same_files(recordings: Recordings) -> None:
    again = Recordings(choose(None, 2, 0), ("wav", "mp3", "m4a", "opus"))
    first = [made(recordings, number) for number in range(60)]
    assert first == [made(again, number) for number in range(60)]
    assert first[7] == made(again, 7)  # by itself, without those before it
    assert first != [made(recordings, number, seed=1) for number in range(60)]


def test_every_kind_comes_in_its_share(recordings: Recordings) -> None:
    counts = Counter(made(recordings, number).kind for number in range(1500))
    total = sum(KINDS.values())
    for kind, share in KINDS.items():
        assert counts[kind] == pytest.approx(1500 * share / total, rel=0.5)


def test_what_must_be_recognised_and_what_must_be_refused(recordings: Recordings) -> None:
    files = [made(recordings, number) for number in range(300)]
    assert {f.kind for f in files if f.expected == "result"} == {"intact"}
    refused = [f for f in files if f.expected == "refusal"]
    assert {f.kind for f in refused} == {"playlist"}
    assert any(b"/etc/passwd" in f.data for f in refused)
    assert any(b"http://127.0.0.1:9" in f.data for f in refused)


@pytest.mark.parametrize("kind", list(_BYTES))
def test_each_way_changes_the_file_and_says_how(kind: str, recordings: Recordings) -> None:
    found = recordings.get(0, "wav")
    assert found is not None
    changed = 0
    for number in range(20):
        data, what = _BYTES[kind](random.Random(number), found.data)
        assert what
        changed += data != found.data
    assert changed >= 15  # a size may be set to what it was


def test_an_mp4_with_its_samples_elsewhere_stays_a_whole_file(
    recordings: Recordings, tmp_path: Path
) -> None:
    files = [made(recordings, number) for number in range(600)]
    outside = [f for f in files if "with samples in" in f.what]
    assert outside
    for number, file in enumerate(outside):
        path = tmp_path / f"{number}.m4a"
        path.write_bytes(file.data)
        # FFmpeg says nothing of the other file and takes the samples that are here.
        assert decode(path, AudioConfig()).duration_s > 1


def test_playlists_are_refused_under_any_name(tmp_path: Path) -> None:
    for number, (_, text, suffix) in enumerate(PLAYLISTS):
        for ending in (suffix, ".wav"):
            path = tmp_path / f"{number}{ending}"
            path.write_text(text.format(named="/etc/passwd", file="/etc/passwd", address="x:"))
            with pytest.raises(AudioError):
                decode(path, AudioConfig())


def test_names_are_complete() -> None:
    given = [name.format(suffix=".wav", address="http://x", long="n" * 300) for name in NAMES]
    assert len(set(given)) == len(given)
    for part in ("..", "/", "\\", "\0", "\n", "\x1b", '"', "CON", "-i", "\U0001f600", "\udcff"):
        assert any(part in name for name in given), part
    assert any(len(name) > 255 for name in given) and "" in given
