"""Pairs of segments: next-sentence prediction and sentence order, made of rows on the fly.

"next" (Devlin et al. 2019, section 3.1, task 2): does B follow A, or is it from another document?
"order" (Lan et al. 2020, section 3.1): do A and B stand in their order, or are they swapped?

A row is cut in two at the end of one of its sentences. Where the paper's code lets the shape of a
pair depend on its answer (B of another length, ends within a sentence, a row of one sentence always
followed by a random one), here it does not: place of the cut, lengths and shortening are settled
before the label is drawn, so that only the text can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Array, Packed, Row
from filbert.tasks.chance import epochs_of, fractions, token_numbers
from filbert.tokenizer import SpecialIds

Pairs = Literal["none", "next", "order"]
"""What a row is cut into pairs for."""

UNPAIRED = -100
"""The label of a row that is no pair; as everywhere, a target that is not asked for."""

_PURPOSE = 16
_SHORT, _TARGET, _FIRST, _CUT, _SPAN, _LABEL, _FRONT, _DRAWS = range(8)
_Ids = NDArray[np.int32]
_Ends = NDArray[np.int64]


@dataclass(frozen=True)
class PairAnswer:
    """What is said of a row that may be a pair, or is right of it.

    masked  of its hidden tokens
    pair    the label, 0 or 1; UNPAIRED where the row is no pair
    loss    -log p of the right label, where it is known
    """

    masked: tuple[Any, ...]
    pair: int
    loss: float | None = None


def draw_pairs(
    rows: Sequence[Row],
    pairs: Pairs,
    special_ids: SpecialIds,
    seed: int,
    epoch: int,
    *,
    random_next_fraction: float = 0.5,
    short_fraction: float = 0.1,
) -> tuple[list[Row], _Ids]:
    """Rows as pairs [CLS] A [SEP] B [SEP], each at most as long as it was, and their labels.

    "next": label 0: B is what follows; 1, with random_next_fraction: B is of the row's partner, as
    many tokens as the true one has. Of all cuts and all stretches of whole sentences of the partner
    those are taken whose lengths differ least; where they differ, the longer one loses its end,
    whichever is used. "order": label 1, with one half: A and B have been swapped.
    With short_fraction, a row is first shortened to the sentences (at least two) from a random one
    on that together reach a random number of tokens. Where the second [SEP] leaves no room, the
    longer of A and B loses a token, its first or its last.

    A row without sentence ends, of one sentence (half of a sentence says nothing of sentences), of
    less than three tokens or, for "next", without a partner stays as it is: UNPAIRED.
    Returns the rows and int32 [rows]. All is drawn from (seed, epoch) and each row's origin.
    """
    count = np.full(len(rows), _DRAWS, np.int32)
    numbers = token_numbers(
        seed, epochs_of(rows, epoch), [row.origin for row in rows], count, _PURPOSE
    )
    chances = fractions(numbers).reshape(len(rows), _DRAWS)
    made, labels = [], np.full(len(rows), UNPAIRED, np.int32)
    for number, (row, chance) in enumerate(zip(rows, chances.tolist(), strict=True)):
        found = _pair(row, pairs, chance, short_fraction)
        if found is None:
            made.append(row)
            continue
        first, second, other = found
        swap = pairs == "order"
        labels[number] = label = chance[_LABEL] < (0.5 if swap else random_next_fraction)
        if label:
            first, second = (second, first) if swap else (first, other)
        made.append(_joined(row, first, second, special_ids))
    return made, labels


def _pair(
    row: Row, pairs: Pairs, chance: Sequence[float], short_fraction: float
) -> tuple[_Ids, _Ids, _Ids] | None:
    """A, its true B and another document's in the same length; None where there is no pair."""
    if row.sentence_ends is None or (pairs == "next" and row.partner is None):
        return None
    text, ends = row.token_ids[1:-1], row.sentence_ends.astype(np.int64) - 1
    if len(ends) < 2 or len(text) < 3:
        return None
    if chance[_SHORT] < short_fraction:
        text, ends = _shortened(text, ends, chance)
    if pairs == "order" or row.partner is None:
        cut = int(ends[int(chance[_CUT] * (len(ends) - 1))])
        other = text[cut:]
    else:
        assert row.partner_ends is not None
        cut, start, size = _nearest(len(text), ends, row.partner_ends.astype(np.int64), chance)
        text, other = text[: cut + size], row.partner[start : start + size]
    first, second = text[:cut], text[cut:]
    if len(text) > len(row) - 3:
        kept = slice(1, None) if chance[_FRONT] < 0.5 else slice(None, -1)
        if len(first) > len(second):
            first = first[kept]
        else:
            second, other = second[kept], other[kept]
    return first, second, other


