"""Options: frozen, validated in one place, read from the environment only when asked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from emotion.core import paths
from emotion.core.errors import ConfigError
from emotion.core.hosts import is_loopback, origin_of
from emotion.core.logs import LogFormat

SAMPLE_RATE_HZ = 16_000
_MOST_KEPT = 100_000.0  # days (more would overflow a date) or gigabytes

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Hub = Literal["ms", "hf"]
EngineName = Literal["auto", "native", "funasr"]


def _check(ok: bool, option: str, value: object, expected: str) -> None:
    if not ok:
        raise ConfigError(option=option, value=value, expected=expected)


@dataclass(frozen=True)
class AudioConfig:
    """What is accepted as a recording.

    Attributes:
        max_duration_s: Longer recordings are refused.
        max_upload_bytes: Larger files are refused.
        decode_timeout_s: FFmpeg is stopped after this time.
        short_s: Below this a result carries a warning.
        silence_peak: A peak below this (full scale is 1) is digital silence.
        quiet_dbfs: Recordings below this level are amplified.
        ffmpeg: The FFmpeg program; None takes the one in ``imageio-ffmpeg``, else the system's.
    """

    max_duration_s: float = 4 * 3600.0
    max_upload_bytes: int = 1024 * 1024 * 1024
    decode_timeout_s: float = 600.0
    short_s: float = 1.0
    silence_peak: float = 1e-4
    quiet_dbfs: float = -40.0
    ffmpeg: str | None = None

    def __post_init__(self) -> None:
        longest_s = self.max_duration_s
        _check(0 < longest_s < math.inf, "max-duration", longest_s, "finite, above 0 s")
        _check(self.max_upload_bytes > 0, "max-upload", self.max_upload_bytes, "above 0 bytes")
        timeout_s = self.decode_timeout_s
        _check(0 < timeout_s < math.inf, "decode-timeout", timeout_s, "finite, above 0 s")


@dataclass(frozen=True)
class SegmentationConfig:
    """How a long recording is cut.

    Attributes:
        max_window_s: The longest stretch given to the model at once; a multiple of 0.1 s.
    """

    max_window_s: float = 30.0

    def __post_init__(self) -> None:
        _check(1.0 <= self.max_window_s <= 120.0, "max-window", self.max_window_s, "1 to 120 s")


@dataclass(frozen=True)
class EngineConfig:
    """Which model runs, and on what.

    Attributes:
        model: ``auto``, a name of `emotion.core.registry`, or a folder in the layout of FunASR or
            Hugging Face.
        engine: ``native`` is this package's network, ``funasr`` the reference implementation;
            ``auto`` is native, and FunASR for checkpoints that only FunASR can load.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Number format of the network; ``auto`` is the fastest that is safe.
        hub: Where to download from; None tries ModelScope, then Hugging Face.
        offline: Never use the network.
        models_dir: Where checkpoints lie and are downloaded to.
    """

    model: str = "auto"
    engine: EngineName = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    hub: Hub | None = None
    offline: bool = False
    models_dir: Path = field(default_factory=paths.models_dir)

    def __post_init__(self) -> None:
        _check(bool(self.model), "model", self.model, "a model name or a folder")
        known = get_args(Precision)
        _check(self.precision in known, "precision", self.precision, f"one of {', '.join(known)}")
        engines = get_args(EngineName)
        _check(self.engine in engines, "engine", self.engine, f"one of {', '.join(engines)}")
        kind, _, index = self.device.partition(":")
        ok = self.device in ("auto", "cpu", "cuda") or (kind == "cuda" and index.isdecimal())
        _check(ok, "device", self.device, "auto, cpu, cuda or cuda:N")
        _check(self.hub in (None, *get_args(Hub)), "hub", self.hub, "ms or hf")


@dataclass(frozen=True)
class ServerConfig:
    """Where the web server listens and writes.

    Attributes:
        host: Address to listen on.
        port: TCP port.
        outputs_dir: Where run folders are made.
        live_sessions: Live recordings at once; 0 switches them off.
        input_root: The folder whose files callers of the API may name; None for none.
        url_hosts: Hosts, or ``host:port``, whose addresses callers of the API may name.
        request_timeout_s: A caller of the API gets a result or an error within this time.
        api_key_file: Hashed keys of those who may use the server (`emotion.services.access`).
        auth_file: Hashed passwords of those who may.
        public_urls: Where people reach the server through a proxy; the page takes the first.
        allow_unprotected: Serve others than this machine without a key or a password.
        keep_days: Older runs are deleted; None keeps them.
        max_outputs_gb: The oldest runs are deleted where all take more; None for no limit.
        history: Whether stored runs are listed and served at all.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    outputs_dir: Path = field(default_factory=paths.outputs_dir)
    live_sessions: int = 8
    input_root: Path | None = None
    url_hosts: tuple[str, ...] = ()
    request_timeout_s: float = 600.0
    api_key_file: Path | None = None
    auth_file: Path | None = None
    public_urls: tuple[str, ...] = ()
    allow_unprotected: bool = False
    keep_days: float | None = None
    max_outputs_gb: float | None = None
    history: bool = True

    def __post_init__(self) -> None:
        _check(0 <= self.live_sessions <= 1000, "live-sessions", self.live_sessions, "0 to 1000")
        _check(0 <= self.port <= 65535, "port", self.port, "0 to 65535")
        root = self.input_root
        _check(root is None or root.is_dir(), "input-root", str(root), "a folder that is there")
        for host in self.url_hosts:
            ok = bool(host.strip()) and "/" not in host and "@" not in host
            _check(ok, "allow-url-host", host, "a host or host:port, without http://")
        timeout_s = self.request_timeout_s
        _check(0 < timeout_s < math.inf, "request-timeout", timeout_s, "finite, above 0 s")
        for url in self.public_urls:
            expected = "http(s)://HOST, as people type it"
            _check(origin_of(url) is not None, "public-url", url, expected)
        for name in ("keep_days", "max_outputs_gb"):
            value = getattr(self, name)
            ok = value is None or 0 < value <= _MOST_KEPT
            _check(ok, name.replace("_", "-"), value, f"above 0, at most {_MOST_KEPT:g}")

    @property
    def credential_files(self) -> list[Path]:
        """The files of keys and passwords."""
        return [file for file in (self.api_key_file, self.auth_file) if file is not None]

    @property
    def exposed(self) -> bool:
        """Whether others than this machine reach the server."""
        return bool(self.public_urls) or not is_loopback(self.host)

    @property
    def shared(self) -> bool:
        """Whether several people use the server and nothing tells them apart."""
        return self.exposed and not self.credential_files

    @property
    def lists_runs(self) -> bool:
        """Whether people may list stored runs, and open and delete them."""
        return self.history and not self.shared


