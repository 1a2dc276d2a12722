"""Texts of the batch tab, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair

BATCH_TEXTS: Final[dict[str, Pair]] = {
    "tab_batch": ("批量", "Batch"),
    "batch_title": ("批量识别", "Many recordings"),
    "batch_drop": ("把文件、文件夹或 ZIP 拖到这里", "Drop files, a folder or a ZIP file here"),
    "batch_drop_more": (
        "可以附上一个 CSV：有 path 或 file 列，其余各列会带到结果表里。最多 {most} 个录音。",
        "A CSV with a column path or file may come along: its other columns pass through to the "
        "tables. Up to {most} recordings.",
    ),
    "batch_files": ("选择文件", "Choose files"),
    "batch_folder": ("选择文件夹", "Choose a folder"),
    "batch_count": ("{count} 个文件，{size}", "{count:file|files}, {size}"),
    "batch_left": ("；略过 {left} 个非录音文件", "; {left:other file|other files} left out"),
    "batch_clear": ("全部移除", "Remove all"),
    "batch_remove": ("移除 {name}", "Remove {name}"),
    "batch_more": ("再显示 {count} 个", "Show {count} more"),
    "batch_options": ("选项", "Options"),
    "batch_granularity": ("粒度", "Granularity"),
    "batch_utterance": ("整段", "Utterance"),
    "batch_segment": ("分段", "Segment"),
    "batch_frame": ("帧", "Frame"),
    "batch_labels": ("参与竞争的情绪", "Emotions that compete"),
    "batch_embedding": ("保存 embedding.npy", "Save embedding.npy"),
    "batch_confidence": ("低于此置信度算不确定（%）", "Uncertain below (%)"),
    "batch_exports": ("每个录音另存", "Also save for each recording"),
    "batch_start": ("开始", "Start"),
    "batch_cancel": ("取消", "Cancel"),
    "batch_uploading": ("正在上传 {percent}%（{size}）", "Uploading {percent}% of {size}"),
    "batch_reading": (
        "已上传，服务器正在检查文件……",
        "Uploaded. The server is checking the files…",
    ),
    "batch_progress": ("进度", "Progress"),
    "batch_queued": ("排队中", "Waiting"),
    "batch_running": ("{done} / {total}，失败 {failed}", "{done} of {total}, {failed} failed"),
    "batch_done": (
        "完成：{good} 个结果，{failed} 个失败",
        "Done: {good:result|results}, {failed} failed",
    ),
    "batch_cancelled": (
        "已取消：{good} 个结果，{failed} 个失败，{left} 个没有识别",
        "Cancelled: {good:result|results}, {failed} failed, {left} not recognised",
    ),
    "batch_rate": (" · {rate}× 实时", " · {rate}× real time"),
    "batch_time_left": (" · 还需 {time}", " · {time} left"),
    "batch_server_left": (
        "文件夹和压缩包里有 {left} 个文件不是录音，已略过。",
        "{left:file that is no recording was|files that are no recordings were} left out.",
    ),
    "batch_table_told": (
        "CSV 有 {rows} 行，带到结果表的列：{columns}。",
        "The CSV has {rows:row|rows}; columns that pass through: {columns}.",
    ),
    "batch_rows_alone": (
        "{count} 行没有对应的录音：{names}。",
        "{count:row names|rows name} no recording: {names}.",
    ),
    "batch_files_alone": (
        "{count} 个录音在 CSV 里没有对应的行：{names}。",
        "{count:recording has|recordings have} no row in the CSV: {names}.",
    ),
    "batch_results": ("结果", "Results"),
    "batch_search": ("按文件名筛选", "Filter by name"),
    "batch_show": ("显示", "Show"),
    "batch_sort": ("排序", "Sort by"),
    "batch_all": ("全部", "All"),
    "batch_failed": ("失败", "Failed"),
    "batch_no_speech": ("没有语音", "No speech"),
    "batch_uncertain": ("不确定", "Uncertain"),
    "batch_index": ("原来的顺序", "Original order"),
    "batch_file": ("文件", "File"),
    "batch_duration": ("时长", "Length"),
    "batch_emotion": ("情绪", "Emotion"),
    "batch_score": ("置信度", "Confidence"),
    "batch_second": ("其次", "Second"),
    "batch_warning": ("提示", "Notes"),
    "batch_rows": ("显示 {shown} / {total} 行", "{shown} of {total} rows"),
    "batch_none": ("没有符合条件的行", "No such rows"),
    "batch_download": ("下载", "Download"),
    "batch_zip": ("全部文件（ZIP）", "All files (ZIP)"),
    "batch_compare": ("比较这些录音", "Compare these"),
    "batch_shares": ("情绪分布", "Distribution"),
    "batch_offline": (
        "连接不上服务器。文件列表还在；服务器恢复后再点“开始”。",
        "The server does not answer. Your list is kept: press Start again once it is back.",
    ),
    "batch_broken": (
        "和服务器的连接断了，正在重试。已有的结果都在。",
        "The connection to the server broke; trying again. The results so far are kept.",
    ),
    "batch_signed_out": (
        "登录已失效。请在新标签页里登录，再点“开始”；文件列表还在。",
        "You are signed out. Sign in in another tab, then press Start again; your list is kept.",
    ),
    "batch_lost": (
        "服务器重启过，这个任务不在了。上面的结果还在，其余录音请再点“开始”重新识别。",
        "The server was restarted and the job is gone. The results so far are still shown; press "
        "Start to send the recordings again.",
    ),
    "batch_forgotten": (
        "上一次的任务已经结束太久，服务器不再保留。",
        "The last job ended too long ago: the server no longer keeps it.",
    ),
    "batch_too_many": (
        "有 {count} 个文件，网页一次最多 {most} 个。请分几次，或用命令行："
        "python -m emotion batch 文件夹",
        "There are {count} files; the page takes {most} at once. Send them in parts, or use the "
        "command line: python -m emotion batch FOLDER",
    ),
    "batch_too_large": (
        "一共 {size}，超过一次上传的上限 {limit}。请分几次，或用命令行："
        "python -m emotion batch 文件夹",
        "{size} in all; one upload may have {limit}. Send them in parts, or use the command line: "
        "python -m emotion batch FOLDER",
    ),
    "batch_unreadable": (
        "有 {count} 个文件读不了（可能已移走或没有权限），没有加入。",
        "Could not read {count:file|files} (moved, or not permitted); not added.",
    ),
}
