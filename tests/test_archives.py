from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from emotion.core.corpus_errors import ArchiveError
from emotion.core.errors import OutputError
from emotion.corpus.archives import Archive, ArchiveLimits, is_archive


def _zip(tmp_path: Path, members: dict[str, bytes], name: str = "clips.zip") -> Path:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, data in members.items():
            file.writestr(member, data)
    return path


def test_members_keep_their_folders_and_their_order(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"b/录音.wav": b"one", "a.wav": b"three", "b/c/d.wav": b""})
    with Archive(path) as archive:
        assert [(m.name, m.size_bytes, m.problem) for m in archive.members] == [
            ("b/录音.wav", 3, ""),
            ("a.wav", 5, ""),
            ("b/c/d.wav", 0, ""),
        ]
        for member in archive.members:
            target = tmp_path / "out"
            archive.extract(member, target)
            assert target.stat().st_size == member.size_bytes
        archive.extract(archive.members[0], target)
        assert target.read_bytes() == b"one"


def test_what_systems_leave_is_no_member(tmp_path: Path) -> None:
    junk = ("__MACOSX/._a.wav", ".DS_Store", "x/Thumbs.db", "x/.hidden/a.wav", "desktop.ini")
    path = _zip(tmp_path, {**dict.fromkeys(junk, b"x"), "a.wav": b"x", "folder/": b""})
    with Archive(path) as archive:
        assert [member.name for member in archive.members] == ["a.wav"]


@pytest.mark.parametrize(
    "name", ["../a.wav", "x/../../a.wav", "/etc/a.wav", "C:/a.wav", "..\\a.wav", "\\\\host\\a.wav"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = _zip(tmp_path, {"ok.wav": b"x", name: b"x"})
    with pytest.raises(ArchiveError, match="leads out of it"):
        Archive(path)


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.zip"
    link = zipfile.ZipInfo("a.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        Archive(path)


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"zeros.wav": bytes(20 << 20)})
    with pytest.raises(ArchiveError, match="more than 200 times its size"):
        Archive(path)


def test_a_small_file_of_zeros_is_no_bomb(tmp_path: Path) -> None:
    with Archive(_zip(tmp_path, {"zeros.wav": bytes(1 << 20)})) as archive:
        assert archive.members[0].problem == ""


def test_an_archive_within_its_limits_and_beyond_them(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.wav": b"12345", "b.wav": b"12345"})
    Archive(path, ArchiveLimits(members=2, total_bytes=10)).__exit__(None, None, None)
    with pytest.raises(ArchiveError, match="more than 1 files"):
        Archive(path, ArchiveLimits(members=1))
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        Archive(path, ArchiveLimits(total_bytes=9))


def test_one_large_member_is_its_own_problem(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.wav": b"12345678", "b.wav": b"1"})
    with Archive(path, ArchiveLimits(member_bytes=5)) as archive:
        large, small = archive.members
        assert "more than" in large.problem and small.problem == ""
        with pytest.raises(ArchiveError, match=r"clips\.zip/a\.wav: .*more than"):
            archive.extract(large, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["more.zip", "more.TAR.GZ", "x/more.7z", "more.rar"])
def test_an_archive_inside_is_its_own_problem(tmp_path: Path, name: str) -> None:
    with Archive(_zip(tmp_path, {name: b"PK", "a.wav": b"x"})) as archive:
        assert [bool(member.problem) for member in archive.members] == [True, False]


def test_a_member_that_lies_about_its_size_is_damaged(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.wav": bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # unpacked size
        struct.pack_into("<I", data, data.index(signature) + offset, 10)
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(ArchiveError, match="CRC"):
        archive.extract(archive.members[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_member_leaves_nothing_and_harms_no_other(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.wav": b"a" * 500, "b.wav": b"fine"})
    data = bytearray(path.read_bytes())
    start = 30 + len("a.wav")
    data[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with Archive(path) as archive:
        broken, fine = archive.members
        with pytest.raises(ArchiveError, match=r"clips\.zip/a\.wav"):
            archive.extract(broken, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        archive.extract(fine, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b"fine"


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.wav": b"x"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flags
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with Archive(path) as archive:
        assert archive.members[0].problem == "it is encrypted with a password"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_names_of_programs_that_do_not_say_their_encoding(
    tmp_path: Path, encoding: str
) -> None:
    stand_in = "x" * len("录音.wav".encode(encoding))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(stand_in, b"x")
    path = tmp_path / "clips.zip"
    path.write_bytes(buffer.getvalue().replace(stand_in.encode(), "录音.wav".encode(encoding)))
    with Archive(path) as archive:
        assert archive.members[0].name == "录音.wav"
        archive.extract(archive.members[0], tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVE", b"PK\x03\x04 and no end"])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clips.zip"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"clips\.zip: .*not a ZIP file"):
        Archive(path)


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        Archive(_zip(tmp_path, {"a.wav": b"x"})) as archive,
        pytest.raises(OutputError, match="cannot be written"),
    ):
        archive.extract(archive.members[0], tmp_path / "gone" / "out")


def test_archives_are_told_by_their_suffix() -> None:
    assert is_archive(Path("a.ZIP"))
    assert not is_archive(Path("zip.wav"))
