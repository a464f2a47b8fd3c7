"""The losses that a model gives where labels are given: those of transformers, as means."""

import warnings

import torch
from torch import Tensor
from torch.nn import functional

from filbert.errors import RequestError
from filbert.pretrained.door import Door

IGNORED = -100
"""A label that is not asked for."""


def token_loss(logits: Tensor, labels: Tensor, door: Door) -> Tensor:
    """Cross-entropy of the real tokens whose label is not IGNORED, their mean.

    logits: [tokens, classes]; labels: int64 [sequences, length].
    """
    check_labels("labels", labels, list(door.real.shape))
    at_padding = int((labels[~door.real] != IGNORED).sum())
    if at_padding:
        warnings.warn(
            f"{at_padding} labels at padding are left out of the loss (transformers would learn "
            f"them); set them to {IGNORED}",
            stacklevel=4,
        )
    packed = door.pack(labels).long()
    _check_classes(packed, logits.shape[1])
    return functional.cross_entropy(logits.float(), packed, ignore_index=IGNORED, reduction="mean")


def sequence_loss(logits: Tensor, labels: Tensor, problem: str | None) -> Tensor:
    """The loss of logits [sequences, labels], by the kind of problem.

    problem None: "regression" for one label; else "single_label_classification" for whole numbers
    [sequences] and "multi_label_classification" for floats [sequences, labels].
    """
    sequences, count = logits.shape
    if problem is None:
        whole = labels.dtype in (torch.int32, torch.int64)
        several = "single_label_classification" if whole else "multi_label_classification"
        problem = "regression" if count == 1 else several
    logits = logits.float()
    if problem == "single_label_classification":
        labels = labels.flatten()
        check_labels("labels", labels, [sequences])
        _check_classes(labels, count)
        return functional.cross_entropy(logits, labels.long())
    if count == 1:
        labels = labels.reshape(labels.numel(), 1)
    check_labels("labels", labels, [sequences, count])
    if problem == "regression":
        return functional.mse_loss(logits, labels.float())
    return functional.binary_cross_entropy_with_logits(logits, labels.float())


def span_loss(logits: Tensor, starts: Tensor, ends: Tensor, door: Door) -> Tensor:
    """Cross-entropy of the first and the last token of an answer, the mean of both.

    logits: [tokens, 2]; starts, ends: int64 [sequences], places in the padded layout; one beyond
    it is not asked for. The softmax is over a sequence's real tokens: padding has no chance.
    """
    sequences, length = door.real.shape
    padded = door.pad(logits.float(), float("-inf"))
    total = logits.new_zeros(())
    for number, (name, places) in enumerate((("start_positions", starts), ("end_positions", ends))):
        places = places.flatten().clamp(0, length)
        check_labels(name, places, [sequences])
        inside = places < length
        chosen = door.real[inside].gather(1, places[inside][:, None])
        if not bool(chosen.all()):
            raise RequestError(f"{name}: an answer stands at padding, where attention_mask is 0")
        loss = functional.cross_entropy(padded[..., number], places, ignore_index=length)
        total = total + loss / 2
    return total


def check_labels(name: str, labels: Tensor, sizes: list[int]) -> None:
    """Refuse labels of other sizes."""
    if list(labels.shape) != sizes:
        raise RequestError(f"{name}: expected the sizes {sizes}, got {list(labels.shape)}")


def _check_classes(labels: Tensor, count: int) -> None:
    """Refuse labels that there are no logits for; on a GPU torch would end the whole process."""
    wrong = labels[((labels < 0) | (labels >= count)) & (labels != IGNORED)]
    if len(wrong):
        raise RequestError(
            f"labels: {int(wrong[0])} is outside of this model's 0 to {count - 1} "
            f"({IGNORED}: not asked for)"
        )
