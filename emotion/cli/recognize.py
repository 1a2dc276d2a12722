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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from emotion.cli import options
from emotion.cli.exit_codes import exit_code
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config
from emotion.core.errors import EmotionError
from emotion.core.labels import BY_ID
from emotion.core.options import Granularity, RecognitionOptions, possible_exports
from emotion.core.results import Result, readable

if TYPE_CHECKING:
    from emotion.recognition.loaded_model import LoadedModel
    from emotion.services.recognitions import FinishedRun
    from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)

_AT_ONCE = 2
Outcome = tuple[int | None, "FinishedRun | Exception"]  # channel, and its run or its error


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Recognise recordings."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("recognize", help=text, description=text, parents=parents)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    text = "one result, also a curve with scores every 0.1 s, or a result per speech segment"
    parser.add_argument(
        "--granularity", choices=get_args(Granularity), default="utterance", help=text
    )
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
    text = "mix the channels, or recognise each on its own, with a run folder each"
    parser.add_argument("--channels", choices=("mix", "split"), default="mix", help=text)
    text = f"write these into the run folder too; {options.EXPORTS_HELP}"
    parser.add_argument("--export", metavar="NAMES", default="", help=text)
    options.add_export_language(parser, "--export-language")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Recognises each file; one failure does not stop the others."""
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    exports: Any = options.exports(args.export)  # `RecognitionOptions` checks the names
    if exports is None:
        frames = args.granularity == "frame"
        exports = possible_exports(frames=frames, embedding=args.embedding)
    asked = RecognitionOptions(
        args.granularity,
        args.embedding,
        args.track,
        segment_min_s=args.segment_min,
        segment_max_s=args.segment_max,
        segment_pad_s=args.segment_pad,
        exports=exports,
        export_language=args.export_language,
    )
    work = _Work(
        open_model(config, StatusLine().show),
        RunStore(config.server.outputs_dir),
        asked,
        split=args.channels == "split",
    )
    worst = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for path, future in _ahead(pool, work, args.files):
                for channel, outcome in future.result():
                    worst = max(worst, _report(path, channel, outcome, as_json=args.json))
        finally:
            work.stop.set()  # whatever ends the loop early must not wait for the rest
    return worst


class _Work:
    """Recognises a file, or each of its channels on its own."""

    def __init__(
        self, model: LoadedModel, store: RunStore, asked: RecognitionOptions, *, split: bool
    ) -> None:
        self.stop = threading.Event()
        self._model = model
        self._store = store
        self._asked = asked
        self._split = split

    def __call__(self, path: Path) -> list[Outcome]:
        """The outcome for the file, or for each channel; one failure does not stop the others."""
        from emotion.audio import count_channels

        channels: list[int | None] = [None]
        if self._split:
            try:
                count = count_channels(
                    path, self._model.audio, track=self._asked.track, cancelled=self.stop.is_set
                )
            except Exception as e:  # reported with the others
                return [(None, e)]
            channels = list(range(1, count + 1))
        return [(channel, self._recognize(path, channel)) for channel in channels]

    def _recognize(self, path: Path, channel: int | None) -> FinishedRun | Exception:
        from emotion.core.progress import ProgressCallbacks
        from emotion.services.recognitions import JobRequest, run

        request = JobRequest(path, replace(self._asked, channel=channel))
        callbacks = ProgressCallbacks(cancelled=self.stop.is_set)
        try:
            return run(self._model, request, self._store, callbacks, priority="bulk")
        except Exception as e:
            return e


def _ahead(
    pool: ThreadPoolExecutor, work: _Work, paths: Sequence[Path]
) -> Iterator[tuple[Path, Future[list[Outcome]]]]:
    """The files in order, a few of them begun ahead: one decodes while another is inferred."""
    begun: deque[tuple[Path, Future[list[Outcome]]]] = deque()
    for path in paths:
        begun.append((path, pool.submit(work, path)))
        if len(begun) > _AT_ONCE:
            yield begun.popleft()
    while begun:
        yield begun.popleft()


def _report(
    path: Path, channel: int | None, outcome: FinishedRun | Exception, *, as_json: bool
) -> int:
    """Prints a result or a failure; the exit code that it calls for."""
    if not isinstance(outcome, Exception):
        _print_finished(path, outcome, as_json=as_json)
        return 0
    if not isinstance(outcome, EmotionError):
        logger.error("%s failed unexpectedly", path, exc_info=outcome)
        outcome = EmotionError(reason=f"{type(outcome).__name__}: {outcome}")
    _print_failure(path, channel, outcome, as_json=as_json)
    return exit_code(outcome)


def _print_finished(path: Path, finished: FinishedRun, *, as_json: bool) -> None:
    result = finished.result
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
    if result.summary is not None:
        _print_segments(result)
    for warning in result.warnings:
        print(f"  ! {warning.message}")
    if result.model.fallback_reason:
        print(f"  ! Answered by {result.model.title}: {result.model.fallback_reason}")
    print(f"  → {finished.folder}\n", flush=True)


def _print_segments(result: Result) -> None:
    for segment in result.segments:
        emotion = BY_ID[segment.emotion]
        span = f"{segment.start_s:8.2f} – {segment.end_s:8.2f} s"
        print(f"    {span}  {emotion.en:<10} {emotion.zh}  {segment.confidence:7.2%}")
    if result.summary is not None:
        print(f"  {result.summary.sentence['en']} · {result.summary.sentence['zh']}")


def _print_failure(path: Path, channel: int | None, error: EmotionError, *, as_json: bool) -> None:
    if as_json:
        record: dict[str, Any] = {"file": readable(path), "error": error.to_dict()}
        if channel is not None:
            record["channel"] = channel
        print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        where = f" (channel {channel})" if channel is not None else ""
        print(f"error{where}: {error}", file=sys.stderr)
