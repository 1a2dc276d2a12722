"""``emotion recognize``: recordings to a table, JSON lines and run folders."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args

from emotion.cli import options
from emotion.cli.exit_codes import exit_code
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config
from emotion.core.errors import EmotionError
from emotion.core.labels import BY_ID, LABEL_SETS
from emotion.core.options import (
    Channels,
    Granularity,
    RecognitionOptions,
    parse_exports,
    parse_labels,
    parse_names,
)
from emotion.core.results import ChannelResult, Quarter, Result, Segment, clock, readable

if TYPE_CHECKING:
    from emotion.recognition.loaded_model import LoadedModel
    from emotion.services.recognitions import FinishedRun
    from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)

_AT_ONCE = 2
Outcome = Union["FinishedRun", Exception]


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Recognise recordings."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("recognize", help=text, description=text, parents=parents)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    text = (
        "one result, also curves over time, or a result per speech segment; utterance by default, "
        "segment with --channels split"
    )
    parser.add_argument("--granularity", choices=get_args(Granularity), help=text)
    for name, text in (
        ("min", "shortest speech segment, but for isolated speech"),
        ("max", "longest speech segment, at least twice the shortest and its padding"),
        ("pad", "silence that is kept on both sides of a speech segment"),
    ):
        default = getattr(RecognitionOptions, f"segment_{name}_s")
        parser.add_argument(
            f"--segment-{name}",
            type=float,
            default=default,
            metavar="SECONDS",
            help=f"{text} ({default:g})",
        )
    parser.add_argument("--embedding", action="store_true", help="write embedding.npy")
    text = "audio track, from 1; the first one with sound by default"
    parser.add_argument("--track", type=int, metavar="N", help=text)
    _add_channels(parser)
    _add_labels(parser)
    text = "recognise only so many seconds from the start"
    parser.add_argument("--first", type=float, metavar="SECONDS", help=text)
    text = f"write these into the run folder too; {options.EXPORTS_HELP}"
    parser.add_argument("--export", metavar="NAMES", default="", help=text)
    options.add_export_language(parser, "--export-language")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.set_defaults(command=run)


def _add_channels(parser: argparse.ArgumentParser) -> None:
    text = "mix the channels, or give segments, talk time and quarters for each"
    parser.add_argument("--channels", choices=get_args(Channels), default="mix", help=text)
    text = "names of the split channels, comma-separated: agent,customer"
    parser.add_argument("--channel-names", metavar="NAMES", default="", help=text)
    text = "hear this channel only, from 1"
    parser.add_argument("--channel", type=int, metavar="N", help=text)


def _add_labels(parser: argparse.ArgumentParser) -> None:
    text = f"emotions that compete: {', '.join(LABEL_SETS)}, or a comma-separated list"
    parser.add_argument("--labels", metavar="NAMES", default="all", help=text)
    text = "results and segments below this are uncertain, 0 to 1"
    parser.add_argument("--min-confidence", type=float, metavar="SCORE", default=0.0, help=text)


def _asked(args: argparse.Namespace) -> RecognitionOptions:
    """The options of the command line."""
    granularity: Any = args.granularity or ("segment" if args.channels == "split" else "utterance")
    return RecognitionOptions(
        granularity,
        args.embedding,
        args.track,
        args.channel,
        segment_min_s=args.segment_min,
        segment_max_s=args.segment_max,
        segment_pad_s=args.segment_pad,
        exports=parse_exports(args.export, frames=granularity == "frame", embedding=args.embedding),
        export_language=args.export_language,
        labels=parse_labels(args.labels),
        min_confidence=args.min_confidence,
        channels=args.channels,
        channel_names=parse_names(args.channel_names),
        first_s=args.first,
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Recognises each file; one failure does not stop the others."""
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    asked = _asked(args)  # wrong options are told before the model is loaded
    model = open_model(config, StatusLine().show)
    work = _Work(model, RunStore(config.server.outputs_dir), asked)
    worst = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for path, future in _ahead(pool, work, args.files):
                worst = max(worst, _report(path, future.result(), as_json=args.json))
        finally:
            work.stop.set()  # whatever ends the loop early must not wait for the rest
    return worst


