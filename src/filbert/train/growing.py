"""A checkpoint becomes the beginning of a larger network: more words, longer rows, more layers.

What can be kept of what the network says is kept: new words leave the old ones' logits as they are,
tiled positions leave texts of the old length as they are, and twice the width says the same at
first. More layers, stretched positions and widths between say something near at best: training goes
on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from filbert.checkpoint import Folder, load
from filbert.checkpoint.extending import new_rows_of
from filbert.checkpoint.rename import AXES
from filbert.encoder import Encoder, Shape, undrawn
from filbert.heads import EmbedHead, Model, PretrainHead, build_model
from filbert.progress import Progress
from filbert.tasks import Task
from filbert.train.copies import around_the_middle, in_groups, layer_copies, shares
from filbert.train.growth import Grow, Layers, Positions

NewRows = Mapping[int, NDArray[np.int32]]
"""Token id → the ids of the pieces that the word was cut into until now."""


def start_from(begin: Folder, task: Task, grow: Grow, progress: Progress) -> Model:
    """The model of a checkpoint for a task, as large as the task's tokenizer and `grow` ask for.

    Raises SettingsError where the tokenizer is another one than the checkpoint's, naming the first
    token that differs, and where `grow` asks for less than there is.
    """
    old = begin.shape()
    new_rows = new_rows_of(begin, task.tokenizer)
    shape = grow.shape(old, task.tokenizer.vocab_size)
    # Read with as many tokens as it has positions; it may have more afterwards.
    shorter = replace(task, max_tokens=min(task.max_tokens, old.max_positions))
    model = load(begin, task=shorter.with_tokenizer(task.tokenizer))
    if shape == old and not new_rows:
        return model
    names = ("vocab", "max_positions", "depth", "width", "mlp_width")
    changes = [
        f"{name} {getattr(old, name):,} → {getattr(shape, name):,}"
        for name in names
        if getattr(old, name) != getattr(shape, name)
    ]
    words = f"{len(new_rows):,} new words" if new_rows else ""
    progress.note(f"{begin} grows: {', '.join(filter(None, [*changes, words]))}")
    return grow_model(
        model, shape, task, positions=grow.positions, layers=grow.layers, new_rows=new_rows
    )


def grow_model(
    model: Model,
    shape: Shape,
    task: Task,
    *,
    positions: Positions = "tiled",
    layers: Layers = "stacked",
    new_rows: NewRows | None = None,
    seed: int = 0,
) -> Model:
    """A larger model whose every number comes from this one, on the CPU.

    shape      at least as large as the model's in each measure; attention heads as wide as now
    task       the one that the model's head is for
    positions  how the table of learned positions gets longer, as in Grow
    layers     which layers the new ones are copies of, as in Grow
    new_rows   the tokens that are new, each with its pieces: their rows of the embedding, and of
               the bias over the vocabulary, are the means of their pieces'. Rows that stand for no
               token are 0
    seed       of the shares that copies have in their sums
    """
    with undrawn():
        grown = build_model(Encoder(shape), task)
        if isinstance(grown.head, EmbedHead) and getattr(model.head, "pooler", None) is not None:
            grown.head.pooler = nn.Linear(shape.width, shape.width)
    growth = _Growth.between(model.encoder.shape, shape, layers, seed)
    there = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    tied = isinstance(model.head, PretrainHead)
    state: dict[str, Tensor] = {}
    for name in grown.state_dict():
        value, axes = there[growth.source(name)], growth.axes(name)
        if axes[0] == "vocab":
            value = _with_words(value, shape.vocab, new_rows or {})
        elif axes[0] == "places":
            value = _longer(value, growth.old, shape.max_positions, positions)
        # The vocabulary's own matrix is the embedding, which gives nothing on in parts: the norm
        # before it does.
        before_tied = tied and name.startswith("head.norm.")
        state[name] = growth.widened(value, name, axes, divided=before_tied)
    grown.load_state_dict(state, assign=True)
    grown.fresh, grown.family = list(model.fresh), model.family
    return grown.train(model.training)


@dataclass(frozen=True)
class _Growth:
    """From one shape to a larger one.

    layers  the old layer of each new one
    copies  by the measure's name: the old number of each new one
    """

    old: Shape
    new: Shape
    layers: list[int]
    copies: Mapping[str, Tensor]
    random: torch.Generator

    @classmethod
    def between(cls, old: Shape, new: Shape, layers: Layers, seed: int) -> "_Growth":
        heads = around_the_middle(old.attention_heads, new.attention_heads)
        heads = in_groups(heads, old.attention_head_width)
        inner = around_the_middle(old.mlp_width, new.mlp_width)
        three, sides = torch.arange(3)[:, None], torch.arange(1 + old.gated)[:, None]
        copies = {
            "width": around_the_middle(old.width, new.width),
            "heads": heads,
            "3*width": (three * old.width + heads).flatten(),
            "mlp_width": inner,
            "up": (sides * old.mlp_width + inner).flatten(),
        }
        random = torch.Generator().manual_seed(seed)
        return cls(old, new, layer_copies(old, new, layers), copies, random)

    def source(self, name: str) -> str:
        """The old tensor that a new one is made of."""
        parts = name.split(".")
        if parts[1] != "blocks":
            return name
        layer = self.layers[int(parts[2])]
        own = ".".join(parts[3:])
        if own.startswith("attention_norm.") and layer == 0 and self.old.norm_place == "before":
            # The first layer has none: what it reads was normalised by the embeddings' norm.
            return f"encoder.embeddings.norm.{parts[-1]}"
        return f"encoder.blocks.{layer}.{own}"

    def axes(self, name: str) -> tuple[str, ...]:
        """The measures of a tensor, by name."""
        parts = name.split(".")[1:]
        if parts[0] == "blocks":
            parts[1] = "{i}"
        axes = AXES.get(".".join(parts), ("width",))
        return ("width", "heads") if name.endswith(".out.weight") else axes

    def widened(self, value: Tensor, name: str, axes: tuple[str, ...], divided: bool) -> Tensor:
        """The tensor with its numbers copied, and divided where copies are summed again.

        divided: whether the numbers are so already when they leave this layer.
        """
        if axes[0] in self.copies:
            value = value.index_select(0, self.copies[axes[0]])
        if len(axes) > 1 and axes[1] in self.copies:
            old = value.shape[1]
            copies = self.copies[axes[1]]
            value = value.index_select(1, copies)
            if len(copies) > old and not name.startswith("encoder.embeddings."):
                value = value * shares(copies, len(value), old, self.random)
        if divided and self.new.width > self.old.width:
            # The same shares for weight and bias: a number is given on in one piece.
            random = torch.Generator().manual_seed(self.random.initial_seed())
            value = value * shares(self.copies["width"], 1, self.old.width, random)[0]
        return value.clone(memory_format=torch.contiguous_format)


def _with_words(values: Tensor, rows: int, new_rows: NewRows) -> Tensor:
    """So many rows; a new word's is the mean of its pieces', summed in float64 as extend does."""
    old = values.numpy()
    grown = np.zeros((rows, *old.shape[1:]), np.float32)
    grown[: len(old)] = old
    for token_id, pieces in new_rows.items():
        grown[token_id] = old[pieces].mean(axis=0, dtype=np.float64)
    return torch.from_numpy(grown)


def _longer(table: Tensor, old: Shape, places: int, positions: Positions) -> Tensor:
    """The table of learned positions with so many places; what stands before the first stays."""
    before, table = table[: old.positions_offset], table[old.positions_offset :]
    if places > len(table) and positions == "tiled":
        table = table[torch.arange(places) % len(table)]
    elif places > len(table):
        stretched = functional.interpolate(
            table.t()[None], size=places, mode="linear", align_corners=True
        )
        table = stretched[0].t()
    return torch.cat((before, table))
