"""Any file to checked 16 kHz mono samples.

`recording.decode` is the way in. Below it: `formats` (what is readable), `headers` (what a file
says of itself), `decode` (FFmpeg, plain WAV), `silk`, `ffmpeg_log`, and `checks` (levels and
warnings).
"""

from emotion.audio.decode import ffmpeg_path
from emotion.audio.recording import Recording, decode, write_wav
from emotion.audio.samples import SampleBuffer, Samples

__all__ = [
    "Recording",
    "SampleBuffer",
    "Samples",
    "decode",
    "ffmpeg_path",
    "write_wav",
]
