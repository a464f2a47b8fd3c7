"""A text and where it stands."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file (counted from 1); as text `path:line`."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{show_path(self.path)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Text:
    """A text, the place where it begins, and its label where the file gives one."""

    text: str
    place: Place
    label: str | None = None


def show_path(path: Path) -> str:
    """The path with forward slashes, as UTF-8 can hold it: a name of other bytes is not lost."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
