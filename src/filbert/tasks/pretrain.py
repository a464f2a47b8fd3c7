"""Masked language modelling (Devlin et al. 2019, section 3.1, task 1)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from filbert.batch import Array, Packed, Row, pack
from filbert.errors import DataError, SettingsError
from filbert.tasks.chance import fractions, token_numbers
from filbert.tasks.task import Outputs, Scores, Task

TOP = 5
_CHOICE, _ACTION, _REPLACEMENT = 1, 2, 3


@dataclass(frozen=True)
class Filled:
    """What the network would put in one masked place, the likeliest first.

    position       token of the row
    token_ids      up to five
    probabilities  of each of them
    loss           -log p of the right token, where it is known
    """

    position: int
    token_ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    loss: float | None = None


@dataclass(frozen=True)
class Pretrain(Task):
    """A part of each row's tokens is hidden, and the network learns to name them.

    mask_fraction         of a row's tokens, special ones not counted; at least one token a row
    keep_fraction         of the chosen tokens stay as they are
    random_fraction       of the chosen tokens become a random token; the rest become [MASK]
    scored_mask_fraction  where the network is scored: the paper's 15 %, whatever it learns with,
                          so that scores can be compared
    """

    name: ClassVar[str] = "pretrain"
    main_score: ClassVar[str] = "accuracy"
    mask_fraction: float = 0.15
    keep_fraction: float = 0.1
    random_fraction: float = 0.1
    scored_mask_fraction: float = 0.15

    def __post_init__(self) -> None:
        """Refuse fractions that are none."""
        super().__post_init__()
        for name in ("mask_fraction", "scored_mask_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingsError(f"task.{name} must be in (0, 1]; got {getattr(self, name)}")
        kept, random = self.keep_fraction, self.random_fraction
        if not (kept >= 0 and random >= 0 and kept + random <= 1):
            raise SettingsError(
                "task.keep_fraction and task.random_fraction must be at least 0 and together "
                f"at most 1; got {self.keep_fraction} and {self.random_fraction}"
            )

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Hide tokens, anew in each epoch.

        targets: positions int32 [masked], places in the pack; labels int32 [masked].
        """
        packed = pack(rows)
        origins, lengths = [row.origin for row in rows], packed.lengths
        chosen = self._choose(packed, origins, seed, epoch)
        labels = packed.token_ids[chosen]
        action = fractions(token_numbers(seed, epoch, origins, lengths, _ACTION)[chosen])
        number = token_numbers(seed, epoch, origins, lengths, _REPLACEMENT)[chosen]
        ordinary = self.tokenizer.ordinary_ids
        shown = np.where(
            action < self.keep_fraction,
            labels,
            np.where(
                action < self.keep_fraction + self.random_fraction,
                ordinary[number % np.uint64(len(ordinary))],
                self.tokenizer.special_ids.mask,
            ),
        )
        token_ids = packed.token_ids.copy()
        token_ids[chosen] = shown
        return Packed(
            token_ids,
            packed.segments,
            packed.ends,
            {"positions": chosen.astype(np.int32), "labels": labels},
        )

    def counts(self, packed: Packed) -> dict[str, int]:
        """The hidden tokens."""
        return {"masked": len(packed.targets["labels"])}

    def scored_batch(self, rows: Sequence[Row], seed: int) -> Packed:
        """Hide the paper's fraction, the same tokens every time."""
        scored = dataclasses.replace(self, mask_fraction=self.scored_mask_fraction)
        return scored.with_tokenizer(self.tokenizer).batch(rows, seed, 0)

    def _choose(
        self, packed: Packed, origins: list[tuple[int, int]], seed: int, epoch: int
    ) -> Array:
        """The places to hide: in each row the tokens with the smallest numbers."""
        maskable = ~self.tokenizer.is_special[packed.token_ids]
        lengths, sequences = packed.lengths, len(packed.ends)
        number = token_numbers(seed, epoch, origins, lengths, _CHOICE)
        of_row = np.repeat(np.arange(sequences), lengths)
        candidates = np.flatnonzero(maskable)
        candidates = candidates[np.lexsort((number[candidates], of_row[candidates]))]
        available = np.bincount(of_row[candidates], minlength=sequences)
        wanted = np.minimum(
            np.maximum(1, np.rint(available * self.mask_fraction)), available
        ).astype(np.int64)
        rank = np.arange(len(candidates)) - np.repeat(np.cumsum(available) - available, available)
        return np.sort(candidates[rank < np.repeat(wanted, available)])

    def query(self, rows: Sequence[Row]) -> Packed:
        """Rows packed as they are, asking for every [MASK] in them.

        targets: positions int32 [masked].
        """
        packed = pack(rows)
        positions = np.flatnonzero(packed.token_ids == self.tokenizer.special_ids.mask)
        return Packed(
            packed.token_ids,
            packed.segments,
            packed.ends,
            {"positions": positions.astype(np.int32)},
        )

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [masked, vocab] → a tuple of Filled for each sequence."""
        logits = outputs["logits"].astype(np.float32, copy=False)
        positions = packed.targets["positions"]
        labels = packed.targets.get("labels")
        # An embedding is often padded: rows behind the last token stand for none, so none is said.
        tokens = logits[:, : self.tokenizer.vocab_size]
        top = min(TOP, tokens.shape[1])
        best = np.argpartition(-tokens, top - 1, axis=1)[:, :top]
        scores = np.take_along_axis(logits, best, axis=1)
        # Ties fall to the smaller id, so that the answer does not depend on the partition's order.
        order = np.lexsort((best, -scores), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        highest = logits.max(axis=1, keepdims=True)
        log_sum = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
        probabilities = np.exp(scores - log_sum)
        losses = (
            None
            if labels is None
            else log_sum[:, 0] - np.take_along_axis(logits, labels[:, None].astype(int), 1)[:, 0]
        )
        sequence = np.searchsorted(packed.ends, positions, side="right")
        answers: list[list[Filled]] = [[] for _ in packed.ends]
        for index, place in enumerate(positions):
            answers[sequence[index]].append(
                Filled(
                    int(place - packed.starts[sequence[index]]),
                    tuple(best[index].tolist()),
                    tuple(probabilities[index].tolist()),
                    None if losses is None else float(losses[index]),
                )
            )
        return [tuple(answer) for answer in answers]

    def references(self, packed: Packed) -> list[Any]:
        """The hidden tokens of each sequence, in order."""
        labels = packed.targets["labels"]
        cuts = np.searchsorted(packed.targets["positions"], packed.ends[:-1])
        return [tuple(part.tolist()) for part in np.split(labels, cuts)]

    def merge(self, answers: Sequence[Any]) -> Any:
        """Windows stay apart: each has its own masked places."""
        return tuple(filled for answer in answers for filled in answer)

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """accuracy and top5_accuracy of the hidden tokens, loss (nats a token), perplexity."""
        pairs = [
            (filled, label)
            for prediction, reference in zip(predictions, references, strict=True)
            for filled, label in zip(prediction, reference, strict=True)
        ]
        if not pairs:
            raise DataError("nothing to score: no token of these rows could be hidden")
        loss = float(np.mean([filled.loss for filled, _ in pairs if filled.loss is not None]))
        return {
            "accuracy": float(np.mean([filled.token_ids[0] == label for filled, label in pairs])),
            "top5_accuracy": float(np.mean([label in filled.token_ids for filled, label in pairs])),
            "loss": loss,
            "perplexity": float(np.exp(min(loss, 50.0))),
            "masked_tokens": float(len(pairs)),
        }
