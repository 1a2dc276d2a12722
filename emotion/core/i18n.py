"""Errors and warnings in Chinese; their English comes with them.

Both are made from the same values, so whoever shows them chooses the language.
"""

from __future__ import annotations

from typing import Final, Literal

from emotion.core.errors import EmotionError
from emotion.core.i18n_reasons import REASONS_ZH
from emotion.core.results import ResultWarning

Lang = Literal["zh", "en"]
Pair = tuple[str, str]
OF_CHANNEL: Final = "of_channel"  # the value of a warning that is about one channel only

# By `EmotionError.code`: (message, hint) in Chinese.
ERRORS_ZH: Final[dict[str, Pair]] = {
    "error": ("{reason}", ""),
    "config_invalid": ("{option} 的值是 {value!r}，但应为 {expected}", ""),
    "audio_error": ("{reason}", ""),
    "audio_not_found": ("{file}：无法打开（{reason}）", "请检查路径"),
    "audio_empty": ("{file}：文件是空的（0 字节）", "请重新导出或重新上传录音"),
    "audio_undecodable": (
        "{file}：无法作为音频读取（{reason}）",
        "请使用完整的 WAV、MP3、M4A、FLAC、OGG、WebM、AMR、WMA、AIFF 文件或视频",
    ),
    "audio_no_stream": ("{file}：文件里没有音轨", "请选择有声音的文件"),
    "audio_encrypted": ("{file}：录音已加密（{scheme}）", "请使用没有版权保护的副本"),
    "audio_no_track": (
        "{file}：没有第 {track} 条音轨，文件共有 {tracks} 条",
        "请用 --track 另选一条，从 1 开始计数",
    ),
    "audio_no_channel": (
        "{file}：没有第 {channel} 个声道，该音轨共有 {channels} 个",
        "声道从 1 开始计数",
    ),
    "audio_too_short": (
        "{file}：音频只有 {duration_s:.3f} 秒，模型至少需要 {minimum_s:.3f} 秒",
        "请使用更长的录音",
    ),
    "audio_too_long": (
        "{file}：音频超过上限 {maximum_s:.0f} 秒",
        "请剪短录音，或调高 --max-duration",
    ),
    "audio_too_large": (
        "{file}：{size_mb:.1f} MB，最多接受 {maximum_mb:.0f} MB",
        "请压缩录音（Opus、MP3、FLAC），或调高 --max-upload",
    ),
    "audio_silent": (
        "{file}：完全没有声音（峰值 {peak_dbfs:.0f} dBFS）",
        "请检查麦克风或导出设置",
    ),
    "audio_bad_samples": (
        "{file}：{total} 个采样中有 {count} 个不是有限数值（NaN 或无穷大）",
        "请重新导出为 PCM",
    ),
    "decoder_error": ("{reason}", ""),
    "decoder_missing": (
        "无法运行 FFmpeg（{reason}）",
        "请安装 FFmpeg，或运行 `pip install imageio-ffmpeg`",
    ),
    "decoder_timeout": (
        "{file}：解码超过了 {timeout_s:.0f} 秒",
        "请先把录音转换为 WAV，或使用较短的录音",
    ),
    "model_error": ("{reason}", ""),
    "model_unknown": (
        "{name!r} 既不是已知模型（{known}），也不是文件夹",
        "用 `python -m emotion models` 列出模型",
    ),
    "model_missing": (
        "这台机器上没有 {name}（{reason}）",
        "用 `python -m emotion download {name}` 下载",
    ),
    "download_failed": (
        "{name} 下载失败（{reason}）",
        "请检查网络和磁盘空间，或用 --hub 换一个来源",
    ),
    "checkpoint_invalid": (
        "{folder}：{reason}",
        "请使用完整的 emotion2vec+ 文件夹，或 Hugging Face 音频分类模型的完整文件夹",
    ),
    "engine_fallback": ("由 FunASR 作答，因为内置引擎无法加载这个模型（{reason}）", ""),
    "device_unavailable": (
        "指定了 {requested}，但{reason}",
        "请使用 --device auto 和 --precision auto",
    ),
    "gpu_unused": ("torch {torch} 没有使用显卡 {card}（驱动 {driver}）", ""),
    "torch_without_cuda": (
        "没有使用显卡 {card}（驱动 {driver}）：torch {torch} 是不含 CUDA 的版本",
        "请安装含 CUDA 的版本：{command}",
    ),
    "driver_too_old": (
        "没有使用显卡 {card}：torch {torch} 为 CUDA {cuda} 构建，需要 {needed} 或更新的驱动，"
        "而当前驱动是 {driver}",
        "请更新驱动，或安装适合当前驱动的版本：{command}",
    ),
    "driver_unsupported": (
        "没有使用显卡 {card}：torch {torch}（CUDA {cuda}）的所有版本都需要 {needed} 或更新的驱动，"
        "而当前驱动是 {driver}",
        "请更新驱动：https://www.nvidia.com/drivers",
    ),
    "card_unsupported": (
        "没有使用显卡 {card}（驱动 {driver}）：torch {torch}（CUDA {cuda}）不含其计算能力 "
        "{capability} 的代码",
        "请安装支持它的版本：{command}",
    ),
    "gpu_unusable": (
        "没有使用显卡 {card}（驱动 {driver}）：torch {torch}（CUDA {cuda}）找不到可用的设备"
        "（{reason}）",
        "请检查 `nvidia-smi`；更新驱动后请重启；容器请用 `--gpus all` 启动",
    ),
    "model_coming": ("{title} 仍在下载中", ""),
    "model_not_ready": ("模型还没有就绪（{reason}）", "请等待加载完成"),
    "memory_exhausted": (
        "{device} 的内存（{precision}）容不下 {seconds:.1f} 秒的音频",
        "请释放设备内存，或用 --precision bf16 或 fp16、较小的模型、--device cpu 启动",
    ),
    "worker_ended": (
        "{worker} 在处理时意外终止（{reason}），已重新启动",
        "请重试，原因见服务器日志",
    ),
    "live_full": (
        "已有 {most} 个实时录音在进行，达到这台服务器的上限",
        "请等其中一个结束后再试，或上传录音文件",
    ),
    "live_not_found": (
        "找不到这个实时录音：它已结束，或超过 {idle_s:.0f} 秒没有收到声音",
        "请重新开始",
    ),
    "live_chunk": (
        "实时录音的第 {sequence} 部分先于第 {expected} 部分到达",
        "请按顺序发送",
    ),
    "busy": ("已有 {waiting} 个请求在等待，达到上限", "请稍后再试"),
    "job_running": ("上一次识别还在进行", "请等它完成，或先取消它"),
    "job_not_found": (
        "没有编号为 {job_id} 的任务",
        "任务结束一段时间后会被清除，结果文件夹仍然保留",
    ),
    "run_not_found": ("没有编号为 {run_id} 的结果", "请列出服务器上的结果；旧的可能已删除"),
    "result_unreadable": (
        "{file}：不是识别结果（{reason}）",
        "请给出结果文件夹，或其中的 result.json",
    ),
    "cancelled": ("已取消", ""),
    "output_unwritable": (
        "{path}：无法写入（{reason}）",
        "请检查文件夹权限和磁盘剩余空间",
    ),
    "address_unusable": (
        "无法在 {host}:{port} 监听（{reason}）",
        "请用 --host 指定本机地址，用 --port 指定 1023 以上的端口",
    ),
    "port_in_use": ("{host}:{port} 已被其他程序占用", "请用 --port 换一个端口"),
    "request_error": ("{reason}", ""),
    "request_invalid": ("请求无效（{reason}）", "各接口的参数见 /docs"),
    "request_too_large": (
        "请求超过上限 {maximum_mb:g} MB",
        "请压缩录音（Opus、MP3、FLAC）；直接上传的文件可以比 JSON 更大",
    ),
    "upload_timeout": (
        "{timeout_s:g} 秒内没有收到完整的请求",
        "请上传较小的文件，或使用更快的网络",
    ),
    "request_timeout": (
        "{timeout_s:g} 秒内没有得到结果",
        "较长的录音请提交到 /api/v1/jobs，或调高 --request-timeout",
    ),
    "route_not_found": ("没有 {route} 这个地址", "接口列表见 /docs"),
    "method_not_allowed": ("{route} 不接受 {method}", "请使用 {allowed}"),
    "input_forbidden": (
        "服务器不能读取 {file}",
        "只能读取 --input-root 指定的文件夹中的文件",
    ),
    "address_forbidden": (
        "不允许获取 {url}（{reason}）",
        "用 --allow-url-host 允许主机；内网地址始终不允许",
    ),
    "fetch_failed": ("{url} 获取失败（{reason}）", "请检查地址，或直接上传录音"),
    "unprotected": (
        "任何能访问 {address} 的人都可以使用本服务器并读取其中的录音",
        "请用 --api-key-file 或 --auth-file 加以保护（见 `python -m emotion access --help`），"
        "或用 --allow-unprotected 接受这一风险",
    ),
    "credentials_invalid": (
        "{file} 无法使用（{reason}）",
        "请用 `python -m emotion access add-key` 或 `python -m emotion access add-user` 添加条目",
    ),
    "unauthorized": (
        "需要有效的 API 密钥或密码",
        "请在请求头中发送密钥：Authorization: Bearer KEY",
    ),
    "too_many_tries": ("错误的密钥或密码次数过多", "请在 {wait_s} 秒后重试"),
    "operator_only": ("只有本服务器的管理员可以这样做", "请使用管理员的密钥或账号"),
    "host_forbidden": ("本服务器不是 {host}", "请用 --public-url 指明大家访问的地址"),
    "origin_forbidden": (
        "{origin} 的网页不能使用本服务器",
        "请打开服务器自己的页面，或由程序调用 API",
    ),
    "shared_server": (
        "多人共用且没有密钥的服务器不显示已保存的结果",
        "请用 --api-key-file 或 --auth-file 启动",
    ),
    "history_off": (
        "这台服务器关闭了历史记录",
        "管理员启动时去掉 --no-history（或 EMOTION_HISTORY=0）即可打开",
    ),
    "switch_refused": (
        "没有切换到 {name}（{reason}）",
        "模型就绪或加载失败后才能切换，当前状态见 /api/v1/status",
    ),
    "retry_refused": (
        "模型没有重新加载（{reason}）",
        "只有加载失败后才能重试，当前状态见 /api/v1/status",
    ),
    "similarity_error": ("{reason}", ""),
    "embedding_width": (
        "嵌入向量的维数不同（{first}：{first_width}，{second}：{second_width}）",
        "请比较同一个模型的嵌入向量",
    ),
    "embedding_zero": ("{name}：嵌入向量的所有数值都是零", "请去掉这一项"),
    "embedding_model": (
        "嵌入向量来自不同的模型（{first}：{first_model}，{second}：{second_model}）",
        "请用同一个模型识别所有录音",
    ),
    "embedding_missing": (
        "结果 {run_id} 没有嵌入向量",
        "请打开 extract_embedding 重新识别这段录音",
    ),
    "embedding_not_finite": (
        "{name}：嵌入向量中有数值不是有限数",
        "请重新识别这段录音",
    ),
    "embedding_file": (
        "{file}：不能用作嵌入向量（{reason}）",
        ".npy 文件应只有一行 1 到 16384 个有限数：形状为 (D,) 或 (1, D)",
    ),
    "job_item_unusable": (
        "任务 {job_id} 的第 {index} 项不能比较（{reason}）",
        "请在提交任务时打开 extract_embedding 和 store，并等任务结束",
    ),
    "corpus_error": ("{reason}", ""),
    "archive_unusable": (
        "{file}：无法解压（{reason}）",
        "请自行解压后使用文件夹，或制作普通的 ZIP 文件",
    ),
    "manifest_unreadable": (
        "{file}：不是可读的录音列表（{reason}）",
        "CSV 文件需要表头，其中一列名为 path 或 file",
    ),
    "no_recordings": (
        "{given} 中没有录音",
        "请给出音频或视频文件、文件夹、列表或 ZIP 文件",
    ),
    "no_output": ("没有说明结果写到哪里", "请加上 --out，例如 --out {example}"),
    "no_labels": (
        "{given} 中没有可用的标签",
        "请给出带 label 或 emotion 列的表格（其他列名用 --label-column）、每类一个文件夹、"
        "EmoBox 的 .jsonl 文件，或含 utt2emo 的 Kaldi 文件夹",
    ),
    "label_map_unreadable": (
        "{file}：不是可读的标签对照表（{reason}）",
        "每行写一个标签、一个逗号和九种情感之一或 -",
    ),
    "table_exists": (
        "{file} 已经存在",
        "继续未完成的批处理用 --resume，重新开始用 --overwrite",
    ),
    "journal_unusable": (
        "{file}：无法继续这次批处理（{reason}）",
        "请使用开始时的选项，或用 --overwrite 重新开始",
    ),
    "journal_busy": ("另一个进程正在写 {file}", "请等它结束，或另选 --out"),
    "worker_lost": (
        "{file}：工作进程中途结束（{reason}）",
        "可能内存不足：请减少工作进程，或调小 --max-duration",
    ),
    "cluster_unusable": (
        "无法使用 Ray（{reason}）",
        "请用 `ray status` 查看集群，或改用 --workers 而不用 --ray",
    ),
    "internal_error": ("服务器出现内部错误", "原因见服务器日志中的请求 {request_id}"),
}

