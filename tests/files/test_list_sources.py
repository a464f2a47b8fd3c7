import os
import socket
import subprocess
from pathlib import Path

import pytest

from filbert.errors import DataError
from filbert.files import kind_of_content, list_sources, read_found, show_address


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}\n", encoding="utf-8")
    return folder


def names(folder: Path, sources) -> list[str]:
    return [Path(one.address).relative_to(folder).as_posix() for one in list_sources(sources)]


def test_a_folder_in_order_of_names_whatever_the_files_are_called(tmp_path):
    make(tmp_path, "b", "a/z.warc", "a/中文.xml", "c.jpg", ".hidden/x.txt", "a/.y")
    (tmp_path / "empty").touch()
    assert names(tmp_path, tmp_path) == ["a/z.warc", "a/中文.xml", "b", "c.jpg", "empty"]


def test_a_source_has_its_size_and_a_stamp_that_changes_with_it(tmp_path):
    make(tmp_path, "a.txt")
    (first,) = list_sources(tmp_path / "a.txt")
    assert first.address == (tmp_path / "a.txt").as_posix()
    assert first.size == (tmp_path / "a.txt").stat().st_size
    os.utime(tmp_path / "a.txt", ns=(1, 1))
    (second,) = list_sources(str(tmp_path / "a.txt"))
    assert first.stamp != second.stamp


def test_each_file_comes_once_whatever_it_is_called(tmp_path):
    make(tmp_path, "a.txt", "b/c.txt")
    (tmp_path / "d.txt").symlink_to(tmp_path / "a.txt")
    sources = [tmp_path / "b" / "..", tmp_path / "b", tmp_path / "a.txt", f"{tmp_path}/*"]
    assert names(tmp_path, sources) == ["a.txt", "b/c.txt"]


def test_globs(tmp_path):
    make(tmp_path, "a1.txt", "a2.txt", "b.txt", "deep/er/a3.txt", ".a4.txt")
    assert names(tmp_path, f"{tmp_path}/a?.txt") == ["a1.txt", "a2.txt"]
    assert names(tmp_path, f"{tmp_path}/**/a*.txt") == ["a1.txt", "a2.txt", "deep/er/a3.txt"]
    assert names(tmp_path, f"{tmp_path}/[bd]*") == ["b.txt", "deep/er/a3.txt"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    make(tmp_path, "a[1].txt", "a1.txt")
    assert names(tmp_path, f"{tmp_path}/a[1].txt") == ["a[1].txt"]


def test_links_in_a_circle_and_links_to_nowhere_are_passed_over(tmp_path):
    make(tmp_path, "a/one.txt")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert names(tmp_path, tmp_path) == ["a/one.txt"]
    with pytest.raises(DataError, match="round: cannot be read"):
        list_sources(tmp_path / "round")


def test_pipes_sockets_and_devices_are_never_opened(tmp_path):
    make(tmp_path, "one.txt")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert names(tmp_path, tmp_path) == ["one.txt"]
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(DataError, match="expected a file or a folder, got something else"):
            list_sources(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("corpsu.txt", r"corpsu\.txt: there is no such file or folder; did you mean 'corpus\.txt'"),
        ("*.bz2", r"\*\.bz2: matches no file"),
        ("empty", r"empty: matches no file"),
        ("ftp://host/file", r"expected a path or one of s3://.*; got ftp://"),
        ("s3://AKIA:secret@bucket/key", r"s3://bucket: expected a bucket without keys"),
        ("s3://bucket/key?regoin=x", r"got 'regoin'; did you mean 'region'"),
        ("https://example.org/*.gz", r"the web has no globs"),
        ("https://me:secret@example.org/a", r"https://example\.org/a: expected no name and pass"),
        ("a\0b", r"cannot be read"),
    ],
)
def test_what_matches_nothing_is_an_error(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(make(tmp_path, "corpus.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        list_sources([source])
    assert "secret" not in str(caught.value)


def test_nothing_named():
    with pytest.raises(DataError, match="at least one file"):
        list_sources([])


def test_links_that_lead_round_do_not_lead_a_glob_round(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "c").mkdir(parents=True)
        (tmp_path / name / "c" / "text.txt").write_text("text\n")
        (tmp_path / name / "up").symlink_to(tmp_path)
    both = [f"{tmp_path.as_posix()}/{name}/c/text.txt" for name in ("a", "b")]
    for pattern in (
        "**",
        "**/*.txt",
        "**/c/*.txt",
        "**/**/c",
        "*/**/text.*",
        "a/../**/c/**",
        "a**/**/c",
    ):
        found = list_sources(str(tmp_path / pattern))
        if pattern.startswith("a**"):
            found += list_sources(str(tmp_path / "b*" / "**"))
        assert [os.path.realpath(each.address) for each in found] == both, pattern


def test_folders_as_deep_as_paths_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deep = "d/" * 1_100
    for depth in range(1, 1_101):
        Path("d/" * depth).mkdir()
    Path(f"{deep}/text.txt").write_text("text\n")
    assert [each.address for each in list_sources("d")] == [f"{deep}text.txt"]
    assert len(list_sources("**/text.txt")) == 1
    subprocess.run(["rm", "-r", "d"], check=True)  # Python's rmtree and pytest's are recursive


def test_a_folder_that_cannot_be_listed_is_a_problem_of_its_own(tmp_path, monkeypatch):
    """Root may list everything, so the refusal is made here."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "text.txt").write_text("text\n")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    closed, text = list_sources(tmp_path)
    assert text.address.endswith("text.txt")
    (problem,) = read_found(closed.address, kind_of_content(closed.address))
    assert (problem.kind, problem.lost) == ("unreadable", True)
    assert problem.message == "cannot be opened: Permission denied"


def test_a_name_that_is_no_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")
    Path(path).write_text("text\n")
    (source,) = list_sources(tmp_path)
    assert Path(source.address).read_text() == "text\n"
    assert show_address(source.address).endswith("/\\xff.txt"), "and no other file's name"
