"""The nine emotions: how they are named, shown and coloured, and how a checkpoint names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Emotion:
    """One emotion.

    Attributes:
        id: English id in results, as users' scripts know it.
        zh: Chinese name shown to people.
        en: English name shown to people.
        emoji: One emoji.
        colour: sRGB hex colour, the same in every picture.
    """

    id: str
    zh: str
    en: str
    emoji: str
    colour: str


# Alphabetical, with "unknown" last as in emotion2vec+. Every two colours differ by at least 18 in
# CIE Lab, with protanopia and deuteranopia too, and each has a contrast of at least 3:1 on the
# light and on the dark page: tests/test_labels.py.
EMOTIONS: tuple[Emotion, ...] = (
    Emotion("angry", "愤怒", "Angry", "😠", "#f14154"),
    Emotion("disgusted", "厌恶", "Disgusted", "🤢", "#158545"),
    Emotion("fearful", "恐惧", "Fearful", "😨", "#8467ed"),
    Emotion("happy", "快乐", "Happy", "😊", "#b38e13"),
    Emotion("neutral", "中性", "Neutral", "😐", "#93948e"),
    Emotion("other", "其他", "Other", "🤔", "#11a1bc"),
    Emotion("sad", "悲伤", "Sad", "😢", "#1767af"),
    Emotion("surprised", "惊讶", "Surprised", "😲", "#9a497b"),
    Emotion("unknown", "未知", "Unknown", "❓", "#437100"),
)
LABELS: tuple[str, ...] = tuple(emotion.id for emotion in EMOTIONS)
BY_ID: dict[str, Emotion] = {emotion.id: emotion for emotion in EMOTIONS}

# Named sets of labels that may compete for a result. "primary" are the four classes of IEMOCAP's
# usual split, "basic" Ekman's six and neutral.
LABEL_SETS: dict[str, tuple[str, ...]] = {
    "all": LABELS,
    "basic": ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
    "primary": ("angry", "happy", "neutral", "sad"),
}


def parse_token(token: str) -> str | None:
    """Maps one entry of a checkpoint's ``tokens.txt`` to an emotion id.

    Args:
        token: ``生气/angry``, ``angry``, ``<unk>`` or ``unuse_0``.

    Returns:
        The id, or None for an ``unuse*`` slot, which is never scored.

    Raises:
        ValueError: The entry names no emotion of ours.
    """
    if token.startswith("unuse"):
        return None
    name = token.rsplit("/", 1)[-1].strip().lower()
    if name in ("<unk>", "unk"):
        name = "unknown"
    if name not in BY_ID:
        raise ValueError(f"{token!r} is none of {', '.join(LABELS)}")
    return name
