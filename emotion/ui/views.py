"""The states of the result card as HTML: empty, at work, result, error, cancelled.

Each holds both languages; the style sheet shows the page's. File names and reasons come from
outside and are escaped by `both`.
"""

from __future__ import annotations

import html

from emotion.core.i18n import Pair, warning_pair
from emotion.core.labels import BY_ID, Emotion
from emotion.core.results import Result
from emotion.recognition.opening import Status
from emotion.services.jobs import JobProgress
from emotion.ui.charts import both, emoji, percent
from emotion.ui.texts import pair


def _card(kind: str, body: str) -> str:
    title = f'<h2 class="card-title">{both(pair("result"))}</h2>'
    return f'<section class="emo-card is-{kind}">{title}{body}</section>'


def header() -> str:
    """The page's title and the language switch."""
    switch = "".join(
        f'<button type="button" data-set-lang="{locale}" lang="{locale}">{name}</button>'
        for locale, name in (("zh-CN", "中文"), ("en", "English"))
    )
    return (
        f'<header class="site"><div><h1>{both(pair("heading"))}</h1>'
        f"<p>{both(pair('tagline'))}</p></div>"
        f'<div class="lang-switch" id="lang-switch" role="group" '
        f'aria-label="语言 / Language">{switch}</div></header>'
    )


def note(key: str) -> str:
    """A small remark."""
    return f'<p class="remark">{both(pair(key))}</p>'


def audio_notes() -> str:
    """What may be said about the recording; the page's script shows one of them, or none."""
    notes = "".join(
        f'<p class="remark" data-note="{name}">{both(pair(f"note_{name}"))}</p>'
        for name in ("uploading", "preparing", "preview", "unplayable")
    )
    return f'<div role="status">{notes}</div>'


def empty() -> str:
    """Before the first result: what to do."""
    steps = "".join(f"<li>{both(pair(f'empty_{number}'))}</li>" for number in (1, 2, 3))
    body = f'<p class="lead">{both(pair("empty_title"))}</p><ol class="steps">{steps}</ol>'
    return _card("empty", body)


def cancelled() -> str:
    """After the visitor withdrew."""
    return _card("cancelled", _say(pair("cancelled_title"), pair("cancelled_text")))


def error(message: Pair, hint: Pair) -> str:
    """A problem and what to do about it."""
    title = f'<p class="lead">{both(pair("error_title"))}</p>'
    return _card("error", f'<div role="alert">{title}{_say(message, hint)}</div>')


def _say(message: Pair, hint: Pair) -> str:
    more = f'<p class="hint">{both(hint)}</p>' if any(hint) else ""
    return f'<p class="message">{both(message)}</p>{more}'


def working(progress: JobProgress, elapsed_s: float) -> str:
    """While it works: what it does, how much is done, and since when."""
    known = progress.state == "analysing" and progress.total > 1 and progress.total_s > 0
    share = 100 * progress.done_s / progress.total_s if known else 0.0
    loading = progress.detail if isinstance(progress.detail, Status) else None
    if progress.state == "loading" and loading and loading.total_bytes:
        known, share = True, 100 * loading.fraction
    bar = f'<span style="width:{share:.1f}%"></span>' if known else '<span class="moving"></span>'
    elapsed = both(pair("elapsed", seconds=elapsed_s)) + both(_left(progress))
    return _card(
        "working",
        f'<p class="lead" role="status">{both(stage(progress))}</p>'
        f'<div class="progress" aria-hidden="true">{bar}</div>'
        f'<p class="hint" aria-hidden="true">{elapsed}</p>',
    )


def _left(progress: JobProgress) -> Pair:
    """How long the rest takes; empty where that is not known."""
    if progress.left_s is None or progress.state != "analysing":
        return "", ""
    if progress.left_s < 90:
        return pair("left_seconds", seconds=max(1, progress.left_s))
    return pair("left_minutes", minutes=progress.left_s / 60)


def stage(progress: JobProgress) -> Pair:
    """What a job does now, in words."""
    if progress.cancelling:
        return pair("stage_cancelling")
    if isinstance(progress.detail, Status):
        status = progress.detail
        zh, en = pair(f"phase_{status.phase}", percent=f"{100 * status.fraction:.0f}%")
        return pair("stage_loading", phase=zh)[0], pair("stage_loading", phase=en)[1]
    if progress.state == "analysing" and not progress.total:
        return pair("stage_searching")
    window = min(progress.done + 1, progress.total)
    return pair(f"stage_{progress.state}", done=window, total=progress.total, phase="")


