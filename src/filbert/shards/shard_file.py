"""A shard's file, mapped: its tokens, its ends, the way back to the corpus."""

from bisect import bisect_left
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError
from filbert.shards.index import SMALL_VOCABULARY, Shard
from filbert.shards.opening import readable
from filbert.shards.packing import EXCEPTION, layout
from filbert.shards.signposts import Breaks, Counts

_PIECE_TOKENS = 2**22


class ShardFile:
    """A shard's file, mapped into memory; any stretch of its tokens is read in O(log exceptions).

    Raises DataError naming the file where it cannot be read, or is not as the index says.
    """

    def __init__(self, path: Path, shard: Shard, vocab_size: int):
        """Map the file, whose size has been compared with `size_of`."""
        self._path, self._shard, self._vocab_size = path, shard, vocab_size
        self._sections: dict[str, NDArray[Any]] = {}
        at = 0
        try:
            with readable(path):
                raw = np.memmap(path, np.uint8, mode="r")
            for name, kind, length in layout(shard, vocab_size):
                self._sections[name] = np.frombuffer(raw, kind, length, at)
                at += kind.itemsize * length
        except ValueError as error:
            raise self._damaged(f"expected another size: {error}") from error

    def check(self) -> None:
        """See that all of it fits together, in a pass over the file."""
        self._check_tokens()
        _ = self.document_ends
        self._check_languages()
        out = self.left_out.astype(np.int64)
        most = self._shard.documents + self._shard.left_out
        if out.size and ((np.diff(out) < 1).any() or out[-1] >= most):
            raise self._damaged(f"left_out: expected rising places below {most:,}")

    def _check_tokens(self) -> None:
        id_of, tokens = self._id_of, self._sections["tokens"]
        high = self._vocab_size if id_of is None else id_of.size
        places, ids = self._sections["places"], self._sections["ids"]
        if places.size:
            self._same("kept", high, EXCEPTION)
            if (ids >= self._vocab_size).any():
                raise self._damaged(f"ids: expected ids below {self._vocab_size:,}")
            high = EXCEPTION + 1
        at = 0
        for start in range(0, tokens.size, _PIECE_TOKENS):
            piece = tokens[start : start + _PIECE_TOKENS]
            if int(piece.max()) >= high:
                raise self._damaged(f"tokens: expected codes below {high:,}, got {piece.max():,}")
            if places.size:
                found = np.flatnonzero(piece == EXCEPTION) + start
                if not np.array_equal(found, places[at : at + found.size]):
                    raise self._damaged("places: expected those of the exceptions among the tokens")
                at += found.size
        self._same("places", at, places.size)

    def _check_languages(self) -> None:
        names = self._shard.languages
        got = np.bincount(self.languages, minlength=len(names)).tolist()
        expected = [counts.documents for counts in names.values()]
        if got != expected:
            raise self._damaged(f"languages: expected {expected} documents, got {got}")

    @cached_property
    def _id_of(self) -> NDArray[np.int32] | None:
        """The id of each code; None where an id is its own code."""
        bits = self._sections["kept"]
        if not bits.size:
            return None
        ids = np.flatnonzero(np.unpackbits(bits, count=self._vocab_size)).astype(np.int32)
        if not 0 < ids.size <= SMALL_VOCABULARY:
            raise self._damaged(f"expected 1 to {SMALL_VOCABULARY:,} kept ids, got {ids.size:,}")
        return ids

    def token_ids(self, start: int, stop: int) -> NDArray[np.int32]:
        """The ids of the tokens from start to before stop: int32 [stop - start]."""
        codes = self._sections["tokens"][start:stop]
        id_of = self._id_of
        if id_of is None:
            return codes.astype(np.int32)
        places = self._sections["places"]
        try:
            if not places.size:
                every: NDArray[np.int32] = id_of[codes]
                return every
            ids: NDArray[np.int32] = id_of[np.minimum(codes, id_of.size - 1)]
            # Not numpy's search: it copies all of an array that is not aligned, as this may be.
            first = bisect_left(places, start)
            last = bisect_left(places, stop, first)
            ids[places[first:last] - np.uint32(start)] = self._sections["ids"][first:last]
        except IndexError as error:
            raise self._damaged(f"a code stands for none of the kept ids: {error}") from error
        return ids

    @property
    def sentence_ends(self) -> NDArray[np.int64]:
        """The exclusive end of each sentence, in tokens: int64 [sentences]."""
        ends = np.cumsum(self._counts("sentences"))
        if ends[-1] != self._shard.tokens:
            raise self._damaged(
                f"expected sentences of {self._shard.tokens:,} tokens together, got {ends[-1]:,}"
            )
        return ends

    @property
    def document_sentences(self) -> NDArray[np.int64]:
        """The sentences of each document: int64 [documents]."""
        counts = self._counts("documents")
        if counts.sum() != self._shard.sentences:
            raise self._damaged(
                f"expected documents of {self._shard.sentences:,} sentences together, "
                f"got {counts.sum():,}"
            )
        return counts

    @cached_property
    def document_ends(self) -> NDArray[np.int64]:
        """The exclusive end of each document, in tokens: int64 [documents]; counted once."""
        ends: NDArray[np.int64] = self.sentence_ends[np.cumsum(self.document_sentences) - 1]
        return ends

    def breaks(self) -> Breaks:
        """Where sentences and documents end, in little memory; a pass over their counts."""
        found = Breaks(self.counts_of("sentences"), self.counts_of("documents"))
        if found.totals != (self._shard.tokens, self._shard.sentences):
            raise self._damaged(
                f"expected sentences of {self._shard.tokens:,} tokens and documents of "
                f"{self._shard.sentences:,} sentences, got {found.totals}"
            )
        return found

    def counts_of(self, name: Literal["sentences", "documents"]) -> Counts:
        """The tokens of each sentence, or the sentences of each document, as they are stored."""
        return Counts(self._sections[name], self._sections[f"long_{name}"])

    @property
    def languages(self) -> NDArray[np.uint8]:
        """The number of each document's language in the shard's list: uint8 [documents]."""
        numbers = self._sections["languages"]
        return numbers if numbers.size else np.zeros(self._shard.documents, np.uint8)

    def language_of(self, document: int) -> str:
        """The language of a document."""
        numbers = self._sections["languages"]
        return self._language_names[int(numbers[document]) if numbers.size else 0]

    @cached_property
    def _language_names(self) -> list[str]:
        return list(self._shard.languages)

    @property
    def left_out(self) -> NDArray[Any]:
        """Which documents of the shard's stretches had no token: uint32, rising."""
        return self._sections["left_out"]

    def origin_of(self, document: int) -> tuple[str, int]:
        """The corpus's file of a document, and its row there; those left out count there."""
        at = document + int(np.searchsorted(self._kept_before, document, side="right"))
        number = int(np.searchsorted(self._stretch_ends, at, side="right"))
        stretch = self._shard.stretches[number]
        return stretch.file, stretch.first + at - int(
            self._stretch_ends[number]
        ) + stretch.documents

    @cached_property
    def _kept_before(self) -> NDArray[np.int64]:
        """How many documents with tokens stand before each one that was left out."""
        return self.left_out.astype(np.int64) - np.arange(self.left_out.size)

    @cached_property
    def _stretch_ends(self) -> NDArray[np.int64]:
        return np.cumsum([stretch.documents for stretch in self._shard.stretches], dtype=np.int64)

    def _counts(self, name: str) -> NDArray[np.int64]:
        counts = self._sections[name].astype(np.int64)
        long = self._sections[f"long_{name}"]
        empty = counts == 0
        if int(empty.sum()) != long.size:
            raise self._damaged(f"expected {long.size:,} long {name}, got {int(empty.sum()):,}")
        counts[empty] = long
        if (counts < 1).any():
            raise self._damaged(f"expected no empty {name}")
        return counts

    def _same(self, field: str, got: int, expected: int) -> None:
        if got != expected:
            raise self._damaged(f"{field}: expected {expected:,}, got {got:,}")

    def _damaged(self, how: str) -> DataError:
        return DataError(f"{self._path}: damaged: {how}; write the shards again")
