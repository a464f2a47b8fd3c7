"""What attention maps are like, as numbers: how far a head looks, at what, and the rollout."""

from collections.abc import Sequence

import numpy as np

from filbert.batch import Array

MEASURES = ("distance", "previous", "next", "itself", "first", "separators")


def rollout(attention: Array) -> Array:
    """How much of each token is in each vector, if attention were all that mixes them.

    Abnar & Zuidema 2020, section 3: the mean over attention heads, half of it the residual's
    identity (A = 0.5 W + 0.5 I), multiplied from layer to layer.

    attention: [depth, attention_heads, tokens, tokens], rows sum to 1.
    Returns float64 [depth, tokens, tokens]; rows sum to 1: [l, i, j] is the part of token j in the
    vector of token i after layer l.
    """
    mixed = 0.5 * attention.mean(axis=1, dtype=np.float64) + 0.5 * np.eye(attention.shape[-1])
    layers = [mixed[0]]
    for layer in mixed[1:]:
        layers.append(layer @ layers[-1])
    return np.stack(layers)


def head_measures(attention: Array, separators: Sequence[int]) -> dict[str, Array]:
    """Where each attention head looks, by the names of MEASURES; float64 [depth, attention_heads].

    distance    mean over tokens of Σ_j share(i, j) · |i − j|, in tokens (Clark et al. 2019 look at
                the same offsets)
    previous    mean share of the token before (of tokens that have one)
    next        mean share of the token after (of tokens that have one)
    itself      mean share of the token itself
    first       mean share of the first token, [CLS]
    separators  mean share of all separators, [SEP], together
    """
    size = attention.shape[-1]
    shares = attention.astype(np.float64)
    places = np.arange(size)
    far = np.abs(places[:, None] - places)

    def diagonal(offset: int) -> Array:
        on_it: Array = np.diagonal(shares, offset, axis1=2, axis2=3)
        return on_it.mean(axis=-1) if size > 1 or not offset else np.zeros(shares.shape[:2])

    return {
        "distance": (shares * far).sum(axis=-1).mean(axis=-1),
        "previous": diagonal(-1),
        "next": diagonal(1),
        "itself": diagonal(0),
        "first": shares[..., 0].mean(axis=-1),
        "separators": shares[..., list(separators)].sum(axis=-1).mean(axis=-1),
    }


def even_distance(tokens: int) -> float:
    """The mean distance of a head that looks at all tokens alike: (n² − 1) / 3n."""
    return (tokens * tokens - 1) / (3 * tokens)


def strongest_heads(values: Array, count: int) -> list[tuple[int, int]]:
    """(layer, attention head) of the largest values, the largest first; ties in their order."""
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    return [(int(at) // values.shape[1], int(at) % values.shape[1]) for at in order]


def telling_cell(attention: Array, ordinary: Array) -> tuple[int, int, int, int]:
    """The cell that the page opens with: (layer, attention head, row, column).

    The largest share between two ordinary tokens that are no neighbours; of a text that has none,
    the largest share of all. ordinary: bool [tokens].
    """
    places = np.arange(attention.shape[-1])
    wanted = ordinary[:, None] & ordinary & (np.abs(places[:, None] - places) > 1)
    shares = np.where(wanted, attention, -1.0) if wanted.any() else attention
    layer, head, row, column = np.unravel_index(int(shares.argmax()), shares.shape)
    return int(layer), int(head), int(row), int(column)
