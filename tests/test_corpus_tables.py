from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.rows import COLUMNS, Record
from emotion.corpus.tables import WRITERS, write_table, writer_for
from tests.export_results import result

DONE = Record("录音/a,b.wav", result().to_dict(), run_id="r1", columns={"speaker": "Ann\n2"})
FAILED = Record('q"uote.wav', error={"code": "x", "message": "is empty", "hint": "Again"})
RECORDS = (DONE, FAILED)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_byte_order_mark_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_table(path, RECORDS, ["speaker"])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    done, failed = _rows(path)
    assert list(done) == ["file", "speaker", *list(COLUMNS)[1:]]
    assert (done["file"], done["speaker"]) == ("录音/a,b.wav", "Ann\n2")
    assert (done["emotion"], done["confidence"], done["speech"]) == ("sad", "0.84", "1")
    assert (failed["file"], failed["status"]) == ('q"uote.wav', "failed")
    assert (failed["error"], failed["emotion"], failed["speech"]) == ("is empty. Again", "", "")


def test_jsonl_keeps_whole_results(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write_table(path, RECORDS, ["speaker"])
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [Record.from_dict(line) for line in lines] == [
        Record.from_dict(json.loads(json.dumps(record.to_dict()))) for record in RECORDS
    ]
    assert lines[0]["result"]["segments"]


def test_parquet_has_types(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_table(path, RECORDS, ["speaker"])
    table = pq.read_table(path)
    types = dict(zip(table.column_names, map(str, table.schema.types), strict=True))
    assert (types["file"], types["speaker"]) == ("string", "string")
    assert (types["confidence"], types["sad"], types["uncertain"]) == ("double", "double", "bool")
    done, failed = table.to_pylist()
    assert (done["confidence"], done["speech"], done["speaker"]) == (0.84, True, "Ann\n2")
    assert (failed["confidence"], failed["error"]) == (None, "is empty. Again")


def test_parquet_is_written_in_groups(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_table(path, (Record(str(k), error={"message": "x"}) for k in range(2500)))
    assert pq.ParquetFile(path).num_row_groups == 3
    assert pq.read_table(path)["file"].to_pylist() == [str(k) for k in range(2500)]


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_no_recordings_make_an_empty_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results{suffix}"
    write_table(path, [], ["speaker"])
    assert path.is_file()
    if suffix == ".csv":
        assert _rows(path) == []


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_a_table_that_fails_leaves_the_old_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results{suffix}"
    path.write_text("old")

    def broken() -> Iterator[Record]:
        yield DONE
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_table(path, broken())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_suffixes_count_in_any_case(tmp_path: Path) -> None:
    assert writer_for(tmp_path / "A.CSV") is WRITERS[".csv"]


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"results\.xlsx.*\.csv, \.jsonl, \.parquet"):
        write_table(tmp_path / "results.xlsx", [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(tmp_path / "gone" / "results.csv", RECORDS)
