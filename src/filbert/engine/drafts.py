"""A file that is written piece by piece and may be gone on with: OUT.part, and what it says.

Beside OUT.part lies OUT.part.json. It is written anew behind each piece, when the disk holds the
piece: so whatever stands in OUT.part behind what it counts is the rest of a piece that was cut
short, and is cut away.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from filbert.disk import flush, lock_file, remove_drafts
from filbert.errors import FilbertError, SettingsError
from filbert.settings import load_settings, save_settings, to_mapping

_log = logging.getLogger("filbert")

FORMAT = 1


@dataclass(frozen=True)
class Begun:
    """What an unfinished file says of itself.

    model       digest of the folder's weights and of its tokenizer
    task        the name and the settings of the task
    options     how texts were read
    found       of a table: what was read from which columns
    format      of this description
    examples    how many are answered
    bytes       of OUT.part that hold them
    tokens_cut  how many tokens were left out
    digest      of the records that were read
    """

    model: str
    task: dict[str, Any]
    options: dict[str, Any]
    found: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT
    examples: int = 0
    bytes: int = 0
    tokens_cut: int = 0
    digest: str = ""


class Draft:
    """OUT.part. A context manager: within it nobody else works on the same file.

    begun: what stands in it; None where there is none, or nothing that counts.
    """

    def __init__(self, out: Path):
        self.out = out
        self.path = out.with_name(f"{out.name}.part")
        self.description = out.with_name(f"{out.name}.part.json")
        self.begun: Begun | None = None
        self._file: BinaryIO | None = None
        self._kept = 0

    def __enter__(self) -> Self:
        """Open it, if it is there.

        Raises SettingsError where OUT is there already, where another process works on it, or
        where something lies in its place that is no draft of ours.
        """
        refuse_existing(self.out)
        if self.path.exists():
            try:
                self._open()
            except BaseException:
                self._close()
                raise
        elif self.description.exists():
            self._read()  # what is not ours is not written over
        return self

    def _open(self) -> None:
        with self._saying():
            self._file = self.path.open("r+b", buffering=0)
            self._lock(self._file)
        if not self.description.exists():
            raise SettingsError(
                f"{self.path} is there without {self.description.name}, so nobody knows what it "
                "holds; move it away, or remove it, to begin anew"
            )
        begun = self._read()
        self.begun = begun if begun.examples else None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it; where an error ends the work, say what is kept."""
        self._close()
        if self._kept and isinstance(error, Exception):
            _log.warning(
                "%s keeps the answers to %d examples; the same call goes on from there",
                self.path,
                self._kept,
            )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def check(self, asked: Begun) -> None:
        """Raise SettingsError, naming what differs, where it was begun otherwise than asked now."""
        assert self.begun is not None
        differing = list(_differences(self.begun, asked))
        if differing:
            raise SettingsError(
                f"{self.path} was begun otherwise: {'; '.join(differing)}. Ask as then to go on, "
                f"or remove {self.path} to begin anew"
            )

    def go_on(self) -> None:
        """Cut away what stands behind the examples that count."""
        assert self.begun is not None
        assert self._file is not None
        with self._saying():
            size = os.fstat(self._file.fileno()).st_size
            if size < self.begun.bytes:
                raise SettingsError(
                    f"{self.path}: expected at least {self.begun.bytes:,} bytes, as "
                    f"{self.description.name} says, got {size:,}; remove {self.path} to begin anew"
                )
            remove_drafts(self.description)
            self._file.truncate(self.begun.bytes)
            self._file.seek(self.begun.bytes)
        self._kept = self.begun.examples

    def start(self, begun: Begun) -> None:
        """Begin anew, with nothing in it."""
        with self._saying():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_drafts(self.description)
            # First, so that a draft without a description is never ours.
            save_settings(begun, self.description)
            if self._file is None:
                try:
                    self._file = self.path.open("xb", buffering=0)
                except FileExistsError as error:
                    raise self._taken() from error
                self._lock(self._file)
            self._file.truncate(0)
            self._file.seek(0)

    def append(self, data: bytes) -> int:
        """Write a piece to the disk; how many bytes there are now."""
        assert self._file is not None
        with self._saying():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
            return self._file.tell()

    def describe(self, begun: Begun) -> None:
        """Say what stands in it now."""
        with self._saying():
            save_settings(begun, self.description)
        self._kept = begun.examples

    def finish(self) -> None:
        """Make it OUT."""
        assert self._file is not None
        with self._saying():
            os.fsync(self._file.fileno())
            self._file.close()
            refuse_existing(self.out)  # again: somebody may have put something there meanwhile
            self.path.rename(self.out)
            self._kept = 0
            flush(self.out.parent)
            self.description.unlink(missing_ok=True)

    def _read(self) -> Begun:
        try:
            begun = load_settings(self.description, Begun)
        except SettingsError as error:
            raise SettingsError(
                f"{error}; expected what filbert says of an unfinished {self.out.name} there: move "
                f"it away, with {self.path.name} if that is there, to begin anew"
            ) from error
        if begun.format != FORMAT:
            raise SettingsError(
                f"{self.description}: format: expected {FORMAT}, got {begun.format}; another "
                f"version of filbert wrote it: remove {self.path} and it to begin anew"
            )
        return begun

    def _lock(self, file: BinaryIO) -> None:
        try:
            lock_file(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                raise BlockingIOError  # the other has just finished
        except (BlockingIOError, PermissionError, FileNotFoundError) as error:
            raise self._taken() from error

    def _taken(self) -> SettingsError:
        return SettingsError(
            f"{self.path}: another filbert is working on it; wait for it, or name another place"
        )

    @contextlib.contextmanager
    def _saying(self) -> Iterator[None]:
        """What the system says of the disk, as an error of ours."""
        try:
            yield
        except OSError as error:
            raise FilbertError(
                f"{self.path} could not be written: {error.strerror or error}; what is answered "
                "stays there, and the same call goes on from it"
            ) from error


def refuse_existing(out: Path) -> None:
    """Raise SettingsError where something is there already."""
    if os.path.lexists(out):
        raise SettingsError(f"{out} is there already; name another place, or remove it first")


def _differences(begun: Begun, asked: Begun) -> Iterator[str]:
    """What differs between a call and the one that began, in words."""
    if begun.task.get("name") != asked.task.get("name"):
        yield f"a model for {begun.task.get('name')} then, for {asked.task.get('name')} now"
    elif begun.model != asked.model:
        yield f"the model was {begun.model[:12]}… then, is {asked.model[:12]}… now"
    else:
        yield from _named("the task's ", begun.task, asked.task)
    yield from _named("", begun.options, asked.options)
    yield from _named("the place of ", begun.found, asked.found)


def _named(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    then, now = to_mapping(then), to_mapping(now)
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield f"{what}{name} was {then.get(name)!r:.80}, is {now.get(name)!r:.80}"
