"""The report's own words, in both languages."""

from __future__ import annotations

from typing import Final

from emotion.core.options import ExportLanguage

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "html_lang": ("zh-CN", "en"),
    "title": ("语音情感识别报告", "Speech emotion report"),
    "audio": ("录音", "Recording"),
    "no_audio": ("本报告不含录音。", "This report has no audio."),
    "long_audio": (
        "录音超过 {minutes} 分钟，未嵌入本报告。",
        "The recording is longer than {minutes} minutes and is not embedded in this report.",
    ),
    "timeline": ("时间线", "Timeline"),
    "timeline_of_segments": ("各段的情感", "Emotion of each segment"),
    "timeline_of_frames": ("得分随时间的变化", "Scores over time"),
    "timeline_note": (
        "曲线显示每一刻对整句结果的贡献，不是纯粹的局部读数。",
        "The curves show each moment's contribution to the result, not a purely local reading.",
    ),
    "timeline_local": (
        "曲线来自 {window_s:g} 秒的滑动窗口，每个窗口单独识别；没有语音的地方不画。",
        "The curves come from sliding windows of {window_s:g} s, each heard on its own; there is "
        "none where nobody speaks.",
    ),
    "scores": ("整段录音的得分", "Scores of the whole recording"),
    "segments": ("分段", "Segments"),
    "channel": ("声道", "Channel"),
    "channels": ("声道", "Channels"),
    "uncertain": ("不确定（{name}）", "Uncertain ({name})"),
    "talk": ("说话时间", "Talk time"),
    "quarters": ("各四分之一段", "Quarters"),
    "overlap": ("同时说话 {seconds:.1f} 秒", "{seconds:.1f} s of speech at the same time"),
    "no_speech": ("没有检测到语音", "No speech found"),
    "nobody": ("没有语音", "no speech"),
    "start": ("开始", "Start"),
    "end": ("结束", "End"),
    "emotion": ("情感", "Emotion"),
    "score": ("得分", "Score"),
    "play": ("从这里播放", "Play from here"),
    "details": ("详细信息", "Details"),
    "duration": ("时长", "Duration"),
    "format": ("格式", "Format"),
    "model": ("模型", "Model"),
    "time": ("识别时间", "Recognised at"),
    "fallback": ("代用原因", "Fallback because"),
    "warning": ("注意", "Warning"),
}


class Texts:
    """Gives the texts of one language by their keys, ready for HTML.

    Args:
        language: ``zh`` or ``en``.
    """

    def __init__(self, language: ExportLanguage) -> None:
        self._index = 0 if language == "zh" else 1

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key."""
        return _TEXTS[key][self._index].format(**values)


def clock(milliseconds: int) -> str:
    """A time for people: ``1:02.345``, or ``1:00:02.345`` from an hour on."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{before}:{seconds:02d}.{rest:03d}"
