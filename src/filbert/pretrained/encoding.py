"""What a tokenizer's call gives: a dictionary of lists or tensors that knows its texts."""

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from filbert.errors import RequestError
from filbert.pretrained.columns import END, ID, START, TEXT, WORD, Table, optional


class CharSpan(NamedTuple):
    """Characters of a text, the end exclusive."""

    start: int
    end: int


class BatchEncoding(UserDict[str, Any]):
    """input_ids, attention_mask, … by key or as attributes; `model(**inputs)` takes it.

    tables: one a sequence, as they stand in the dictionary; none after `tokenizer.pad`.
    name: token ids → tokens; a pickled encoding leaves it behind, for it is a whole tokenizer.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        tables: Sequence[Table] = (),
        name: Callable[[Any], list[str]] | None = None,
    ):
        """Hold the data."""
        super().__init__(data)
        self._tables = tuple(tables)
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """A value by its name."""
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(f"this encoding has no {name!r}") from None

    def __getstate__(self) -> dict[str, Any]:
        """All but the tokenizer."""
        return {**self.__dict__, "_name": None}

    def to(self, device: Any, *, non_blocking: bool = False) -> "BatchEncoding":
        """Copy all tensors to the device, in place; gives itself."""
        for name, value in self.data.items():
            if hasattr(value, "to"):
                self.data[name] = value.to(device, non_blocking=non_blocking)
        return self

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a sequence, special ones and padding included."""
        table = self._table(batch_index)
        if self._name is None:
            raise RequestError(
                "this encoding was pickled, which leaves its tokens' names behind; ask the "
                "tokenizer: convert_ids_to_tokens"
            )
        return self._name(table[:, ID])

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """The word of its text that each token belongs to; None for special tokens, padding."""
        return optional(self._table(batch_index)[:, WORD])

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Which text of a pair each token belongs to; None for special tokens and padding."""
        return optional(self._table(batch_index)[:, TEXT])

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token over a character of a text; None for one that no token holds.

        With one number alone it is the character's, in the first sequence.
        """
        batch, char = _batch_first(batch_or_char_index, char_index)
        table = self._table(batch)
        over = (table[:, TEXT] == sequence_index) & (table[:, START] <= char)
        found = np.flatnonzero(over & (char < table[:, END]))
        return int(found[0]) if len(found) else None

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> CharSpan | None:
        """The characters behind a token of a text; None for special tokens and padding."""
        batch, token = _batch_first(batch_or_token_index, token_index)
        row = self._table(batch)[token]
        return None if row[TEXT] < 0 else CharSpan(int(row[START]), int(row[END]))

    def _table(self, index: int) -> Table:
        if not self._tables:
            raise RequestError(
                "this encoding no longer knows its texts (it was padded or made by hand); ask the "
                "one that the tokenizer's call gave"
            )
        if not -len(self._tables) <= index < len(self._tables):
            raise RequestError(f"sequence {index}: this encoding holds {len(self._tables)}")
        return self._tables[index]


def _batch_first(first: int, second: int | None) -> tuple[int, int]:
    return (0, first) if second is None else (first, second)
