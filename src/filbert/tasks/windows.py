"""A long text as several rows, or cut: nothing of it is dropped in silence."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from filbert.batch import Array, Row
from filbert.errors import DataError, RequestError
from filbert.tokenizer import Encoded, Tokenizer

Long = Literal["windows", "truncate", "error"]
"""What becomes of a text that is too long: several windows, its beginning alone, or an error."""
LONG: tuple[Long, ...] = ("windows", "truncate", "error")


Part = tuple[Array, Array]
"""Token ids and offsets of a piece of a text, on its way into a row."""


def text_rows(
    tokenizer: Tokenizer,
    first: Encoded,
    second: Encoded | None = None,
    *,
    max_tokens: int,
    overlap_tokens: int = 0,
    labels: Array | None = None,
    truncate: bool = False,
    prompt: Encoded | None = None,
) -> list[Row]:
    """[CLS] first [SEP], or [CLS] first [SEP] second [SEP], as rows of at most max_tokens.

    first, second: encoded without special tokens. Between the two stand as many [SEP] as the
    tokenizer's own rows have (`pair_separators`).
    What is too long becomes windows of even size, each token in one of them (and the overlap in
    two). Of a pair, the longer text is cut in windows and each of them meets the whole of the other
    one; the shorter may fill half of the room, what is over is cut and counted in `tokens_cut`.
    An empty text is a row of special tokens.

    truncate: one row in any case; what is over is cut from the end, of a pair from the longer text
    first (as transformers' "longest_first" does it), and counted in `tokens_cut`.
    prompt: what `first` begins with, encoded alone; every window begins with it.
    """
    if second is not None:
        return _pair_rows(tokenizer, first, second, max_tokens, overlap_tokens, labels, truncate)
    head = 0 if prompt is None else min(len(prompt), len(first))
    prompted = 0 if prompt is None else head + 1
    room = max_tokens - special_tokens(tokenizer, pair=False) - head
    rest = len(first) - head
    if room < 1 and head:
        raise RequestError(
            f"a prompt of {head} tokens leaves no room for text in rows of {max_tokens} tokens"
        )
    if truncate:
        kept = [_part(first, 0, head + min(rest, room))]
        cut = max(0, rest - room)
        return [make_row(tokenizer, kept, labels=labels, cut=cut, prompt_tokens=prompted)]
    rows = []
    for number, (start, stop) in enumerate(spans := list(windows(rest, room, overlap_tokens))):
        part = _part(first, head + start, head + stop)
        if head:
            assert prompt is not None
            part = _joined(_part(first if number == 0 else prompt, 0, head), part)
        shared = _shared(number, len(spans), overlap_tokens)
        rows.append(
            make_row(tokenizer, [part], labels=labels, shared_tokens=shared, prompt_tokens=prompted)
        )
    return rows


def _pair_rows(
    tokenizer: Tokenizer,
    first: Encoded,
    second: Encoded,
    max_tokens: int,
    overlap_tokens: int,
    labels: Array | None,
    truncate: bool,
) -> list[Row]:
    swap = len(second) > len(first) if not truncate else len(second) >= len(first)
    long, short = (second, first) if swap else (first, second)
    room = max_tokens - special_tokens(tokenizer, pair=True)
    kept = min(len(short), max(room // 2, room - len(long)))
    cut, spans = len(short) - kept, [(0, min(len(long), room - kept))]
    if truncate:
        cut += len(long) - spans[0][1]
    else:
        spans = list(windows(len(long), room - kept, overlap_tokens))
    rows = []
    for number, (start, stop) in enumerate(spans):
        parts = [_part(long, start, stop), _part(short, 0, kept)]
        shared = _shared(number, len(spans), overlap_tokens)
        ordered = parts[::-1] if swap else parts
        rows.append(make_row(tokenizer, ordered, labels=labels, cut=cut, shared_tokens=shared))
    return rows


def windows(tokens: int, room: int, overlap_tokens: int = 0) -> Iterator[tuple[int, int]]:
    """(start, stop) of windows of at most `room` that cover 0 to `tokens`, equal but for one token.

    Neighbours share just overlap_tokens. Raises DataError where the overlap leaves no step.
    """
    if room <= overlap_tokens or room < 1 or overlap_tokens < 0:
        raise DataError(
            f"windows of {room} tokens cannot overlap by {overlap_tokens}; overlap_tokens: "
            f"expected at most {max(0, room - 1)}"
        )
    if tokens <= room:
        yield 0, tokens
        return
    fresh = tokens - overlap_tokens
    count = -(-fresh // (room - overlap_tokens))
    for number in range(count):
        yield number * fresh // count, (number + 1) * fresh // count + overlap_tokens


def check_long(long: str, overlap_tokens: int) -> None:
    """Refuse what nobody can do with a long text, whether or not there is one."""
    if long not in LONG:
        raise RequestError(f"long: expected {', '.join(LONG)}, got {long!r:.80}")
    if not isinstance(overlap_tokens, int | np.integer) or overlap_tokens < 0:
        raise RequestError(
            f"overlap_tokens: expected a whole number from 0 on, got {overlap_tokens!r:.40}"
        )
    if overlap_tokens and long != "windows":
        raise RequestError(f"overlap_tokens is for windows; long is {long!r}")


def special_tokens(tokenizer: Tokenizer, *, pair: bool) -> int:
    """How many special tokens a row of one text, or of a pair, has."""
    return 2 + tokenizer.pair_separators * pair


def too_long(where: str, tokens: int, limit: int) -> RequestError:
    """What is said of a text that is longer than the model reads."""
    return RequestError(
        f"{where} has {tokens:,} tokens, special ones included; expected at most {limit:,}"
    )


def _shared(number: int, count: int, overlap_tokens: int) -> int:
    """Tokens of a window that count to its neighbours: half of each overlap, so none counts twice.

    An odd token more counts to the later window.
    """
    before = overlap_tokens // 2 if number else 0
    after = overlap_tokens - overlap_tokens // 2 if number + 1 < count else 0
    return before + after


def _part(encoded: Encoded, start: int, stop: int) -> Part:
    return encoded.token_ids[start:stop], encoded.offsets[start:stop]


def _joined(first: Part, second: Part) -> Part:
    return np.concatenate((first[0], second[0])), np.concatenate((first[1], second[1]))


def make_row(
    tokenizer: Tokenizer,
    parts: Sequence[Part],
    *,
    labels: Array | None = None,
    cut: int = 0,
    shared_tokens: int = 0,
    prompt_tokens: int = 0,
) -> Row:
    """[CLS] first [SEP], or [CLS] first [SEP] second [SEP]; cut: the row's tokens_cut."""
    # One allocation a field: this is the inner loop of reading.
    special, gap = tokenizer.special_ids, tokenizer.pair_separators - 1
    tokens = 1 + sum(len(token_ids) + 1 for token_ids, _ in parts) + gap * (len(parts) - 1)
    row_ids = np.full(tokens, special.sep, np.int32)
    row_offsets = np.zeros((tokens, 2), np.int32)
    segments = np.zeros(tokens, np.uint8)
    row_ids[0] = special.cls
    place = 1
    for segment, (token_ids, offsets) in enumerate(parts):
        end = place + len(token_ids)
        row_ids[place:end] = token_ids
        row_offsets[place:end] = offsets
        if segment and tokenizer.pair_segments:
            segments[place:] = 1
        place = end + 1 + gap
    return Row(
        row_ids,
        segments,
        labels=labels,
        offsets=row_offsets,
        tokens_cut=cut,
        shared_tokens=shared_tokens,
        prompt_tokens=prompt_tokens,
    )
