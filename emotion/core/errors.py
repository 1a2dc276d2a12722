"""Every error that the package raises on purpose.

The tree, each class with its subclasses::

    EmotionError
    ├── ConfigError, CancelledError, OutputError, AddressError, PortInUseError
    ├── BusyError, JobRunningError, JobNotFoundError, RunNotFoundError, ResultError
    ├── AudioError
    │   ├── AudioNotFoundError, AudioEmptyError, AudioTooLargeError
    │   ├── AudioDecodeError, AudioStreamError, AudioEncryptedError
    │   ├── AudioTrackError, AudioChannelError
    │   └── AudioTooShortError, AudioTooLongError, AudioSilentError, AudioSamplesError
    ├── DecoderError
    │   └── DecoderMissingError, DecoderTimeoutError
    └── ModelError
        ├── ModelUnknownError, ModelMissingError, ModelComingError, ModelNotReadyError
        ├── DownloadError, CheckpointError, EngineFallbackError
        └── DeviceError
            └── GpuUnusedError
                ├── TorchWithoutCudaError, DriverTooOldError, DriverUnsupportedError
                └── CardUnsupportedError, GpuUnusableError

An error is a code, a message made from a template and named values, and a hint that says what to
do. The values stay on the object (``params``), so an interface can say it in another language.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from emotion.core.redaction import hide_paths


class EmotionError(Exception):
    """Base of all errors of this package.

    Args:
        **params: The values named in the class's ``template`` and ``hint``.
    """

    code: ClassVar[str] = "error"
    template: ClassVar[str] = "{reason}"
    hint: str = ""

    def __init__(self, **params: object) -> None:
        self.params = params
        self.hint = type(self).hint.format(**params)
        super().__init__(self.template.format(**params))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.params), ()  # pickled with its values, not its text

    @property
    def message(self) -> str:
        """The filled template, in English, without the hint."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def without_paths(self) -> EmotionError:
        """A copy for visitors, in which each path is cut to its last component."""
        return type(self)(**{name: hide_paths(name, v) for name, v in self.params.items()})

    def to_dict(self) -> dict[str, str]:
        """Code, message and hint, ready for JSON."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class ConfigError(EmotionError):
    """An option has a value it cannot have."""

    code = "config_invalid"
    template = "{option} is {value!r}, but must be {expected}"


class AudioError(EmotionError):
    """The recording cannot be used."""

    code = "audio_error"


class AudioNotFoundError(AudioError):
    """No such file, or none that may be read."""

    code = "audio_not_found"
    template = "{file}: cannot be opened ({reason})"
    hint = "Check the path"


class AudioEmptyError(AudioError):
    """The file has no bytes."""

    code = "audio_empty"
    template = "{file}: the file is empty (0 bytes)"
    hint = "Export or upload the recording again"


class AudioDecodeError(AudioError):
    """FFmpeg cannot read the file as audio."""

    code = "audio_undecodable"
    template = "{file}: cannot be read as audio ({reason})"
    hint = "Use a complete WAV, MP3, M4A, FLAC, OGG, WebM, AMR, WMA or AIFF file, or a video"


class AudioStreamError(AudioError):
    """A readable file that has no audio stream."""

    code = "audio_no_stream"
    template = "{file}: the file has no audio stream"
    hint = "Choose a file that has sound"


class AudioEncryptedError(AudioError):
    """The file is encrypted."""

    code = "audio_encrypted"
    template = "{file}: the recording is encrypted ({scheme})"
    hint = "Use a copy without copy protection"


class AudioTrackError(AudioError):
    """The file has no such audio track."""

    code = "audio_no_track"
    template = "{file}: there is no audio track {track}, the file has {tracks}"
    hint = "Choose another with --track, which counts from 1"


class AudioChannelError(AudioError):
    """The track has no such channel."""

    code = "audio_no_channel"
    template = "{file}: there is no channel {channel}, the track has {channels}"
    hint = "Channels count from 1"


class AudioTooShortError(AudioError):
    """Shorter than the model's receptive field."""

    code = "audio_too_short"
    template = "{file}: {duration_s:.3f} s of audio, but the model needs at least {minimum_s:.3f} s"
    hint = "Use a longer recording"


class AudioTooLongError(AudioError):
    """Longer than the configured limit."""

    code = "audio_too_long"
    template = "{file}: more than {maximum_s:.0f} s of audio, which is the limit"
    hint = "Cut the recording, or raise --max-duration"


class AudioTooLargeError(AudioError):
    """More bytes than the configured limit."""

    code = "audio_too_large"
    template = "{file}: {size_mb:.1f} MB, but at most {maximum_mb:.0f} MB are accepted"
    hint = "Compress the recording (Opus, MP3, FLAC), or raise --max-upload"


class AudioSilentError(AudioError):
    """Digital silence: there is nothing to recognise."""

    code = "audio_silent"
    template = "{file}: digital silence (peak {peak_dbfs:.0f} dBFS)"
    hint = "Check the microphone or the export"


class AudioSamplesError(AudioError):
    """NaN or infinite samples."""

    code = "audio_bad_samples"
    template = "{file}: {count} of {total} samples are not finite numbers (NaN or infinity)"
    hint = "Export the recording again as PCM"


class DecoderError(EmotionError):
    """FFmpeg itself is the problem."""

    code = "decoder_error"


class DecoderMissingError(DecoderError):
    """No FFmpeg on this machine, or one that cannot be run."""

    code = "decoder_missing"
    template = "FFmpeg cannot be run ({reason})"
    hint = "Install FFmpeg or `pip install imageio-ffmpeg`"


