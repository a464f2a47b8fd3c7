"""Rows with what a next-sentence task needs: their sentence ends and a span of another document."""

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError
from filbert.shards.batches import Lengths, RowSource

_TRIES = 64
_PROBED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """The rows of a document, which follow each other: from first to before stop."""

    first: int
    stop: int


class Documented(RowSource, Protocol):
    """Rows of which it is known where their sentences end, and which are of one document."""

    def sentence_ends(self, index: int) -> NDArray[np.int32]:
        """The exclusive end of each sentence of a row, among its tokens: int32 [sentences]."""

    def document(self, index: int) -> DocumentRows:
        """The rows of the document that a row is of."""

    def language(self, index: int) -> str:
        """The language of a row's document; "" is unknown."""


class Paired:
    """A source's rows with their sentence ends and, another one in each epoch, a partner.

    A row's partner is the text of a row of another document, chosen by (seed, epoch, origin): so it
    depends on no rank and no batch, and nothing is held. All rows of other documents are equally
    likely, as far as they are in the row's language (a pair of two languages would teach nothing)
    and have two sentences or more; where 64 draws find none such, the best of them is taken.

    lengths  the source's
    digest   the source's: partners change neither which rows are read nor their order
    """

    def __init__(self, source: Documented, *, partners: bool = True):
        """Over any source that knows its documents; partners=False gives sentence ends alone.

        Raises DataError for a source of one document, or without a row of two sentences.
        """
        self._source, self._partners = source, partners
        self.lengths: Lengths = source.lengths
        rows = len(source.lengths)
        if partners:
            own = source.document(0)
            if own.stop - own.first == rows:
                raise DataError(
                    "next-sentence prediction takes sentences from another document: expected "
                    f"rows of two documents or more, got {rows:,} of one"
                )
        probed = min(rows, _PROBED_ROWS)
        if not any(len(source.sentence_ends(index)) > 1 for index in range(probed)):
            raise DataError(
                f"expected rows of two sentences or more, to make pairs of; the first {probed:,} "
                "rows have one each: was the corpus built with sentence breaks?"
            )

    @property
    def digest(self) -> str:
        """What the rows are."""
        said = getattr(self._source, "digest", "")
        return str(said() if callable(said) else said)

    def row(self, index: int) -> Row:
        """One row by its number, as it is in epoch 0 with the seed 0."""
        return self.row_at(index, 0, 0)

    def row_at(self, index: int, seed: int, epoch: int) -> Row:
        """One row by its number, with the partner that it has in an epoch."""
        row = self._source.row(index)
        ends = self._source.sentence_ends(index)
        if not self._partners:
            return replace(row, sentence_ends=ends)
        partner, partner_ends = self._partner(
            index, f"{seed} {epoch} {row.origin[0]} {row.origin[1]}"
        )
        return replace(
            row,
            sentence_ends=ends,
            partner=self._source.row(partner).token_ids[1:-1],
            partner_ends=partner_ends - 1,
        )

    def _partner(self, index: int, key: str) -> tuple[int, NDArray[np.int32]]:
        """The row whose text is the partner, and its sentence ends."""
        own, language = self._source.document(index), self._source.language(index)
        size = own.stop - own.first
        others = len(self.lengths) - size
        best, found = -1, (0, np.zeros(0, np.int32))
        for attempt in range(_TRIES):
            digest = hashlib.blake2b(f"{key} {attempt}".encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "little") % others
            number += size * (number >= own.first)
            ends = self._source.sentence_ends(number)
            fits = 2 * (self._source.language(number) == language) + (len(ends) > 1)
            if fits > best:
                best, found = fits, (number, ends)
            if fits == 3:
                break
        return found
