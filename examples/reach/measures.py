"""How far: attention heads, gradients, and what a cut of the text costs.

Rows are held-out ones as a ShardReader gives them: [CLS], tokens of one document, [SEP]. Distances
are in tokens, and special tokens count nowhere: a look at [CLS] is no look at the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from filbert.batch import Packed, Row, pack
from filbert.encoder import Encoder, to_tensors
from reach.networks import Network

Floats = NDArray[np.float64]
FAR = (10, 30, 60)
COPIES_AT_ONCE = 16


@dataclass(frozen=True)
class HeadReach:
    """Where one attention head looks.

    distance   mean of |i - j|, weighted by attention
    beyond     share of the weight that lies more than 10, 30 and 60 tokens away
    same_word  share of the weight beyond 10 tokens that lies on the same, rare token, divided by
               the share of such tokens there: 1 is chance
    """

    layer: int
    attention_head: int
    distance: float
    beyond: tuple[float, ...]
    same_word: float


@torch.no_grad()
def heads_reach(encoder: Encoder, rows: Sequence[Row], rare: NDArray[np.bool_]) -> list[HeadReach]:
    """Every attention head and, last, one that would look at all tokens alike.

    rare: bool [vocab], the tokens that count for `same_word`; "." finds a "." anywhere.
    """
    shape = encoder.shape
    sums = np.zeros((shape.depth * shape.attention_heads + 1, 3 + len(FAR)))
    askers = 0
    for row in rows:
        inside = slice(1, len(row) - 1)
        weights = encoder.attention(to_tensors(pack([row]), shape))[..., inside, inside]
        looks = weights.flatten(0, 1).double().numpy()
        looks = np.concatenate((looks, np.ones_like(looks[:1])))
        looks /= looks.sum(axis=-1, keepdims=True)
        sums += _sums(looks, row.token_ids[inside], rare)
        askers += len(row) - 2
    means = sums[:, :-2] / askers
    hits = sums[:, -2] / np.maximum(sums[:, -1], 1e-12)
    return [
        HeadReach(
            *divmod(number, shape.attention_heads),
            float(mean[0]),
            tuple(mean[1:].tolist()),
            float(hit / hits[-1]) if hits[-1] else float("nan"),
        )
        for number, (mean, hit) in enumerate(zip(means, hits, strict=True))
    ]


def _sums(looks: Floats, ids: NDArray[np.int32], rare: NDArray[np.bool_]) -> Floats:
    """[heads, 3 + limits]: distance, weight beyond each limit, weight on twins, what could be."""
    distance = np.abs(np.subtract.outer(np.arange(len(ids)), np.arange(len(ids))))
    far = distance > FAR[0]
    twins = far & (ids[:, None] == ids) & rare[ids][:, None]
    of_finders = far & twins.any(axis=1)[:, None]
    parts = [distance, *(distance > limit for limit in FAR), twins, of_finders]
    sums: Floats = np.stack([(looks * part).sum(axis=(1, 2)) for part in parts], axis=1)
    return sums


@dataclass(frozen=True)
class Reach:
    """How strongly tokens at each distance move the answer.

    strength  [distances], mean norm of the gradient at distance 1, 2, …; 1 is the mean of all
              other tokens of the text
    beyond    share of the gradient more than 10, 30 and 60 tokens away
    """

    strength: Floats
    beyond: tuple[float, ...]


def gradient_reach(
    network: Network, rows: Sequence[Row], mask: int, places: int, most: int = 100
) -> Reach:
    """|d logit of the right token at i / d embedding of the token at j|, by |i - j| up to `most`.

    One place i is hidden at a time, `places` of each row; the embedding is what the first layer
    reads. Each answer's norms are divided by their mean, so that every answer counts alike.
    """
    sums, counts = np.zeros(most + 1), np.zeros(most + 1)
    beyond, answers = np.zeros(len(FAR)), 0
    for row in rows:
        norms, asked = _gradient_norms(network, row, mask, places)
        for norm, place in zip(norms, asked, strict=True):
            distance = np.abs(np.arange(len(row)) - place)
            others = np.ones(len(row), bool)
            others[[0, place, len(row) - 1]] = False
            norm, distance = norm[others], distance[others]
            norm = norm / norm.mean()
            near = distance <= most
            np.add.at(sums, distance[near], norm[near])
            np.add.at(counts, distance[near], 1)
            beyond += [norm[distance > limit].sum() / norm.sum() for limit in FAR]
            answers += 1
    strength = (sums / np.maximum(counts, 1))[1:]
    return Reach(strength, tuple((beyond / answers).tolist()))


def _gradient_norms(
    network: Network, row: Row, mask: int, places: int
) -> tuple[Floats, NDArray[np.int64]]:
    """([asked, tokens] norms, the places asked); the row once for each place, in one pack."""
    asked = spread(row, places)
    packed = ask([row] * len(asked), asked, mask)
    kept: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    hook = network.encoder.embeddings.register_forward_hook(keep)
    logits = network(packed)
    hook.remove()
    labels = torch.from_numpy(packed.targets["labels"].astype(np.int64))
    # The copies share nothing but weights: the sum's gradient is each logit's own.
    logits[torch.arange(len(labels)), labels].sum().backward()
    gradient = kept[0].grad
    assert gradient is not None
    network.zero_grad()
    return gradient.norm(dim=1).view(len(asked), len(row)).double().numpy(), asked


@dataclass(frozen=True)
class Cut:
    """The loss of hidden tokens when only some tokens on each side of them are left.

    tokens  how many on each side; 0: the whole row
    loss    mean, in nats
    rise    mean rise over the whole row's
    error   standard error of the rise
    """

    tokens: int
    loss: float
    rise: float
    error: float


@torch.no_grad()
def loss_when_cut(
    network: Network, rows: Sequence[Row], mask: int, places: int, widths: Sequence[int]
) -> list[Cut]:
    """One hidden token at a time, `places` of each row, the same for every width of `widths`."""
    queries = [(row, int(place)) for row in rows for place in spread(row, places)]
    whole = _losses(network, queries, mask)
    cuts = []
    for width in widths:
        losses = _losses(network, [_cut(row, place, width) for row, place in queries], mask)
        rise = losses - whole
        error = float(rise.std() / np.sqrt(len(rise)))
        cuts.append(Cut(width, float(losses.mean()), float(rise.mean()), error))
    return [*cuts, Cut(0, float(whole.mean()), 0.0, 0.0)]


def _cut(row: Row, place: int, width: int) -> tuple[Row, int]:
    """`width` tokens on each side of the place, between [CLS] and [SEP]; where it is then."""
    start, end = max(1, place - width), min(len(row) - 1, place + width + 1)
    ids = np.concatenate((row.token_ids[:1], row.token_ids[start:end], row.token_ids[-1:]))
    return Row(ids, np.zeros(len(ids), np.uint8)), place - start + 1


def _losses(network: Network, queries: Sequence[tuple[Row, int]], mask: int) -> Floats:
    losses = []
    for start in range(0, len(queries), COPIES_AT_ONCE):
        some = queries[start : start + COPIES_AT_ONCE]
        packed = ask([row for row, _ in some], np.array([place for _, place in some]), mask)
        labels = torch.from_numpy(packed.targets["labels"].astype(np.int64))
        losses.append(functional.cross_entropy(network(packed), labels, reduction="none"))
    return torch.cat(losses).double().numpy()


def spread(row: Row, places: int) -> NDArray[np.int64]:
    """So many places of the row, evenly spread over all but [CLS] and [SEP]."""
    return np.unique(np.linspace(1, len(row) - 2, places).round().astype(np.int64))


def ask(rows: Sequence[Row], places: NDArray[np.int64], mask: int) -> Packed:
    """One place of each row hidden and asked for."""
    packed = pack(rows)
    at = packed.starts + places.astype(np.int32)
    token_ids = packed.token_ids.copy()
    token_ids[at] = mask
    return Packed(
        token_ids,
        packed.segments,
        packed.ends,
        {"positions": at, "labels": packed.token_ids[at]},
    )
