"""What a shape asks for is there, under the agreed names, and nothing else; nonsense is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from filbert.batch import Row, pack
from filbert.encoder import MODERN_BASE, Encoder, Shape, to_tensors
from filbert.errors import DataError, SettingsError

TINY = Shape(2, 8, 2, 12, 30, 16)
MODERN = dataclasses.replace(
    MODERN_BASE, depth=2, width=8, attention_heads=2, mlp_width=12, vocab=30, max_positions=16
)


def names_of(shape: Shape) -> set[str]:
    with torch.device("meta"):
        return set(Encoder(shape).state_dict())


def one(length: int, segment: int = 0) -> Row:
    return Row(np.arange(length, dtype=np.int32), np.full(length, segment, np.uint8))


def test_a_modern_shape_has_no_biases_and_no_first_norm() -> None:
    assert names_of(MODERN) == {
        "embeddings.tokens.weight",
        "embeddings.norm.weight",
        *(f"blocks.{i}.{part}.weight" for i in (0, 1) for part in ("qkv", "out", "up", "down")),
        *(f"blocks.{i}.mlp_norm.weight" for i in (0, 1)),
        "blocks.1.attention_norm.weight",
        "final_norm.weight",
    }


def test_tables_follow_the_shape() -> None:
    assert "embeddings.segments.weight" not in names_of(dataclasses.replace(TINY, segments=0))
    offset = Encoder(dataclasses.replace(TINY, positions_offset=2, segments=1)).state_dict()
    assert offset["embeddings.positions.weight"].shape == (18, 8)
    assert offset["embeddings.segments.weight"].shape == (1, 8)
    assert Encoder(MODERN).state_dict()["blocks.0.up.weight"].shape == (24, 8)


@pytest.mark.parametrize("segments", [0, 1])
def test_segments_mean_nothing_to_a_network_without_kinds(segments: int) -> None:
    encoder = Encoder(dataclasses.replace(TINY, segments=segments)).eval()
    first = encoder(to_tensors(pack([one(5, 0)]), encoder.shape))
    other = encoder(to_tensors(pack([one(5, 1)]), encoder.shape))
    assert (first == other).all()
    with pytest.raises(DataError, match="segment 2 is outside of this network's 0 to 1"):
        to_tensors(pack([one(5, 2)]), TINY)


@pytest.mark.parametrize("shape", [TINY, MODERN, dataclasses.replace(TINY, positions_offset=2)])
def test_longer_than_the_network_is_refused(shape: Shape) -> None:
    to_tensors(pack([one(16)]), shape)
    with pytest.raises(DataError, match="a sequence of 17 tokens; this network reads at most 16"):
        to_tensors(pack([one(17)]), shape)


def test_inside_is_for_one_sequence() -> None:
    encoder = Encoder(TINY)
    packed = to_tensors(pack([one(3), one(4)]), TINY)
    for look in (encoder.inside, encoder.attention):
        with pytest.raises(DataError, match="attention is shown for one sequence; got 2"):
            look(packed)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"positions": "sinusoid"}, "positions must be one of learned, rotary; got 'sinusoid'"),
        ({"norm_place": "between"}, "norm_place must be one of after, before; got 'between'"),
        ({"head_activation": "silu"}, "head_activation must be one of tanh, relu, gelu"),
        ({"window": -1}, "window must be at least 0; got -1"),
        ({"global_every": 0}, "global_every must be at least 1; got 0"),
        ({"theta": float("inf")}, "theta must be above 1; got inf"),
        ({"local_theta": 1.0}, "local_theta must be above 1; got 1.0"),
        ({"positions": "rotary", "width": 6}, "needs an even width of an attention head; got 3"),
    ],
)
def test_shapes_that_make_no_network_are_refused(wrong: dict, message: str) -> None:
    shape = dataclasses.replace(TINY)
    for name, value in wrong.items():  # in tests alone, beartype would refuse a wrong word first
        object.__setattr__(shape, name, value)
    with pytest.raises(SettingsError, match=message):
        shape.__post_init__()
