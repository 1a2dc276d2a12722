"""Texts of the monitoring tab, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair

MONITOR_TEXTS: Final[dict[str, Pair]] = {
    "tab_monitor": ("监控", "Monitor"),
    "monitor_title": ("服务器监控", "Server monitor"),
    "monitor_waiting": ("正在读取……", "Reading…"),
    "monitor_forbidden": (
        "只有这台服务器的管理员可以查看监控。",
        "Only the operator of this server may see its monitor.",
    ),
    "monitor_offline": (
        "连接不上服务器，下面是最后一次读到的数值，正在重试。",
        "The server does not answer. Below is what it said last; trying again.",
    ),
    "monitor_pause": ("暂停", "Pause"),
    "monitor_resume": ("继续", "Resume"),
    # Curves.
    "monitor_requests_per_s": ("每秒请求", "Requests / s"),
    "monitor_latency_p95_s": ("延迟 p95", "Latency p95"),
    "monitor_queue": ("排队任务", "Jobs waiting"),
    "monitor_memory_bytes": ("进程内存", "Process memory"),
    "monitor_highest": ("10 分钟内最高 {value}", "10 min max: {value}"),
    # Periods.
    "monitor_periods": ("最近一分钟和一小时", "The last minute and hour"),
    "monitor_minute": ("一分钟", "Minute"),
    "monitor_hour": ("一小时", "Hour"),
    "monitor_requests": ("接口请求", "API requests"),
    "monitor_refused": ("拒绝（4xx）", "Refused (4xx)"),
    "monitor_failed": ("出错（5xx）", "Failed (5xx)"),
    "monitor_p50": ("延迟 p50", "Latency p50"),
    "monitor_p95": ("延迟 p95", "Latency p95"),
    "monitor_jobs_done": ("识别完成", "Recognitions done"),
    "monitor_jobs_failed": ("识别失败", "Recognitions failed"),
    "monitor_jobs_cancelled": ("识别取消", "Recognitions cancelled"),
    "monitor_wait_p95": ("排队时间 p95", "Queue wait p95"),
    "monitor_audio": ("识别的音频", "Audio recognised"),
    "monitor_rtf": ("实时率（中位数）", "Real-time factor (median)"),
    "monitor_batch_clips": ("每批片段", "Clips per pass"),
    "monitor_batch_audio": ("每批音频", "Audio per pass"),
    "monitor_pass": ("每批用时", "Time per pass"),
    # Now.
    "monitor_now": ("现在", "Now"),
    "monitor_model": ("模型", "Model"),
    "monitor_phase": ("状态", "State"),
    "monitor_engine": ("引擎", "Engine"),
    "monitor_uptime": ("已运行", "Uptime"),
    "monitor_up_min": ("{minutes} 分 {seconds} 秒", "{minutes} min {seconds} s"),
    "monitor_up_h": ("{hours} 小时 {minutes} 分", "{hours} h {minutes} min"),
    "monitor_up_d": ("{days} 天 {hours} 小时", "{days} d {hours} h"),
    "monitor_running": ("正在识别", "Jobs running"),
    "monitor_waiting_jobs": ("排队", "Jobs waiting"),
    "monitor_split": (
        "{interactive}（交互）+ {bulk}（批量）",
        "{interactive} interactive, {bulk} bulk",
    ),
    "monitor_live": ("实时录音", "Live recordings"),
    "monitor_cpu": ("处理器", "CPU"),
    "monitor_cpu_value": ("{percent} %（{cores} 核）", "{percent} % of {cores} cores"),
    "monitor_memory": ("内存", "Memory"),
    "monitor_memory_value": (
        "{used}，机器可用 {free} / {total}",
        "{used}; machine: {free} of {total} free",
    ),
    "monitor_gpu": ("显存", "VRAM"),
    "monitor_gpu_value": (
        "{used} / {total}，本进程预留 {reserved}",
        "{used} of {total}; {reserved} reserved here",
    ),
    "monitor_gpu_busy": ("GPU 利用率", "GPU utilisation"),
    "monitor_no_gpu": ("不使用 GPU", "No GPU in use"),
    "monitor_disk": ("输出磁盘", "Disk of the runs"),
    "monitor_disk_value": ("可用 {free} / {total}", "{free} of {total} free"),
    "monitor_versions": ("版本", "Versions"),
    "monitor_remark": (
        "此标签页打开时每 2 秒更新一次。请求数不含状态与监控轮询；识别数包括网页和接口。",
        "Updated every 2 s while this tab is open. Requests do not count polls of status and "
        "monitor; recognitions are those of the page and of the API.",
    ),
    "monitor_prometheus": ("Prometheus 格式：", "For Prometheus:"),
}
