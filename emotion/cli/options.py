"""Options that several commands share, and the configuration that they make."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from emotion.core.config import Config, EngineName, Hub, Precision, given
from emotion.core.errors import ConfigError
from emotion.core.logs import LogFormat
from emotion.core.options import EXPORT_NAMES, ExportLanguage, split_names

EXPORTS_HELP = f"comma-separated: {', '.join(EXPORT_NAMES)}; or all"


def common() -> argparse.ArgumentParser:
    """Of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    text = "lines of the log for people or for programs"
    parser.add_argument("--log-format", choices=get_args(LogFormat), help=text)
    return parser


def model() -> argparse.ArgumentParser:
    """Which model runs, and on what."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--model", metavar="NAME", help="auto, a name from `models`, or a folder")
    text = "auto: native, or FunASR where only it loads"
    parser.add_argument("--engine", choices=get_args(EngineName), help=text)
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=get_args(Precision), help="number format")
    return parser


def hub() -> argparse.ArgumentParser:
    """Where models come from."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--hub", choices=get_args(Hub), help="ModelScope or Hugging Face only")
    text = "never use the network"
    parser.add_argument("--offline", action="store_true", default=None, help=text)
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where models are kept")
    return parser


def audio() -> argparse.ArgumentParser:
    """What is accepted as a recording, and where results go."""
    parser = argparse.ArgumentParser(add_help=False)
    text = "longest recording, seconds"
    parser.add_argument("--max-duration", type=float, metavar="S", help=text)
    parser.add_argument("--max-upload", type=float, metavar="MB", help="largest file, megabytes")
    text = "the FFmpeg program; the bundled one by default"
    parser.add_argument("--ffmpeg", metavar="PROGRAM", help=text)
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="where run folders go")
    return parser


def add_export_language(parser: argparse.ArgumentParser, flag: str) -> None:
    """Adds the option for the language of exported files."""
    text = "language of the names in exported files; en by default"
    parser.add_argument(flag, choices=get_args(ExportLanguage), default="en", help=text)


def add_ray(group: Any, what: str) -> None:
    """Adds the option for a Ray cluster."""
    text = (
        f"{what}: HOST:PORT, auto for the one of this machine, or no address for a private one "
        "that is started here"
    )
    group.add_argument("--ray", nargs="?", const="local", metavar="ADDRESS", help=text)


def check_ranges(args: argparse.Namespace, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Checks whole numbers that may be left out.

    Args:
        args: The command line.
        ranges: The least and the greatest value of each option.

    Raises:
        ConfigError: One is outside.
    """
    for name, (least, most) in ranges.items():
        value = getattr(args, name.replace("-", "_"))
        if value is not None and not least <= value <= most:
            raise ConfigError(option=name, value=value, expected=f"{least} to {most}")


def check_together(args: argparse.Namespace, names: Iterable[str], needs: str) -> None:
    """Refuses options that need another one, which is not there.

    Args:
        args: The command line.
        names: These options.
        needs: What they need.

    Raises:
        ConfigError: One is given.
    """
    for name in names:
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            raise ConfigError(option=name, value=value, expected=f"given together with {needs}")


def exports(text: str) -> tuple[str, ...] | None:
    """The exports in a comma-separated list, each once; None for all."""
    names = split_names(text)
    return None if "all" in names else names


def configuration(args: argparse.Namespace) -> Config:
    """The environment's options, changed by the command line's."""

    def option(name: str) -> Any:
        return getattr(args, name, None)  # not every command has every option

    config = Config.from_env()
    upload_mb = option("max_upload")
    audio = given(
        max_duration_s=option("max_duration"),
        max_upload_bytes=None if upload_mb is None else _bytes(upload_mb),
        ffmpeg=option("ffmpeg"),
    )
    names = ("model", "engine", "device", "precision", "hub", "offline", "models_dir")
    engine = given(**{name: option(name) for name in names})
    server = given(
        host=option("host"),
        port=option("port"),
        outputs_dir=option("output_dir"),
        live_sessions=option("live_sessions"),
        input_root=option("input_root"),
        url_hosts=tuple(option("allow_url_host") or ()) or None,
        request_timeout_s=option("request_timeout"),
        api_key_file=option("api_key_file"),
        auth_file=option("auth_file"),
        public_urls=tuple(option("public_url") or ()) or None,
        allow_unprotected=option("allow_unprotected"),
        keep_days=option("keep_days"),
        history=option("history"),
        max_outputs_gb=option("max_outputs_gb"),
    )
    return replace(
        config,
        audio=replace(config.audio, **audio),
        engine=replace(config.engine, **engine),
        server=replace(config.server, **server),
        **given(log_format=option("log_format")),
    )


def _bytes(megabytes: float) -> int:
    if not 0 < megabytes < 1e9:  # nor is NaN
        raise ConfigError(option="max-upload", value=megabytes, expected="above 0 MB")
    return int(megabytes * 1e6)
