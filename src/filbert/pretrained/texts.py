"""What a tokenizer was called with → texts or pairs of texts, tokenised."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from filbert.errors import RequestError
from filbert.pretrained.columns import EMPTY, WORD, Table, text_table
from filbert.tokenizer import Tokenizer

Text = str | Sequence[str]
"""A text, or its words where the caller has split it."""


def read_texts(
    text: Any, text_pair: Any, split: bool
) -> tuple[list[tuple[Text, Text | None]], bool]:
    """The texts, each with its second or None, and whether they came as a batch.

    split: whether a text is a list of words. Raises RequestError naming what came instead.
    """
    batched = _is_list(text) and (not split or (len(text) > 0 and _is_list(text[0])))
    if not batched:
        first = _text(text, split, "text")
        # As in transformers, an empty second text of a single call is none.
        return [(first, _text(text_pair, split, "text_pair") if text_pair else None)], False
    if text_pair is None:
        return [_item(item, split, number) for number, item in enumerate(text)], True
    if not _is_list(text_pair) or len(text_pair) != len(text):
        came = f"{len(text_pair)} of them" if _is_list(text_pair) else type(text_pair).__name__
        raise RequestError(f"text_pair: expected a list as long as text ({len(text)}), got {came}")
    firsts = [_text(item, split, f"text {n}") for n, item in enumerate(text)]
    seconds = [_text(item, split, f"text_pair {n}") for n, item in enumerate(text_pair)]
    return list(zip(firsts, seconds, strict=True)), True


def tokenise(tokenizer: Tokenizer, texts: Sequence[Text], second: Sequence[bool]) -> list[Table]:
    """The table of each text, without special tokens; second: whether it is a pair's second.

    All are tokenised in one go. The words of a text that is split already are each tokenised
    alone, and the offsets are those within the word.
    """
    pieces = [piece for text in texts for piece in ([text] if isinstance(text, str) else text)]
    encoded = iter(tokenizer.encode_batch(pieces, specials=False) if pieces else [])
    tables = []
    for text, is_second in zip(texts, second, strict=True):
        if isinstance(text, str):
            tables.append(text_table(next(encoded), int(is_second)))
            continue
        words = [text_table(next(encoded), int(is_second)) for _ in text]
        for number, word in enumerate(words):
            word[:, WORD] = number
        tables.append(np.concatenate(words) if words else EMPTY)
    return tables


def _item(item: Any, split: bool, number: int) -> tuple[Text, Text | None]:
    """One of a batch: a text, or a pair of texts as a tuple or list of two."""
    name = f"text {number}"
    is_pair = _is_list(item) and len(item) == 2 and (not split or all(map(_is_list, item)))
    if is_pair:
        return _text(item[0], split, name), _text(item[1], split, name)
    return _text(item, split, name), None


def _text(text: Any, split: bool, name: str) -> Text:
    if split and _is_list(text) and all(isinstance(word, str) for word in text):
        return cast(Sequence[str], text)
    if not split and isinstance(text, str):
        return text
    expected = "a list of words, as is_split_into_words says" if split else "a string"
    raise RequestError(f"{name}: expected {expected}, got {type(text).__name__}: {text!r:.60}")


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
