"""Texts of the history tab, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair

HISTORY_TEXTS: Final[dict[str, Pair]] = {
    "tab_history": ("历史", "History"),
    "history_title": ("历史记录", "Past recognitions"),
    "history_off_title": ("这里不显示历史记录", "No history here"),
    "history_off": (
        "管理员用 --no-history（或 EMOTION_HISTORY=0）关闭了历史记录。"
        "刚完成的识别不受影响，结果和下载照常可用。",
        "The operator has switched the history off (--no-history or EMOTION_HISTORY=0). "
        "What you recognise now is shown and can be downloaded as usual.",
    ),
    "history_shared": (
        "这台服务器由多人共用，又没有设置密钥或密码，分不清哪条记录属于谁，因此不列出任何人的记录。"
        "管理员用 --api-key-file 或 --auth-file 启动后，每个人可以看到自己的记录。",
        "Several people share this server without keys or passwords, so nothing tells whose a run "
        "is, and none are listed. Started with --api-key-file or --auth-file, it shows everybody "
        "their own.",
    ),
    # Filters.
    "history_filters": ("筛选", "Filter"),
    "history_emotion": ("情绪", "Emotion"),
    "history_model": ("模型", "Model"),
    "history_any": ("全部", "All"),
    "history_name": ("文件名", "File name"),
    "history_since": ("从", "From"),
    "history_until": ("到", "To"),
    "history_clear": ("清除筛选", "Clear filters"),
    "history_total": ("共 {count} 条", "{count} in all"),
    # The list.
    "history_list": ("识别记录，最新的在前", "Recognitions, newest first"),
    "history_keys": (
        "键盘：↑ ↓ 换行，回车打开，空格勾选，Delete 删除，Ctrl+Z 撤销删除",
        "Keys: ↑ ↓ move, Enter opens, Space selects, Delete deletes, Ctrl+Z undoes that",
    ),
    "history_when": ("时间", "Time"),
    "history_file": ("文件", "File"),
    "history_confidence": ("置信度", "Confidence"),
    "history_length": ("时长", "Length"),
    "history_granularity": ("粒度", "Granularity"),
    "history_utterance": ("整段", "Utterance"),
    "history_frame": ("帧", "Frame"),
    "history_segment": ("片段", "Segment"),
    "history_loading": ("正在读取……", "Reading…"),
    "history_none": (
        "还没有识别记录。识别一段录音后，会出现在这里。",
        "Nothing here yet. Recognise a recording, and it appears here.",
    ),
    "history_no_match": ("没有符合条件的记录。", "No recognition fits these filters."),
    "history_more": ("再显示 {count} 条", "Show {count} more"),
    "history_uncertain": ("不确定", "Uncertain"),
    "history_no_speech": ("没有语音", "No speech"),
    # What can be done.
    "history_select": ("选择", "Select"),
    "history_select_all": ("全选", "Select all"),
    "history_selected": ("已选 {count} 条", "{count} selected"),
    "history_download": ("下载", "Download"),
    "history_delete": ("删除", "Delete"),
    "history_compare": ("比较", "Compare"),
    "history_deleted": ("已删除 {count} 条", "{count} deleted"),
    "history_undo": ("撤销", "Undo"),
    "history_dismiss": ("关闭提示", "Dismiss"),
    "history_restored": ("已恢复 {count} 条", "{count} restored"),
    "history_result": ("打开的记录", "The recognition that is open"),
    "history_close": ("关闭", "Close"),
    "history_offline": (
        "连接不上服务器，正在重试。",
        "The server does not answer. Trying again.",
    ),
    "history_too_many": (
        "一次最多下载 {count} 条，请少选一些。",
        "At most {count} can be downloaded at once. Select fewer.",
    ),
}
