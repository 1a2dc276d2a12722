"""Chinese of the reasons inside errors that are sentences of our own."""

from __future__ import annotations

from typing import Final

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
    "FunASR computes in fp32": "FunASR 只用 fp32 计算",
    "not found": "没有找到",
    "the server is stopping": "服务器正在停止",
    "the engine was closed": "引擎已关闭",
    # Why something cannot be written, in the system's words.
    "No space left on device": "磁盘空间不足",
    "Disk quota exceeded": "超出磁盘配额",
    "Read-only file system": "文件系统为只读",
    "Permission denied": "没有权限",
    # Which worker was ended.
    "inference worker": "推理线程",
    "job worker": "任务线程",
    "model loader": "模型加载线程",
    # Why an archive or a list of recordings is not used.
    "it is not a ZIP file, or its end is missing": "不是 ZIP 文件，或文件不完整",
    "it uses a compression that is not supported": "不支持其压缩方式",
    "it is encrypted with a password": "有密码加密",
    "an archive inside an archive is not unpacked": "不解压压缩包中的压缩包",
    "no column is named path or file": "没有名为 path 或 file 的列",
    "it is not a text file": "不是文本文件",
    # What an option of a request must be.
    "given": "必填",
    "absent: there is no such option": "不存在的选项",
    "a whole number": "整数",
    "a number": "数字",
    "true or false": "true 或 false",
    "text": "文本",
    "a list": "列表",
    "a day, YYYY-MM-DD": "日期，格式 YYYY-MM-DD",
    "base64": "base64 编码",
    "absent where store is false": "在 store 为 false 时省略",
    "exactly one of audio_base64, audio_path and audio_url": (
        "audio_base64、audio_path、audio_url 三者之一"
    ),
    "exactly one of audio_base64, audio_path, audio_url, run_id and embedding": (
        "audio_base64、audio_path、audio_url、run_id、embedding 五者之一"
    ),
    "2 to 100": "2 到 100",
    "1 or more": "1 或更大",
    # Why a model is not loaded again.
    "it is being loaded": "正在加载",
    "a model is being loaded": "正在加载模型",
    "it answers already": "它已在作答",
    "several replicas share the work; start the server again with --model": (
        "多个副本共同服务，请用 --model 重新启动服务器"
    ),
    "it is not on the hub that was asked for": "指定的下载站没有它",
    "it has not failed": "没有失败",
    # Why a request is not valid.
    "it is not JSON": "不是 JSON",
    "it is not valid multipart/form-data": "不是有效的 multipart/form-data",
    "the body is empty": "请求内容为空",
    "there is no part named file": "缺少名为 file 的部分",
    "there is more than one file": "只接受一个文件",
    "the body ended too early": "请求内容不完整",
    # Why an address is not fetched.
    "its host is not allowed": "主机不在允许之列",
    "only http and https are": "只允许 http 和 https",
    "it is a private address": "是内网地址",
    "its port is not allowed": "端口不在允许之列",
    "it has a user name": "地址含有用户名",
    "it has too many redirects": "重定向次数过多",
    "it took too long": "用时过长",
}
