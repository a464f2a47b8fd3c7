"""A run's figures as event files for TensorBoard: `tensorboard --logdir runs` shows them all.

TensorBoard's own records are written into a plain file. Its EventFileWriter, and torch's
SummaryWriter above it, would import all of TensorFlow where that is installed, and start a thread.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import TYPE_CHECKING, Any

from filbert.errors import FilbertError, missing_extra
from filbert.train.events import Evaluated, Event, Stepped

if TYPE_CHECKING:
    from tensorboard.summary.writer.record_writer import RecordWriter

BOARD = "tensorboard"
"""The folder in a run's."""

_PATTERN = "events.out.tfevents.*"
_VERSION = "brain.Event:2"
_FLUSH_SECONDS = 10.0
_HEAD, _FOOT = Struct("<QI"), Struct("<I")  # a record: length, its checksum, data, their checksum
_DEV = "dev/"


class Board:
    """Writes what the loop yields; a context, so that the file is closed.

    A run that goes on forgets the points of the steps that it makes again, so that none stands
    there twice; a record that was cut off by a crash goes, too.
    """

    def __init__(self, run: Path, note: Callable[[str], None] = lambda text: None):
        """For a run's folder. Nothing is written, and no library imported, before the first event.

        note: told, once, that tensorboard is not installed; then nothing is written.
        """
        self._folder, self._note = run / BOARD, note
        self._there = True
        self._records: RecordWriter | None = None
        self._flushed = 0.0

    def __enter__(self) -> "Board":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; another error that is on its way is not hidden by one of this."""
        with suppress(OSError):
            self.close()

    def show(self, event: Event) -> None:
        """Write the numbers of a step or of an evaluation down; other events have none.

        Raises FilbertError naming the folder if the disk refuses.
        """
        match event:
            case Stepped():
                numbers = {f"train/{name}": value for name, value in _numbers(event).items()}
            case Evaluated():
                numbers = {_DEV + name: float(value) for name, value in event.scores.items()}
            case _:
                return
        if self._records is None and self._there and find_spec("tensorboard") is None:
            self._there = False
            self._note(f"no event files: {missing_extra('tensorboard', 'train')}")
        if not self._there:
            return
        try:
            if self._records is None:
                self._records = self._begin(event.step, scored=isinstance(event, Evaluated))
            self._write(self._records, event.step, numbers)
        except OSError as error:
            raise FilbertError(
                f"{self._folder} could not be written: {error.strerror or error}; "
                "train.tensorboard=false goes on without"
            ) from error

    def close(self) -> None:
        """Write what is left and close the file. Raises OSError if the disk refuses."""
        if self._records is not None:
            records, self._records = self._records, None
            records.close()

    def _begin(self, step: int, *, scored: bool) -> "RecordWriter":
        """A new file, once the old ones hold nothing of this step and of those after it.

        scored: the step itself was made before, and is being scored again.
        """
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        old = sorted(self._folder.glob(_PATTERN))
        for file in old:
            _cut(file, step, scored=scored)
        # Sorted by name they are sorted by time: a later file never has an earlier second.
        second = max([int(time.time()), *(_second(file) + 1 for file in old)])
        path = self._folder / f"events.out.tfevents.{second:010}.filbert.{os.getpid()}"
        records = RecordWriter(path.open("wb"))
        records.write(Record(wall_time=time.time(), file_version=_VERSION).SerializeToString())
        # Tells a TensorBoard that has read the old points already to forget them.
        start = SessionLog(status=SessionLog.START)
        first = step + 1 if scored else step
        records.write(
            Record(wall_time=time.time(), step=first, session_log=start).SerializeToString()
        )
        return records

    def _write(self, records: "RecordWriter", step: int, numbers: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary

        now = time.time()
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
        record = Record(wall_time=now, step=step, summary=Summary(value=values))
        records.write(record.SerializeToString())
        if not 0 <= now - self._flushed < _FLUSH_SECONDS:
            self._flushed = now
            records.flush()


def _numbers(event: Stepped) -> dict[str, float]:
    """What a step's curves are."""
    numbers: dict[str, Any] = {
        name: getattr(event, name)
        for name in (
            "loss",
            "learning_rate",
            "gradient_norm",
            "tokens",
            "batch_tokens",
            "tokens_per_second",
        )
    }
    return {name: float(value) for name, value in (numbers | event.figures).items()}


def _second(file: Path) -> int:
    part = file.name.removeprefix(_PATTERN[:-1]).partition(".")[0]
    return int(part) if part.isdecimal() else 0


def _cut(file: Path, step: int, *, scored: bool) -> None:
    """End a file before its first record of this step; scored: before the scores of the step."""
    whole = 0
    for size, record in _read(file):
        tags = [value.tag for value in record.summary.value]
        # A record without numbers begins a file or a session.
        again = record.step > step or (
            record.step == step and (not scored or any(tag.startswith(_DEV) for tag in tags))
        )
        if tags and again:
            break
        whole += size
    if whole < file.stat().st_size:
        with file.open("r+b") as stream:
            stream.truncate(whole)


def _read(file: Path) -> Iterator[tuple[int, Any]]:
    """(its bytes, the record) for each record of a file, up to the first that is not whole."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event as Record
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    with file.open("rb") as stream:
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if masked_crc32c(head[:8]) != checksum:
                return
            rest = stream.read(length + _FOOT.size)
            if len(rest) < length + _FOOT.size:
                return
            try:
                record = Record.FromString(rest[:length])
            except DecodeError:
                return
            yield len(head) + len(rest), record
