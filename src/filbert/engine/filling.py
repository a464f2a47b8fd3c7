"""Which window answers which [MASK]."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from filbert.batch import Packed, Row
from filbert.engine.answers import FilledMask, Guess
from filbert.errors import RequestError
from filbert.tasks import Filled, Pretrain
from filbert.tokenizer import Tokenizer

Place = tuple[int, int]
"""A row of a text's windows and a token of it."""


def best_places(rows: Sequence[Row], tokenizer: Tokenizer, where: str, text: str) -> list[Place]:
    """For each [MASK] of a text, in its order, the window that has the most context around it.

    A place has as much context as it has tokens on the side where there are fewer of them; of
    equal windows the earlier one answers.

    where  what messages call the text
    Raises RequestError for a text without a [MASK], saying whether it was cut away.
    """
    mask, mask_token = tokenizer.special_ids.mask, tokenizer.specials.mask
    best: dict[tuple[int, int], tuple[int, Place]] = {}
    for number, row in enumerate(rows):
        assert row.offsets is not None
        for token in np.flatnonzero(row.token_ids == mask):
            context = min(int(token), len(row) - 1 - int(token))
            start, end = row.offsets[token].tolist()
            if (start, end) not in best or best[start, end][0] < context:
                best[start, end] = context, (number, int(token))
    if not best:
        cut = rows[0].tokens_cut
        lost = f" in what is left after {cut:,} tokens were cut" if cut else ""
        raise RequestError(f"{where} has no {mask_token}{lost}: {text!r:.80}")
    return [place for _, (_, place) in sorted(best.items())]


def rows_asked(places: Sequence[Place]) -> list[int]:
    """The rows that answer any of the places, each once."""
    return list(dict.fromkeys(number for number, _ in places))


def filled_masks(
    rows: Sequence[Row], places: Sequence[Place], answer: Sequence[Filled], tokenizer: Tokenizer
) -> tuple[FilledMask, ...]:
    """The masked places of a text with their characters and the tokens that may stand there.

    answer  what the rows that were asked say of all their masked places, in the order of
            `rows_asked`
    """
    said = iter(answer)
    found = {
        (number, filled.position): filled
        for number in rows_asked(places)
        for filled in islice(
            said, int((rows[number].token_ids == tokenizer.special_ids.mask).sum())
        )
    }
    return tuple(_filled(rows[place[0]], found[place], tokenizer) for place in places)


def with_labels(task: Pretrain, rows: Sequence[Row]) -> Packed:
    """Rows packed to ask for every [MASK] in them, with the right tokens where all rows know them.

    labels of a row: int32 [tokens].
    """
    packed = task.query(rows)
    known = [row.labels for row in rows if row.labels is not None]
    if len(known) < len(rows):
        return packed
    positions = packed.targets["positions"]
    labels = np.concatenate(known)[positions].astype(np.int32)
    return replace(packed, targets={"positions": positions, "labels": labels})


def _filled(row: Row, filled: Filled, tokenizer: Tokenizer) -> FilledMask:
    assert row.offsets is not None
    start, end = row.offsets[filled.position].tolist()
    guesses = zip(
        tokenizer.shown(filled.token_ids), filled.token_ids, filled.probabilities, strict=True
    )
    return FilledMask(start, end, tuple(Guess(*guess) for guess in guesses), row.tokens_cut)
