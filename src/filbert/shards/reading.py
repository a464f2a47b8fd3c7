"""A folder of shards → rows, memory-mapped."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards import index, opening
from filbert.shards.batches import Lengths
from filbert.shards.cutting import SPECIALS_A_ROW
from filbert.shards.partners import DocumentRows
from filbert.shards.row_table import Cut, row_table
from filbert.shards.shard_file import ShardFile
from filbert.shards.signposts import Breaks
from filbert.tokenizer import Tokenizer

_OPEN_SHARDS = 128


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row comes from.

    Attributes:
        shard: the name of its shard.
        row: its number in the shard.
        document: its document's number in the shard, those without tokens not counted.
        language: of the document; "" is unknown.
        file: of the corpus; "" if the documents came from elsewhere.
        file_row: the document's row in that file.
    """

    shard: str
    row: int
    document: int
    language: str
    file: str
    file_row: int


class ShardReader:
    """The rows of a shard folder: [CLS], a span of one document, [SEP].

    A span is as many whole sentences of its document as fit in max_tokens, special tokens
    included; a longer sentence is cut hard. Every token lies in exactly one row. What is held in
    memory does not grow with the number of rows: their table is mapped, as the tokens are. (Where
    it can be written neither beside the shards nor in the user's cache, it is held: 8 bytes a row.)

    lengths    int32 [rows], tokens of each row, special tokens included: mapped, read by index
    contents   what shards.json says
    tokenizer  the tokenizer that made the ids
    """

    def __init__(self, folder: Path | str, *, max_tokens: int, verify: bool | None = None):
        """Open a folder that `write_shards` has written.

        verify: compare every file with its checksum first (about a second for each GB). None: the
        first time that these files are opened with this max_tokens, and when one was changed.
        Raises DataError naming the file that is missing, damaged or not as shards.json says.
        """
        if max_tokens <= SPECIALS_A_ROW:
            raise SettingsError(
                f"max_tokens: expected {SPECIALS_A_ROW + 1} or more, got {max_tokens}"
            )
        self._folder = Path(folder)
        self.contents = opening.read_index(self._folder)
        self._max_tokens = max_tokens
        if verify:
            self._verify()
        with opening.readable(self._folder / index.TOKENIZER):
            self.tokenizer = Tokenizer.load(self._folder / index.TOKENIZER)
        self._check_tokenizer()
        self._shard = lru_cache(_OPEN_SHARDS)(self._open)
        self._breaks: dict[int, Breaks] = {}
        check = (lambda: None) if verify is not None else self._verify
        cut = Cut(self.contents, self._folder, max_tokens, self._shard, check)
        self._table = row_table(cut, verify=bool(verify))
        self.lengths: Lengths = _Lengths(self._table.lengths)

    def _verify(self) -> None:
        opening.verify(self.contents, self._folder)

    def _check_tokenizer(self) -> None:
        said, folder = self.contents, self._folder
        if self.tokenizer.digest != said.tokenizer:
            raise DataError(
                f"{folder / index.TOKENIZER}: not the tokenizer that made these shards: "
                f"expected the digest {said.tokenizer[:12]}… by {index.INDEX}, "
                f"got {self.tokenizer.digest[:12]}…"
            )
        if self.tokenizer.vocab_size != said.vocab_size:
            raise DataError(
                f"{folder / index.INDEX}: vocab_size: expected {self.tokenizer.vocab_size}, the "
                f"tokenizer's, got {said.vocab_size}"
            )

    def _open(self, number: int) -> ShardFile:
        shard = self.contents.shards[number]
        return ShardFile(self._folder / shard.file, shard, self.contents.vocab_size)

    @property
    def digest(self) -> str:
        """What the shards are and how they are cut."""
        return f"{self.contents.digest} {self._max_tokens} {len(self)}"

    @property
    def folder(self) -> Path:
        """Where the shards lie."""
        return self._folder

    @property
    def max_tokens(self) -> int:
        """The longest row that can be, special tokens included."""
        return self._max_tokens

    def cut_at(self, max_tokens: int) -> "ShardReader":
        """The same shards in rows of other lengths."""
        return ShardReader(self._folder, max_tokens=max_tokens)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._table.lengths)

    def row(self, index: int) -> Row:
        """One row by its number; its origin is (shard, row within the shard).

        Raises DataError for a number outside 0 … rows - 1.
        """
        shard, start, size = self._span(index)
        token_ids = np.empty(size + SPECIALS_A_ROW, np.int32)
        token_ids[0] = self.tokenizer.special_ids.cls
        token_ids[1:-1] = self._shard(shard).token_ids(start, start + size)
        token_ids[-1] = self.tokenizer.special_ids.sep
        return Row(
            token_ids,
            np.zeros(len(token_ids), np.uint8),
            origin=(shard, index - self._table.first_rows[shard]),
        )

    def _span(self, row: int) -> tuple[int, int, int]:
        """The shard of a row, its start there and its tokens."""
        if not 0 <= row < len(self):
            raise DataError(f"row {row} is not in 0…{len(self) - 1}")
        shard = self._table.shard_of(row)
        start, size = int(self._table.starts[row]), int(self._table.lengths[row])
        # Rows lie end to end: a damaged table shows here, not as rows that were lost.
        last = row + 1 == self._table.first_rows[shard + 1]
        stop = self.contents.shards[shard].tokens if last else int(self._table.starts[row + 1])
        if start + size != stop or not 0 < size <= self._max_tokens - SPECIALS_A_ROW:
            raise DataError(
                f"{self._table.path}: damaged: row {row}: expected tokens {start} to {stop} of its "
                f"shard, got {size} tokens; remove the file"
            )
        return shard, start, size

    def sentence_ends(self, index: int) -> NDArray[np.int32]:
        """The exclusive end of each sentence of a row, among the row's tokens: int32 [sentences].

        They rise; the last is where [SEP] stands, whether or not the sentence goes on in the next
        row.
        """
        shard, start, size = self._span(index)
        sentences = self._shard(shard).counts_of("sentences")
        ends = self._breaks_of(shard).sentence_ends(start, start + size, sentences)
        return (ends - start + 1).astype(np.int32)  # [CLS] stands before them

    def document(self, index: int) -> DocumentRows:
        """The rows of the document that a row is of."""
        shard, (_, first, stop) = self._document_of(index)
        rows = self.rows_over(shard, first, stop)
        return DocumentRows(rows.start, rows.stop)

    def language(self, index: int) -> str:
        """The language of a row's document; "" is unknown."""
        shard = self._table.shard_of(index)
        if len(known := self.contents.shards[shard].languages) == 1:
            return next(iter(known))
        return self._shard(shard).language_of(self._document_of(index)[1][0])

    def _document_of(self, index: int) -> tuple[int, tuple[int, int, int]]:
        """A row's shard; and there its document's number, and where its tokens start and stop."""
        shard, start, _ = self._span(index)
        file = self._shard(shard)
        return shard, self._breaks_of(shard).document_at(
            start, file.counts_of("sentences"), file.counts_of("documents")
        )

    def _breaks_of(self, shard: int) -> Breaks:
        """Kept for as long as the reader, for making them is a pass over the shard's counts."""
        if shard not in self._breaks:
            self._breaks[shard] = self._shard(shard).breaks()
        return self._breaks[shard]

    def tokens_of(self, index: int) -> tuple[int, int, int]:
        """The shard of a row, and its tokens there: from the second number up to the third."""
        shard, start, size = self._span(index)
        return shard, start, start + size

    def rows_over(self, shard: int, start: int, stop: int) -> range:
        """The rows that have any of a shard's tokens from `start` up to `stop`."""
        low, high = self._table.first_rows[shard], self._table.first_rows[shard + 1]
        first = max(low, bisect_right(self._table.starts, start, low, high) - 1)
        return range(first, bisect_left(self._table.starts, stop, low, high))

    def number_of(self, shard: int, row: int) -> int:
        """The number of a row by its origin. Raises DataError where there is no such row."""
        firsts = self._table.first_rows
        if not 0 <= shard < len(firsts) - 1:
            raise DataError(f"shard {shard} is not in 0…{len(firsts) - 2}")
        rows = firsts[shard + 1] - firsts[shard]
        if not 0 <= row < rows:
            raise DataError(f"row {row} of shard {shard} is not in 0…{rows - 1}")
        return firsts[shard] + row

    def place(self, index: int) -> RowPlace:
        """Where a row comes from; the first of a shard takes a pass over its documents' ends."""
        number, start, _ = self._span(index)
        shard, file = self.contents.shards[number], self._shard(number)
        document = int(np.searchsorted(file.document_ends, start, side="right"))
        name, file_row = file.origin_of(document)
        return RowPlace(
            shard=shard.name,
            row=index - self._table.first_rows[number],
            document=document,
            language=file.language_of(document),
            file=name,
            file_row=file_row,
        )


class _Lengths:
    """The lengths of rows with their special tokens, by index."""

    def __init__(self, spans: NDArray[Any]):
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: Any) -> Any:
        return self._spans[index] + np.int32(SPECIALS_A_ROW)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)
