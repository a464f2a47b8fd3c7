"""The arrays of a shard ↔ the bytes of its file; what stands where: docs/decisions/0008."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.shards.index import SMALL_VOCABULARY, Shard

EXCEPTION = SMALL_VOCABULARY - 1
"""The code of a token whose id is not among the kept ones."""
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
        frequent = np.argsort(-id_counts, kind="stable")[:EXCEPTION]
        kept = np.zeros(len(id_counts), np.bool_)
        kept[frequent] = True
    code_of = np.where(kept, np.cumsum(kept) - 1, EXCEPTION).astype(_CODE)
    places = np.flatnonzero(~kept[token_ids]).astype(_WIDE)
    return code_of[token_ids], places, token_ids[places].astype(_WIDE), np.packbits(kept)


def _packed_counts(counts: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Counts of 1 and more as bytes; 0 stands for one of the larger ones, which come aside."""
    long = counts > 255
    return np.where(long, 0, counts).astype(_BYTE), counts[long].astype(_WIDE)


def layout(shard: Shard, vocab_size: int) -> Iterator[tuple[str, np.dtype[Any], int]]:
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
    return sum(kind.itemsize * length for _, kind, length in layout(shard, vocab_size))