def result(value: Result) -> str:
    """The verdict, what else was heard, warnings, and which model answered."""
    if value.no_speech:
        reason = both(pair("no_speech_why"))
        verdict, more, colour = _verdict("🔇", _pair(pair("no_speech")), reason), "", "var(--ink)"
    elif value.uncertain:
        verdict, more, colour = _uncertain(value), _secondary(value), "var(--ink)"
    else:
        emotion = BY_ID[value.emotion]
        confidence = both(pair("confidence", percent=percent(value.confidence)))
        verdict = _verdict(emotion.emoji, _name(emotion), confidence)
        more, colour = _secondary(value), emotion.colour
    card = _card("result", f"{verdict}{more}{_warnings(value)}{_facts(value)}")
    return card.replace("<section ", f'<section style="--emo:{colour}" ', 1)


def _verdict(face: str, name: str, confidence: str, more: str = "") -> str:
    words = f'<p class="emotion">{name}</p><p class="confidence">{confidence}</p>{more}'
    return (
        f'<div class="verdict"><span class="face emoji" aria-hidden="true">{face}</span>'
        f"<div>{words}</div></div>"
    )


def _uncertain(value: Result) -> str:
    """The verdict where no score is as high as wanted: the strongest is named, but small."""
    emotion, share = BY_ID[value.emotion], percent(value.confidence)
    zh = pair("uncertain_strongest", name=emotion.zh, percent=share)[0]
    en = pair("uncertain_strongest", name=emotion.en, percent=share)[1]
    wanted = pair("uncertain_why", percent=percent(value.min_confidence))
    why = f'<p class="why">{both(wanted)}</p>'
    strongest = f"{emoji(emotion.emoji)} {both((zh, en))}"
    return _verdict("🤷", _pair(pair("uncertain")), strongest, why)


def _pair(text: Pair) -> str:
    """Both languages at once, as the names of emotions are shown in the verdict."""
    zh, en = text
    return f'<span lang="zh-CN">{zh}</span> <span lang="en">{en}</span>'


def _name(emotion: Emotion) -> str:
    return _pair((emotion.zh, emotion.en))


def _secondary(value: Result) -> str:
    title = f"<h3>{both(pair('secondary'))}</h3>"
    if not value.secondary:
        return f'<div class="secondary">{title}<p>{both(pair("secondary_none"))}</p></div>'
    items = ""
    for label, score in value.secondary.items():
        emotion = BY_ID[label]
        items += (
            f'<li style="--emo:{emotion.colour}">'
            f'<span class="emoji" aria-hidden="true">{emotion.emoji}</span> '
            f"{both((emotion.zh, emotion.en))} <b>{percent(score)}</b></li>"
        )
    return f'<div class="secondary">{title}<ul>{items}</ul></div>'


def _warnings(value: Result) -> str:
    if not value.warnings:
        return ""
    items = "".join(f"<li>{both(warning_pair(warning))}</li>" for warning in value.warnings)
    return f'<div class="warnings"><h3>{both(pair("warnings"))}</h3><ul>{items}</ul></div>'


def _facts(value: Result) -> str:
    model, timing = value.model, value.timing
    tag = ""
    if model.fallback_reason is not None:
        tag = f' <b class="tag">{both(pair("fallback_tag"))}</b>'
    engine = ", FunASR" if model.engine == "funasr" else ""
    where = html.escape(f"{model.device}, {model.precision}{engine}")
    duration = both(pair("duration", duration=value.audio.duration_s))
    took = both(pair("time_value", inference=timing.inference_s, total=timing.total_s))
    rows = (
        ("answered_by", f"{html.escape(model.title)} ({where}){tag}"),
        ("file", f'<span class="file">{html.escape(value.audio.file)}</span>, {duration}'),
        ("time", took),
    )
    cells = "".join(f"<div><dt>{both(pair(key))}</dt><dd>{cell}</dd></div>" for key, cell in rows)
    return f'<dl class="facts">{cells}</dl>'
