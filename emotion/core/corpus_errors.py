"""Errors of collections of recordings; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    └── CorpusError
        └── ArchiveError, ManifestError, NoRecordingsError
"""

from __future__ import annotations

from emotion.core.errors import EmotionError


class CorpusError(EmotionError):
    """A collection of recordings cannot be used."""

    code = "corpus_error"


class ArchiveError(CorpusError):
    """A ZIP file that cannot be read, or that must not be unpacked."""

    code = "archive_unusable"
    template = "{file}: cannot be unpacked ({reason})"
    hint = "Unpack it yourself and give the folder, or make a plain ZIP file"


class ManifestError(CorpusError):
    """A list of recordings that cannot be read."""

    code = "manifest_unreadable"
    template = "{file}: cannot be read as a list of recordings ({reason})"
    hint = "A CSV file needs a header with a column named path or file"


class NoRecordingsError(CorpusError):
    """Nothing among what was given is a recording."""

    code = "no_recordings"
    template = "there are no recordings in {given}"
    hint = "Give audio or video files, folders of them, lists or ZIP files"
