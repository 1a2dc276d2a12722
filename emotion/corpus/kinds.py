"""Which files among many are recordings, lists or archives, by their names."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

# What FFmpeg and this package read, and what is refused with a reason of its own.
_RECORDINGS: Final = """
3g2 3ga 3gp aac aax ac3 adts aif aifc aiff al alac alaw amr ape asf au avi awb caf dsf dts dv
eac3 f4a f4v flac flv g722 gsm kgm m2ts m4a m4b m4v mka mkv mov mp2 mp3 mp4 mpc mpeg mpg mts mxf
ncm nist nsp oga ogg ogv opus pcm pcma pcmu qcp qmc0 qmc3 qmcflac ra raw rm rmvb s16 shn silk
sln slk snd sox sph spx tak ts tta ul ulaw voc vob vox w64 wav wave weba webm wma wmv wv
"""
SUFFIXES: Final = frozenset(_RECORDINGS.split())
TABLE_SUFFIXES: Final = frozenset({"csv", "tsv"})


def suffix_of(name: str) -> str:
    """The suffix of a name, in lower case and without its dot."""
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def is_table(name: str) -> bool:
    """Whether a name is that of a user's table."""
    return suffix_of(name) in TABLE_SUFFIXES


def may_be_recording(name: str) -> bool:
    """Whether a file in a folder may be a recording: it has a known suffix, or none."""
    suffix = suffix_of(name)
    return not suffix or suffix in SUFFIXES
