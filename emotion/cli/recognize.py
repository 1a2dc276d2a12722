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
from typing import TYPE_CHECKING, Any, Union

from emotion.cli import options
from emotion.cli.asked import add_recognition, asked
from emotion.cli.exit_codes import exit_code
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config
from emotion.core.errors import EmotionError
from emotion.core.labels import BY_ID
from emotion.core.options import RecognitionOptions
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
    add_recognition(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Recognises each file; one failure does not stop the others."""
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    wanted = asked(args)  # wrong options are told before the model is loaded
    model = open_model(config, StatusLine().show)
    work = _Work(model, RunStore(config.server.outputs_dir), wanted)
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
