from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import (
    AudioConfig,
    Config,
    EngineConfig,
    SegmentationConfig,
    ServerConfig,
)
from emotion.core.errors import ConfigError


def test_environment_changes_the_defaults() -> None:
    env = {
        "EMOTION_MODEL": "emotion2vec_plus_base",
        "EMOTION_DEVICE": "cuda:1",
        "EMOTION_PRECISION": "fp16",
        "EMOTION_HUB": "hf",
        "EMOTION_OFFLINE": "1",
        "EMOTION_MODELS_DIR": "/m",
        "EMOTION_OUTPUTS_DIR": "/o",
        "EMOTION_HOST": "::1",
        "EMOTION_PORT": "9000",
        "EMOTION_FFMPEG": "/opt/ffmpeg",
    }
    config = Config.from_env(env)
    assert config.audio == AudioConfig(ffmpeg="/opt/ffmpeg")
    assert config.engine == EngineConfig(
        model="emotion2vec_plus_base",
        device="cuda:1",
        precision="fp16",
        hub="hf",
        offline=True,
        models_dir=Path("/m"),
    )
    assert config.server == ServerConfig(host="::1", port=9000, outputs_dir=Path("/o"))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["max_duration_s", "decode_timeout_s"])
def test_limits_of_time_are_finite(name: str, seconds: float) -> None:
    with pytest.raises(ConfigError, match="must be finite, above 0 s"):
        AudioConfig(**{name: seconds})


def test_empty_variables_change_nothing() -> None:
    assert Config.from_env({"EMOTION_MODEL": "", "EMOTION_PORT": ""}) == Config()
    assert Config.from_env({"EMOTION_OFFLINE": "0"}).engine.offline is False


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("EMOTION_PORT", "http", "whole number"),
        ("EMOTION_PORT", "8²", "whole number"),
        ("EMOTION_PORT", "70000", "65535"),
        ("EMOTION_OFFLINE", "yes", "0 or 1"),
        ("EMOTION_DEVICE", "gpu", "cuda:N"),
        ("EMOTION_DEVICE", "cuda:x", "cuda:N"),
        ("EMOTION_PRECISION", "int8", "bf16"),
        ("EMOTION_HUB", "s3", "ms or hf"),
        ("EMOTION_KEEP_DAYS", "week", "a number"),
        ("EMOTION_KEEP_DAYS", "-1", "above 0"),
        ("EMOTION_MAX_OUTPUTS_GB", "nan", "above 0"),
    ],
)
def test_bad_variables_are_named_with_what_they_must_be(name: str, value: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        Config.from_env({name: value})
    assert value in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AudioConfig(max_duration_s=0),
        lambda: AudioConfig(max_upload_bytes=-1),
        lambda: AudioConfig(decode_timeout_s=0),
        lambda: SegmentationConfig(max_window_s=0.5),
        lambda: EngineConfig(model=""),
    ],
)
def test_options_out_of_range_are_refused(make: type[object]) -> None:
    with pytest.raises(ConfigError):
        make()


def test_what_the_api_may_reach(tmp_path: Path) -> None:
    assert ServerConfig().input_root is None and ServerConfig().url_hosts == ()
    config = ServerConfig(input_root=tmp_path, url_hosts=("a.example", "b.example:8080"))
    assert config.request_timeout_s == 600
    with pytest.raises(ConfigError, match="a folder that is there"):
        ServerConfig(input_root=tmp_path / "missing")
    for host in ("", " ", "http://a.example", "a@b"):
        with pytest.raises(ConfigError, match="a host or host:port"):
            ServerConfig(url_hosts=(host,))
    for seconds in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="request-timeout"):
            ServerConfig(request_timeout_s=seconds)


def test_how_long_runs_are_kept() -> None:
    assert (ServerConfig().keep_days, ServerConfig().max_outputs_gb) == (None, None)
    env = {"EMOTION_KEEP_DAYS": "30", "EMOTION_MAX_OUTPUTS_GB": "1.5"}
    server = Config.from_env(env).server
    assert (server.keep_days, server.max_outputs_gb) == (30.0, 1.5)
    for name in ("keep_days", "max_outputs_gb"):
        for value in (0.0, -1.0, float("inf"), float("nan")):
            with pytest.raises(ConfigError, match=name.replace("_", "-")):
                ServerConfig(**{name: value})


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, True),
        ({"history": False}, False),
        ({"host": "0.0.0.0"}, False),  # several people, and nothing tells them apart
        ({"host": "0.0.0.0", "auth_file": Path("users.txt")}, True),
        ({"host": "0.0.0.0", "auth_file": Path("users.txt"), "history": False}, False),
        ({"public_urls": ("https://a.example",)}, False),
    ],
)
def test_who_lists_stored_runs(changes: dict[str, Any], listed: bool) -> None:
    assert ServerConfig(**changes).lists_runs is listed


def test_the_history_can_be_switched_off() -> None:
    assert Config.from_env({}).server.history is True
    assert Config.from_env({"EMOTION_HISTORY": "0"}).server.history is False
    assert Config.from_env({"EMOTION_HISTORY": "1"}).server.history is True
    with pytest.raises(ConfigError, match="EMOTION_HISTORY"):
        Config.from_env({"EMOTION_HISTORY": "no"})
