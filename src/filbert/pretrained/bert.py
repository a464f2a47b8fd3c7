"""The five models of the tutorial's front (Devlin et al. 2019, sections 3 and 4)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from filbert.encoder import Shape, initialise
from filbert.heads import ClassifyHead, EmbedHead, Head, PretrainHead, SpanHead, TagHead
from filbert.heads.pooler import dense_and_norm, pool, through
from filbert.pretrained.door import Door
from filbert.pretrained.losses import sequence_loss, span_loss, token_loss
from filbert.pretrained.model import BertPretrained


class BertModel(BertPretrained):
    """The encoder and its pooler.

    Outputs: last_hidden_state [sequences, length, width]; pooler_output [sequences, width], of the
    first real token (transformers pools the first place, which is padding where padding stands on
    the left).
    """

    kind: ClassVar[str] = "encoder"

    def make_head(self, shape: Shape) -> Head:
        """The pooler."""
        head = EmbedHead("first", dense_and_norm(shape)[0])
        initialise(head)
        return head

    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """last_hidden_state and pooler_output."""
        assert isinstance(self.head, EmbedHead)
        first = pool(hidden, door.packed, "first")
        return {
            "last_hidden_state": door.pad(hidden),
            "pooler_output": through(first, self.head.pooler, None, "tanh"),
        }


class BertForMaskedLM(BertPretrained):
    """The masked-language model.

    labels: int64 [sequences, length], -100 where nothing is asked. Outputs: loss, logits
    [sequences, length, vocab].
    """

    kind: ClassVar[str] = "masked"
    targets: ClassVar[tuple[str, ...]] = ("labels",)

    def make_head(self, shape: Shape) -> Head:
        """A layer, a norm, and the token embedding turned round."""
        return PretrainHead(shape, self.encoder.embeddings.tokens)

    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """loss, logits."""
        logits = self.head(hidden, door.every_token())["logits"]
        labels = targets["labels"]
        loss = None if labels is None else token_loss(logits, labels, door)
        return {"loss": loss, "logits": door.pad(logits)}


class BertForSequenceClassification(BertPretrained):
    """A label, several, or a number for each text.

    labels: int64 [sequences], or floats [sequences, labels] for several labels at once, or floats
    [sequences] where num_labels is 1; config.problem_type says otherwise. Outputs: loss, logits
    [sequences, labels].
    """

    kind: ClassVar[str] = "classify"
    targets: ClassVar[tuple[str, ...]] = ("labels",)

    def make_head(self, shape: Shape) -> Head:
        """The pooler, dropout, a linear layer."""
        return _with_dropout(ClassifyHead(shape, self.config.num_labels), self.config)

    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """loss, logits."""
        logits = self.head(hidden, door.packed)["logits"]
        labels = targets["labels"]
        problem = self.config.problem_type
        loss = None if labels is None else sequence_loss(logits, labels, problem)
        return {"loss": loss, "logits": logits}


class BertForTokenClassification(BertPretrained):
    """A label for each token.

    labels: int64 [sequences, length], -100 where nothing is asked. Outputs: loss, logits
    [sequences, length, labels].
    """

    kind: ClassVar[str] = "tag"
    targets: ClassVar[tuple[str, ...]] = ("labels",)

    def make_head(self, shape: Shape) -> Head:
        """Dropout, a linear layer."""
        return _with_dropout(TagHead(shape, self.config.num_labels), self.config)

    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """loss, logits."""
        logits = self.head(hidden, door.packed)["logits"]
        labels = targets["labels"]
        loss = None if labels is None else token_loss(logits, labels, door)
        return {"loss": loss, "logits": door.pad(logits)}


class BertForQuestionAnswering(BertPretrained):
    """Where an answer begins and ends.

    start_positions, end_positions: int64 [sequences], places in the padded layout. Outputs: loss,
    start_logits and end_logits [sequences, length]. At padding the logits are the lowest number
    there is, and the loss gives padding no chance (in transformers it takes part).
    """

    kind: ClassVar[str] = "span"
    targets: ClassVar[tuple[str, ...]] = ("start_positions", "end_positions")

    def make_head(self, shape: Shape) -> Head:
        """A linear layer with two outputs."""
        return SpanHead(shape)

    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """loss, start_logits, end_logits."""
        logits = self.head(hidden, door.packed)["logits"]
        starts, ends = targets["start_positions"], targets["end_positions"]
        asked = starts is not None and ends is not None
        loss = span_loss(logits, starts, ends, door) if asked else None
        padded = door.pad(logits, torch.finfo(logits.dtype).min)
        start_logits, end_logits = padded.unbind(dim=-1)
        return {"loss": loss, "start_logits": start_logits, "end_logits": end_logits}


def _with_dropout(head: Head, config: Any) -> Head:
    """The head, dropping what classifier_dropout says, or as the encoder where it says nothing."""
    if config.classifier_dropout is not None:
        head.dropout_fraction = config.classifier_dropout
    return head
