"""A corpus in pieces: each becomes a shard, with a record that says that it is finished."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.disk import atomic_file, sha256_of
from filbert.errors import DataError, SettingsError
from filbert.settings import load_settings, to_mapping
from filbert.shards import index
from filbert.shards.filling import Filling
from filbert.shards.index import Shard, Stretch
from filbert.shards.opening import check_shard
from filbert.shards.packing import size_of
from filbert.tokenizer import Tokenizer

if TYPE_CHECKING:  # reading shards must not load the corpus room's engine
    from filbert.corpus.stored_columns import RowGroup

CHARACTERS_PER_SHARD = 1 << 25
"""At most, about, if nobody asks for more."""
_SHARDS, _LEAST_CHARACTERS = 8, 1 << 21


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a piece; None: it had no token."""

    shard: Shard | None


@dataclass(frozen=True)
class Piece:
    """The row groups that become one shard; written under the number of the piece.

    sha256: of the files of its groups. shards, records: the folders to write to.
    """

    number: int
    corpus: Path
    groups: "tuple[RowGroup, ...]"
    sha256: dict[str, str]
    shards: Path
    records: Path

    @property
    def bytes(self) -> int:
        """Of text, for the progress."""
        return sum(group.text_bytes for group in self.groups)

    @property
    def name(self) -> str:
        """The name of its shard."""
        return index.name_of(self.number)

    @property
    def record(self) -> Path:
        """Written last: the piece is finished."""
        return self.records / f"{self.name}.json"

    def finished(self, vocab_size: int) -> Record | None:
        """Its record, if there is one and its shard is whole."""
        try:
            record = load_settings(self.record, Record)
            if record.shard is not None:
                self._check(record.shard, vocab_size)
        except (SettingsError, DataError, OSError):
            return None
        return record

    def _check(self, shard: Shard, vocab_size: int) -> None:
        check_shard(shard, vocab_size, self.record)
        path = self.shards / f"{self.name}.bin"
        if (
            shard.name != self.name
            or path.stat().st_size != size_of(shard, vocab_size)
            or sha256_of(path) != shard.sha256
        ):
            raise DataError(f"{path}: not as {self.record} says")


def size_for(groups: "Sequence[RowGroup]") -> int:
    """How much text a shard of this corpus holds if nobody says: an eighth of a small corpus.

    So that there is work for several processes; but the number of these has no say in it.
    """
    total = sum(group.text_bytes for group in groups)
    return min(max(-(-total // _SHARDS), _LEAST_CHARACTERS), CHARACTERS_PER_SHARD)


def pieces_of(
    corpus: Path,
    groups: "Sequence[RowGroup]",
    sha256: Mapping[str, str],
    characters: int,
    folders: tuple[Path, Path],
) -> list[Piece]:
    """All pieces of a corpus, in order. folders: for the shards and for the records."""
    found = []
    for number, part in enumerate(_gathered(groups, characters)):
        own = {group.file: sha256[group.file] for group in part}
        found.append(Piece(number, corpus, tuple(part), own, *folders))
    return found


def _gathered(groups: "Sequence[RowGroup]", characters: int) -> "Iterator[list[RowGroup]]":
    """Row groups that follow each other, in stretches of about equal text."""
    total = sum(group.text_bytes for group in groups)
    count = max(1, -(-total // characters))
    waiting: list[RowGroup] = []
    done = found = 0
    for group in groups:
        waiting.append(group)
        done += group.text_bytes
        if done * count >= (found + 1) * total:
            yield waiting
            waiting, found = [], done * count // total if total else 0
    if waiting:
        yield waiting


def make(piece: Piece, tokenizer: Tokenizer) -> Record:
    """Make one shard and its record; a piece without any token leaves a record alone."""
    from filbert.corpus.stored_columns import read_columns

    filling = Filling(tokenizer)
    stretches = []
    for file, same in groupby(piece.groups, key=lambda group: group.file):
        groups = list(same)
        stretches.append(Stretch(file, groups[0].first, sum(g.documents for g in groups)))
        numbers = [group.number for group in groups]
        for columns in read_columns(piece.corpus, file, numbers, sha256=piece.sha256[file]):
            filling.add(
                columns.texts,
                columns.languages,
                columns.ends(),
                lambda place, columns=columns: ": ".join(columns.where[place]),  # type: ignore[misc]
            )
    shard = None
    if filling.tokens:
        # On the disk before the record is: what has a record is whole, even if the power fails.
        with atomic_file(piece.shards / f"{piece.name}.bin") as draft:
            shard = filling.write(draft, piece.name, stretches)
    record = Record(shard)
    with atomic_file(piece.record) as draft:
        draft.write_text(json.dumps(to_mapping(record)), encoding="utf-8")
    return record
