"""A rare word stands somewhere in a text; other places are hidden: the answer is that word.

What is asked of a network here is only to carry one word over so many tokens of real text.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from filbert.batch import Packed, Row, pack
from reach.networks import Network

ASKED_PLACES = 6
SHORTEST = 4
TESTS_AT_ONCE = 16


def copy_batches(
    rows: Sequence[Row], rare: NDArray[np.int32], mask: int, batch_rows: int, seed: int
) -> Iterator[Packed]:
    """Batches without end: in each row one rare word is planted and some places ask for it.

    The rows are cut to lengths between SHORTEST and their own, as many short ones as long ones in
    logarithms: neither network finds the word in 128 tokens before it has found it in two.
    """
    random = np.random.default_rng(seed)
    while True:
        chosen = [
            _cut(
                rows[i],
                round(float(np.exp(random.uniform(np.log(SHORTEST), np.log(len(rows[i])))))),
            )
            for i in random.integers(len(rows), size=batch_rows)
        ]
        chosen.sort(key=len, reverse=True)
        places = [1 + random.permutation(len(row) - 2)[: ASKED_PLACES + 1] for row in chosen]
        yield plant(chosen, places, random.choice(rare, size=batch_rows), mask)


def _cut(row: Row, tokens: int) -> Row:
    """The row's first tokens and its last one, [SEP]."""
    ids = np.concatenate((row.token_ids[: tokens - 1], row.token_ids[-1:]))
    return Row(ids, np.zeros(len(ids), np.uint8))


def plant(
    rows: Sequence[Row],
    places: Sequence[NDArray[np.int64]],
    words: NDArray[np.int32],
    mask: int,
) -> Packed:
    """Each row's word goes to the first of its places; the other places are hidden."""
    packed = pack(rows)
    token_ids = packed.token_ids.copy()
    asked = []
    for start, own, word in zip(packed.starts, places, words, strict=True):
        token_ids[start + own[0]] = word
        asked.append(np.sort(start + own[1:]))
        token_ids[asked[-1]] = mask
    labels = np.repeat(words, [len(one) for one in asked])
    positions = np.concatenate(asked).astype(np.int32)
    return Packed(
        token_ids, packed.segments, packed.ends, {"positions": positions, "labels": labels}
    )


def copy_example(row: Row, word: int, mask: int, tokens: int = 80) -> Row:
    """A row to look at: the word planted at its third token, the last four places hidden."""
    row = _cut(row, tokens)
    ids = row.token_ids.copy()
    ids[3], ids[-5:-1] = word, mask
    return Row(ids, row.segments)


@torch.no_grad()
def copied(
    network: Network,
    rows: Sequence[Row],
    rare: NDArray[np.int32],
    mask: int,
    distances: Sequence[int],
    seed: int = 2,
) -> list[float]:
    """For each distance, how often the planted word is the first guess; rows must be longer."""
    shares = []
    for distance in distances:
        random = np.random.default_rng(seed)
        right = 0
        for start in range(0, len(rows), TESTS_AT_ONCE):
            some = rows[start : start + TESTS_AT_ONCE]
            words = random.choice(rare, size=len(some))
            places = []
            for row in some:
                near = int(random.integers(1, len(row) - 1 - distance))
                pair = np.array([near, near + distance])
                places.append(pair if random.integers(2) else pair[::-1])
            guesses = network(plant(some, places, words, mask)).argmax(dim=1).numpy()
            right += int((guesses == words).sum())
        shares.append(right / len(rows))
    return shares
