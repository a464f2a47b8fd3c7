"""A folder of shards → rows, memory-mapped."""

from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards import index
from filbert.shards.cutting import cut_rows
from filbert.shards.index import ENDS, TOKENS, Shard
from filbert.tokenizer import Tokenizer

_SPECIALS_A_ROW = 2  # [CLS] and [SEP]


class ShardReader:
    """The rows of a shard folder: [CLS], a span of one document, [SEP].

    A span is as many whole sentences of its document as fit in max_tokens, special tokens
    included; a longer sentence is cut hard. Every token lies in exactly one row.

    lengths    int32 [rows], tokens of each row, special tokens included
    contents   what shards.json says
    tokenizer  the tokenizer that made the ids
    """

    def __init__(self, folder: Path | str, *, max_tokens: int, verify: bool = True):
        """Open a folder that `write_shards` has written.

        verify: compare every file with its checksum first (about a second for each GB).
        Raises DataError naming the file that is missing, damaged or not as shards.json says.
        """
        if max_tokens <= _SPECIALS_A_ROW:
            raise SettingsError(
                f"max_tokens: expected {_SPECIALS_A_ROW + 1} or more, got {max_tokens}"
            )
        folder = Path(folder)
        self.contents = index.read_index(folder)
        if verify:
            index.verify(self.contents, folder)
        self.tokenizer = Tokenizer.load(folder / index.TOKENIZER)
        if self.tokenizer.digest != self.contents.tokenizer:
            raise DataError(
                f"{folder / index.TOKENIZER}: not the tokenizer that made these shards: expected "
                f"the digest {self.contents.tokenizer[:12]}… by {index.INDEX}, "
                f"got {self.tokenizer.digest[:12]}…"
            )
        self._tokens: list[NDArray[Any]] = []
        self._first_row = [0]
        starts, lengths = [], []
        for shard in self.contents.shards:
            tokens, documents, sentences = self._open(folder, shard)
            cut = cut_rows(documents, sentences, max_tokens - _SPECIALS_A_ROW)
            self._tokens.append(tokens)
            self._first_row.append(self._first_row[-1] + len(cut[0]))
            starts.append(cut[0])
            lengths.append(cut[1])
        self._starts = np.concatenate(starts)
        self.lengths: NDArray[np.int32] = np.concatenate(lengths) + np.int32(_SPECIALS_A_ROW)

    def _open(self, folder: Path, shard: Shard) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The shard's tokens (mapped), document ends and sentence ends."""
        names = list(shard.sizes(self.contents.dtype))
        tokens = np.memmap(folder / names[0], TOKENS[self.contents.dtype], mode="r")
        documents, sentences = (np.fromfile(folder / name, ENDS) for name in names[1:])
        for name, ends in zip(names[1:], (documents, sentences), strict=True):
            if ends[0] < 1 or ends[-1] != shard.tokens or (np.diff(ends) < 1).any():
                raise DataError(
                    f"{folder / name}: damaged: expected ends that rise to {shard.tokens}"
                )
        if not np.isin(documents, sentences, assume_unique=True).all():
            raise DataError(f"{folder / names[2]}: damaged: lacks ends that {names[1]} has")
        return tokens, documents, sentences

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lengths)

    def row(self, index: int) -> Row:
        """One row by its number; its origin is (shard, row within the shard).

        Raises DataError for a number outside 0 … rows - 1.
        """
        if not 0 <= index < len(self.lengths):
            raise DataError(f"row {index} is not in 0…{len(self.lengths) - 1}")
        shard = bisect_right(self._first_row, index) - 1
        start, size = int(self._starts[index]), int(self.lengths[index])
        token_ids = np.empty(size, np.int32)
        token_ids[0] = self.tokenizer.special_ids.cls
        token_ids[1:-1] = self._tokens[shard][start : start + size - _SPECIALS_A_ROW]
        token_ids[-1] = self.tokenizer.special_ids.sep
        return Row(
            token_ids,
            np.zeros(size, np.uint8),
            origin=(shard, index - self._first_row[shard]),
        )
