from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from emotion.core.corpus_errors import ArchiveError, ManifestError, NoRecordingsError
from emotion.core.errors import AudioNotFoundError
from emotion.corpus.archives import ArchiveLimits
from emotion.corpus.inputs import Inputs, Packed, find_inputs, natural, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings, folders, and files that are none."""
    root = tmp_path / "rec"
    names = ("clip10.wav", "clip2.wav", "sub/a.MP3", "sub/deep/录音.ogg", "notes.txt", "sub/x.csv")
    for name in (*names, ".hidden.wav", ".git/b.wav"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def _names(inputs: Inputs) -> list[str]:
    return [item.name for item in inputs.items]


def test_a_folder_in_natural_order_with_its_folders_in_the_names(folder: Path) -> None:
    inputs = find_inputs([str(folder)])
    assert _names(inputs) == ["clip2.wav", "clip10.wav", "sub/a.MP3", "sub/deep/录音.ogg"]
    assert [item.source for item in inputs.items] == [folder / name for name in _names(inputs)]
    assert (inputs.skipped, inputs.skipped_count) == (("notes.txt", "sub/x.csv"), 2)
    assert inputs.columns == ()


def test_several_arguments_keep_their_own_names_in_front(folder: Path) -> None:
    clip, sub = folder / "clip2.wav", folder / "sub"
    assert _names(find_inputs([str(clip), str(sub)])) == [
        clip.as_posix(),
        f"{sub.as_posix()}/a.MP3",
        f"{sub.as_posix()}/deep/录音.ogg",
    ]


def test_a_file_that_is_named_is_tried_whatever_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "voice.xyz"
    path.write_bytes(b"x")
    assert find_inputs([str(path)]).items[0].source == path


def test_a_glob_and_the_files_it_finds_are_done_once(folder: Path) -> None:
    inputs = find_inputs([f"{folder}/**/*.wav", str(folder / "clip2.wav"), str(folder)])
    ends = [Path(name).name for name in _names(inputs)]
    assert ends == ["clip2.wav", "clip10.wav", "a.MP3", "录音.ogg"]


def test_a_name_with_brackets_is_a_file_where_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "a[1].wav"
    path.write_bytes(b"x")
    assert find_inputs([str(path)]).items[0].source == path


def test_links_to_folders_are_not_entered(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    assert len(find_inputs([str(folder)]).items) == 4


def test_a_table_brings_its_columns_and_paths_beside_itself(folder: Path) -> None:
    table = folder / "list.csv"
    table.write_text("path,speaker\nclip2.wav,Ann\nsub/a.MP3,Bob\ngone.wav,Cid\nclip2.wav,Ann\n")
    inputs = find_inputs([str(table)])
    assert _names(inputs) == ["clip2.wav", "sub/a.MP3", "gone.wav", "clip2.wav"]
    assert inputs.columns == ("speaker",)
    assert inputs.items[1].source == folder / "sub/a.MP3"
    assert inputs.items[1].columns == {"speaker": "Bob"}
    missing = inputs.items[2].source
    assert isinstance(missing, AudioNotFoundError) and "gone.wav" in str(missing)


def test_absolute_paths_in_a_table(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.tsv"
    table.write_text(f"file\tx\n{folder}/clip2.wav\t1\n")
    assert find_inputs([str(table)]).items[0].source == folder / "clip2.wav"


def test_a_list_with_comments(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_text("# mine\n\nclip2.wav\n  sub/deep/录音.ogg\n", encoding="utf-8")
    inputs = find_inputs([str(listing)])
    assert _names(inputs) == ["clip2.wav", "sub/deep/录音.ogg"]
    assert all(isinstance(item.source, Path) for item in inputs.items)


def test_wav_scp_keeps_the_utterance(folder: Path) -> None:
    listing = folder / "wav.scp"
    listing.write_text("ann-1 clip2.wav\n\nbob-2   sub/a.MP3\n")
    inputs = find_inputs([str(listing)])
    assert _names(inputs) == ["clip2.wav", "sub/a.MP3"]
    assert [item.columns["utt"] for item in inputs.items] == ["ann-1", "bob-2"]
    assert inputs.columns == ("utt",)


@pytest.mark.parametrize("line", ["ann-1 sox a.wav -t wav - |", "ann-1", "ann-1 data.ark:12"])
def test_wav_scp_with_commands_or_archives_is_refused(tmp_path: Path, line: str) -> None:
    listing = tmp_path / "wav.scp"
    listing.write_text(f"bob-1 a.wav\n{line}\n")
    with pytest.raises(ManifestError, match="line 2"):
        find_inputs([str(listing)])


def test_a_zip_file_by_its_members(tmp_path: Path) -> None:
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("b10.wav", "b2.wav", "x/a.ogg", "readme.md", "more.zip"):
            file.writestr(name, "x")
    inputs = find_inputs([str(path)])
    assert _names(inputs) == ["b2.wav", "b10.wav", "more.zip", "x/a.ogg"]
    assert inputs.items[0].source == Packed(path, "b2.wav")
    assert inputs.skipped == ("readme.md",)
    several = find_inputs([str(path), str(path)])
    assert _names(several)[0] == f"{path.as_posix()}/b2.wav"


def test_the_limits_of_zip_files_hold(tmp_path: Path) -> None:
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.wav", "xx")
    with pytest.raises(ArchiveError):
        find_inputs([str(path)], ArchiveLimits(total_bytes=1))


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("x")
    with pytest.raises(NoRecordingsError, match=r"there are no recordings in .*notes"):
        find_inputs([str(tmp_path / "notes")])


@pytest.mark.parametrize("name", ["gone.wav", "gone/*.wav", "gone.csv"])
def test_what_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioNotFoundError, match="gone"):
        find_inputs([str(tmp_path / name)])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read(folder: Path) -> None:
    (folder / "sub").chmod(0)
    try:
        with pytest.raises(AudioNotFoundError, match="Permission"):
            list(walk(folder))
    finally:
        (folder / "sub").chmod(0o755)


def test_many_files_that_are_none_are_counted(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / "a.wav").touch()
    inputs = find_inputs([str(tmp_path)])
    assert (len(inputs.skipped), inputs.skipped_count) == (1000, 1200)


def test_natural_order() -> None:
    names = ["b1", "a10", "a2", "A1", "10", "9", "²", "a"]
    assert sorted(names, key=natural) == ["9", "10", "a", "A1", "a2", "a10", "b1", "²"]