def _shortened(text: _Ids, ends: _Ends, chance: Sequence[float]) -> tuple[_Ids, _Ends]:
    """Some of a row's sentences, from a random one on; all where less than three tokens stay."""
    target = 2 + int(chance[_TARGET] * (len(text) - 2))
    first = int(chance[_FIRST] * (len(ends) - 1))
    start = int(ends[first - 1]) if first else 0
    last = min(max(first + 1, int(ends.searchsorted(start + target))), len(ends) - 1)
    stop = int(ends[last])
    if stop - start < 3:
        return text, ends
    return text[start:stop], ends[first : last + 1] - start


def _nearest(
    tokens: int, ends: _Ends, partner_ends: _Ends, chance: Sequence[float]
) -> tuple[int, int, int]:
    """The cut, the partner's start and the tokens of B, so that the two Bs differ least in length.

    The partner's first sentence is passed over where it has another one: a true B is never the
    first of its row either.
    """
    wanted = tokens - ends[:-1]
    starts = partner_ends[:-1] if len(partner_ends) > 1 else np.zeros(1, np.int64)
    stops = partner_ends[1:] if len(partner_ends) > 1 else partner_ends
    # For each cut and each start, the last stop that is not too far and the first that is.
    goals = starts + wanted[:, None]
    beyond = stops.searchsorted(goals)
    rows = np.arange(len(starts))
    choices = np.stack((np.maximum(beyond - 1, rows), np.clip(beyond, rows, len(stops) - 1)))
    found = stops[choices] - starts
    differences = np.abs(found - wanted[:, None])
    best = differences == differences.min()
    # Each cut that has such a stretch is as likely as another, however many it has.
    cuts = np.flatnonzero(best.any(axis=(0, 2)))
    cut = int(cuts[int(chance[_CUT] * len(cuts))])
    sides, firsts = np.nonzero(best[:, cut])
    pick = int(chance[_SPAN] * len(firsts))
    start = int(firsts[pick])
    size = int(min(found[sides[pick], cut, start], wanted[cut]))
    return int(ends[cut]), int(starts[start]), size


def _joined(row: Row, first: _Ids, second: _Ids, special_ids: SpecialIds) -> Row:
    """[CLS] A [SEP] B [SEP]."""
    token_ids = np.full(len(first) + len(second) + 3, special_ids.sep, np.int32)
    token_ids[0] = special_ids.cls
    token_ids[1 : len(first) + 1] = first
    token_ids[len(first) + 2 : -1] = second
    segments = np.zeros(len(token_ids), np.uint8)
    segments[len(first) + 2 :] = 1
    return replace(
        row,
        token_ids=token_ids,
        segments=segments,
        offsets=None,
        sentence_ends=None,
        partner=None,
        partner_ends=None,
    )


def pair_targets(labels: _Ids) -> dict[str, Array]:
    """pair_labels int32 [sequences]; pairs int32 [pairs], which of the sequences are pairs."""
    return {"pair_labels": labels, "pairs": np.flatnonzero(labels != UNPAIRED).astype(np.int32)}


def pair_answers(
    masked: Sequence[tuple[Any, ...]], logits: Array, packed: Packed
) -> list[PairAnswer]:
    """What is said of each sequence. logits: [pairs, 2]."""
    labels, pairs = packed.targets["pair_labels"], packed.targets["pairs"]
    logits = logits.astype(np.float32, copy=False)
    losses = np.logaddexp(logits[:, 0], logits[:, 1]) - logits[np.arange(len(pairs)), labels[pairs]]
    answers = [PairAnswer(each, UNPAIRED) for each in masked]
    for sequence, said, loss in zip(
        pairs.tolist(), logits.argmax(axis=1).tolist(), losses.tolist(), strict=True
    ):
        answers[sequence] = PairAnswer(masked[sequence], said, loss)
    return answers


def pair_scores(
    answers: Sequence[PairAnswer], references: Sequence[PairAnswer]
) -> dict[str, float]:
    """pairs_accuracy, pairs_loss (nats) and pairs, the number of them; empty if there are none."""
    asked = [
        (answer, reference)
        for answer, reference in zip(answers, references, strict=True)
        if reference.pair != UNPAIRED
    ]
    if not asked:
        return {}
    losses = [answer.loss for answer, _ in asked if answer.loss is not None]
    return {
        "pairs_accuracy": float(np.mean([one.pair == other.pair for one, other in asked])),
        "pairs_loss": float(np.mean(losses)),
        "pairs": float(len(asked)),
    }
