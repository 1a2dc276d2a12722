"""The command line: ``python -m emotion recognize | serve | models | download``.

Exit codes: 0 all done, 1 a file or the work failed, 2 wrong usage, 3 the model cannot be had,
130 interrupted. Heavy packages are imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from emotion import __version__
from emotion.core.config import (
    SAMPLE_RATE_HZ,
    Config,
    EngineName,
    Granularity,
    Hub,
    Precision,
    given,
)
from emotion.core.errors import (
    AddressError,
    AudioError,
    BusyError,
    CancelledError,
    ConfigError,
    DecoderError,
    EmotionError,
    ModelError,
    OutputError,
    PortInUseError,
)
from emotion.core.labels import BY_ID
from emotion.core.results import readable

if TYPE_CHECKING:
    from emotion.job import Finished, Outcome
    from emotion.recognition.opening import Status

logger = logging.getLogger(__name__)

_AT_ONCE = 2

# The first class that an error is an instance of gives the exit code.
EXIT_CODES: tuple[tuple[type[EmotionError], int], ...] = (
    (ConfigError, 2),
    (ModelError, 3),
    (AudioError, 1),
    (DecoderError, 1),
    (OutputError, 1),
    (AddressError, 1),
    (PortInUseError, 1),
    (BusyError, 1),
    (CancelledError, 130),
)


def exit_code(error: EmotionError) -> int:
    """The process's exit code for an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments without the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal can show an emoji
            stream.reconfigure(errors="replace")
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("httpx", "httpcore", "modelscope", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        command: Callable[[argparse.Namespace, Config], int] = args.command
        return command(args, _config(args))
    except EmotionError as e:
        print(f"error: {e}", file=sys.stderr)
        return exit_code(e)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, say `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(prog="emotion", description="Speech emotion recognition.")
    parser.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="log more")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", metavar="NAME", help="auto, a name from `models`, or a folder")
    model.add_argument(
        "--engine", choices=get_args(EngineName), help="auto: native, or FunASR where only it loads"
    )
    model.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    model.add_argument("--precision", choices=get_args(Precision), help="number format")
    hub = argparse.ArgumentParser(add_help=False)
    hub.add_argument("--hub", choices=get_args(Hub), help="ModelScope or Hugging Face only")
    hub.add_argument("--offline", action="store_true", default=None, help="never use the network")
    hub.add_argument("--models-dir", type=Path, metavar="DIR", help="where models lie")
    audio = argparse.ArgumentParser(add_help=False)
    audio.add_argument("--max-duration", type=float, metavar="S", help="longest recording, seconds")
    audio.add_argument("--max-upload", type=float, metavar="MB", help="largest file, megabytes")
    text = "the FFmpeg program; the system's by default"
    audio.add_argument("--ffmpeg", metavar="PROGRAM", help=text)
    audio.add_argument("--output-dir", type=Path, metavar="DIR", help="where run folders go")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., int], text: str, parents: Iterable[Any]) -> Any:
        sub = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        sub.set_defaults(command=run)
        return sub

    sub = add("recognize", recognize, "Recognise recordings.", [model, hub, audio])
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE")
    sub.add_argument("--granularity", choices=get_args(Granularity), default="utterance")
    sub.add_argument("--embedding", action="store_true", help="write embedding.npy")
    text = "audio track, from 1; the first one with sound by default"
    sub.add_argument("--track", type=int, metavar="N", help=text)
    text = "mix the channels, or recognise each on its own, with a run folder each"
    sub.add_argument("--channels", choices=("mix", "split"), default="mix", help=text)
    sub.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    sub = add("serve", serve, "Serve the web page.", [model, hub, audio])
    sub.add_argument("--host", metavar="ADDRESS")
    sub.add_argument("--port", type=int, metavar="PORT")
    sub = add("models", models, "List the known models.", [hub])
    sub.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    sub = add("download", download, "Download a model.", [hub])
    sub.add_argument("name", metavar="NAME")
    sub = add("bench", bench, "Compare speed and memory with other engines.", [])
    _add_bench_options(sub)
    return parser


def _add_bench_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--model", type=Path, required=True, metavar="DIR", help="a checkpoint")
    text = "funasr, hf:DIR, or tree:DIR for another version of this package"
    sub.add_argument("--against", action="append", metavar="ENGINE", help=text)
    sub.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda or cuda:N")
    text = "this package's number format (a tree's, too); fp32 and auto by default"
    sub.add_argument("--precision", choices=get_args(Precision), help=text)
    sub.add_argument("--clips", default="3,10,30", metavar="S,S", help="lengths in seconds")
    sub.add_argument("--rounds", type=int, default=5, metavar="N", help="processes of each engine")
    sub.add_argument("--many", type=int, default=64, metavar="N", help="clips for the throughput")
    sub.add_argument("--cold", action="store_true", help="read the checkpoint from the disk")
    sub.add_argument("--app", action="store_true", help="measure the web app too")
    sub.add_argument("--speech", type=Path, metavar="DIR", help="compare labels on recordings too")
    sub.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    sub.add_argument("--report", type=Path, metavar="FILE", help="write the table as Markdown")


def _config(args: argparse.Namespace) -> Config:
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
    server = given(host=option("host"), port=option("port"), outputs_dir=option("output_dir"))
    return replace(
        config,
        audio=replace(config.audio, **audio),
        engine=replace(config.engine, **engine),
        server=replace(config.server, **server),
    )


def _bytes(megabytes: float) -> int:
    if not 0 < megabytes < 1e9:  # nor is NaN
        raise ConfigError(option="max-upload", value=megabytes, expected="above 0 MB")
    return int(megabytes * 1e6)


def recognize(args: argparse.Namespace, config: Config) -> int:
    """Recognises each file; one failure does not stop the others."""
    from emotion import job
    from emotion.recognition.opening import open_model
    from emotion.recognition.recognizer import Hooks

    recognizer = open_model(config, _StatusLine().show)
    stop = threading.Event()

    def work(path: Path) -> list[Outcome]:
        return job.run_channels(
            recognizer,
            path,
            config.server.outputs_dir,
            split=args.channels == "split",
            granularity=args.granularity,
            embedding=args.embedding,
            track=args.track,
            hooks=Hooks(cancelled=stop.is_set),
        )

    worst = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for path, future in _ahead(pool, work, args.files):
                for outcome in future.result():
                    worst = max(worst, _print_outcome(path, outcome, as_json=args.json))
        finally:
            stop.set()  # whatever ends the loop early must not wait for the rest
    return worst


def _print_outcome(path: Path, outcome: Outcome, *, as_json: bool) -> int:
    """Prints a result or a failure; the exit code that it calls for."""
    if outcome.finished is not None:
        _print_finished(path, outcome.finished, as_json=as_json)
        return 0
    error = outcome.error
    if not isinstance(error, EmotionError):
        logger.error("%s failed unexpectedly", path, exc_info=error)
        error = EmotionError(reason=f"{type(error).__name__}: {error}")
    _print_failure(path, outcome.channel, error, as_json=as_json)
    return exit_code(error)


def _ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[Path], list[Outcome]],
    paths: Sequence[Path],
) -> Iterator[tuple[Path, Future[list[Outcome]]]]:
    """The runs in order, a few of them begun ahead: one decodes while another is inferred."""
    begun: deque[tuple[Path, Future[list[Outcome]]]] = deque()
    for path in paths:
        begun.append((path, pool.submit(work, path)))
        if len(begun) > _AT_ONCE:
            yield begun.popleft()
    while begun:
        yield begun.popleft()


def _print_finished(path: Path, finished: Finished, *, as_json: bool) -> None:
    result = finished.recognition.result
    if as_json:
        folder = readable(finished.folder)
        record = {"file": readable(path), "output_dir": folder, **result.to_dict()}
        print(json.dumps(record, ensure_ascii=False), flush=True)
        return
    best = BY_ID[result.emotion]
    channel = f" (channel {result.audio.channel})" if result.audio.channel else ""
    print(f"{readable(path)}{channel}\n  {best.emoji} {best.zh} {best.en}  {result.confidence:.1%}")
    for label, score in sorted(result.scores.items(), key=lambda item: -item[1]):
        emotion = BY_ID[label]
        bar = "█" * round(score * 30)
        print(f"    {emotion.en:<10} {emotion.zh}  {score:7.2%}  {bar}")
    for notice in result.warnings:
        print(f"  ! {notice.message}")
    if result.model.fallback_reason:
        print(f"  ! Answered by {result.model.title}: {result.model.fallback_reason}")
    print(f"  → {finished.folder}\n", flush=True)


def _print_failure(path: Path, channel: int | None, error: EmotionError, *, as_json: bool) -> None:
    if as_json:
        record: dict[str, Any] = {"file": readable(path), "error": error.to_dict()}
        if channel is not None:
            record["channel"] = channel
        print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        where = f" (channel {channel})" if channel is not None else ""
        print(f"error{where}: {error}", file=sys.stderr)


def serve(_: argparse.Namespace, config: Config) -> int:
    """Serves the page until interrupted."""
    from emotion.server import serve as run_server

    run_server(config)
    return 0


def models(args: argparse.Namespace, config: Config) -> int:
    """Lists name, size, licence, place and state of each known model."""
    from emotion.core.registry import MODELS
    from emotion.inference.gpu_check import unused_gpu
    from emotion.models.store import status

    for name, model in MODELS.items():
        found = status(name, config.engine.models_dir)
        record: dict[str, Any] = {
            "name": name,
            "title": model.title,
            "state": found.state,
            "size_bytes": found.size_bytes or model.size_bytes,
            "licence": model.licence,
            "folder": str(found.folder),
        }
        if args.json:
            print(json.dumps(record, ensure_ascii=False))
            continue
        size = f"{record['size_bytes'] / 1e6:.0f} MB"
        print(f"{name:<24} {found.state:<8} {size:>8}  {model.licence}\n    {found.folder}")
    why = unused_gpu() if config.engine.device == "auto" else None
    if why is not None:
        logger.warning("%s", why)
    return 0


def download(args: argparse.Namespace, config: Config) -> int:
    """Fetches one model and tells where it is."""
    from emotion.recognition.opening import fetch_model

    print(fetch_model(args.name, config, _StatusLine().show))
    return 0


def bench(args: argparse.Namespace, _: Config) -> int:
    """Prints a table; all figures as one JSON object on the last line."""
    from emotion.bench import agreement, app, report, runner
    from emotion.bench.child import counted_clip
    from emotion.models.checkpoint import read_config, read_tokens

    folder: Path = args.model
    try:
        clips = tuple(float(text) for text in args.clips.split(","))
    except ValueError as e:
        raise ConfigError(option="clips", value=args.clips, expected="seconds, say 3,10") from e
    plan = runner.Plan(
        model=folder,
        against=tuple(args.against or ("funasr",)),
        device=args.device,
        precisions=(args.precision,) if args.precision else ("fp32", "auto"),
        clips_s=clips,
        rounds=args.rounds,
        many=args.many,
        cold=args.cold,
    )
    shape = read_config(folder, num_tokens=len(read_tokens(folder)))
    speech = agreement.recordings(args.speech) if args.speech is not None else []
    record = runner.run(plan)
    counted = counted_clip(clips)
    count = runner.operations(shape, int(counted * SAMPLE_RATE_HZ))
    record["operations"] = {"clip": f"{counted:g}", "count": count}
    if speech:
        record["agreement"] = agreement.compare(plan, speech)
    if args.app:
        record["app"] = app.measure_app(folder, args.rounds)
    print(report.table(record))
    text = json.dumps(record)
    print(text)
    if args.json is not None:
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.report is not None:
        command = f"python -m emotion {' '.join(sys.argv[1:])}"
        args.report.write_text(report.markdown(record, command), encoding="utf-8")
    return 0


class _StatusLine:
    """Writes loading phases to stderr: a line a phase, and every tenth of a download."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def show(self, status: Status) -> None:
        """Tells a change."""
        tenth = int(status.fraction * 10)
        if (status.phase, tenth) == self._last:
            return
        self._last = (status.phase, tenth)
        text = f"{status.model}: {status.phase}"
        if status.phase == "downloading" and status.total_bytes:
            text += f" {status.fraction:.0%} of {status.total_bytes / 1e6:.0f} MB"
        logger.info(text)
