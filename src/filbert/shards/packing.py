"""The arrays of a shard ↔ the bytes of its file; what stands where: docs/decisions/0008."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError
from filbert.shards.index import SMALL_VOCABULARY, Shard

_EXCEPTION = SMALL_VOCABULARY - 1
_CODE, _BYTE, _WIDE = np.dtype("<u2"), np.dtype("u1"), np.dtype("<u4")


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a shard says, not yet packed.

    token_ids           int32 [tokens]
    sentence_tokens     int64 [sentences], each 1 or more
    document_sentences  int64 [documents], each 1 or more
    languages           uint8 [documents], numbers of languages
    left_out            int64 [left_out], rising
    """

    token_ids: NDArray[np.int32]
    sentence_tokens: NDArray[np.int64]
    document_sentences: NDArray[np.int64]
    languages: NDArray[np.uint8]
    left_out: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The sections of a shard in their order, and what their sizes follow from."""

    sections: list[NDArray[Any]]
    exceptions: int
    long_sentences: int
    long_documents: int


def pack(contents: Contents, id_counts: NDArray[np.int64]) -> Packed:
    """The sections of a shard's file. id_counts: how often each id occurs, int64 [vocab]."""
    codes, places, ids, kept = _coded(contents.token_ids, id_counts)
    sentences, long_sentences = _packed_counts(contents.sentence_tokens)
    documents, long_documents = _packed_counts(contents.document_sentences)
    sections = [codes, places, ids, kept, sentences, long_sentences, documents, long_documents]
    several = contents.languages if contents.languages.any() else contents.languages[:0]
    sections += [several, contents.left_out.astype(_WIDE)]
    return Packed(sections, len(places), len(long_sentences), len(long_documents))


def _coded(
    token_ids: NDArray[np.int32], id_counts: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """(codes, the exceptions' places, their ids, the kept ids as bits)."""
    none = np.zeros(0, _WIDE)
    if len(id_counts) <= SMALL_VOCABULARY:
        return token_ids.astype(_CODE), none, none, np.zeros(0, _BYTE)
    kept = id_counts > 0
    if kept.sum() > SMALL_VOCABULARY:
        # Stable: of two equally frequent ids the lower one stays, on every machine.
        frequent = np.argsort(-id_counts, kind="stable")[:_EXCEPTION]
        kept = np.zeros(len(id_counts), np.bool_)
        kept[frequent] = True
    code_of = np.where(kept, np.cumsum(kept) - 1, _EXCEPTION).astype(_CODE)
    places = np.flatnonzero(~kept[token_ids]).astype(_WIDE)
    return code_of[token_ids], places, token_ids[places].astype(_WIDE), np.packbits(kept)


def _packed_counts(counts: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Counts of 1 and more as bytes; 0 stands for one of the larger ones, which come aside."""
    long = counts > 255
    return np.where(long, 0, counts).astype(_BYTE), counts[long].astype(_WIDE)


def _layout(shard: Shard, vocab_size: int) -> Iterator[tuple[str, np.dtype[Any], int]]:
    """Name, type and length of each section."""
    kept = 0 if vocab_size <= SMALL_VOCABULARY else -(-vocab_size // 8)
    yield "tokens", _CODE, shard.tokens
    yield "places", _WIDE, shard.exceptions
    yield "ids", _WIDE, shard.exceptions
    yield "kept", _BYTE, kept
    yield "sentences", _BYTE, shard.sentences
    yield "long_sentences", _WIDE, shard.long_sentences
    yield "documents", _BYTE, shard.documents
    yield "long_documents", _WIDE, shard.long_documents
    yield "languages", _BYTE, shard.documents if len(shard.languages) > 1 else 0
    yield "left_out", _WIDE, shard.left_out


def size_of(shard: Shard, vocab_size: int) -> int:
    """The bytes that a shard's file must have."""
    return sum(kind.itemsize * length for _, kind, length in _layout(shard, vocab_size))


class ShardFile:
    """A shard's file, mapped into memory; any stretch of its tokens is read in O(1)."""

    def __init__(self, path: Path, shard: Shard, vocab_size: int):
        """Map the file, whose size has been compared with `size_of`."""
        self._path, self._shard, self._vocab_size = path, shard, vocab_size
        raw = np.memmap(path, np.uint8, mode="r")
        self._sections: dict[str, NDArray[Any]] = {}
        at = 0
        for name, kind, length in _layout(shard, vocab_size):
            self._sections[name] = np.frombuffer(raw, kind, length, at)
            at += kind.itemsize * length

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
        first, last = np.searchsorted(places, [start, stop]) if places.size else (0, 0)
        try:
            if not places.size:
                every: NDArray[np.int32] = id_of[codes]
                return every
            ids: NDArray[np.int32] = id_of[np.minimum(codes, id_of.size - 1)]
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

    @property
    def document_ends(self) -> NDArray[np.int64]:
        """The exclusive end of each document, in tokens: int64 [documents]."""
        return self.sentence_ends[np.cumsum(self.document_sentences) - 1]

    @property
    def languages(self) -> NDArray[np.uint8]:
        """The number of each document's language in the shard's list: uint8 [documents]."""
        numbers = self._sections["languages"]
        return numbers if numbers.size else np.zeros(self._shard.documents, np.uint8)

    @property
    def left_out(self) -> NDArray[Any]:
        """Which documents of the shard's stretches had no token: uint32, rising."""
        return self._sections["left_out"]

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

    def _damaged(self, how: str) -> DataError:
        return DataError(f"{self._path}: damaged: {how}; write the shards again")
