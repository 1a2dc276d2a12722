"""The nine scores of a `Result` as bars, and what all pictures of the page share.

Both languages are in the markup and the page's style sheet shows one. Colours are the emotions'
own, everything else is a CSS variable, so light and dark need no second picture. What is text from
outside is escaped.
"""

from __future__ import annotations

import html
from typing import Final

from emotion.core.i18n import Pair
from emotion.core.labels import EMOTIONS, Emotion
from emotion.core.results import Result
from emotion.ui.texts import pair

# Told apart without colour: stroke-dasharray in screen pixels, each its own.
DASHES: Final[dict[str, str]] = {
    "angry": "none",
    "disgusted": "9 3",
    "fearful": "2 3",
    "happy": "10 3 2 3 2 3",
    "neutral": "18 4",
    "other": "10 3 2 3",
    "sad": "18 3 6 3",
    "surprised": "5 3",
    "unknown": "2 7",
}


def both(text: Pair) -> str:
    """A text in both languages, escaped; the style sheet shows the page's."""
    zh, en = (html.escape(part) for part in text)
    if zh == en:
        return zh
    return f'<span class="zh" lang="zh-CN">{zh}</span><span class="en" lang="en">{en}</span>'


def percent(value: float) -> str:
    """A score for people: ``85.3%``."""
    return f"{100 * value:.1f}%"


def emoji(face: str) -> str:
    """An emoji that is read out by nobody: its name stands beside it."""
    return f'<i class="emoji" aria-hidden="true">{face}</i>'


def scores_chart(result: Result | None) -> str:
    """The nine scores as bars, always in the same order.

    Args:
        result: What to show; None draws the empty chart, of the same size.
    """
    meaningless = result is not None and result.no_speech
    rows = "".join(_bar(emotion, result, meaningless) for emotion in EMOTIONS)
    state = " is-meaningless" if meaningless else "" if result else " is-empty"
    note = f'<p class="note">{both(pair("no_speech_scores"))}</p>' if meaningless else ""
    return (
        f'<figure class="emo-figure scores{state}">'
        f"<figcaption>{both(pair('scores'))}</figcaption><ol>{rows}</ol>{note}</figure>"
    )


def _bar(emotion: Emotion, result: Result | None, meaningless: bool) -> str:
    value = result.scores[emotion.id] if result else 0.0
    top = " top" if result and result.emotion == emotion.id and not meaningless else ""
    shown = percent(value) if result else "–"
    return (
        f'<li class="bar-row{top}" data-emotion="{emotion.id}" '
        f'style="--emo:{emotion.colour};--value:{value:.4f}">'
        f'<span class="face emoji" aria-hidden="true">{emotion.emoji}</span>'
        f'<span class="name">{both((emotion.zh, emotion.en))}</span>'
        f'<span class="track" aria-hidden="true"><span class="bar"></span></span>'
        f'<span class="value">{shown}</span></li>'
    )