class DecoderTimeoutError(DecoderError):
    """FFmpeg did not finish in time."""

    code = "decoder_timeout"
    template = "{file}: decoding took longer than {timeout_s:.0f} s"
    hint = "Convert the recording to WAV first, or use a shorter one"


class ModelError(EmotionError):
    """The model cannot be used."""

    code = "model_error"


class ModelUnknownError(ModelError):
    """Neither a known name nor a folder."""

    code = "model_unknown"
    template = "{name!r} is neither a known model ({known}) nor a folder"
    hint = "List the models with `python -m emotion models`"


class ModelMissingError(ModelError):
    """Known, but not on this machine and not to be downloaded."""

    code = "model_missing"
    template = "{name} is not on this machine ({reason})"
    hint = "Fetch it with `python -m emotion download {name}`"


class DownloadError(ModelError):
    """The hub could not deliver the model."""

    code = "download_failed"
    template = "{name} could not be downloaded ({reason})"
    hint = "Check the network and the free disk space, or choose the other hub with --hub"


class CheckpointError(ModelError):
    """The folder's contents do not fit the network."""

    code = "checkpoint_invalid"
    template = "{folder}: {reason}"
    hint = "Use a complete folder of emotion2vec+ or of a Hugging Face audio classifier"


class EngineFallbackError(ModelError):
    """FunASR answers, because the native engine refuses the checkpoint."""

    code = "engine_fallback"
    template = "FunASR answers, because the native engine refuses this checkpoint ({reason})"


class DeviceError(ModelError):
    """The device or the precision asked for is not there."""

    code = "device_unavailable"
    template = "{requested} was asked for, but {reason}"
    hint = "Use --device auto and --precision auto"


class GpuUnusedError(DeviceError):
    """There is an NVIDIA card, but torch does not use it; told as a warning where a CPU will do."""

    code = "gpu_unused"
    template = "{card} (driver {driver}) is not used by torch {torch}"
    hint = ""


class TorchWithoutCudaError(GpuUnusedError):
    """Torch is a build without CUDA."""

    code = "torch_without_cuda"
    template = "{card} (driver {driver}) is not used: torch {torch} is a build without CUDA"
    hint = "Install the build with CUDA: {command}"


class DriverTooOldError(GpuUnusedError):
    """The driver is too old for the CUDA that torch was built for, but not for another build."""

    code = "driver_too_old"
    template = (
        "{card} is not used: torch {torch} was built for CUDA {cuda}, which needs driver {needed} "
        "or newer, but the driver is {driver}"
    )
    hint = "Update the driver, or install the build for this one: {command}"


class DriverUnsupportedError(GpuUnusedError):
    """The driver is too old for every build of torch that has code for the card."""

    code = "driver_unsupported"
    template = (
        "{card} is not used: torch {torch} (CUDA {cuda}) needs driver {needed} or newer in every "
        "build, but the driver is {driver}"
    )
    hint = "Update the driver: https://www.nvidia.com/drivers"


class CardUnsupportedError(GpuUnusedError):
    """This build of torch has no code for the card, but another has."""

    code = "card_unsupported"
    template = (
        "{card} (driver {driver}) is not used: torch {torch} (CUDA {cuda}) has no code for its "
        "compute capability {capability}"
    )
    hint = "Install the build that has: {command}"


class GpuUnusableError(GpuUnusedError):
    """Torch finds no usable device, although build and driver fit."""

    code = "gpu_unusable"
    template = (
        "{card} (driver {driver}) is not used: torch {torch} (CUDA {cuda}) finds no usable device "
        "({reason})"
    )
    hint = "Check `nvidia-smi`; restart after a driver update; start a container with `--gpus all`"


class ModelComingError(ModelError):
    """The model is still being downloaded."""

    code = "model_coming"
    template = "{title} is still being downloaded"


class ModelNotReadyError(ModelError):
    """A result was asked for before a model was loaded."""

    code = "model_not_ready"
    template = "the model is not ready ({reason})"
    hint = "Wait until it is loaded"


class BusyError(EmotionError):
    """Too many requests wait."""

    code = "busy"
    template = "{waiting} requests are waiting, which is the limit"
    hint = "Try again in a moment"


class JobRunningError(EmotionError):
    """The visitor already has a recognition under way."""

    code = "job_running"
    template = "a recognition is still running"
    hint = "Wait for it, or cancel it first"


class JobNotFoundError(EmotionError):
    """No job has this id, or it ended long ago and was forgotten."""

    code = "job_not_found"
    template = "there is no job {job_id}"
    hint = "Jobs are forgotten some time after they end; the run folder stays"


class RunNotFoundError(EmotionError):
    """The outputs folder holds no complete run of this id."""

    code = "run_not_found"
    template = "there is no run {run_id}"
    hint = "List the runs of this server; old ones may have been deleted"


class ResultError(EmotionError):
    """A file that should be a run's ``result.json`` cannot be read as one."""

    code = "result_unreadable"
    template = "{file}: not the result of a recognition ({reason})"
    hint = "Give a run folder, or the result.json in it"


class CancelledError(EmotionError):
    """The caller withdrew the request."""

    code = "cancelled"
    template = "cancelled"


class OutputError(EmotionError):
    """A result could not be written."""

    code = "output_unwritable"
    template = "{path}: cannot be written ({reason})"
    hint = "Check the folder's permissions and the free disk space"


class AddressError(EmotionError):
    """The server cannot listen at its address."""

    code = "address_unusable"
    template = "cannot listen at {host}:{port} ({reason})"
    hint = "Choose an address of this machine with --host, and a port above 1023 with --port"


class PortInUseError(EmotionError):
    """The server's port is taken."""

    code = "port_in_use"
    template = "{host}:{port} is in use by another program"
    hint = "Choose another port with --port"
