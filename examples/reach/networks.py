"""The two that are compared: a BERT, and a bidirectional LSTM with such embeddings and head."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from filbert.batch import Packed
from filbert.encoder import Encoder, PackedTensors, Shape, to_tensors
from filbert.heads import Loss, PretrainHead
from filbert.train import OPTIMIZERS, SCHEDULES, Training

INITIAL_DEVIATION = 0.02
"""Of the weights that an Encoder draws."""


class Lstm(nn.Module):
    """Hidden states are handed from token to token, once in each direction, in two layers.

    hidden_width  of each direction; a linear layer brings both back to the width of the embeddings

    The gates that forget begin open (bias 1; Jozefowicz et al. 2015), so that it starts with the
    longest memory that is usual.
    """

    def __init__(self, shape: Shape, hidden_width: int):
        """Draw the weights; the embeddings are those of an Encoder of this shape."""
        super().__init__()
        self.embeddings = Encoder(replace(shape, depth=1)).embeddings
        self.layers = nn.LSTM(shape.width, hidden_width, num_layers=2, bidirectional=True)
        self.out = nn.Linear(2 * hidden_width, shape.width)
        with torch.no_grad():
            for name, bias in self.layers.named_parameters():
                if name.startswith("bias_ih"):
                    bias[hidden_width : 2 * hidden_width] = 1.0

    def forward(self, packed: PackedTensors) -> Tensor:
        """The vector of every token, [tokens, width]."""
        sequences = self.embeddings(packed).split(packed.lengths.tolist())
        states, _ = self.layers(pack_sequence(list(sequences), enforce_sorted=False))
        vectors: Tensor = self.out(torch.cat(unpack_sequence(states)))
        return vectors


class Network(nn.Module):
    """An encoder and a head for hidden tokens, tied to the encoder's own token embeddings."""

    def __init__(self, encoder: Encoder | Lstm, shape: Shape):
        """Put a fresh head on the encoder."""
        super().__init__()
        self.encoder = encoder
        self.head = PretrainHead(shape, encoder.embeddings.tokens)
        self.shape = shape

    def forward(self, packed: Packed) -> Tensor:
        """Logits [asked places, vocab] of the places in targets["positions"]."""
        tensors = to_tensors(packed, self.shape)
        logits: Tensor = self.head(self.encoder(tensors), tensors)["logits"]
        return logits

    def loss(self, packed: Packed) -> Loss:
        """Cross-entropy of targets["labels"] at these places."""
        tensors = to_tensors(packed, self.shape)
        return self.head.loss(self.encoder(tensors), tensors)

    @property
    def weights_inside(self) -> int:
        """How many weights there are between embeddings and head."""
        outside = {id(p) for p in (*self.encoder.embeddings.parameters(), *self.head.parameters())}
        return sum(p.numel() for p in self.parameters() if id(p) not in outside)


def make_networks(shape: Shape) -> dict[str, Network]:
    """Both, freshly drawn, with about as many weights inside."""
    torch.manual_seed(1)
    encoder = Encoder(shape)
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.Linear):
                # Drawn for a width of 768; so every layer's output is as large as its input here.
                part.weight.mul_(shape.width**-0.5 / INITIAL_DEVIATION)
    bert = Network(encoder, shape)
    hidden_width = hidden_width_for(shape, bert.weights_inside)
    return {"BERT": bert, "LSTM": Network(Lstm(shape, hidden_width), shape)}


def hidden_width_for(shape: Shape, weights: int) -> int:
    """The width of each direction with which an Lstm has about as many weights inside."""
    widths = range(2, 4 * shape.width)
    return min(widths, key=lambda h: abs(_lstm_weights(shape.width, h) - weights))


def _lstm_weights(width: int, hidden: int) -> int:
    """Two layers of two directions of four gates, each with two biases, then the layer out."""
    first, second = 4 * hidden * (width + hidden + 2), 4 * hidden * (3 * hidden + 2)
    return 2 * (first + second) + (2 * hidden + 1) * width


def learn(network: Network, batches: Iterable[Packed], settings: Training) -> list[float]:
    """`settings.steps` steps of AdamW with a linear schedule; the mean loss of each."""
    assert settings.steps is not None
    (optimizer,) = OPTIMIZERS["adamw"](network, settings)
    rate_of = SCHEDULES["linear"]
    network.train()
    losses: list[float] = []
    for packed in batches:
        loss = network.loss(packed).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        spent = (len(losses) + 0.5) / settings.steps
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * rate_of(spent, settings)
        optimizer.step()
        losses.append(float(loss.detach()))
        if len(losses) == settings.steps:
            break
    network.eval()
    return losses
