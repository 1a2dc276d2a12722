"""Errors of collections of recordings; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    └── CorpusError
        ├── ArchiveError, ManifestError, NoRecordingsError
        ├── NoLabelsError, LabelMapError
        ├── NoOutputError, TableExistsError, JournalError, JournalBusyError
        └── WorkerLostError, ClusterError
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


class NoOutputError(CorpusError):
    """Nobody said where the results go."""

    code = "no_output"
    template = "no place for the results is given"
    hint = "Add one, say --out {example}"


class NoLabelsError(CorpusError):
    """Recordings without labels, where labels are needed."""

    code = "no_labels"
    template = "{given} has no labels that can be used"
    hint = (
        "Give a table with a column label or emotion (--label-column names another), a folder for "
        "each class, EmoBox's .jsonl files, or a Kaldi folder with utt2emo"
    )


class LabelMapError(CorpusError):
    """A table of labels and emotions that cannot be read."""

    code = "label_map_unreadable"
    template = "{file}: cannot be read as a table of labels ({reason})"
    hint = "Write a line for each label: the label, a comma, and one of the nine emotions or -"


class TableExistsError(CorpusError):
    """The table of an earlier batch would be replaced, or what an unfinished one has done."""

    code = "table_exists"
    template = "{file} is there already"
    hint = "Use --resume to continue an unfinished batch, --overwrite to start anew"


class JournalError(CorpusError):
    """An unfinished batch cannot be continued."""

    code = "journal_unusable"
    template = "{file}: the batch cannot be continued ({reason})"
    hint = "Use the options that it began with, or --overwrite to start anew"


class JournalBusyError(CorpusError):
    """Another process writes the same results."""

    code = "journal_busy"
    template = "another process is writing {file}"
    hint = "Wait for its end, or choose another --out"


class WorkerLostError(CorpusError):
    """A worker process ended before its work was done."""

    code = "worker_lost"
    template = "{file}: the worker process ended ({reason})"
    hint = "Memory may be short: use fewer workers, or a smaller --max-duration"


class ClusterError(CorpusError):
    """Ray is not there, or does not do what is asked."""

    code = "cluster_unusable"
    template = "Ray cannot be used ({reason})"
    hint = "Look at the cluster with `ray status`, or use --workers without --ray"
