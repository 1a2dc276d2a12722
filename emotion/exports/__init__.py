"""Results as files for other programs: one writer a format, and the registry of them.

>>> from emotion.exports import write  # doctest: +SKIP
>>> write(recognition.result, "out", ["srt", "eaf"])  # doctest: +SKIP
"""

from emotion.exports.registry import FORMATS, Format, write

__all__ = ["FORMATS", "Format", "write"]
