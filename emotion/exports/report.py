"""A result as one HTML page that opens offline: audio, timeline, scores and a table.

Nothing is fetched: style, script and audio are in the page, and a content security policy forbids
the rest. All text is escaped.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from emotion.core.i18n import warning_pair
from emotion.core.labels import BY_ID, EMOTIONS
from emotion.core.results import ChannelResult, Quarter
from emotion.exports import report_timeline
from emotion.exports.report_texts import Texts, clock
from emotion.exports.source import Source, clean

MAX_AUDIO_S: Final = 600
_BLOCK_SAMPLES: Final = 1 << 18
_STATIC: Final = Path(__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src data:"
)


def write(source: Source, path: Path) -> None:
    """The report, in the language of the export."""
    say = Texts(source.language)
    title = f"{html.escape(source.file)} – {say('title')}"
    body = (
        _verdict(source, say),
        _audio(source, say),
        report_timeline.section(source, say),
        _channels(source, say),
        _scores(source, say),
        _table(source, say),
        _details(source, say),
    )
    text = (
        f'<!doctype html>\n<html lang="{say("html_lang")}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_static('report.css')}</style>\n</head>\n<body>\n"
        f"<main>\n{''.join(body)}</main>\n<script>\n{_static('report.js')}</script>\n"
        "</body>\n</html>\n"
    )
    path.write_text(text, encoding="utf-8", newline="\n")


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _verdict(source: Source, say: Texts) -> str:
    result = source.result
    emotion = BY_ID[result.emotion]
    verdict = (
        f'<span aria-hidden="true">{emotion.emoji}</span> '
        f"<strong>{_verdict_name(source, say)}</strong> {result.confidence:.1%}"
    )
    if result.no_speech:
        verdict = f'<span aria-hidden="true">🔇</span> <strong>{say("no_speech")}</strong>'
    name = source.speaker(result.audio.channel)
    speaker = f" · {html.escape(name)}" if name else ""
    return (
        f'<header style="--emo:{emotion.colour}"><h1>{say("title")}</h1>'
        f'<p class="file">{html.escape(source.file)}{speaker}</p>'
        f'<p class="verdict">{verdict}</p>{_summary(source)}</header>\n'
    )


def _verdict_name(source: Source, say: Texts) -> str:
    name = source.name(source.result.emotion)
    return say("uncertain", name=name) if source.result.uncertain else name


def _summary(source: Source) -> str:
    summary = source.result.summary
    return f"<p>{html.escape(summary.sentence[source.language])}</p>" if summary else ""


def _audio(source: Source, say: Texts) -> str:
    if source.audio_path is None:
        return f'<p class="note">{say("no_audio")}</p>\n'
    if source.result.audio.duration_s > MAX_AUDIO_S:
        note = say("long_audio", minutes=MAX_AUDIO_S // 60)
        return f'<p class="note">{note}</p>\n'
    data = base64.b64encode(_mp3(source.audio_path)).decode("ascii")
    return (
        f'<audio id="audio" controls preload="metadata" aria-label="{say("audio")}" '
        f'src="data:audio/mpeg;base64,{data}"></audio>\n'
    )


def _mp3(path: Path) -> bytes:
    """A recording as MP3, which every browser plays."""
    import soundfile  # on first use: a server starts without it

    target = io.BytesIO()
    try:
        with (
            soundfile.SoundFile(path) as recording,
            soundfile.SoundFile(
                target, "w", recording.samplerate, recording.channels, format="MP3"
            ) as encoder,
        ):
            for block in recording.blocks(_BLOCK_SAMPLES, dtype="float32"):
                encoder.write(block)
    except soundfile.LibsndfileError as e:
        raise OSError(f"{path.name}: {e.error_string}") from e
    return target.getvalue()


def _scores(source: Source, say: Texts) -> str:
    def rows() -> Iterator[str]:
        for emotion in EMOTIONS:
            score = source.result.scores[emotion.id]
            yield (
                f'<li style="--emo:{emotion.colour}"><span class="name">'
                f'<span aria-hidden="true">{emotion.emoji}</span> {source.name(emotion.id)}</span>'
                f'<span class="track" aria-hidden="true"><span style="width:{100 * score:.2f}%">'
                f'</span></span><span class="value">{score:.1%}</span></li>'
            )

    return f'<section><h2>{say("scores")}</h2><ol class="scores">{"".join(rows())}</ol></section>\n'


def _channels(source: Source, say: Texts) -> str:
    """Talk time, emotion and quarters of each channel, where they were split."""
    result = source.result
    if not result.channels:
        return ""
    heads = "".join(
        f'<th scope="col">{say(key)}</th>' for key in ("channel", "talk", "emotion", "quarters")
    )
    rows = "".join(
        f'<tr><th scope="row">{html.escape(source.speaker(part.channel))}</th>'
        f"<td>{clock(round(1000 * part.talk_s))} ({part.talk_share:.0%})</td>"
        f"<td>{_part(source, part, say)}</td>"
        f"<td>{' · '.join(_part(source, quarter, say) for quarter in part.quarters)}</td></tr>\n"
        for part in result.channels
    )
    overlap = say("overlap", seconds=result.overlap_s or 0.0)
    return (
        f'<section><h2>{say("channels")}</h2><div class="scroll"><table><thead><tr>{heads}</tr>'
        f'</thead><tbody>\n{rows}</tbody></table></div><p class="note">{overlap}</p></section>\n'
    )


def _part(source: Source, part: ChannelResult | Quarter, say: Texts) -> str:
    if part.emotion is None:
        return say("nobody")
    name = source.name(part.emotion)
    emoji = f'<span aria-hidden="true">{BY_ID[part.emotion].emoji}</span>'
    return f"{emoji} {say('uncertain', name=name) if part.uncertain else name}"


def _table(source: Source, say: Texts) -> str:
    split = bool(source.result.channels)
    columns = ("start", "end", *(["channel"] if split else []), "emotion", "score")
    heads = "".join(f'<th scope="col">{say(key)}</th>' for key in columns)

    def rows() -> Iterator[str]:
        for span in source.spans:
            known = BY_ID.get(span.emotion)
            emoji = f'<span aria-hidden="true">{known.emoji}</span> ' if known else ""
            channel = f"<td>{html.escape(source.speaker(span.channel))}</td>" if split else ""
            yield (
                f'<tr data-start="{span.start_s:.3f}" data-end="{span.end_s:.3f}"><td>'
                f'<button type="button" title="{say("play")}">{clock(span.start_ms)}</button></td>'
                f"<td>{clock(span.end_ms)}</td>{channel}"
                f"<td>{emoji}{html.escape(source.span_name(span))}</td>"
                f"<td>{span.confidence:.1%}</td></tr>\n"
            )

    return (
        f'<section><h2>{say("segments")}</h2><div class="scroll"><table><thead><tr>{heads}</tr>'
        f"</thead><tbody>\n{''.join(rows())}</tbody></table></div></section>\n"
    )


def _details(source: Source, say: Texts) -> str:
    result = source.result
    zh = source.language == "zh"
    items = [
        (say("duration"), clock(source.duration_ms)),
        (say("format"), " / ".join(filter(None, (result.audio.container, result.audio.codec)))),
        (say("model"), f"{result.model.title} ({result.model.device}, {result.model.precision})"),
        (say("time"), result.timestamp),
    ]
    if result.model.fallback_reason:
        items.append((say("fallback"), result.model.fallback_reason))
    for warning in result.warnings:
        items.append((say("warning"), warning_pair(warning)[0] if zh else warning.message))
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(clean(text))}</dd></div>" for name, text in items
    )
    return f"<section><h2>{say('details')}</h2><dl>{rows}</dl></section>\n"
