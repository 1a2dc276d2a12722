"""The timeline of a result as HTML: summary, player, drawing, and table of segments.

The drawing and the table's rows are made in the browser by ``static/timeline*.js``, from the JSON
of `emotion.ui.timeline_data`: it draws only what is in view, so four hours stay quick.
"""

from __future__ import annotations

import hashlib
import html
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from emotion.audio.peaks import Peaks, peaks
from emotion.core.i18n import Pair
from emotion.core.labels import BY_ID, EMOTIONS
from emotion.core.results import ChannelResult, Quarter, Result, Summary, clock
from emotion.ui.charts import DASHES, both, emoji, percent
from emotion.ui.texts import pair
from emotion.ui.timeline_data import MAX_POINTS, document, kind, spans, stretches

logger = logging.getLogger(__name__)

PEAKS: Final = 24_000  # 0.6 s each in four hours
UNCERTAIN: Final = "uncertain"
_RUNS_TOLD: Final = 8
_NAMED: Final = 0.08  # shares of the bar that are wide enough for an emoji


def empty() -> str:
    """The figure's place before there is a result."""
    note = f'<div class="plot-empty">{both(pair("timeline_none"))}</div>'
    caption = f"<figcaption>{both(pair('timeline'))}</figcaption>"
    return f'<figure class="emo-figure timeline is-empty">{caption}{note}</figure>'


def figure(result: Result, audio: Path | None) -> str:
    """The figure of a result.

    Args:
        result: What to show.
        audio: The recording as 16-bit WAV in Gradio's cache; None where it is not there.
    """
    data = document(result, _wave(audio))
    address = "" if audio is None else f"gradio_api/file={quote(str(audio))}"
    key = hashlib.sha256((data + address).encode()).hexdigest()[:12]
    title = f'<figcaption id="timeline-title-{key}">{both(pair("timeline"))}</figcaption>'
    desc = f'<p class="unseen" id="timeline-desc-{key}">{both(describe(result))}</p>'
    drawing = (
        f'<emotion-timeline data-key="{key}">'
        f'<pre class="tl-data" hidden="">{data}</pre>'  # Gradio warns of any script element
        f'<div class="tl-player">{_player(address)}<div class="tl-tools"></div></div>'
        f'<div class="tl-plot"></div>{_legend(result)}{_notes(result)}'
        f'<div class="tl-table"></div>'
        f"</emotion-timeline>"
    )
    body = f"{title}{desc}{_summary(result)}{_channels(result)}{drawing}"
    return f'<figure class="emo-figure timeline">{body}</figure>'


def _wave(audio: Path | None) -> Peaks | None:
    try:
        return None if audio is None else peaks(audio, PEAKS)
    except OSError as e:
        logger.warning("no waveform: %s", e)
        return None


def _player(address: str) -> str:
    """The browser's own player reads only the parts that are heard."""
    if not address:
        return ""
    name, source = _plain("recording"), html.escape(address)
    return f'<audio controls="" preload="metadata" aria-label="{name}" src="{source}"></audio>'


def describe(result: Result) -> Pair:
    """The drawing in words, for people who do not see it."""
    if result.no_speech:
        return pair("no_speech")
    if result.channels:
        told = [(channel_name(one), one.summary.sentence) for one in result.channels]
        zh = "；".join(f"{name[0]}：{sentence['zh']}" for name, sentence in told)
        return zh, "; ".join(f"{name[1]}: {sentence['en']}" for name, sentence in told)
    longest = sorted(stretches(result), key=lambda stretch: stretch[1] - stretch[2])[:_RUNS_TOLD]
    runs = []
    for label, start_s, _ in sorted(longest, key=lambda stretch: stretch[1]):
        emotion = BY_ID[label]
        zh = pair("timeline_run", name=emotion.zh, start=start_s)[0]
        runs.append((zh, pair("timeline_run", name=emotion.en, start=start_s)[1]))
    end_s = result.audio.duration_s
    zh = pair("timeline_desc", end=end_s, runs="、".join(run[0] for run in runs))[0]
    return zh, pair("timeline_desc", end=end_s, runs=", ".join(run[1] for run in runs))[1]


