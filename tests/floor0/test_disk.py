"""Whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filbert.disk import (
    atomic_file,
    atomic_folder,
    keep_only,
    locked,
    remove_all_drafts,
    remove_folder,
    sha256_of,
    work_folder,
)
from filbert.errors import FilbertError, SettingsError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a" / "f") as draft:
        draft.write_text("new")
        assert not (tmp_path / "a" / "f").exists()
    assert (tmp_path / "a" / "f").read_text() == "new"
    assert names(tmp_path / "a") == ["f"]


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")

    def write() -> None:
        with atomic_file(tmp_path / "f") as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_a_full_disk_is_said_by_name_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")

    def write() -> None:
        with atomic_file(tmp_path / "f"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(FilbertError, match=r"f could not be written: No space left"):
        write()
    assert (tmp_path / "f").read_text() == "old"


def test_a_folder_is_never_overwritten_by_accident(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    with pytest.raises(SettingsError, match="is there already"), atomic_folder(tmp_path / "run"):
        pass
    assert names(tmp_path / "run") == ["mine"]


def test_replace_puts_the_new_folder_in_its_place(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "run", replace=True) as draft:
            (draft / content).write_text(content)
    assert names(tmp_path / "run") == ["new"]
    assert names(tmp_path) == ["run"]


def test_kill_leaves_the_old_folder_and_the_next_writer_tidies_up(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "run") as draft:
        (draft / "old").write_text("old")
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from filbert.disk import atomic_folder
        with atomic_folder(Path({str(tmp_path / "run")!r}), replace=True) as draft:
            (draft / "half").write_text("half")
            print("writing", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(tmp_path / "run") == ["old"]
    assert len(names(tmp_path)) == 2
    time.sleep(0.05)
    with atomic_folder(tmp_path / "run", replace=True) as draft:
        (draft / "new").write_text("new")
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["new"]


def test_a_draft_made_anew_where_the_place_was_moved_away_is_no_folder(tmp_path: Path) -> None:
    """What was written before the move lies elsewhere: half a folder must not look like a whole."""
    place = tmp_path / "place"

    def write() -> None:
        with atomic_folder(place / "run") as draft:
            (draft / "first").write_text("first")
            place.rename(tmp_path / "elsewhere")
            draft.mkdir(parents=True)  # as every writer does that makes a file's parents
            (draft / "second").write_text("second")

    with pytest.raises(FilbertError, match="run: was moved or removed while it was written"):
        write()
    assert names(place) == []


def test_a_folder_is_removed_at_once(tmp_path: Path) -> None:
    """A kill while it is removed leaves a draft, which the next one tidies away."""
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
    script = (
        "import os, shutil, signal, sys; from pathlib import Path; from filbert.disk import "
        "remove_folder; shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL); "
        "remove_folder(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a")])
    assert done.returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path) if not name.startswith(".tmp-")] == ["b"]
    remove_all_drafts(tmp_path, alone=False)
    remove_folder(tmp_path / "b")
    assert names(tmp_path) == []


def test_an_old_folder_that_was_set_aside_comes_back(tmp_path: Path) -> None:
    """What a kill between the two renames of a replacement leaves."""
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    aside = tmp_path / f".tmp-old-{int(dead.stdout)}-run"
    aside.mkdir()
    (aside / "old").write_text("old")
    with pytest.raises(SettingsError, match="is there already"), atomic_folder(tmp_path / "run"):
        pass
    assert names(tmp_path / "run") == ["old"]


def test_drafts_of_other_goals_stay(tmp_path: Path) -> None:
    (tmp_path / ".tmp-999999999-x-run").mkdir()
    with atomic_folder(tmp_path / "run") as draft:
        (draft / "f").write_text("f")
    assert names(tmp_path) == [".tmp-999999999-x-run", "run"]


def test_another_files_error_is_its_own(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_folder(tmp_path / "run"):
            (tmp_path / "elsewhere" / "gone.txt").read_text()

    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        write()


def test_sha256_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_of(tmp_path / "f").startswith("ba7816bf8f01cfea")


def test_threads_that_write_one_goal_do_not_destroy_each_other(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "run", replace=True) as draft:
        (draft / "f").write_text("first")
        with (
            pytest.raises(FilbertError, match="could not be written"),
            atomic_folder(tmp_path / "run", replace=True),
        ):
            pass
        assert (draft / "f").exists()
    assert (tmp_path / "run" / "f").read_text() == "first"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path, write: Callable[..., Any]) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="pipe: expected a file, a folder or nothing"):
        write(tmp_path / "pipe").__enter__()
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_is_no_folder_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with (
        pytest.raises(SettingsError, match="is there already"),
        atomic_folder(tmp_path / "run", replace=True),
    ):
        pass
    assert (tmp_path / "run").read_text() == "mine"


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("f")
    with atomic_file(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_text() == "new"
    assert names(tmp_path) == ["f", "link"]


def test_what_came_while_a_folder_was_written_stays(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_folder(tmp_path / "run") as draft:
            (draft / "mine").write_text("mine")
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "theirs").write_text("theirs")

    with pytest.raises(SettingsError, match="is there already"):
        write()
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["theirs"]


POSIX = pytest.mark.skipif(os.name == "nt", reason="locks are a matter of POSIX here")


@POSIX
def test_a_work_folder_is_held_by_one(tmp_path: Path) -> None:
    goal = tmp_path / "out"
    folder = work_folder(goal)
    folder.mkdir()
    with locked(folder, goal):
        with pytest.raises(SettingsError, match="another filbert is working on it"):
            enter(folder, goal)
    enter(folder, goal)


@POSIX
@pytest.mark.parametrize("refusal", [BlockingIOError, PermissionError])
def test_a_lock_is_refused_as_the_system_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: type[OSError]
) -> None:
    """POSIX leaves it to the system whether that is EAGAIN or EACCES."""
    monkeypatch.setattr("fcntl.flock", raising(refusal("taken")))
    with pytest.raises(SettingsError, match="another filbert is working on it"):
        enter(tmp_path, tmp_path / "out")


@POSIX
def test_a_disk_without_locks_is_worked_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", raising(OSError(errno.ENOTSUP, "not supported")))
    enter(tmp_path, tmp_path / "out")


@POSIX
def test_a_lock_that_was_removed_before_it_was_got_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (tmp_path / "lock").unlink())
    with pytest.raises(SettingsError, match="another filbert is working on it"):
        enter(tmp_path, tmp_path / "out")


def enter(folder: Path, goal: Path) -> None:
    with locked(folder, goal):
        pass


def raising(error: Exception) -> Callable[..., None]:
    def raises(*_: object) -> None:
        raise error

    return raises


def test_only_what_is_named_stays(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "kept").touch()
    (tmp_path / "file").touch()
    keep_only(tmp_path, {"kept"})
    assert names(tmp_path) == ["kept"]
