"""Extractive question answering: the span of a passage that answers (sections 4.2 and 4.3)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from filbert.batch import Array, Packed, Row, aligned, pack, row_labels
from filbert.errors import DataError, SettingsError
from filbert.tasks import judging
from filbert.tasks.answers import Overlap, Right, overlap
from filbert.tasks.judging import Judged
from filbert.tasks.reading import Reader, read_questions
from filbert.tasks.task import Example, Outputs, Scores, Task
from filbert.tasks.windows import Long, check_long, make_row, special_tokens, too_long, windows
from filbert.tokenizer import Encoded


@dataclass(frozen=True)
class Candidate:
    """A span that may answer a question: its characters in the passage, and its share of belief."""

    start: int
    end: int
    probability: float
    score: float
    text: str = ""

    def __str__(self) -> str:
        """Its text and probability."""
        return f"{self.text} ({self.probability:.2f})"


@dataclass(frozen=True)
class Answer:
    """What a passage answers to a question.

    text         as it stands in the passage; empty: the passage has no answer
    start, end   its characters; 0, 0 without an answer
    probability  of this answer among the candidates and having none
    null_score   how much better "no answer" is than the best span; none is given above the task's
                 null_threshold
    candidates   the best spans, the best first
    tokens_cut   how many tokens of question and passage were left out
    """

    text: str
    start: int
    end: int
    probability: float
    null_score: float
    candidates: tuple[Candidate, ...]
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The answer and its probability."""
        return f"{self.text or 'no answer'} ({self.probability:.2f})"


@dataclass(frozen=True)
class WindowSpans:
    """The best spans of a window, and what it gives to having no answer.

    spans   int32 [candidates, 2], characters
    scores  float64 [candidates], begin's and end's logit together
    null    the same of [CLS]
    """

    spans: Array
    scores: Array
    null: float


