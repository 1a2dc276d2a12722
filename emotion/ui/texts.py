"""Every text of the page, in Chinese and in English.

A text is a pair (Chinese, English) that may hold named values. Errors and warnings have theirs in
`emotion.core.i18n`.
"""

from __future__ import annotations

from typing import Final

from emotion.core.i18n import Pair
from emotion.ui.batch_texts import BATCH_TEXTS
from emotion.ui.compare_texts import COMPARE_TEXTS
from emotion.ui.history_texts import HISTORY_TEXTS
from emotion.ui.models_texts import MODELS_TEXTS
from emotion.ui.monitor_texts import MONITOR_TEXTS

TITLE: Final = "Emotion2Vec+"

TEXTS: Final[dict[str, Pair]] = {
    # Header and banner.
    "heading": ("语音情感识别", "Speech Emotion Recognition"),
    "tagline": (
        "听一段语音，给出九种情绪的得分。音频只在这台服务器上处理。",
        "Listens to a recording and scores nine emotions. Audio stays on this server.",
    ),
    "account_sign_out": ("退出登录", "Sign out"),
    "banner": (
        "当前由备用小模型 {model} 作答，准确率低于 Emotion2Vec+ Large。",
        "The fallback model {model} answers: less accurate than Emotion2Vec+ Large.",
    ),
    "banner_failed": (
        "模型加载失败，暂时无法识别录音。",
        "The model could not be loaded, so recordings cannot be recognised.",
    ),
    "banner_again": ("重试", "Try again"),
    "banner_tried": ("{time} 重试过，仍然失败", "Tried again at {time}, without success"),
    "banner_more": ("详情", "Details"),
    "banner_reason": ("原因：{reason}", "Reason: {reason}"),
    "banner_command": ("获取 Large：", "To fetch Large:"),
    # Input.
    "audio": ("音频或视频", "Audio or video"),
    "uploading": ("正在上传……", "Uploading…"),
    "note_uploading": (
        "正在上传，传完后自动开始识别",
        "Uploading. Recognition starts when the upload is complete",
    ),
    "note_preparing": (
        "浏览器不能播放这种格式，正在准备试听；可以直接开始识别",
        "The browser cannot play this format. Preparing a preview; you can start right away",
    ),
    "note_preview": (
        "播放器里是转换后的试听版，识别用的仍是原文件",
        "The player holds a converted preview; the original file is what gets recognised",
    ),
    "note_unplayable": (
        "浏览器不能播放这个文件，也无法生成试听版；可以直接尝试识别",
        "The browser cannot play this file, and there is no preview. Recognition may still work",
    ),
    "granularity": ("粒度选择", "Granularity"),
    "utterance": ("utterance：整段音频给出一个结果", "utterance: one result for the whole clip"),
    "frame": ("frame：另给出情绪随时间变化的曲线", "frame: also curves of scores over time"),
    "segment": ("segment：按语音片段给出结果", "segment: one result per speech segment"),
    "embedding": ("提取 Embedding 特征", "Extract embedding"),
    "embedding_info": (
        "另存 embedding.npy，供检索、聚类等使用",
        "Also saves embedding.npy, for search or clustering",
    ),
    "exports": ("导出", "Export"),
    "exports_info": (
        "与结果一起保存；frames.csv 需要 frame 粒度，embeddings.npz 需要 Embedding",
        "Saved with the result; frames.csv needs frame, embeddings.npz the embedding",
    ),
    "more_options": ("更多选项", "More options"),
    "labels": ("参与竞争的情绪", "Emotions that compete"),
    "labels_info": ("得分只在所选情绪之间分配", "Scores are shared among these only"),
    "labels_all": ("全部九种", "All nine"),
    "labels_basic": ("七种基本情绪", "Seven basic ones"),
    "labels_primary": ("四种主要情绪", "Four primary ones"),
    "labels_own": ("自选", "My choice"),
    "own_labels": ("选择两种或更多", "Choose two or more"),
    "min_confidence": ("最低置信度", "Minimum confidence"),
    "min_confidence_info": (
        "低于它的结果和片段显示为“不确定”",
        "Results and segments below it are shown as uncertain",
    ),
    "channels": ("声道", "Channels"),
    "channels_mix": ("混合为一路", "Mix them"),
    "channels_split": ("分声道识别（按片段）", "Each on its own (by segment)"),
    "channel_names": ("声道名称", "Names of the channels"),
    "channel_names_hint": ("坐席，客户", "agent, customer"),
    "first_only": ("只识别前 30 秒", "First 30 s only"),
    "start": ("🎯 开始识别", "🎯 Start Recognition"),
    "cancel": ("取消", "Cancel"),
    "example": ("📝 加载示例音频", "📝 Load example audio"),
    "example_choice": ("示例", "Example"),
    "example_note": (
        "真人表演的英语语音（RAVDESS，CC BY-NC-SA 4.0），选的是情感明显、自带小模型能认对的片段。",
        "Acted English speech (RAVDESS, CC BY-NC-SA 4.0), chosen because the emotion is plain and "
        "the embedded model gets it right.",
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
    "stage_searching": ("正在寻找语音", "Looking for speech"),
    "stage_analysing": ("正在识别：第 {done}/{total} 段", "Recognising: window {done} of {total}"),
    "left_seconds": ("，约剩 {seconds:.0f} 秒", ", about {seconds:.0f} s left"),
    "left_minutes": ("，约剩 {minutes:.0f} 分钟", ", about {minutes:.0f} min left"),
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
    "upload_failed": ("录音没有上传成功", "The recording could not be uploaded"),
    "upload_failed_hint": (
        "请检查网络，然后重新录音或选择文件",
        "Check the connection, then record again or choose a file",
    ),
    "unexpected": ("识别失败 (id {id})", "Recognition failed (id {id})"),
    "unexpected_hint": (
        "服务器日志中有这个编号和原因",
        "The server's log holds this id and the cause",
    ),
    # Tabs and the live tab.
    "tab_recognize": ("识别", "Recognise"),
    "tab_live": ("实时", "Live"),
    "live_title": ("实时识别", "Live"),
    "live_start": ("🎙️ 开始录音", "🎙️ Start recording"),
    "live_stop": ("⏹ 停止并识别", "⏹ Stop and recognise"),
    "live_retry": ("再试一次", "Try again"),
    "live_window": (
        "每秒一次，只听最近 {window:.0f} 秒；停止后按语音片段重新识别整段录音，"
        "并像普通录音一样保存。",
        "Every second, from the last {window:.0f} s only. When you stop, the whole recording is "
        "recognised anew by speech segment and saved like any other.",
    ),
    "live_idle": ("还没有开始", "Not started"),
    "live_asking": ("正在等待麦克风许可……", "Waiting for permission to use the microphone…"),
    "live_listening": ("正在听……", "Listening…"),
    "live_silence": ("静音", "Silence"),
    "live_stopping": ("正在发送最后一部分……", "Sending the last part…"),
    "live_done": ("录音已结束，结果在下面", "The recording has ended. Its result is below"),
    "live_curve": ("最近 60 秒", "The last 60 s"),
    "live_now": ("现在", "now"),
    "live_level": ("音量", "Level"),
    "live_denied": (
        "浏览器没有使用麦克风的许可。请在地址栏中允许，然后重试。",
        "The browser may not use the microphone. Allow it in the address bar and try again.",
    ),
    "live_no_microphone": ("没有找到麦克风", "There is no microphone"),
    "live_insecure": (
        "浏览器只允许在 https 或本机地址上使用麦克风",
        "Browsers give the microphone to https pages and to this machine's own address only",
    ),
    "live_unsupported": (
        "这个浏览器不能以 16 kHz 录音。请换用 Chrome 或 Edge，或上传录音文件。",
        "This browser cannot record at 16 kHz. Use Chrome or Edge, or upload a recording.",
    ),
    "live_lost": (
        "与服务器的连接中断，之后的声音没有送达；已送达的部分可以识别。",
        "The connection to the server was lost, and sound after that did not arrive. What arrived "
        "can be recognised.",
    ),
    "live_retrying": ("连接不稳定，正在重发……", "The connection is unsteady. Sending again…"),
    "live_off": ("这台服务器关闭了实时识别", "Live recognition is switched off on this server"),
    # Charts.
    "scores": ("九种情绪的得分", "Scores of the nine emotions"),
    # Files and log.
    "downloads": ("下载", "Downloads"),
    "log": ("处理日志", "Processing log"),
    "log_empty": ("识别时在这里逐行显示", "Filled line by line while it works"),
    # Status bar.
    "status_loading": ("Loading... 正在加载模型（{phase}）", "Loading... ({phase})"),
    "status_ready": ("✅ {model} loaded ({memory}) · 已就绪", "✅ {model} loaded ({memory})"),
    "status_fallback": (
        "⚠️ {model} loaded ({memory}) · 备用模型",
        "⚠️ {model} loaded ({memory}) · fallback",
    ),
    "status_engine": (
        "⚠️ {model} loaded ({memory}) · 由 FunASR 作答",
        "⚠️ {model} loaded ({memory}) · FunASR answers",
    ),
    "status_failed": ("❌ 模型加载失败", "❌ The model could not be loaded"),
    "status_signed_out": (
        "🔒 已退出登录，请重新加载页面以登录",
        "🔒 Signed out: reload the page to sign in",
    ),
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
    # Timeline.
    "timeline": ("时间线", "Timeline"),
    "timeline_none": (
        "识别后在这里显示波形、情绪片段和曲线",
        "Waveform, emotions and curves appear here after recognition",
    ),
    "timeline_desc": (
        "从 0 到 {end:.1f} 秒，最强的情绪依次为：{runs}。",
        "From 0 to {end:.1f} s. Strongest emotions in turn: {runs}.",
    ),
    "timeline_run": ("{start:.1f} 秒起{name}", "{name} from {start:.1f} s"),
    "timeline_click": ("点击即从该处播放。", "Click to listen from there."),
    "timeline_keys": (
        "键盘：方向键 1 秒，PageUp/PageDown 10 秒，N/P 下一段或上一段，空格播放或暂停；"
        "加号、减号或 Ctrl+滚轮缩放。",
        "Keys: arrows 1 s, Page Up/Down 10 s, N/P next or previous segment, Space plays or pauses; "
        "plus, minus or Ctrl+wheel zoom.",
    ),
    "timeline_note": (
        "贡献曲线是每一刻对整段结果的精确贡献（按帧的 logit 平均即得整段结果），并不是只听这一刻的"
        "局部读数：注意力机制让每一帧都听到整段音频。",
        "The contribution curve is each moment's exact contribution to the utterance result (the "
        "mean of the frame logits gives it), not a local reading: attention lets every frame hear "
        "the whole clip.",
    ),
    "timeline_local": (
        "局部曲线由 {window:g} 秒的滑动窗口得出，每个窗口单独听：这一刻本身听起来如何。"
        "没有语音的地方没有曲线。",
        "The local curve comes from sliding windows of {window:g} s, each heard on its own: what a "
        "moment sounds like by itself. Where there is no speech there is no curve.",
    ),
    "timeline_windows": (
        "录音较长，按等长窗口分析；窗口边界不是语音的边界。",
        "A long recording, analysed in equal windows; their borders are no borders of speech.",
    ),
    "timeline_uncertain": (
        "斜线部分为不确定：最高得分低于设定的置信度。",
        "Hatched parts are uncertain: their highest score is below the minimum confidence.",
    ),
    "timeline_sampled": (
        "录音较长，曲线上每点是一小段时间的平均；完整数据见 result.json。",
        "A long recording: each point of the curves is a mean; result.json has every step.",
    ),
    "speech_time": ("语音", "Speech"),
    "silence_time": ("静音", "Silence"),
    "overlap_time": ("重叠", "Overlap"),
    "talk_time": ("说话时长", "Talk time"),
    "recording": ("录音", "Recording"),
    "whole": ("整体", "Overall"),
    "course": ("变化", "Course"),
    "nobody": ("无人说话", "nobody speaks"),
    "length_s": ("{seconds} 秒", "{seconds} s"),
    "length_min": ("{minutes} 分 {seconds} 秒", "{minutes} min {seconds} s"),
    "length_h": ("{hours} 小时 {minutes} 分", "{hours} h {minutes} min"),
    "uncertain": ("不确定", "Uncertain"),
    "uncertain_strongest": ("最接近：{name} {percent}", "Closest: {name} {percent}"),
    "uncertain_why": (
        "最高得分低于设定的置信度 {percent}",
        "The highest score is below the minimum confidence of {percent}",
    ),
    "no_speech": ("没有检测到语音", "No speech found"),
    "no_speech_why": (
        "模型对任何声音都会给出得分，这里的得分没有意义。",
        "The model scores any sound. Here the scores mean nothing.",
    ),
    "no_speech_scores": (
        "没有检测到语音，这些得分不代表任何情绪。",
        "No speech was found: these scores stand for no emotion.",
    ),
    "tl_position": ("播放位置", "Position in the recording"),
    "tl_wave": ("波形", "Waveform"),
    "tl_channel": ("声道 {number}", "Channel {number}"),
    "tl_nobody": ("无人说话", "Nobody speaks"),
    "tl_no_speech": ("没有检测到语音", "No speech was found"),
    "tl_strongest": ("最强情绪", "Strongest"),
    "tl_curve": ("曲线", "Curve"),
    "tl_local": ("局部", "Local"),
    "tl_contribution": ("贡献", "Contribution"),
    "tl_zoom_in": ("放大", "Zoom in"),
    "tl_zoom_out": ("缩小", "Zoom out"),
    "tl_zoom_all": ("全部", "All"),
    "tl_uncertain": ("不确定", "Uncertain"),
    "tl_segments": ("语音片段", "Segments"),
    "tl_windows": ("分析窗口", "Windows"),
    "tl_previous": ("上一页", "Previous"),
    "tl_next": ("下一页", "Next"),
    "tl_play_from": ("播放", "Play from"),
    "tl_column_start": ("开始", "Start"),
    "tl_column_end": ("结束", "End"),
    "tl_column_channel": ("声道", "Channel"),
    "tl_column_emotion": ("情绪", "Emotion"),
    "tl_column_confidence": ("置信度", "Confidence"),
    "tl_column_second": ("次要情绪", "Second"),
    **COMPARE_TEXTS,
    **HISTORY_TEXTS,
    **MODELS_TEXTS,
    **MONITOR_TEXTS,
    **BATCH_TEXTS,
}


def pair(key: str, **params: object) -> Pair:
    """A text in both languages, with its values filled in."""
    zh, en = TEXTS[key]
    return zh.format(**params), en.format(**params)