class _Work:
    """Recognises a file; an error is its outcome."""

    def __init__(self, model: LoadedModel, store: RunStore, asked: RecognitionOptions) -> None:
        self.stop = threading.Event()
        self._model = model
        self._store = store
        self._asked = asked

    def __call__(self, path: Path) -> Outcome:
        from emotion.core.progress import ProgressCallbacks
        from emotion.services.recognitions import JobRequest, run

        callbacks = ProgressCallbacks(cancelled=self.stop.is_set)
        request = JobRequest(path, self._asked)
        try:
            return run(self._model, request, self._store, callbacks, priority="bulk")
        except Exception as e:  # reported with the others
            return e


def _ahead(
    pool: ThreadPoolExecutor, work: _Work, paths: Sequence[Path]
) -> Iterator[tuple[Path, Future[Outcome]]]:
    """The files in order, a few of them begun ahead: one decodes while another is inferred."""
    begun: deque[tuple[Path, Future[Outcome]]] = deque()
    for path in paths:
        begun.append((path, pool.submit(work, path)))
        if len(begun) > _AT_ONCE:
            yield begun.popleft()
    while begun:
        yield begun.popleft()


def _report(path: Path, outcome: Outcome, *, as_json: bool) -> int:
    """Prints a result or a failure; the exit code that it calls for."""
    if not isinstance(outcome, Exception):
        _print_finished(path, outcome, as_json=as_json)
        return 0
    if not isinstance(outcome, EmotionError):
        logger.error("%s failed unexpectedly", path, exc_info=outcome)
        outcome = EmotionError(reason=f"{type(outcome).__name__}: {outcome}")
    _print_failure(path, outcome, as_json=as_json)
    return exit_code(outcome)


def _print_finished(path: Path, finished: FinishedRun, *, as_json: bool) -> None:
    result = finished.result
    if as_json:
        folder = readable(finished.folder)
        record = {"file": readable(path), "output_dir": folder, **result.to_dict()}
        print(json.dumps(record, ensure_ascii=False), flush=True)
        return
    channel = f" (channel {result.audio.channel})" if result.audio.channel else ""
    verdict = "🔇 没有检测到语音 No speech found" if result.no_speech else _named(result)
    print(f"{readable(path)}{channel}\n  {verdict}")
    for label, score in sorted(result.scores.items(), key=lambda item: -item[1]):
        if label in result.labels:
            emotion = BY_ID[label]
            bar = "█" * round(score * 30)
            print(f"    {emotion.en:<10} {emotion.zh}  {score:7.2%}  {bar}")
    if result.summary is not None:
        _print_segments(result)
    for warning in result.warnings:
        print(f"  ! {warning.message}")
    if result.model.fallback_reason:
        print(f"  ! Answered by {result.model.title}: {result.model.fallback_reason}")
    audio_s, total_s = result.audio.duration_s, result.timing.total_s
    speed = f"{audio_s / max(total_s, 1e-3):.0f}× real time"
    print(f"  {clock(audio_s)} of audio in {total_s:.2f} s, {speed}")
    print(f"  → {finished.folder}\n", flush=True)


def _named(part: Result | Segment | ChannelResult | Quarter) -> str:
    """The emotion of a result or a part of it, with its confidence, for people."""
    if part.emotion is None or part.confidence is None:
        return "no speech"
    emotion = BY_ID[part.emotion]
    text = f"{emotion.emoji} {emotion.zh} {emotion.en}  {part.confidence:.1%}"
    return f"🤷 不确定 Uncertain ({text})" if part.uncertain else text


def _print_segments(result: Result) -> None:
    names = {part.channel: part.name or f"channel {part.channel}" for part in result.channels}
    width = max(map(len, names.values()), default=0)
    for segment in result.segments:
        span = f"{segment.start_s:8.2f} – {segment.end_s:8.2f} s"
        who = f"{names[segment.channel]:<{width}}  " if segment.channel else ""
        print(f"    {span}  {who}{_named(segment)}")
    for part in result.channels:
        talk = f"talks {part.talk_s:.1f} s ({part.talk_share:.0%})"
        print(f"  {names[part.channel]}: {talk}, {_named(part)}")
        print("    quarters: " + " | ".join(_named(quarter) for quarter in part.quarters))
    if result.overlap_s is not None:
        print(f"  overlap: {result.overlap_s:.1f} s")
    if result.summary is not None:
        print(f"  {result.summary.sentence['en']} · {result.summary.sentence['zh']}")


def _print_failure(path: Path, error: EmotionError, *, as_json: bool) -> None:
    if as_json:
        record: dict[str, Any] = {"file": readable(path), "error": error.to_dict()}
        print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        print(f"error: {error}", file=sys.stderr)
