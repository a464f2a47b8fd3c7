"""Masked language modelling (Devlin et al. 2019, section 3.1, task 1)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_args

import numpy as np

from filbert.batch import Array, Packed, Row, pack
from filbert.errors import DataError, SettingsError
from filbert.tasks.chance import Numbers, epochs_of, fractions, token_numbers
from filbert.tasks.mask_schedule import Change, check_fractions, fraction_at
from filbert.tasks.masking import Spans, Unit, choose_hidden
from filbert.tasks.pairs import (
    UNPAIRED,
    PairAnswer,
    Pairs,
    draw_pairs,
    pair_answers,
    pair_scores,
    pair_targets,
)
from filbert.tasks.task import Outputs, Scores, Task
from filbert.tokenizer.whole_words import whole_words_of_ids

TOP = 5
_ACTION, _REPLACEMENT = 2, 3  # purposes of draws; masking.py has 1 and 4


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

    mask_fraction         of a row's tokens, special ones not counted; at least one token a row. A
                          list: one after the other over the budget of the training, see `at`
    mask_change           how a list goes on: by "step", each for an equal part of the budget, or
                          "linear", in straight lines from the first to the last
    keep_fraction         of the hidden tokens stay as they are
    random_fraction       of the hidden tokens become a random token; the rest become [MASK]
    scored_mask_fraction  where the network is scored: see `scored_batch`
    masked_unit           what is hidden as a whole: a "token", or a whole "word", Chinese ones by a
                          segmenter. Words never exceed the count (as in BERT's own code, a word
                          that would is left out), so that a little less is hidden
    spans                 how many units are hidden together: "single"; "ngram", 1 to 4 with 40, 30,
                          20 and 10 % (MacBERT, Cui et al. 2020); or "geometric", 1 to 10, 3.8 in
                          the mean (SpanBERT, Joshi et al. 2020)
    pairs                 what rows are cut into pairs for: "none"; to tell what comes "next" from
                          another document's text; to tell the "order" of two neighbours (see
                          filbert.tasks.pairs; rows need their sentence ends and, for "next",
                          partners: filbert.shards.Paired)
    random_next_fraction  of the pairs for "next" are not neighbours
    short_fraction        of the pairs are made of a row that is first shortened to a random length

    What a hidden token becomes is drawn for each token by itself (whole words too: so BERT does it)
    and with spans once for all tokens of a span (as SpanBERT does it); a random token is another
    one for each.
    """

    name: ClassVar[str] = "pretrain"
    judged_by: ClassVar[str] = "accuracy"
    mask_fraction: float | tuple[float, ...] = 0.15
    mask_change: Change = "step"
    keep_fraction: float = 0.1
    random_fraction: float = 0.1
    scored_mask_fraction: float = 0.15
    masked_unit: Unit = "token"
    spans: Spans = "single"
    pairs: Pairs = "none"
    random_next_fraction: float = 0.5
    short_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Refuse fractions and words that are none."""
        super().__post_init__()
        if not isinstance(self.mask_fraction, int | float):
            object.__setattr__(self, "mask_fraction", tuple(self.mask_fraction))
        check_fractions("task.mask_fraction", self._phases)
        check_fractions("task.scored_mask_fraction", (self.scored_mask_fraction,))
        for name, kind in (
            ("mask_change", Change),
            ("masked_unit", Unit),
            ("spans", Spans),
            ("pairs", Pairs),
        ):
            known, given = get_args(kind), getattr(self, name)
            if given not in known:
                raise SettingsError(f"task.{name} must be one of {', '.join(known)}; got {given!r}")
        kept, random = self.keep_fraction, self.random_fraction
        if not (kept >= 0 and random >= 0 and kept + random <= 1):
            raise SettingsError(
                "task.keep_fraction and task.random_fraction must be at least 0 and together "
                f"at most 1; got {self.keep_fraction} and {self.random_fraction}"
            )
        for name in ("random_next_fraction", "short_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"task.{name} must be in [0, 1]; got {getattr(self, name)}")

    @property
    def _phases(self) -> tuple[float, ...]:
        given = self.mask_fraction
        return given if isinstance(given, tuple) else (given,)

    def at(self, spent: float) -> Self:
        """The task with the one mask_fraction that holds at this part of the budget, 0 to 1."""
        if not isinstance(self.mask_fraction, tuple):
            return self
        fraction = fraction_at(self.mask_fraction, self.mask_change, spent)
        return self._changed(mask_fraction=fraction)

    def _changed(self, **changes: Any) -> Self:
        """The task with other settings, still bound to its tokenizer where it is to one."""
        changed = dataclasses.replace(self, **changes)
        tokenizer = getattr(self, "_tokenizer", None)
        return changed if tokenizer is None else changed.with_tokenizer(tokenizer)

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Hide tokens, anew in each epoch; of a list of fractions, the first one (see `at`).

        targets: positions int32 [masked], places in the pack; labels int32 [masked]. With pairs,
        which are drawn first, also those of `pair_targets`.
        """
        targets: dict[str, Array] = {}
        if self.pairs != "none":
            rows, labels = draw_pairs(
                rows,
                self.pairs,
                self.tokenizer.special_ids,
                seed,
                epoch,
                random_next_fraction=self.random_next_fraction,
                short_fraction=self.short_fraction,
            )
            targets = pair_targets(labels)
        packed = pack(rows, targets)
        return self._hide(packed, [row.origin for row in rows], seed, epochs_of(rows, epoch))

    def _hide(
        self, packed: Packed, origins: Sequence[tuple[int, int]], seed: int, epoch: Numbers
    ) -> Packed:
        """A pack with tokens hidden, and what was there among its targets."""
        tokenizer, token_ids = self.tokenizer, packed.token_ids.copy()
        words = None
        if self.masked_unit == "word":
            words = whole_words_of_ids(tokenizer, token_ids, packed.ends)
        hidden = choose_hidden(
            packed,
            origins,
            seed,
            epoch,
            maskable=~tokenizer.is_special[token_ids],
            mask_fraction=self._phases[0],
            words=words,
            spans=self.spans,
        )
        chosen = hidden.positions
        labels = token_ids[chosen]
        deciding = chosen if self.spans == "single" else hidden.leaders
        action = fractions(token_numbers(seed, epoch, origins, packed.lengths, _ACTION)[deciding])
        number = token_numbers(seed, epoch, origins, packed.lengths, _REPLACEMENT)[chosen]
        ordinary = tokenizer.ordinary_ids
        token_ids[chosen] = np.where(
            action < self.keep_fraction,
            labels,
            np.where(
                action < self.keep_fraction + self.random_fraction,
                ordinary[number % np.uint64(len(ordinary))],
                tokenizer.special_ids.mask,
            ),
        )
        targets = {"positions": chosen.astype(np.int32), "labels": labels}
        return Packed(token_ids, packed.segments, packed.ends, {**packed.targets, **targets})

    def counts(self, packed: Packed) -> dict[str, int]:
        """The hidden tokens, and the pairs where there are to be some."""
        counts = {"masked": len(packed.targets["labels"])}
        return counts if self.pairs == "none" else counts | {"pairs": len(packed.targets["pairs"])}

    def scored_batch(self, rows: Sequence[Row], seed: int) -> Packed:
        """Hide scored_mask_fraction of the tokens as the BERT paper does, the same every time.

        Single tokens, of which 80 % become [MASK], 10 % a random one and 10 % stay, whatever the
        network learns with: so that the scores of one data set can be compared.
        """
        scored = self._changed(
            mask_fraction=self.scored_mask_fraction,
            keep_fraction=0.1,
            random_fraction=0.1,
            masked_unit="token",
            spans="single",
            random_next_fraction=0.5,
            short_fraction=0.0,
        )
        return scored.batch(rows, seed, 0)

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
        """logits [masked, vocab] → a tuple of Filled for each sequence.

        With pair_logits [pairs, 2] too, where pairs are asked for → a PairAnswer for each.
        """
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
        masked = [tuple(answer) for answer in answers]
        if "pairs" in packed.targets:
            return list(pair_answers(masked, outputs["pair_logits"], packed))
        return masked

    def references(self, packed: Packed) -> list[Any]:
        """The hidden tokens of each sequence, in order."""
        labels = packed.targets["labels"]
        cuts = np.searchsorted(packed.targets["positions"], packed.ends[:-1])
        masked = [tuple(part.tolist()) for part in np.split(labels, cuts)]
        if "pair_labels" in packed.targets:
            return list(map(PairAnswer, masked, packed.targets["pair_labels"].tolist()))
        return masked

    def merge(self, answers: Sequence[Any]) -> Any:
        """Windows stay apart: each has its own masked places. They are no pairs."""
        if len(answers) == 1:
            return answers[0]
        if any(isinstance(answer, PairAnswer) for answer in answers):
            return PairAnswer(tuple(one for answer in answers for one in answer.masked), UNPAIRED)
        return tuple(filled for answer in answers for filled in answer)

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """accuracy and top5_accuracy of the hidden tokens, loss (nats a token), perplexity.

        Where some rows are pairs, also what `pair_scores` gives.
        """
        apart = [one for one in references if isinstance(one, PairAnswer)]
        of_pairs = pair_scores(predictions, apart) if apart else {}
        if apart:
            predictions = [one.masked for one in predictions]
            references = [one.masked for one in apart]
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
            **of_pairs,
        }