@dataclass(frozen=True)
class Span(Task):
    """Answer a "question" by a part of its "context"; "answers" are its (text, start).

    question_tokens  the longest part of a question that is read
    overlap_tokens   that two windows of a long passage share
    answer_tokens    the longest span that is considered
    candidates       how many spans an answer lists
    unanswerable     whether a passage may have no answer (SQuAD 2.0)
    null_threshold   how much better "no answer" must be than the best span; found on the dev set
    """

    name: ClassVar[str] = "span"
    judged_by: ClassVar[str] = "f1"
    reader: ClassVar[Reader] = staticmethod(read_questions)
    max_tokens: int = 384
    question_tokens: int = 64
    overlap_tokens: int = 128
    answer_tokens: int = 30
    candidates: int = 5
    unanswerable: bool = False
    null_threshold: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that leave no room for a passage."""
        super().__post_init__()
        for name in ("question_tokens", "answer_tokens", "candidates"):
            if getattr(self, name) < 1:
                raise SettingsError(f"task.{name} must be at least 1; got {getattr(self, name)}")
        if self.overlap_tokens < 0:
            raise SettingsError(f"task.overlap_tokens must be from 0 on; got {self.overlap_tokens}")

    @classmethod
    def lesson(cls, example: Example) -> Example | None:
        """The example, if one of its answers stands in the passage, or there is none."""
        answers = example.get("answers")
        return example if not answers or _standing(answers) is not None else None

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """Whether some question has no answer."""
        none = any(e.get("answers") is not None and not e["answers"] for e in examples)
        return {"unanswerable": none} | dict(said)

    def rows_of(
        self, examples: Sequence[Example], *, long: Long = "windows", overlap_tokens: int = 0
    ) -> list[list[Row]]:
        """[CLS] question [SEP] window of the context [SEP]; see Task.

        aligned: starts and stops int32, the characters of the context's tokens, -1 for the others.
        labels: where the example has answers, int32 [2], the first and the last token of the first
        one that stands in its context; 0, 0 where a window does not hold it whole.
        """
        check_long(long, overlap_tokens)
        for number, example in enumerate(examples):
            _check(example, number)
        questions = self.tokenizer.encode_batch([e["question"] for e in examples], specials=False)
        contexts = self.tokenizer.encode_batch([e["context"] for e in examples], specials=False)
        found = []
        for number, example in enumerate(examples):
            where = str(example.get("place", f"question {number + 1}"))
            pair = questions[number], contexts[number]
            found.append(self._rows_of(example, *pair, long, overlap_tokens, where))
        return found

    def _rows_of(
        self,
        example: Example,
        question: Encoded,
        context: Encoded,
        long: Long,
        overlap_tokens: int,
        where: str,
    ) -> list[Row]:
        specials = special_tokens(self.tokenizer, pair=True)
        if long == "error" and len(question) + len(context) + specials > self.max_tokens:
            tokens = len(question) + len(context) + specials
            raise too_long(where, tokens, self.max_tokens)
        asked = min(len(question), self.question_tokens, max(1, (self.max_tokens - specials) // 2))
        room, tokens = self.max_tokens - specials - asked, len(context)
        shared = min(max(overlap_tokens, self.overlap_tokens), room // 2)
        cuts = [(0, min(tokens, room))] if long == "truncate" else windows(tokens, room, shared)
        begins = 1 + asked + self.tokenizer.pair_separators
        rows = []
        for start, stop in cuts:
            cut = len(question) - asked + (tokens - stop if long == "truncate" else 0)
            row = make_row(
                self.tokenizer,
                [
                    (question.token_ids[:asked], question.offsets[:asked]),
                    (context.token_ids[start:stop], context.offsets[start:stop]),
                ],
                labels=_label(example, context, start, stop, begins),
                cut=cut,
            )
            own = np.full((2, len(row)), -1, np.int32)
            own[:, begins : begins + stop - start] = context.offsets[start:stop].T
            rows.append(dataclasses.replace(row, aligned={"starts": own[0], "stops": own[1]}))
        return rows

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example whose answers are not said."""
        for number, example in enumerate(examples):
            if example.get("answers") is None:
                where = example.get("place", f"example {number + 1}")
                raise DataError(f"{where}: expected answers, or an empty list; there are none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets: starts, stops, and span int32 [sequences, 2] where rows have it."""
        targets = {name: aligned(rows, name) for name in ("starts", "stops")}
        spans = row_labels(rows, np.int32)
        if spans is not None:
            targets["span"] = spans
        return pack(rows, targets)

    def counts(self, packed: Packed) -> dict[str, int]:
        """A span a sequence."""
        return {"spans": len(packed.ends)}

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [tokens, 2] → WindowSpans; `merge` makes an Answer of a question's windows."""
        logits = outputs["logits"].astype(np.float64)
        starts, stops = packed.targets["starts"], packed.targets["stops"]
        found = []
        for begin, end in zip(packed.starts, packed.ends, strict=True):
            (inside,) = np.nonzero(starts[begin:end] >= 0)
            at = inside + begin
            spans, scores = _best_spans(
                logits[at], self.answer_tokens, self.candidates, starts[at], stops[at]
            )
            found.append(WindowSpans(spans, scores, float(logits[begin].sum())))
        return found

    def merge(self, answers: Sequence[Any]) -> Any:
        """The best spans of all windows; "no answer" as the window says that doubts it most."""
        best: dict[tuple[int, int], float] = {}
        for window in answers:
            for (start, end), score in zip(window.spans.tolist(), window.scores, strict=True):
                best[start, end] = max(float(score), best.get((start, end), -np.inf))
        null = min(window.null for window in answers)
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[: self.candidates]
        return self._answer(ranked, null)

    def _answer(self, ranked: Sequence[tuple[tuple[int, int], float]], null: float) -> Answer:
        scores = np.array([score for _, score in ranked] + [null] * self.unanswerable)
        if not len(scores):
            return Answer("", 0, 0, 0.0, 0.0, ())
        weights = np.exp(scores - scores.max())
        sure = weights / weights.sum()
        candidates = tuple(
            Candidate(start, end, float(p), score)
            for ((start, end), score), p in zip(ranked, sure, strict=False)
        )
        null_score = null - ranked[0][1] if ranked else np.inf
        if not ranked or (self.unanswerable and null_score > self.null_threshold):
            nothing = float(sure[-1]) if self.unanswerable else 0.0
            return Answer("", 0, 0, nothing, float(null_score), candidates)
        first = candidates[0]
        return Answer("", first.start, first.end, first.probability, float(null_score), candidates)

    def references(self, packed: Packed) -> list[Any]:
        """Rows do not know their question's answers: `right_answer` does."""
        return [None] * len(packed.ends)

    def finish(self, answer: Any, example: Example) -> Any:
        """The answer and its candidates with their texts."""
        context = example["context"]
        candidates = tuple(
            dataclasses.replace(one, text=context[one.start : one.end]) for one in answer.candidates
        )
        return dataclasses.replace(
            answer, text=context[answer.start : answer.end], candidates=candidates
        )

    def right_answer(self, example: Example, reference: Any) -> Any:
        """The texts of an example's answers; none: it has no answer."""
        texts = [text for text, _ in map(_text_and_start, example["answers"])]
        return Right.of(texts, example["context"])

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether no question gets an answer, and some should."""
        answered = any(answer.text for answer in predictions)
        return not answered and any(right.texts for right in references)

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """exact_match and f1, as the scripts of SQuAD and, for Chinese, of CMRC 2018 count them.

        With questions that have no answer also those of each kind apart.
        """
        found = _overlaps(predictions, references)
        scores = _means(found, "")
        answered = [bool(right.texts) for right in references]
        if not all(answered) and any(answered):
            for what, kind in (("answerable", True), ("unanswerable", False)):
                of_kind = [one for one, has in zip(found, answered, strict=True) if has is kind]
                scores |= _means(of_kind, f"{what} ")
        return scores | {"examples": float(len(references))}

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """exact_match and f1, with those of each kind where there are two; right: an exact match.

        What is drawn is a question. Questions on one passage are no independent ones, which is not
        modelled.
        """
        found = _overlaps(predictions, references)
        exact, f1 = [one.exact for one in found], [one.f1 for one in found]
        measures = {"exact_match": judging.mean(exact), "f1": judging.mean(f1)}
        answered = [bool(right.texts) for right in references]
        if not all(answered) and any(answered):
            for what, kind in (("answerable", True), ("unanswerable", False)):
                of_kind = [has is kind for has in answered]
                measures[f"{what} exact_match"] = judging.mean(exact, of_kind)
                measures[f"{what} f1"] = judging.mean(f1, of_kind)
        return Judged(len(found), measures, np.array(exact) == 1)

    def fitted(self, predictions: Sequence[Any], references: Sequence[Any]) -> Self:
        """The task with the threshold that gives the best F1 here."""
        if not self.unanswerable or not predictions:
            return self
        gains = []
        for answer, right in zip(predictions, references, strict=True):
            text = answer.candidates[0].text if answer.candidates else ""
            with_span, without = overlap(text, right).f1, float(not right.texts)
            gains.append((answer.null_score, with_span, without))
        gains.sort()
        # Everything is "no answer" at first; then one question after the other is answered.
        total = best = sum(without for _, _, without in gains)
        threshold = gains[0][0] - 1 if gains[0][0] < np.inf else 0.0
        for place, (null_score, with_span, without) in enumerate(gains):
            total += with_span - without
            behind = gains[place + 1][0] if place + 1 < len(gains) else np.inf
            if total > best + 1e-9 and behind > null_score:
                best, threshold = total, _between(null_score, behind)
        fitted = dataclasses.replace(self, null_threshold=float(threshold))
        return fitted.with_tokenizer(self.tokenizer)


def _between(low: float, high: float) -> float:
    """A number from `low` on and below `high`, a short one where there is one."""
    middle = round(low + 1 if high == np.inf else (low + high) / 2, 6)
    return middle if low <= middle < high else low


def _best_spans(
    logits: Array, longest: int, count: int, starts: Array, stops: Array
) -> tuple[Array, Array]:
    """The best spans of some tokens: (int32 [spans, 2] characters, their scores), the best first.

    Those that stand for the same characters are one.
    """
    tokens = len(logits)
    if not tokens:
        return np.zeros((0, 2), np.int32), np.zeros(0)
    reach = min(longest, tokens)
    # scores[i, j]: of the span from token i of j + 1 tokens
    ends = np.full(tokens + reach - 1, -np.inf)
    ends[:tokens] = logits[:, 1]
    scores = logits[:, :1] + np.lib.stride_tricks.sliding_window_view(ends, reach)
    flat = scores.ravel()
    # Tokens may share their characters (an emoji of several pieces): more than asked are looked at.
    most = min(flat.size, 4 * count + 16)
    order = np.argpartition(-flat, most - 1)[:most]
    order = order[np.lexsort((order, -flat[order]))]
    found: dict[tuple[int, int], float] = {}
    for place in order.tolist():
        if flat[place] == -np.inf or len(found) == count:
            break
        first, more = divmod(place, reach)
        found.setdefault((int(starts[first]), int(stops[first + more])), float(flat[place]))
    return np.array(list(found), np.int32).reshape(-1, 2), np.array(list(found.values()))


def _label(example: Example, context: Encoded, start: int, stop: int, begins: int) -> Array | None:
    """The first and the last token, in its row, of the answer; 0, 0: not in this window."""
    if example.get("answers") is None:
        return None
    nothing = np.zeros(2, np.int32)
    standing = _standing(example["answers"])
    if standing is None:
        return nothing
    offsets = context.offsets
    token = int(np.searchsorted(offsets[:, 1], standing[0], side="right"))
    last = int(np.searchsorted(offsets[:, 0], standing[1], side="left")) - 1
    if not start <= token <= last < stop:
        return nothing
    return np.array([token - start + begins, last - start + begins], np.int32)


def _standing(answers: Sequence[Any]) -> tuple[int, int] | None:
    """The characters of the first answer that stands in its passage; None: there is none."""
    for answer in answers:
        text, start = _text_and_start(answer)
        if start >= 0:
            end = answer.get("end") if isinstance(answer, Mapping) else None
            return start, start + len(text) if end is None else int(end)
    return None


def _text_and_start(answer: Any) -> tuple[str, int]:
    return (answer["text"], int(answer["start"])) if isinstance(answer, Mapping) else tuple(answer)


def _overlaps(predictions: Sequence[Any], references: Sequence[Any]) -> list[Overlap]:
    return [
        overlap(answer.text, right) for answer, right in zip(predictions, references, strict=True)
    ]


def _means(found: Sequence[Overlap], before: str) -> Scores:
    return {
        f"{before}exact_match": sum(one.exact for one in found) / len(found),
        f"{before}f1": sum(one.f1 for one in found) / len(found),
    }


def _check(example: Example, number: int) -> None:
    where = example.get("place") if isinstance(example, Mapping) else None
    where = where or f"example {number + 1}"
    for name in ("question", "context"):
        text = example.get(name) if isinstance(example, Mapping) else None
        if not isinstance(text, str):
            raise DataError(f"{where}: expected text under {name!r}, got {example!r:.80}")
    for answer in example.get("answers") or ():
        _check_answer(answer, example["context"], f"{where}: answers")


def _check_answer(answer: Any, context: str, where: str) -> None:
    try:
        text, start = _text_and_start(answer)
    except (KeyError, TypeError, ValueError):
        text, start = None, None
    if not isinstance(text, str) or not isinstance(start, int | np.integer):
        raise DataError(f"{where}: expected a text and its start, got {answer!r:.80}")
    standing = _standing([answer])
    if standing is None:
        return
    first, end = standing
    if not 0 <= first < end <= len(context):
        raise DataError(
            f"{where}: characters {first} to {end} are not within the passage's {len(context)}"
        )
    written = isinstance(answer, Mapping) and answer.get("end") is not None
    if not written and context[first:end] != text:
        raise DataError(
            f"{where}: expected {text!r:.60} at character {first}, got {context[first:end]!r:.60}"
        )
