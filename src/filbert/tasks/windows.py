"""A long text as several rows: nothing of it is dropped in silence."""

from collections.abc import Iterator

import numpy as np

from filbert.batch import Array, Row
from filbert.errors import DataError
from filbert.tokenizer import Encoded, Tokenizer


def text_rows(
    tokenizer: Tokenizer,
    first: Encoded,
    second: Encoded | None = None,
    *,
    max_tokens: int,
    overlap_tokens: int = 0,
    labels: Array | None = None,
) -> list[Row]:
    """[CLS] first [SEP], or [CLS] first [SEP] second [SEP], as rows of at most max_tokens.

    first, second: encoded without special tokens.
    What is too long becomes windows of even size, each token in one of them (and the overlap in
    two). Of a pair, the longer text is cut in windows and each of them meets the whole of the other
    one; the shorter may fill half of the room, what is over is cut and counted in `tokens_cut`.
    An empty text is a row of special tokens.
    """
    if second is None:
        room = max_tokens - 2
        return [
            _row(tokenizer, [_part(first, start, stop)], labels, 0)
            for start, stop in windows(len(first), room, overlap_tokens)
        ]
    swap = len(second) > len(first)
    long, short = (second, first) if swap else (first, second)
    room = max_tokens - 3
    kept = min(len(short), max(room // 2, room - len(long)))
    rows = []
    for start, stop in windows(len(long), room - kept, overlap_tokens):
        parts = [_part(long, start, stop), _part(short, 0, kept)]
        rows.append(_row(tokenizer, parts[::-1] if swap else parts, labels, len(short) - kept))
    return rows


def windows(tokens: int, room: int, overlap_tokens: int = 0) -> Iterator[tuple[int, int]]:
    """(start, stop) of windows of at most `room` that cover 0 to `tokens`, equal but for one token.

    Neighbours share just overlap_tokens. Raises DataError where the overlap leaves no step.
    """
    if room <= overlap_tokens or room < 1:
        raise DataError(f"windows of {room} tokens cannot overlap by {overlap_tokens}")
    if tokens <= room:
        yield 0, tokens
        return
    fresh = tokens - overlap_tokens
    count = -(-fresh // (room - overlap_tokens))
    for number in range(count):
        yield number * fresh // count, (number + 1) * fresh // count + overlap_tokens


Part = tuple[Array, Array]


def _part(encoded: Encoded, start: int, stop: int) -> Part:
    return encoded.token_ids[start:stop], encoded.offsets[start:stop]


def _row(tokenizer: Tokenizer, parts: list[Part], labels: Array | None, cut: int) -> Row:
    """One allocation a field: this is the inner loop of reading."""
    special = tokenizer.special_ids
    tokens = 1 + sum(len(token_ids) + 1 for token_ids, _ in parts)
    row_ids = np.full(tokens, special.sep, np.int32)
    row_offsets = np.zeros((tokens, 2), np.int32)
    segments = np.zeros(tokens, np.uint8)
    row_ids[0] = special.cls
    place = 1
    for segment, (token_ids, offsets) in enumerate(parts):
        end = place + len(token_ids)
        row_ids[place:end] = token_ids
        row_offsets[place:end] = offsets
        segments[place : end + 1] = segment
        place = end + 1
    return Row(row_ids, segments, labels=labels, offsets=row_offsets, tokens_cut=cut)