# By `ResultWarning.code`, in Chinese.
WARNINGS_ZH: Final[dict[str, str]] = {
    "short_audio": "音频只有 {duration_s:.2f} 秒：短于 1 秒时结果不太可靠。",
    "truncated_audio": (
        "文件声明的长度是 {declared_s:.1f} 秒，只读出了 {decoded_s:.1f} 秒：文件可能不完整。"
    ),
    "truncated_audio.unknown_length": "文件没有正常结尾，读出了 {decoded_s:.1f} 秒，可能不完整。",
    "header_mismatch": ("文件头声明 {declared_s:.1f} 秒，实际有 {decoded_s:.1f} 秒，已全部使用。"),
    "channels_cancel": (
        "{channels:.0f} 个声道混合后互相抵消（反相），只使用了第 {channel:.0f} 个声道。"
    ),
    "channels_differ": (
        "{channels:.0f} 个声道的内容不同（例如每个声道一位说话人），已混合。"
        "分声道识别（--channels split）可得到每个声道的片段。"
    ),
    "channel_silent": "第 {channel:.0f} 个声道没有声音。",
    "first_only": "按要求只分析了前 {first_s:.0f} 秒，录音还更长。",
    "track_chosen": (
        "第 {first:.0f} 条音轨没有声音或无法解码，使用了 {tracks:.0f} 条中的第 {track:.0f} 条。"
    ),
    "several_tracks": (
        "文件有 {tracks:.0f} 条音轨，不止一条有声音。使用了第 {track:.0f} 条，"
        "命令行选项 --track N 可另选。"
    ),
    "quiet_audio": "录音很轻（{level_dbfs:.0f} dBFS），已放大 {gain_db:.0f} dB。",
    "scaled_audio": "采样峰值为 {peak:.0f} 而不是 1，已除以 {divisor:.0f}。",
    "raw_audio": "文件没有文件头，格式（{format}）取自文件名后缀。",
    "no_speech": ("录音中没有检测到语音，得分不代表任何情绪。请检查麦克风，或换一段录音。"),
    "windowed": (
        "整段 {duration_s:.1f} 秒的录音都已分析：分为 {windows:.0f} 段，"
        "每段不超过 {window_s:.1f} 秒，"
        "再取各段 logit 的平均。"
    ),
}


def error_pairs(error: EmotionError) -> tuple[Pair, Pair]:
    """An error's message and hint, each in both languages; the hint may be empty."""
    message, hint = ERRORS_ZH[error.code]
    params = {name: REASONS_ZH.get(str(value), value) for name, value in error.params.items()}
    zh = message.format(**params), hint.format(**params)
    return (zh[0], error.message), (zh[1], error.hint)


def public_pair(error: EmotionError) -> Pair:
    """An error with its hint, without paths of this machine, in both languages."""
    public = error.without_paths()
    (message, _), (hint, _) = error_pairs(public)
    return (f"{message}。{hint}" if hint else message), str(public)


def warning_pair(warning: ResultWarning) -> Pair:
    """A warning in both languages; in English in both where its Chinese is not known."""
    code = warning.code
    if code == "truncated_audio" and "declared_s" not in warning.params:
        code += ".unknown_length"
    template = WARNINGS_ZH.get(code)
    zh = template.format(**warning.params) if template else warning.message
    if template and OF_CHANNEL in warning.params:  # its English has the channel already
        zh = f"第 {warning.params[OF_CHANNEL]:.0f} 个声道：{zh}"
    return zh, warning.message
