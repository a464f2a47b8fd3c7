"""How vectors are learnt: in-batch negatives, CoSENT, Matryoshka; beside the formulas by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from filbert.encoder import Encoder, Shape
from filbert.errors import SettingsError
from filbert.heads import EmbedHead, build_model
from filbert.tasks import Embed

SHAPE = Shape(1, 8, 2, 12, 30, 16, dropout_fraction=0.0)


def head(**settings: object) -> EmbedHead:
    made = EmbedHead.build(Encoder(SHAPE), Embed(**settings))
    return made


def targets(texts: list[list[str]], labels: list[float]) -> dict[str, torch.Tensor]:
    names = sorted({text for row in texts for text in row})
    return {
        "of_row": torch.tensor([n for n, row in enumerate(texts) for _ in row]),
        "identity": torch.tensor([names.index(text) for row in texts for text in row]),
        "labels": torch.tensor(labels),
    }


NAN = float("nan")


def test_pairs_are_found_among_all_pairs_and_negatives() -> None:
    vectors = torch.randn(7, 8)
    asked = targets([["a", "b"], ["c", "d", "e"], ["f", "g"]], [NAN] * 3)
    found = head(both_ways=False, scale=3.0).coupled_loss(vectors, asked)
    unit = functional.normalize(vectors, dim=1)
    scores = unit[[0, 2, 5]] @ unit[[1, 3, 4, 6]].T * 3
    wanted = torch.tensor([0, 1, 3])
    expected = functional.cross_entropy(scores, wanted, reduction="sum")
    assert float(found.terms["pairs"].total) == pytest.approx(float(expected), rel=1e-5)
    assert found.terms["pairs"].count == 3
    both = head(scale=3.0).coupled_loss(vectors, asked)
    back = functional.cross_entropy(
        unit[[1, 3, 6]] @ unit[[0, 2, 5]].T * 3, torch.arange(3), reduction="sum"
    )
    assert float(both.terms["pairs"].total) == pytest.approx(float((expected + back) / 2), rel=1e-5)


def test_what_is_equal_is_no_wrong_answer() -> None:
    vectors = torch.randn(4, 8)
    twice = targets([["a", "b"], ["c", "b"]], [NAN] * 2)
    found = head(both_ways=False).coupled_loss(vectors, twice)
    # Each has but its own pair to choose from.
    assert float(found.terms["pairs"].total) == pytest.approx(0, abs=1e-6)
    assert found.terms["pairs"].right == 2


def test_numbers_order_the_pairs() -> None:
    vectors = torch.randn(6, 8)
    asked = targets([["a", "b"], ["c", "d"], ["e", "f"]], [0.0, 2.0, 2.0])
    found = head(scale=5.0).coupled_loss(vectors, asked).terms["scored"]
    cosines = functional.cosine_similarity(vectors[::2], vectors[1::2]) * 5
    expected = torch.log(1 + (cosines[0] - cosines[1]).exp() + (cosines[0] - cosines[2]).exp())
    assert found.count == 3
    assert float(found.total) / 3 == pytest.approx(float(expected), rel=1e-5)


def test_matryoshka_is_the_mean_of_shorter_vectors() -> None:
    vectors = torch.randn(4, 8)
    asked = targets([["a", "b"], ["c", "d"]], [NAN] * 2)
    found = head(dims=(8, 2)).coupled_loss(vectors, asked).terms["pairs"].total
    each = [head().coupled_loss(vectors[:, :n], asked).terms["pairs"].total for n in (8, 2)]
    assert float(found) == pytest.approx(float(sum(each)) / 2, rel=1e-5)
    with pytest.raises(SettingsError, match="at most the network's width, 8"):
        build_model(Encoder(SHAPE), Embed(dims=(9,)))


def test_pairs_and_numbers_go_together() -> None:
    vectors = torch.randn(8, 8)
    mixed = targets([["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]], [NAN, 1.0, NAN, 0.0])
    found = head().coupled_loss(vectors, mixed)
    assert {name: term.count for name, term in found.terms.items()} == {"pairs": 2, "scored": 2}
    alone = head().coupled_loss(
        vectors[[0, 1, 4, 5]], targets([["a", "b"], ["e", "f"]], [NAN, NAN])
    )
    assert float(found.terms["pairs"].total) == pytest.approx(
        float(alone.terms["pairs"].total), rel=1e-5
    )
    assert np.isfinite(float(found.mean()))
