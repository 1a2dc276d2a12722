"""Every text of the page, in Chinese and in English.

A text is a pair (Chinese, English) that may hold named values. The errors' English comes from
`emotion.errors`; here is their Chinese, with the same values.
"""

from __future__ import annotations

from typing import Final, Literal

from emotion.errors import EmotionError
from emotion.schema import Notice

Lang = Literal["zh", "en"]
Pair = tuple[str, str]

TITLE: Final = "Emotion2Vec+"

TEXTS: Final[dict[str, Pair]] = {
    # Header and banner.
    "heading": ("语音情感识别", "Speech Emotion Recognition"),
    "tagline": (
        "听一段语音，给出九种情绪的得分。音频只在这台服务器上处理。",
        "Listens to a recording and scores nine emotions. Audio stays on this server.",
    ),
    "language": ("界面语言", "Language of the page"),
    "banner": (
        "当前由备用小模型 {model} 作答，准确率低于 Emotion2Vec+ Large。",
        "The small fallback model {model} answers; it is less accurate than Emotion2Vec+ Large.",
    ),
    "banner_reason": ("原因：{reason}", "Reason: {reason}"),
    "banner_command": ("获取 Large：", "To fetch Large:"),
    # Input.
    "input": ("音频输入", "Audio"),
    "audio": ("上传、拖入或录制音频", "Upload, drop or record audio"),
    "granularity": ("粒度选择", "Granularity"),
    "utterance": ("utterance：整段音频给出一个结果", "utterance: one result for the whole clip"),
    "frame": ("frame：另给出每 0.1 秒的情绪曲线", "frame: also a curve with a score every 0.1 s"),
    "embedding": ("提取 Embedding 特征", "Extract embedding"),
    "embedding_info": (
        "另存 embedding.npy，供检索、聚类等使用",
        "Also saves embedding.npy, for search or clustering",
    ),
    "start": ("🎯 开始识别", "🎯 Start Recognition"),
    "cancel": ("取消", "Cancel"),
    "example": ("📝 加载示例音频", "📝 Load example audio"),
    "example_choice": ("示例", "Example"),
    "example_own": (
        "模型自带的示例（没有则用下面第一段）",
        "The model's own clip, else the first below",
    ),
    "example_item": ("{text} · 合成语音", "{text} · synthetic speech"),
    "example_note": (
        "示例均为程序合成的语音，不是真人录音。",
        "The examples are synthetic speech made by a program, not recordings of people.",
    ),
    "example_none": ("没有可用的示例音频", "There is no example clip"),
    # Result card.
    "result": ("识别结果", "Result"),
    "empty_title": ("还没有结果", "No result yet"),
    "empty_1": ("上传、拖入或录制一段语音", "Upload, drop or record some speech"),
    "empty_2": ("选择粒度", "Choose a granularity"),
    "empty_3": ("点击“开始识别”", "Press “Start Recognition”"),
    "confidence": ("置信度 / Confidence: {percent}", "置信度 / Confidence: {percent}"),
    "secondary": ("次要情绪", "Also present"),
    "secondary_none": ("没有超过 3% 的次要情绪", "No other emotion above 3 %"),
    "answered_by": ("作答模型", "Answered by"),
    "fallback_tag": ("备用模型", "Fallback"),
    "file": ("文件", "File"),
    "time": ("用时", "Took"),
    "time_value": (
        "推理 {inference:.2f} 秒，共 {total:.2f} 秒",
        "{inference:.2f} s inference, {total:.2f} s in all",
    ),
    "duration": ("{duration:.1f} 秒", "{duration:.1f} s"),
    "warnings": ("请注意", "Please note"),
    # While it works.
    "stage_queued": ("排队中，前面的任务完成后开始", "Waiting for other recordings to finish"),
    "stage_loading": ("正在加载模型：{phase}", "Loading the model: {phase}"),
    "stage_decoding": ("正在读取音频", "Reading the audio"),
    "stage_analysing": ("正在识别：第 {done}/{total} 段", "Recognising: window {done} of {total}"),
    "stage_saving": ("正在保存结果", "Saving the result"),
    "stage_cancelling": ("正在取消", "Cancelling"),
    "elapsed": ("已用 {seconds:.0f} 秒", "{seconds:.0f} s elapsed"),
    "cancelled_title": ("已取消", "Cancelled"),
    "cancelled_text": (
        "没有留下任何文件。音频还在，可以重新开始。",
        "Nothing was saved. The recording is still here; start again at any time.",
    ),
    # Problems.
    "error_title": ("没能完成识别", "This could not be recognised"),
    "lost": (
        "服务器没有处理这段音频：它可能已重启，或上传的文件已过期。请重新选择音频。",
        "The server did not take this recording: it may have restarted, or the upload has "
        "expired. Please choose the recording again.",
    ),
    "too_large": (
        "文件超过了上限 {size}：{file}",
        "The file is larger than the limit of {size}: {file}",
    ),
    "toast_error": ("出错了", "Error"),
    "no_audio": ("还没有音频", "There is no audio yet"),
    "no_audio_hint": (
        "请先上传、拖入或录制一段音频，也可以加载示例",
        "Upload, drop or record some audio first, or load an example",
    ),
    "running": ("上一次识别还在进行", "A recognition is still running"),
    "running_hint": ("请等它完成，或先取消它", "Wait for it, or cancel it first"),
    "busy": ("服务器正忙：已有 {count} 个任务", "The server is busy with {count} recordings"),
    "busy_hint": ("请稍后再试", "Please try again in a moment"),
    "unexpected": ("识别失败 (id {id})", "Recognition failed (id {id})"),
    "unexpected_hint": (
        "服务器日志中有这个编号和原因",
        "The server's log holds this id and the cause",
    ),
    # Charts.
    "scores": ("九种情绪的得分", "Scores of the nine emotions"),
    "timeline": ("情绪随时间的变化", "Emotions over time"),
    "timeline_none": ("识别后在这里显示曲线", "The curve appears here after recognition"),
    "timeline_desc": (
        "每 0.1 秒九种情绪的得分，从 0 到 {end:.1f} 秒。最强的依次为：{runs}。",
        "Scores of nine emotions every 0.1 s, from 0 to {end:.1f} s. Strongest in turn: {runs}.",
    ),
    "timeline_run": ("{start:.1f} 秒起{name}", "{name} from {start:.1f} s"),
    "timeline_note": (
        "曲线是每一刻对整段结果的精确贡献（按帧的 logit 平均即得整段结果），并不是只听这一刻的局部"
        "读数：注意力机制让每一帧都听到整段音频。",
        "The curve is each moment's exact contribution to the utterance result (the mean of the "
        "frame logits gives it), not a local reading: attention lets every frame hear the whole "
        "clip.",
    ),
    "timeline_sampled": (
        "录音较长，图中每点为 {step:.1f} 秒的平均；完整数据见 result.json。",
        "A long recording: each point is a mean over {step:.1f} s; result.json has every step.",
    ),
    "strongest": ("最强情绪", "Strongest"),
    "axis_time": ("时间（秒）", "Time (s)"),
    "legend": ("图例", "Legend"),
    # Files and log.
    "downloads": ("下载", "Downloads"),
    "log": ("处理日志", "Processing log"),
    "log_empty": ("识别时在这里逐行显示", "Filled line by line while it works"),
    # Status bar.
    "status_label": ("模型状态", "Model status"),
    "status_loading": ("Loading... 正在加载模型（{phase}）", "Loading... ({phase})"),
    "status_ready": ("✅ {model} loaded ({memory}) · 已就绪", "✅ {model} loaded ({memory})"),
    "status_fallback": (
        "⚠️ {model} loaded ({memory}) · 备用模型",
        "⚠️ {model} loaded ({memory}) · fallback",
    ),
    "status_failed": ("❌ 模型加载失败", "❌ The model could not be loaded"),
    "status_offline": (
        "❌ 连接不上服务器，正在重试",
        "❌ The server does not answer, trying again",
    ),
    "phase_starting": ("启动", "starting"),
    "phase_downloading": ("下载 {percent}", "downloading {percent}"),
    "phase_reading": ("读取权重", "reading weights"),
    "phase_building": ("构建网络", "building the network"),
    "phase_warming": ("预热", "warming up"),
    "phase_ready": ("就绪", "ready"),
    "phase_failed": ("失败", "failed"),
}

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
    "decoder_missing": ("没有找到 FFmpeg", "请安装 FFmpeg，或运行 `pip install imageio-ffmpeg`"),
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
        "{folder} 中没有 {name}（{reason}）",
        "用 `python -m emotion download {name}` 下载",
    ),
    "download_failed": (
        "{name} 下载失败（{reason}）",
        "请检查网络和磁盘空间，或用 --hub 换一个来源",
    ),
    "checkpoint_invalid": (
        "{folder}:{reason}",
        "请使用 FunASR 格式的完整 emotion2vec+ 文件夹",
    ),
    "device_unavailable": (
        "指定了 {requested}，但{reason}",
        "请使用 --device auto 和 --precision auto",
    ),
    "model_coming": ("{title} 仍在下载中", ""),
    "model_not_ready": ("模型还没有就绪（{reason}）", "请等待加载完成"),
    "busy": ("已有 {waiting} 个请求在等待，达到上限", "请稍后再试"),
    "cancelled": ("已取消", ""),
    "output_unwritable": (
        "{path}：无法写入（{reason}）",
        "请检查文件夹权限和磁盘剩余空间",
    ),
    "address_unusable": (
        "无法在 {host}:{port} 监听（{reason}）",
        "请用 --host 指定本机地址，用 --port 指定 1023 以上的端口",
    ),
    "port_in_use": ("{host}：{port} 已被其他程序占用", "请用 --port 换一个端口"),
}

