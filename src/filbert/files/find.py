"""Which files a list of paths means."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from filbert.errors import DataError, did_you_mean
from filbert.files.place import show_path

PLAIN = (".txt", ".md", ".rst")
LINES = (".jsonl",)
_SUFFIXES = (*PLAIN, *LINES)
EXPECTED = f"{', '.join(_SUFFIXES)} or one of them with .gz"

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def kind_of(path: Path) -> str:
    """The suffix that says how to read the file, without .gz; "" for a name without a suffix."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def list_of(paths: Paths) -> list[Path]:
    """One path or several, as a list; DataError for none."""
    if isinstance(paths, str | os.PathLike):
        return [Path(paths)]
    listed = [Path(path) for path in paths]
    if not listed:
        raise DataError("expected at least one file or folder, got none")
    return listed


def find_files(paths: Paths) -> list[Path]:
    """The files that the paths name: each as given, folders with all below them, sorted by name.

    Folders are searched for files of a known suffix; hidden files and folders, empty files and
    links to folders are passed over. A file that is named twice comes once, where it came first.

    Raises DataError for a path that is missing or is no file, a file of an unknown suffix, and a
    folder in which no file can be read.
    """
    found: dict[Path, Path] = {}
    for path in list_of(paths):
        for file in _files_of(path):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = list(_below(path))
        if not files:
            raise DataError(
                f"{show_path(path)}: no file to read in this folder; expected {EXPECTED}, not empty"
            )
        return files
    if not path.exists():
        raise DataError(f"{show_path(path)}: there is no such file or folder{_near(path)}")
    if not path.is_file():
        raise DataError(f"{show_path(path)}: expected a file or a folder, got something else")
    if kind_of(path) not in (*_SUFFIXES, ""):
        raise DataError(f"{show_path(path)}: expected {EXPECTED}, got {kind_of(path)}")
    return [path]


def _below(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{show_path(folder)}: cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():  # a link may lead back up, and then round for ever
                yield from _below(entry)
        elif kind_of(entry) in _SUFFIXES and entry.is_file() and entry.stat().st_size:
            yield entry


def _near(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