@dataclass(frozen=True)
class Config:
    """All options.

    Attributes:
        audio: What is accepted as a recording.
        segmentation: How a long recording is cut.
        engine: Which model runs, and on what.
        server: Where the web server listens and writes.
        log_format: Lines of the log for people, or JSON for programs.
    """

    audio: AudioConfig = field(default_factory=AudioConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    log_format: LogFormat = "text"

    def __post_init__(self) -> None:
        ok = self.log_format in get_args(LogFormat)
        _check(ok, "log-format", self.log_format, "text or json")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Defaults, changed by ``EMOTION_*`` variables.

        Reads ``EMOTION_MODEL``, ``EMOTION_ENGINE``, ``EMOTION_DEVICE``, ``EMOTION_PRECISION``,
        ``EMOTION_HUB``, ``EMOTION_OFFLINE`` (1 or 0), ``EMOTION_MODELS_DIR``,
        ``EMOTION_OUTPUTS_DIR``, ``EMOTION_HOST``, ``EMOTION_PORT``, ``EMOTION_FFMPEG``,
        ``EMOTION_API_KEY_FILE``, ``EMOTION_AUTH_FILE``, ``EMOTION_PUBLIC_URL`` (several with
        spaces between them), ``EMOTION_ALLOW_UNPROTECTED`` (1 or 0), ``EMOTION_KEEP_DAYS``,
        ``EMOTION_MAX_OUTPUTS_GB``, ``EMOTION_HISTORY`` (1 or 0) and ``EMOTION_LOG_FORMAT`` (text
        or json).

        Raises:
            ConfigError: A variable has a value it cannot have.
        """
        env = os.environ if environ is None else environ
        engine = given(
            model=env.get("EMOTION_MODEL"),
            engine=env.get("EMOTION_ENGINE"),
            device=env.get("EMOTION_DEVICE"),
            precision=env.get("EMOTION_PRECISION"),
            hub=env.get("EMOTION_HUB"),
            offline=_flag(env, "EMOTION_OFFLINE"),
            models_dir=_path(env, "EMOTION_MODELS_DIR"),
        )
        server = given(
            host=env.get("EMOTION_HOST"),
            port=_int(env, "EMOTION_PORT"),
            outputs_dir=_path(env, "EMOTION_OUTPUTS_DIR"),
            api_key_file=_path(env, "EMOTION_API_KEY_FILE"),
            auth_file=_path(env, "EMOTION_AUTH_FILE"),
            public_urls=tuple(env.get("EMOTION_PUBLIC_URL", "").split()) or None,
            allow_unprotected=_flag(env, "EMOTION_ALLOW_UNPROTECTED"),
            keep_days=_float(env, "EMOTION_KEEP_DAYS"),
            max_outputs_gb=_float(env, "EMOTION_MAX_OUTPUTS_GB"),
            history=_flag(env, "EMOTION_HISTORY"),
        )
        base = cls()
        return replace(
            base,
            audio=replace(base.audio, **given(ffmpeg=env.get("EMOTION_FFMPEG"))),
            engine=replace(base.engine, **engine),
            server=replace(base.server, **server),
            **given(log_format=env.get("EMOTION_LOG_FORMAT")),
        )


def given(**values: Any) -> dict[str, Any]:
    """The values that were given at all, ready for `dataclasses.replace`."""
    return {name: value for name, value in values.items() if value not in (None, "")}


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]).expanduser() if env.get(name) else None


def _int(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name)
    if not text:
        return None
    _check(text.isdecimal(), name, text, "a whole number")
    return int(text)


def _float(env: Mapping[str, str], name: str) -> float | None:
    text = env.get(name)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(option=name, value=text, expected="a number") from None


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    text = env.get(name)
    if not text:
        return None
    _check(text in ("0", "1"), name, text, "0 or 1")
    return text == "1"
