"""The network equals transformers' on random tiny weights, whatever the packing."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

from filbert.batch import Row, pack
from filbert.checkpoint import load
from filbert.encoder import (
    Block,
    Encoder,
    Shape,
    attend_plain,
    attend_runs,
    to_tensors,
)
from filbert.encoder.attention import Attend
from filbert.heads import Model, PretrainHead
from filbert.tasks import Pretrain

VOCAB, LONGEST = 99, 64
SHAPE = Shape(3, 32, 4, 64, VOCAB, LONGEST, dropout_fraction=0.0)
CONFIG = BertConfig(
    vocab_size=VOCAB,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=LONGEST,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
PACKINGS = [
    [1],
    [LONGEST],
    list(range(1, LONGEST + 1)),
    [5, 5, 5, 9, 9, 1, 64, 64, 2],
    [7] * 30,
    [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5],
]


def rows_of(lengths: list[int], seed: int = 0) -> list[Row]:
    """Random rows without token 0: theirs gives padding no gradient, ours has no padding."""
    random = np.random.default_rng(seed)
    return [
        Row(
            random.integers(1, VOCAB, length).astype(np.int32),
            np.sort(random.integers(0, 2, length)).astype(np.uint8),
        )
        for length in lengths
    ]


def theirs_on(model: torch.nn.Module, row: Row) -> Tensor:
    inputs = {
        "input_ids": torch.from_numpy(row.token_ids.astype(np.int64))[None],
        "token_type_ids": torch.from_numpy(row.segments.astype(np.int64))[None],
    }
    output = model(**inputs)
    answer: Tensor = output["logits"] if "logits" in output else output["last_hidden_state"]
    return answer[0]


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> tuple[BertForMaskedLM, Model]:
    """The same random weights in both libraries, through a folder."""
    torch.manual_seed(0)
    theirs = BertForMaskedLM(CONFIG).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("theirs")
    theirs.save_pretrained(folder)
    return theirs, load(folder, task=Pretrain(max_tokens=LONGEST)).eval()


@pytest.mark.parametrize("attend", [attend_plain, attend_runs])
@pytest.mark.parametrize("lengths", PACKINGS, ids=lambda lengths: f"{len(lengths)} rows")
def test_hidden_states_are_equal(
    masked: tuple[BertForMaskedLM, Model], lengths: list[int], attend: Attend
) -> None:
    theirs, ours = masked
    rows = rows_of(lengths)
    ours.encoder.attend = attend
    packed = to_tensors(pack(rows), SHAPE)
    with torch.no_grad():
        hidden = ours.encoder(packed)
        for row, part in zip(rows, hidden.split([len(row) for row in rows]), strict=True):
            assert (part - theirs_on(theirs.bert, row)).abs().max() <= 1e-5
    ours.encoder.attend = None


@pytest.mark.parametrize("lengths", PACKINGS, ids=lambda lengths: f"{len(lengths)} rows")
def test_logits_of_every_token_are_equal(
    masked: tuple[BertForMaskedLM, Model], lengths: list[int]
) -> None:
    theirs, ours = masked
    rows = rows_of(lengths)
    tokens = sum(lengths)
    packed = to_tensors(pack(rows, {"positions": np.arange(tokens, dtype=np.int32)}), SHAPE)
    with torch.no_grad():
        logits = ours(packed)["logits"]
        for row, part in zip(rows, logits.split(lengths), strict=True):
            assert (part - theirs_on(theirs, row)).abs().max() <= 1e-5


def test_gradients_of_a_masked_loss_are_equal(masked: tuple[BertForMaskedLM, Model]) -> None:
    theirs, ours = masked
    rows = rows_of([5, 17, 17, 64, 1])
    positions = np.array([1, 6, 30, 44, 99], np.int32)
    labels = np.array([4, 8, 15, 16, 23], np.int32)
    packed = to_tensors(pack(rows, {"positions": positions, "labels": labels}), SHAPE)
    loss = ours.loss(packed)
    term = loss.terms["masked"]
    assert term.count == len(labels)
    ours.zero_grad()
    term.total.backward()
    theirs.zero_grad()
    logits = torch.cat([theirs_on(theirs, row) for row in rows])[positions]
    their_loss = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(labels.astype(np.int64)), reduction="sum"
    )
    their_loss.backward()
    assert abs(float(their_loss.detach()) - float(term.total.detach())) <= 1e-4
    for mine, other in matched(ours, theirs):
        assert mine.grad is not None
        assert other.grad is not None
        scale = other.grad.abs().max()
        assert (mine.grad - other.grad).abs().max() <= 1e-4 * scale + 1e-9


def blocks_of(model: Model) -> list[Block]:
    return [block for block in model.encoder.blocks if isinstance(block, Block)]


def matched(ours: Model, theirs: BertForMaskedLM) -> list[tuple[Tensor, Tensor]]:
    """Parameters of both, where one stands for one."""
    head = ours.head
    assert isinstance(head, PretrainHead)
    transform = theirs.cls.predictions.transform
    pairs = [
        (ours.encoder.embeddings.tokens.weight, theirs.bert.embeddings.word_embeddings.weight),
        (
            ours.encoder.embeddings.positions.weight,
            theirs.bert.embeddings.position_embeddings.weight,
        ),
        (
            ours.encoder.embeddings.segments.weight,
            theirs.bert.embeddings.token_type_embeddings.weight,
        ),
        (head.bias, theirs.cls.predictions.bias),
        (head.transform.weight, transform.dense.weight),
        (head.norm.weight, transform.LayerNorm.weight),
    ]
    for mine, other in zip(blocks_of(ours), theirs.bert.encoder.layer, strict=True):
        pairs += [
            (mine.out.weight, other.attention.output.dense.weight),
            (mine.up.bias, other.intermediate.dense.bias),
            (mine.down.weight, other.output.dense.weight),
            (mine.attention_norm.weight, other.attention.output.LayerNorm.weight),
            (mine.mlp_norm.bias, other.output.LayerNorm.bias),
        ]
    return pairs


def test_query_key_and_value_gradients_are_equal(masked: tuple[BertForMaskedLM, Model]) -> None:
    theirs, ours = masked
    rows = rows_of([9, 9, 20])
    packed = to_tensors(pack(rows), SHAPE)
    ours.zero_grad()
    ours.encoder(packed).square().sum().backward()
    theirs.zero_grad()
    torch.stack([theirs_on(theirs.bert, row).square().sum() for row in rows]).sum().backward()
    for mine, other in zip(blocks_of(ours), theirs.bert.encoder.layer, strict=True):
        attention = other.attention.self
        parts = (attention.query, attention.key, attention.value)
        wanted = torch.cat([part.weight.grad for part in parts])
        assert mine.qkv.weight.grad is not None
        assert (mine.qkv.weight.grad - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def test_attention_weights_are_theirs(masked: tuple[BertForMaskedLM, Model]) -> None:
    theirs, ours = masked
    row = rows_of([23])[0]
    config = BertConfig(**{**CONFIG.to_dict(), "attn_implementation": "eager"})
    eager = BertModel(config, add_pooling_layer=False).eval()
    eager.load_state_dict(theirs.bert.state_dict())
    with torch.no_grad():
        wanted = eager(
            input_ids=torch.from_numpy(row.token_ids.astype(np.int64))[None],
            token_type_ids=torch.from_numpy(row.segments.astype(np.int64))[None],
            output_attentions=True,
        ).attentions
    got = ours.encoder.attention(to_tensors(pack([row]), SHAPE))
    assert (got - torch.cat(wanted)).abs().max() <= 1e-5


def test_a_token_sees_its_own_sequence_only(masked: tuple[BertForMaskedLM, Model]) -> None:
    _, ours = masked
    first, second = rows_of([11, 13])
    other = Row((second.token_ids + 1) % VOCAB, second.segments)
    with torch.no_grad():
        before = ours.encoder(to_tensors(pack([first, second]), SHAPE))[:11]
        after = ours.encoder(to_tensors(pack([first, other]), SHAPE))[:11]
    assert (before == after).all()


def test_order_and_neighbours_do_not_change_a_vector(masked: tuple[BertForMaskedLM, Model]) -> None:
    _, ours = masked
    rows = rows_of([5, 12, 12, 30, 2])

    def hidden(order: tuple[int, ...]) -> dict[int, Tensor]:
        chosen = [rows[i] for i in order]
        with torch.no_grad():
            parts = ours.encoder(to_tensors(pack(chosen), SHAPE)).split([len(r) for r in chosen])
        return dict(zip(order, parts, strict=True))

    alone = {i: hidden((i,))[i] for i in range(5)}
    for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 7):
        for i, part in hidden(order).items():
            assert (part - alone[i]).abs().max() <= 1e-6


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(1)
    encoder = Encoder(Shape(2, 128, 2, 512, 1000))
    weight = encoder.state_dict()["blocks.0.qkv.weight"]
    assert abs(float(weight.std()) - 0.02 * 0.8796) < 4e-4  # cut at two deviations: 0.88 of it
    assert float(weight.abs().max()) <= 0.04
    block = encoder.blocks[0]
    assert isinstance(block, Block)
    assert not block.qkv.bias.any()
    assert (block.mlp_norm.weight == 1).all()


def test_dropout_stands_where_the_paper_has_it(masked: tuple[BertForMaskedLM, Model]) -> None:
    """In training mode both libraries give the same sum over many draws."""
    theirs, ours = masked
    row = rows_of([40])[0]
    config = BertConfig(**{**CONFIG.to_dict(), "hidden_dropout_prob": 0.3})
    dropped = BertModel(config, add_pooling_layer=False).train()
    dropped.load_state_dict(theirs.bert.state_dict())
    ours.encoder.dropout_fraction = 0.3
    ours.train()
    torch.manual_seed(0)
    draws = 600
    with torch.no_grad():
        packed = to_tensors(pack([row] * draws), SHAPE)
        mine = ours.encoder(packed).view(draws, 40, 32)
        ids = torch.from_numpy(row.token_ids.astype(np.int64))[None].expand(draws, -1)
        kinds = torch.from_numpy(row.segments.astype(np.int64))[None].expand(draws, -1)
        other = dropped(input_ids=ids, token_type_ids=kinds).last_hidden_state
    ours.encoder.dropout_fraction = 0.0
    ours.eval()
    error = (mine.var(0) / draws + other.var(0) / draws).sqrt()
    assert ((mine.mean(0) - other.mean(0)).abs() / error).mean() < 1.2  # 0.8 if equal
    assert abs(float(mine.std() / other.std()) - 1) < 0.02


def test_classification_equals_theirs(tmp_path: object) -> None:
    from pathlib import Path

    torch.manual_seed(2)
    config = BertConfig(**{**CONFIG.to_dict(), "num_labels": 3})
    theirs = BertForSequenceClassification(config).eval()
    theirs.save_pretrained(Path(str(tmp_path)) / "a")
    ours = load(Path(str(tmp_path)) / "a").eval()
    rows = rows_of([4, 4, 60])
    with torch.no_grad():
        logits = ours(to_tensors(pack(rows), SHAPE))["logits"]
        for row, part in zip(rows, logits, strict=True):
            assert (part - theirs_on(theirs, row)).abs().max() <= 1e-5