def length(seconds: float) -> Pair:
    """A length of time in words: ``3 min 20 s``."""
    if round(seconds) < 60:
        return pair("length_s", seconds=round(seconds, 1 if seconds < 10 else None))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return pair("length_min", minutes=minutes, seconds=rest)
    return pair("length_h", hours=minutes // 60, minutes=minutes % 60)


def channel_name(channel: ChannelResult) -> Pair:
    """A channel's name, or its number."""
    name = channel.name
    return (name, name) if name else pair("tl_channel", number=channel.channel)


def _summary(result: Result) -> str:
    summary = result.summary
    if summary is None:
        return ""
    zh, en = summary.sentence["zh"], summary.sentence["en"]
    sentence = f'<p class="sentence">{both((zh, en[:1].upper() + en[1:]))}</p>'
    facts = [("speech_time", summary.speech_s), ("silence_time", summary.silence_s)]
    if result.overlap_s is not None:
        facts.append(("overlap_time", result.overlap_s))
    cells = "".join(f"<div>{both(pair(key))} <b>{both(length(s))}</b></div>" for key, s in facts)
    return (
        f'<div class="tl-summary">{sentence}{_share_bar(summary)}'
        f'<div class="tl-facts">{cells}</div></div>'
    )


def _share_bar(summary: Summary) -> str:
    """Shares of the speech as one bar, and the same as a list of names and values."""
    if not summary.shares:
        return ""
    bar, names = "", ""
    for label, share in summary.shares.items():
        face, name, look = _look(label)
        shown = emoji(face) if share >= _NAMED else ""
        bar += f'<span class="{look}" style="--share:{share:.4f};{_colour(label)}">{shown}</span>'
        names += (
            f'<li class="{look}" style="{_colour(label)}">'
            f"{emoji(face)} {both(name)} <b>{percent(share)}</b></li>"
        )
    return (
        f'<div class="tl-shares" aria-hidden="true">{bar}</div>'
        f'<ul class="tl-share-names">{names}</ul>'
    )


def _look(label: str) -> tuple[str, Pair, str]:
    """Emoji, name and class of an emotion, or of what is uncertain."""
    if label == UNCERTAIN:
        return "🤷", pair("uncertain"), "share is-uncertain"
    emotion = BY_ID[label]
    return emotion.emoji, (emotion.zh, emotion.en), "share"


def _colour(label: str) -> str:
    return f"--emo:{BY_ID[label].colour}" if label in BY_ID else "--emo:var(--ink-2)"


def _channels(result: Result) -> str:
    """Talk time and the emotion of each quarter, a channel a column: most have two."""
    channels = result.channels
    if not channels:
        return ""
    names = "".join(f'<th scope="col">{both(channel_name(one))}</th>' for one in channels)
    rows = _row(both(pair("talk_time")), [_talk(one) for one in channels])
    for parts in zip(*(one.quarters for one in channels), strict=True):
        span = f"{clock(parts[0].start_s)}–{clock(parts[0].end_s)}"
        rows += _row(span, [_verdict(part) for part in parts])
    rows += _row(both(pair("whole")), [_verdict(one) for one in channels])
    sentences = [one.summary.sentence for one in channels]
    rows += _row(both(pair("course")), [both((one["zh"], one["en"])) for one in sentences])
    head = f"<tr><td></td>{names}</tr>"
    return (
        f'<div class="tl-channels" tabindex="0" role="group" aria-label="{_plain("channels")}">'
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(name: str, cells: Sequence[str]) -> str:
    filled = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{name}</th>{filled}</tr>'


def _talk(channel: ChannelResult) -> str:
    return f"{both(length(channel.talk_s))} <small>{percent(channel.talk_share)}</small>"


def _verdict(part: Quarter | ChannelResult) -> str:
    """The emotion of a part of a recording, in a cell."""
    if part.emotion is None or part.confidence is None:
        return f'<span class="nobody">{both(pair("nobody"))}</span>'
    face, name, _ = _look(part.emotion)
    named, share = f"{emoji(face)} {both(name)}", percent(part.confidence)
    shown = f"{named} <small>{share}</small>"
    if part.uncertain:
        face, name, _ = _look(UNCERTAIN)
        shown = f"{emoji(face)} {both(name)} <small>({named} {share})</small>"
    return f'<span class="cell" style="{_colour(part.emotion)}">{shown}</span>'


def _legend(result: Result) -> str:
    """The lines of the curves, told apart by colour and dashes."""
    if result.no_speech or (result.frames is None and result.local is None):
        return ""
    items = "".join(
        f'<li><svg aria-hidden="true" viewBox="0 0 28 8" width="28" height="8">'
        f'<line x1="1" x2="27" y1="4" y2="4" stroke="{emotion.colour}" '
        f'stroke-dasharray="{DASHES[emotion.id]}"/></svg>'
        f"<span>{emoji(emotion.emoji)} {both((emotion.zh, emotion.en))}</span></li>"
        for emotion in EMOTIONS
    )
    return f'<ul class="legend">{items}</ul>'


def _notes(result: Result) -> str:
    """How to read what is drawn."""
    click, keys = both(pair("timeline_click")), both(pair("timeline_keys"))
    notes = [f'<p class="note">{click} <span class="keys">{keys}</span></p>']
    local, frames = result.local, result.frames
    steps = max(len(local.times_s) if local else 0, len(frames.weights) if frames else 0)
    further: tuple[tuple[str, bool], ...] = (
        ("timeline_windows", kind(result) == "windows"),
        ("timeline_uncertain", any(segment.uncertain for segment in spans(result))),
        ("timeline_sampled", steps > MAX_POINTS),
    )
    for key, applies in further:
        if applies and not result.no_speech:
            notes.append(f'<p class="note">{both(pair(key))}</p>')
    if frames is not None:
        exact = both(pair("timeline_note"))
        notes.insert(0, f'<p class="note" data-curve="contribution">{exact}</p>')
    if local is not None:
        own = both(pair("timeline_local", window=local.window_s))
        notes.insert(0, f'<p class="note" data-curve="local">{own}</p>')
    return "".join(notes)


def _plain(key: str) -> str:
    """A text in both languages for an attribute."""
    return html.escape(" / ".join(pair(key)))
