"""What corpora and other models call the nine emotions."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from emotion.core.labels import EMOTIONS

# Letters stand for what MSP-Podcast means by them; IEMOCAP's, CREMA-D's and SAVEE's abbreviations,
# and the words of German, French, Italian and Spanish corpora are among the rest. "Other" is what
# the nine emotions have no place for. EMO-DB's letters are read from its file names only, because
# A and F mean other things there.
_NAMES: Final = {
    "angry": "anger ang a mad rage hot_anger cold_anger furious 生气 愤怒 发怒 气愤 "
    "wut ärger colère rabbia ira enojo",
    "disgusted": "disgust dis d 厌恶 反感 恶心 ekel dégoût disgusto asco",
    "fearful": "fear fea f afraid anxiety anxious scared panic 恐惧 害怕 惊恐 "
    "angst peur paura miedo",
    "happy": "happiness hap h joy joyful excited excitement exc amused amusement 开心 高兴 "
    "快乐 喜悦 freude joie gioia alegría felicidad",
    "neutral": "neu n calm normal 中性 中立 平静 neutre neutrale neutralität",
    "other": "oth o contempt con c boredom bored frustration fru frustrated sarcasm "
    "其他 其它 轻蔑 无聊 langeweile",
    "sad": "sadness s sorrow depressed 伤心 悲伤 难过 trauer tristesse tristezza tristeza",
    "surprised": "surprise sur u ps pleasant_surprise pleasant_surprised 惊讶 吃惊 惊奇 惊喜 "
    "überraschung sorpresa",
    "unknown": "unk 未知 不确定",
}
_SEPARATORS: Final = re.compile(r"[\W_]+")


def _key(name: str) -> str:
    return _SEPARATORS.sub("_", unicodedata.normalize("NFKC", name).casefold()).strip("_")


_EMOTIONS: Final[dict[str, str]] = {
    _key(name): emotion.id
    for emotion in EMOTIONS
    for name in (emotion.id, emotion.zh, emotion.en, *_NAMES[emotion.id].split())
}


def emotion_of(name: str) -> str | None:
    """The emotion that a name stands for.

    Args:
        name: As a corpus or a model writes it; case, spaces and punctuation do not matter.
            ``生气/angry``, as in FunASR's token lists, counts by its last part.

    Returns:
        One of `emotion.core.labels.LABELS`, or None for a name that stands for none of them, such
        as MSP-Podcast's X (no agreement) or IEMOCAP's xxx.
    """
    found = _EMOTIONS.get(_key(name))
    return found or (_EMOTIONS.get(_key(name.rpartition("/")[2])) if "/" in name else None)
