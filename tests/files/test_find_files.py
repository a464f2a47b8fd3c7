from pathlib import Path

import pytest

from filbert.errors import DataError
from filbert.files import find_files, read_texts


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}\n", encoding="utf-8")
    return folder


def test_folders_are_searched_in_order_and_hidden_files_skipped(tmp_path):
    make(tmp_path, "b.txt", "a/z.md", "a/B.RST", ".hidden.txt", ".git/x.txt", "image.png", "c.txt")
    (tmp_path / "empty.txt").touch()
    names = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]
    assert names == ["a/B.RST", "a/z.md", "b.txt", "c.txt"]


def test_a_file_named_twice_comes_once_where_it_came_first(tmp_path):
    make(tmp_path, "a.txt", "b.txt")
    files = find_files([tmp_path / "b.txt", tmp_path, str(tmp_path / "a.txt")])
    assert [file.name for file in files] == ["b.txt", "a.txt"]


def test_a_link_that_leads_back_up_is_not_followed(tmp_path):
    make(tmp_path, "a/one.txt")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert [file.name for file in find_files(tmp_path)] == ["one.txt"]


def test_missing_path(tmp_path):
    make(tmp_path, "corpus.txt")
    with pytest.raises(DataError, match=r"corpsu\.txt: there is no such.*'corpus\.txt'\?"):
        read_texts(tmp_path / "corpsu.txt")


def test_nothing_named():
    with pytest.raises(DataError, match="at least one file or folder"):
        read_texts([])


@pytest.mark.parametrize("names", [[], ["image.png"], [".hidden.txt"]])
def test_a_folder_without_any_readable_file(tmp_path, names):
    make(tmp_path, *names)
    with pytest.raises(DataError, match=r"no file to read in this folder; expected \.txt, \.md"):
        read_texts(tmp_path)


def test_an_unknown_suffix(tmp_path):
    make(tmp_path, "table.xlsx")
    with pytest.raises(DataError, match=r"table\.xlsx: expected \.txt, .*got \.xlsx"):
        read_texts(tmp_path / "table.xlsx")


def test_a_name_without_suffix_is_read_as_text(tmp_path):
    make(tmp_path, "README")
    assert [text.text for text in read_texts(tmp_path / "README")] == ["text of README"]


def test_no_file_at_all(tmp_path):
    with pytest.raises(DataError, match="expected a file or a folder, got something else"):
        find_files("/dev/null")
