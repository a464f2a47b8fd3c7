"""One Encoder equals five families of transformers on random tiny weights, heads included.

The weights go through the tables of filbert.checkpoint, and so do the gradients: written in the
weights' place, they come back by our names.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from filbert.batch import Row, pack
from filbert.checkpoint.model import Weights, read_model
from filbert.encoder import (
    Encoder,
    PackedTensors,
    Shape,
    attend_plain,
    attend_runs,
    to_tensors,
)
from filbert.heads import ClassifyHead, Head, Model, PretrainHead, SpanHead, TagHead

VOCAB, LONGEST, LABELS = 99, 300, 5
SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 56,
    "max_position_embeddings": LONGEST,
    "num_labels": LABELS,
}
ROBERTA = {"max_position_embeddings": LONGEST + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
MODERN = {
    "local_attention": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
}
FAMILIES: dict[str, tuple[type, dict[str, Any]]] = {
    "bert": (transformers.BertConfig, {}),
    "distilbert": (transformers.DistilBertConfig, {}),
    "roberta": (transformers.RobertaConfig, ROBERTA),
    "xlm-roberta": (transformers.XLMRobertaConfig, ROBERTA),
    "modernbert": (transformers.ModernBertConfig, MODERN),
    "modernbert, mean": (transformers.ModernBertConfig, MODERN | {"classifier_pooling": "mean"}),
}
HEADS: dict[str, tuple[Any, Callable[[Encoder, Weights], Head]]] = {
    "masked": (
        transformers.AutoModelForMaskedLM,
        lambda encoder, weights: PretrainHead(encoder.shape, encoder.embeddings.tokens),
    ),
    "classify": (
        transformers.AutoModelForSequenceClassification,
        lambda encoder, weights: ClassifyHead(encoder.shape, LABELS, weights.pooling),
    ),
    "tag": (
        transformers.AutoModelForTokenClassification,
        lambda encoder, weights: TagHead(encoder.shape, LABELS),
    ),
    "span": (
        transformers.AutoModelForQuestionAnswering,
        lambda encoder, weights: SpanHead(encoder.shape),
    ),
}
LENGTHS = [1, 2, 5, 5, 6, 40, 40, 40, 17, 3, LONGEST]


@dataclass(frozen=True)
class Pair:
    """The same weights in both libraries."""

    theirs: Any
    ours: Model
    weights: Weights


def draw(folder: Path, family: str, kind: str) -> Pair:
    """Random weights, norms and biases too, in theirs and through the folder in ours."""
    torch.manual_seed(0)
    config, special = FAMILIES[family]
    sizes = SIZES | special
    if kind == "span":
        sizes = {**sizes, "num_labels": 2}
    theirs = HEADS[kind][0].from_config(config(**sizes), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs.save_pretrained(folder)
    weights = read_model(folder)
    return Pair(theirs, model_of(weights, weights.shape), weights)


def model_of(weights: Weights, shape: Shape) -> Model:
    encoder = Encoder(shape)
    model = Model(encoder, HEADS[weights.kind][1](encoder, weights))
    model.load_state_dict({name: torch.from_numpy(v) for name, v in weights.tensors.items()})
    return model.eval()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Pair]:
    made: dict[tuple[str, str], Pair] = {}

    def pair(family: str, kind: str) -> Pair:
        if (family, kind) not in made:
            made[family, kind] = draw(tmp_path_factory.mktemp("theirs"), family, kind)
        return made[family, kind]

    return pair


def rows_of(lengths: list[int]) -> list[Row]:
    """Random rows without special tokens: theirs gives padding no gradient and no place."""
    random = np.random.default_rng(0)
    return [
        Row(
            random.integers(4, VOCAB, length).astype(np.int32),
            np.sort(random.integers(0, 2, length)).astype(np.uint8),
        )
        for length in lengths
    ]


def packed_of(rows: list[Row], shape: Shape) -> PackedTensors:
    tokens = sum(len(row) for row in rows)
    return to_tensors(pack(rows, {"positions": np.arange(tokens, dtype=np.int32)}), shape)


def theirs_on(pair: Pair, row: Row, **options: Any) -> Any:
    token_ids = torch.from_numpy(row.token_ids.astype(np.int64))[None]
    if pair.weights.shape.segments == 2:
        options["token_type_ids"] = torch.from_numpy(row.segments.astype(np.int64))[None]
    return pair.theirs(input_ids=token_ids, attention_mask=torch.ones_like(token_ids), **options)


def their_logits(pair: Pair, row: Row) -> Tensor:
    output = theirs_on(pair, row)
    if pair.weights.kind == "span":
        return torch.stack((output.start_logits[0], output.end_logits[0]), dim=-1)
    logits: Tensor = output.logits
    return logits if pair.weights.kind == "classify" else logits[0]


def largest_error(pair: Pair, model: Model) -> float:
    """Of the last hidden states, over the rows."""
    rows = rows_of(LENGTHS)
    with torch.no_grad():
        hidden = model.encoder(packed_of(rows, model.encoder.shape)).split(LENGTHS)
        wanted = [theirs_on(pair, row, output_hidden_states=True).hidden_states[-1] for row in rows]
    return max(float((a - b[0]).abs().max()) for a, b in zip(hidden, wanted, strict=True))


@pytest.mark.parametrize("attend", [attend_plain, attend_runs])
@pytest.mark.parametrize("family", [family for family in FAMILIES if "," not in family])
def test_hidden_states_of_all_layers_are_equal(
    pairs: Callable[[str, str], Pair], family: str, attend: Any
) -> None:
    pair, rows = pairs(family, "masked"), rows_of(LENGTHS)
    encoder = pair.ours.encoder
    encoder.attend = attend
    with torch.no_grad():
        packed = packed_of(rows, encoder.shape)
        states = encoder.hidden_states(packed)
        assert (states[-1] == encoder(packed)).all()
        for number, row in enumerate(rows):
            wanted = theirs_on(pair, row, output_hidden_states=True).hidden_states
            for mine, other in zip(states, wanted, strict=True):
                assert (mine.split(LENGTHS)[number] - other[0]).abs().max() <= 1e-5
    encoder.attend = None


ALL_HEADS = [
    (family, kind) for family in FAMILIES for kind in (["classify"] if "mean" in family else HEADS)
]


@pytest.mark.parametrize(("family", "kind"), ALL_HEADS)
def test_logits_of_every_head_are_equal(
    pairs: Callable[[str, str], Pair], family: str, kind: str
) -> None:
    pair, rows = pairs(family, kind), rows_of(LENGTHS)
    with torch.no_grad():
        logits = pair.ours(packed_of(rows, pair.weights.shape))["logits"]
        for row, mine in zip(
            rows, logits.split([1] * len(rows) if kind == "classify" else LENGTHS), strict=True
        ):
            assert (mine - their_logits(pair, row)).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("bert", "masked"),
        ("distilbert", "masked"),
        ("distilbert", "classify"),
        ("roberta", "masked"),
        ("roberta", "classify"),
        ("modernbert", "masked"),
        ("modernbert", "span"),
        ("modernbert, mean", "classify"),
    ],
)
def test_gradients_of_every_tensor_are_equal(family: str, kind: str, tmp_path: Path) -> None:
    pair = draw(tmp_path / "weights", family, kind)
    lengths = [5, 17, 17, 40, 1]
    rows = rows_of(lengths)
    wanted = torch.cat([their_logits(pair, row) for row in rows])
    weighting = torch.randn_like(wanted)
    (wanted * weighting).sum().backward()
    (pair.ours(packed_of(rows, pair.weights.shape))["logits"] * weighting).sum().backward()
    for parameter in pair.theirs.parameters():
        parameter.data = parameter.grad
    pair.theirs.save_pretrained(tmp_path / "gradients")
    gradients = read_model(tmp_path / "gradients").tensors
    for name, mine in pair.ours.named_parameters():
        other = torch.from_numpy(gradients[name])
        assert mine.grad is not None, name
        assert (mine.grad - other).abs().max() <= 2e-5 * other.abs().max() + 1e-6, name


PARTS = {
    "bert": ["tokens", "segments", "positions"],
    "distilbert": ["tokens", "positions"],
    "roberta": ["tokens", "segments", "positions"],
    "modernbert": ["tokens"],
}


@pytest.mark.parametrize("family", PARTS)
def test_inside_shows_what_theirs_computes(pairs: Callable[[str, str], Pair], family: str) -> None:
    pair, row = pairs(family, "masked"), rows_of([23])[0]
    encoder, shape = pair.ours.encoder, pair.weights.shape
    packed = packed_of([row], shape)
    inside = encoder.train().inside(packed)  # no dropout, whatever the mode
    encoder.eval()
    with torch.no_grad():
        wanted = theirs_on(pair, row, output_hidden_states=True, output_attentions=True)
    assert (inside.hidden - torch.cat(wanted.hidden_states)).abs().max() <= 1e-5
    assert (inside.attention - torch.cat(wanted.attentions)).abs().max() <= 1e-6
    assert (encoder.attention(packed) == inside.attention).all()
    summed = torch.stack(list(inside.parts.values())).sum(0)
    assert (encoder.embeddings.norm(summed) - inside.hidden[0]).abs().max() <= 1e-6
    assert list(inside.parts) == PARTS[family]
    # The three vectors behind one cell: the formula by hand, in a global layer.
    scores = inside.query[0, 2, 7] @ inside.key[0, 2].T / shape.attention_head_width**0.5
    assert (scores.softmax(0) - inside.attention[0, 2, 7]).abs().max() <= 1e-6
    assert inside.value.shape == inside.key.shape == (4, 4, 23, 8)


WRONG = {
    "nothing": {},
    "window, narrower": {"window": 3},
    "window, wider": {"window": 5},
    "window, nowhere": {"window": 0},
    "other layers are global": {"global_every": 2},
    "base of global layers": {"theta": 150_000.0},
    "base of local layers": {"local_theta": 160_000.0},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_window_or_base_is_seen(pairs: Callable[[str, str], Pair], wrong: str) -> None:
    pair = pairs("modernbert", "masked")
    shape = dataclasses.replace(pair.weights.shape, **WRONG[wrong])
    error = largest_error(pair, model_of(pair.weights, shape))
    assert error <= 1e-5 if wrong == "nothing" else error > 1e-4


def test_a_swapped_gate_is_seen(pairs: Callable[[str, str], Pair]) -> None:
    pair = pairs("modernbert", "masked")
    swapped = {
        name: np.roll(tensor, len(tensor) // 2, axis=0) if ".up." in name else tensor
        for name, tensor in pair.weights.tensors.items()
    }
    weights = dataclasses.replace(pair.weights, tensors=swapped)
    assert largest_error(pair, model_of(weights, weights.shape)) > 1e-3
