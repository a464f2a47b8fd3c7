"""Rows for tasks that make pairs of them, to learn from and to score on."""

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError
from filbert.shards import Documented, DocumentRows, Lengths, Paired, RowSource
from filbert.train.sources import Blocks


class Aside:
    """The rows of a source that are set aside, as a source of their own."""

    def __init__(self, source: Documented, blocks: Blocks):
        """Of these blocks."""
        self._source, self._numbers = source, blocks.aside()
        self.lengths: Lengths = source.lengths[self._numbers]

    def row(self, index: int) -> Row:
        """One row by its number within the part."""
        return self._source.row(int(self._numbers[index]))

    def sentence_ends(self, index: int) -> NDArray[np.int32]:
        """The exclusive end of each sentence of a row."""
        return self._source.sentence_ends(int(self._numbers[index]))

    def document(self, index: int) -> DocumentRows:
        """The rows set aside of the document that a row is of."""
        own = self._source.document(int(self._numbers[index]))
        first, stop = np.searchsorted(self._numbers, (own.first, own.stop))
        return DocumentRows(int(first), int(stop))

    def language(self, index: int) -> str:
        """The language of a row's document."""
        return self._source.language(int(self._numbers[index]))


def with_pairs(source: Documented, pairs: str) -> RowSource:
    """The source as a pre-training task reads it whose `pairs` is this.

    Raises DataError where its rows make no pairs.
    """
    return source if pairs == "none" else Paired(source, partners=pairs == "next")


def rows_aside(source: Documented, blocks: Blocks, pairs: str) -> list[Row]:
    """The rows that are set aside, always the same, with what a task with these pairs needs.

    Their partners are of rows set aside, too: a network knows what it has learnt from, and could
    tell a partner by that. Only where they are too few for pairs are all rows taken.
    """
    aside = Aside(source, blocks)
    try:
        found = with_pairs(aside, pairs)
    except DataError:
        every = with_pairs(source, pairs)
        return [every.row(int(number)) for number in blocks.aside()]
    return [found.row(index) for index in range(len(aside.lengths))]
