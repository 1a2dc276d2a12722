"""Labelled recordings in the forms that researchers have them.

- CSV or TSV with a column ``path`` or ``file`` and one ``label`` or ``emotion``; audformat's
  tables, with their times, are of this kind.
- EmoBox's JSON lines, or its folder with a file for each fold.
- A Kaldi folder: ``wav.scp``, ``utt2emo`` and, where it is there, ``utt2spk``.
- A folder with Hugging Face's ``metadata.csv`` or ``metadata.jsonl``.
- A folder of RAVDESS, EMO-DB or CREMA-D, whose file names say it all.
- A folder for each class.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.core.corpus_errors import ManifestError, NoLabelsError, NoRecordingsError
from emotion.core.errors import AudioNotFoundError
from emotion.core.results import readable
from emotion.corpus.inputs import walk
from emotion.corpus.kinds import is_table, may_be_recording
from emotion.corpus.manifests import PATH_COLUMNS, read_table, read_text
from emotion.corpus.remote import Remote, is_url, place_of
from emotion.evaluation.file_names import read_name
from emotion.evaluation.samples import Manifest, Sample
from emotion.evaluation.times import seconds_of

# What columns are called, the first of these that is there; lower case.
LABEL_COLUMNS: Final = (
    "label", "emotion", "emo", "emoclass", "category", "class", "情感", "情绪", "标签",
)  # fmt: skip
SPEAKER_COLUMNS: Final = (
    "speaker", "speaker_id", "spk", "spk_id", "spkrid", "speakerid", "actor", "说话人",
)  # fmt: skip
_START: Final = ("start", "start_s", "start_time", "begin")
_END: Final = ("end", "end_s", "end_time")
_JSON_PATHS: Final = ("wav", *PATH_COLUMNS)
_METADATA: Final = ("metadata.csv", "metadata.jsonl")


@dataclass(frozen=True)
class Reading:
    """How manifests are read.

    Attributes:
        root: The folder that relative paths count from; None for the manifest's own.
        label_column: The column with the labels; None for the first of `LABEL_COLUMNS`.
        speaker_column: The column with the speakers; None for the first of `SPEAKER_COLUMNS`.
    """

    root: Path | None = None
    label_column: str | None = None
    speaker_column: str | None = None


def read_manifest(path: Path, reading: Reading = Reading()) -> Manifest:  # frozen
    """Reads labelled recordings; whether they are there is not looked at.

    Args:
        path: One of the forms above.
        reading: How.

    Raises:
        AudioNotFoundError: It is not there.
        ManifestError: It is of no known form, or a line cannot be read.
        NoLabelsError: There are no labels.
        NoRecordingsError: There are no recordings.
    """
    if path.is_dir():
        manifest = _read_folder(path, reading)
    elif not path.exists():
        raise AudioNotFoundError(file=readable(path), reason="No such file or directory")
    elif is_table(path.name):
        manifest = _read_csv(path, reading)
    elif path.suffix.lower() in (".jsonl", ".json"):
        manifest = Manifest(path.name, "JSON lines", tuple(_read_jsonl(path, reading)))
    else:
        reason = "it is neither a .csv, .tsv or .jsonl file nor a folder"
        raise ManifestError(file=readable(path.name), reason=reason)
    if not manifest.samples:
        raise NoRecordingsError(given=readable(path))
    return manifest


def _read_folder(folder: Path, reading: Reading) -> Manifest:
    name = folder.resolve().name
    if (folder / "utt2emo").is_file():
        return Manifest(name, "Kaldi folder", tuple(_read_kaldi(folder, reading)))
    for file in _METADATA:
        if (folder / file).is_file():
            return Manifest(
                name, f"folder with {file}", read_manifest(folder / file, reading).samples
            )
    folds = sorted(folder.glob("fold*/*test*.jsonl"), key=lambda one: _number(one.parent.name))
    if folds:
        samples = (_in_fold(one, reading) for one in folds)
        return Manifest(name, "EmoBox folds", tuple(itertools.chain.from_iterable(samples)))
    files = [path for path in walk(folder) if may_be_recording(path.name) and path.suffix]
    named = [read_name(path.name) for path in files]
    if files and all(named):
        pairs = [(path, one) for path, one in zip(files, named, strict=True) if one is not None]
        corpora = sorted({one.corpus for _, one in pairs})
        return Manifest(
            name,
            f"file names of {', '.join(corpora)}",
            tuple(
                Sample(
                    _name(path, folder), path, one.label, one.speaker,
                    columns={"corpus": one.corpus},
                )
                for path, one in pairs
            ),
        )  # fmt: skip
    if any(path.parent == folder for path in files):
        raise NoLabelsError(given=readable(folder))
    return Manifest(
        name,
        "a folder for each class",
        tuple(Sample(_name(path, folder), path, path.parent.name) for path in files),
    )


def _read_csv(path: Path, reading: Reading) -> Manifest:
    table = read_table(path)
    columns = _Columns(table.columns, reading, path)
    root = reading.root or path.parent
    samples = tuple(columns.sample(entry.file, entry.columns, root) for entry in table.entries)
    return Manifest(path.name, "table", samples)


def _read_jsonl(path: Path, reading: Reading) -> Iterator[Sample]:
    root = reading.root or path.parent
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            cells = {str(key): "" if value is None else str(value) for key, value in data.items()}
        except (ValueError, AttributeError):
            raise _unreadable(path, f"line {number} is no JSON object") from None
        names = [name for name in _JSON_PATHS if cells.get(name)]
        if not names:
            raise _unreadable(path, f"line {number} has neither wav nor path nor file")
        file = cells.pop(names[0])
        if cells.pop("type", "raw") != "raw":
            raise _unreadable(path, f"line {number} is about features, not about a recording")
        if "dataset" in cells:
            cells["corpus"] = cells.pop("dataset")
        yield _Columns(cells, reading, path).sample(file, cells, root)


def _in_fold(path: Path, reading: Reading) -> Iterator[Sample]:
    for sample in _read_jsonl(path, reading):
        columns = {**sample.columns, "fold": str(_number(path.parent.name))}
        yield Sample(sample.name, sample.path, sample.label, sample.speaker, columns=columns)


def _read_kaldi(folder: Path, reading: Reading) -> Iterator[Sample]:
    speakers = _pairs(folder / "utt2spk") if (folder / "utt2spk").is_file() else {}
    emotions = _pairs(folder / "utt2emo")
    for utterance, file in _pairs(folder / "wav.scp").items():
        if file.endswith("|") or re.search(r"\.ark:\d+$", file):
            reason = f"{utterance} is a command or an archive, not the path of a recording"
            raise _unreadable(folder / "wav.scp", reason)
        if utterance not in emotions:
            raise _unreadable(folder / "utt2emo", f"{utterance} of wav.scp is missing")
        yield Sample(
            utterance,
            _place(file, reading.root or folder),
            emotions[utterance],
            speakers.get(utterance),
        )


def _pairs(path: Path) -> dict[str, str]:
    """The lines of a Kaldi table: the first word and the rest."""
    found = {}
    for line in read_text(path).splitlines():
        key, _, rest = line.strip().partition(" ")
        if key:
            found[key] = rest.strip()
    return found


class _Columns:
    """What the columns of a table stand for."""

    def __init__(self, names: Iterable[str], reading: Reading, path: Path) -> None:
        self._path = path
        self._names = list(names)
        lower = {name.lower(): name for name in reversed(self._names)}
        self._label = self._chosen(reading.label_column, lower, LABEL_COLUMNS)
        if self._label is None:
            raise NoLabelsError(given=readable(path.name))
        self._speaker = self._chosen(reading.speaker_column, lower, SPEAKER_COLUMNS)
        self._start = next((lower[name] for name in _START if name in lower), None)
        self._end = next((lower[name] for name in _END if name in lower), None)

    def _chosen(
        self, wanted: str | None, lower: Mapping[str, str], known: tuple[str, ...]
    ) -> str | None:
        if wanted is None:
            return next((lower[name] for name in known if name in lower), None)
        if wanted not in self._names:
            reason = f"it has no column {wanted!r}, only {', '.join(self._names)}"
            raise _unreadable(self._path, reason)
        return wanted

    def sample(self, file: str, cells: Mapping[str, str], root: Path) -> Sample:
        """A row as a labelled recording."""
        start_s, end_s = self._time(cells, self._start), self._time(cells, self._end)
        if end_s is not None and end_s <= (start_s or 0):
            raise _unreadable(self._path, f"{readable(file)} ends before it begins")
        used = (self._label, self._speaker, self._start, self._end)
        rest = {name: value for name, value in cells.items() if name not in used}
        assert self._label is not None
        return Sample(
            readable(file) if start_s is None and end_s is None else _part(file, start_s, end_s),
            _place(file, root),
            cells.get(self._label, "").strip(),
            (cells.get(self._speaker, "").strip() or None) if self._speaker else None,
            start_s or 0.0,
            end_s,
            rest,
        )

    def _time(self, cells: Mapping[str, str], column: str | None) -> float | None:
        if column is None:
            return None
        try:
            return seconds_of(cells.get(column, ""))
        except ValueError:
            reason = f"{cells[column]!r} in column {column} is no time"
            raise _unreadable(self._path, reason) from None


def _place(file: str, root: Path) -> Path | Remote:
    return place_of(file) if is_url(file) else root / file.replace("\\", "/")


def _part(file: str, start_s: float | None, end_s: float | None) -> str:
    return f"{readable(file)} [{start_s or 0:g}, {'end' if end_s is None else f'{end_s:g}'}]"


def _name(path: Path, folder: Path) -> str:
    return readable(path.relative_to(folder).as_posix())


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0


def _unreadable(path: Path, reason: str) -> ManifestError:
    return ManifestError(file=readable(path.name), reason=reason)