# By `Notice.code`, in Chinese.
NOTICES_ZH: Final[dict[str, str]] = {
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
        "用 --channels split 可得到每个声道的结果。"
    ),
    "track_chosen": (
        "第 {first:.0f} 条音轨没有声音或无法解码，使用了 {tracks:.0f} 条中的第 {track:.0f} 条。"
    ),
    "several_tracks": (
        "文件有 {tracks:.0f} 条音轨，不止一条有声音。使用了第 {track:.0f} 条，可用 --track N 另选。"
    ),
    "quiet_audio": "录音很轻（{level_dbfs:.0f} dBFS），已放大 {gain_db:.0f} dB。",
    "scaled_audio": "采样峰值为 {peak:.0f} 而不是 1，已除以 {divisor:.0f}。",
    "raw_audio": "文件没有文件头，格式（{format}）取自文件名后缀。",
    "windowed": (
        "整段 {duration_s:.1f} 秒的录音都已分析：分为 {windows:.0f} 段，"
        "每段不超过 {window_s:.1f} 秒，"
        "再取各段 logit 的平均。"
    ),
}


def pair(key: str, **params: object) -> Pair:
    """A text in both languages, with its values filled in."""
    zh, en = TEXTS[key]
    return zh.format(**params), en.format(**params)


def text(key: str, lang: Lang, **params: object) -> str:
    """A text in one language, with its values filled in."""
    return TEXTS[key][0 if lang == "zh" else 1].format(**params)


