"""Options of a recognition, for the commands that recognise recordings."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from emotion.cli import options
from emotion.core.labels import LABEL_SETS
from emotion.core.options import (
    Channels,
    Granularity,
    RecognitionOptions,
    parse_exports,
    parse_labels,
    parse_names,
)


def add_recognition(parser: argparse.ArgumentParser) -> None:
    """Adds them to a command."""
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


def asked(args: argparse.Namespace) -> RecognitionOptions:
    """What the command line asks for.

    Raises:
        ConfigError: An option has a value that it cannot have.
    """
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
