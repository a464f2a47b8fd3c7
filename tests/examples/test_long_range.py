"""The example of docs/long-range.md at tiny scale, and what its measures must be able to see."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from filbert.batch import Row
from filbert.corpus import Document
from filbert.encoder import Encoder, Shape

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import long_range
from reach.copying import copied, copy_batches, plant
from reach.measures import gradient_reach, heads_reach, loss_when_cut
from reach.networks import Network, make_networks
from reach.page import write_page

MASK = 4
TINY = {"depth": 1, "width": 16, "attention_heads": 2, "mlp_width": 32, "vocab": 60}
SHAPE = Shape(**TINY, max_positions=128, dropout_fraction=0.0)


@pytest.fixture
def rows() -> list[Row]:
    random = np.random.default_rng(1)
    rows = []
    for _ in range(3):
        ids = np.concatenate(([2], random.integers(10, 60, 118), [3])).astype(np.int32)
        rows.append(Row(ids, np.zeros(120, np.uint8)))
    return rows


def test_the_example_runs_and_writes_its_page_in_both_languages(tmp_path: Path) -> None:
    words = "oak hazel maple birch willow alder poplar spruce cedar larch walnut acacia".split()
    random = np.random.default_rng(1)

    def documents(name: str, count: int) -> list[Document]:
        texts = [" ".join(random.choice(words, 200)) + "." for _ in range(count)]
        return [Document(text, f"{name}{number}", "line 1") for number, text in enumerate(texts)]

    scale = long_range.Scale(
        steps=2, depth=1, width=16, attention_heads=2, rows=2, places=2, copy_rows=2
    )
    given = (documents("train", 12), documents("held", 4))
    findings = long_range.measure(scale, tmp_path / "scratch", given)
    assert set(findings.copies) == {"BERT", "LSTM"}
    assert len(findings.heads["BERT"]) == 3
    assert findings.attention.shape[:2] == (1, 2)
    for language, title in (("en", "BERT beside"), ("zh", "它们能看多远")):
        page = write_page(findings, tmp_path / "page.html", language).read_text(encoding="utf-8")
        assert page.count("<svg") > 6
        assert title in page


def test_both_networks_have_about_as_many_weights_and_the_same_answers_in_any_batch(rows) -> None:
    networks = make_networks(SHAPE)
    bert, lstm = networks["BERT"], networks["LSTM"]
    assert lstm.weights_inside == pytest.approx(bert.weights_inside, rel=0.1)
    places = [np.array([5, 9]), np.array([30, 2]), np.array([1, 80])]
    words = np.array([20, 21, 22], np.int32)
    cut = [rows[0], Row(rows[1].token_ids[:50], rows[1].segments[:50]), rows[2]]
    for network in networks.values():
        together = network(plant(cut, places, words, MASK))
        alone = [
            network(plant([row], [place], words[i : i + 1], MASK))
            for i, (row, place) in enumerate(zip(cut, places, strict=True))
        ]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_no_gradient_comes_from_outside_a_window(rows) -> None:
    # Layer 0 is always global: a network of two layers, whose first one is cut out.
    shape = Shape(
        **TINY | {"depth": 2}, max_positions=128, dropout_fraction=0.0, window=7, global_every=2
    )
    encoder = Encoder(shape)
    del encoder.blocks[0]
    windowed = gradient_reach(Network(encoder, shape), rows, MASK, places=6)
    whole = gradient_reach(make_networks(SHAPE)["BERT"], rows, MASK, places=6)
    assert (windowed.strength[:7] > 0).all()
    assert not windowed.strength[7:].any()
    assert not any(windowed.beyond)
    assert (whole.strength > 0).all()


def test_an_untrained_lstm_forgets_and_an_untrained_bert_does_not(rows) -> None:
    reach = {
        name: gradient_reach(network, rows, MASK, places=6)
        for name, network in make_networks(SHAPE).items()
    }
    assert reach["LSTM"].strength[59] < 1e-3 * reach["LSTM"].strength[0]
    assert reach["BERT"].strength[59] > 0.1 * reach["BERT"].strength[0]


def test_heads_that_know_nothing_look_as_far_as_one_that_looks_at_all_alike(rows) -> None:
    encoder = Encoder(SHAPE)
    torch.nn.init.zeros_(encoder.blocks[0].qkv.weight)
    *heads, even = heads_reach(encoder, rows, np.ones(60, bool))
    assert even.distance == pytest.approx((118**2 - 1) / (3 * 118))
    for head in heads:
        assert head.distance == pytest.approx(even.distance)
        assert head.beyond == pytest.approx(even.beyond)
        assert head.same_word == pytest.approx(1)


def test_a_text_cut_wider_than_itself_costs_nothing(rows) -> None:
    for network in make_networks(SHAPE).values():
        near, whole_width, whole = loss_when_cut(network, rows, MASK, 4, (2, 200))
        assert near.rise != 0
        assert whole_width.rise == pytest.approx(0, abs=1e-6)
        assert whole_width.loss == pytest.approx(whole.loss, abs=1e-6)


def test_what_is_planted_is_what_is_asked(rows) -> None:
    words = np.array([7, 8], np.int32)
    packed = next(copy_batches(rows, words, MASK, 4, seed=1))
    asked = packed.targets["positions"]
    assert (packed.token_ids[asked] == MASK).all()
    of_row = np.searchsorted(packed.ends, asked, side="right")
    for place, label in zip(of_row, packed.targets["labels"], strict=True):
        ids = packed.token_ids[packed.starts[place] : packed.ends[place]]
        assert np.isin(ids, words).sum() == 1
        assert label in ids

    class Knowing(torch.nn.Module):
        """Answers with the planted word, wherever it stands."""

        def forward(self, packed):
            ids = packed.token_ids[np.isin(packed.token_ids, words)]
            return torch.nn.functional.one_hot(torch.from_numpy(ids.astype(np.int64)), 60)

    assert copied(Knowing(), rows, words, MASK, (1, 60, 100)) == [1, 1, 1]