# Reasons inside errors that are sentences of our own.
REASONS_ZH: Final[dict[str, str]] = {
    "its index is missing: the file is incomplete": "缺少索引，文件不完整",
    "not an audio or video format that is accepted": "不是可接受的音频或视频格式",
    "invalid data: not audio, or damaged": "数据无效，不是音频或已损坏",
    "FFmpeg was stopped before the end": "FFmpeg 提前终止",
    "FFmpeg finds no audio in it": "FFmpeg 在其中找不到音频",
    "it holds no samples": "其中没有采样数据",
    "FFmpeg has no decoder for its codec": "FFmpeg 没有这种编码的解码器",
    "decoding it takes too much memory": "解码需要的内存过多",
    "FFmpeg crashed on it; try another with --ffmpeg": "FFmpeg 崩溃，可用 --ffmpeg 换一个版本",
    "SILK needs the package silk-python": "SILK 需要安装 silk-python",
    "a damaged SILK voice message (WeChat, QQ)": "SILK 语音消息（微信、QQ）已损坏",
    "a SPHERE file compressed with Shorten: convert it with sph2pipe first": (
        "用 Shorten 压缩的 SPHERE 文件，请先用 sph2pipe 转换"
    ),
    "raw samples without a header: convert them to WAV first, naming rate and format": (
        "没有文件头的原始采样，请先指明采样率和格式并转换为 WAV"
    ),
    "an archive, not a recording: unpack it first": "这是压缩包，不是录音，请先解压",
    "a document or a picture, not a recording": "这是文档或图片，不是录音",
    "a web page, not a recording: the download went wrong": "这是网页，不是录音，下载出错了",
    "a MIDI file: it holds notes, not sound": "这是 MIDI 文件，只有音符，没有声音",
    "offline": "离线模式",
    "no CUDA device is available": "没有可用的 CUDA 设备",
    "fp16 needs a CUDA device": "fp16 需要 CUDA 设备",
    "the server is stopping": "服务器正在停止",
}


def error_pairs(error: EmotionError) -> tuple[Pair, Pair]:
    """An error's message and hint, each in both languages; the hint may be empty."""
    message, hint = ERRORS_ZH[error.code]
    params = {name: REASONS_ZH.get(str(value), value) for name, value in error.params.items()}
    zh = message.format(**params), hint.format(**params)
    return (zh[0], error.message), (zh[1], error.hint)


def notice_pair(notice: Notice) -> Pair:
    """A notice in both languages; in English in both where its Chinese is not known."""
    code = notice.code
    if code == "truncated_audio" and "declared_s" not in notice.params:
        code += ".unknown_length"
    template = NOTICES_ZH.get(code)
    zh = template.format(**notice.params) if template else notice.message
    return zh, notice.message
