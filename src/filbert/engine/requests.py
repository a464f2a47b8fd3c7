"""What people ask of a Predictor, made into examples; and what is said of long texts."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from filbert.batch import Array, Row
from filbert.errors import RequestError
from filbert.tasks import Task
from filbert.tokenizer import Tokenizer

Texts = str | Sequence[str | tuple[str, str]]

_log = logging.getLogger("filbert")


def examples_of(texts: Texts, *, pairs: bool) -> list[dict[str, Any]]:
    """Texts, or pairs where the task reads pairs, as examples.

    Raises RequestError naming the first that is neither.
    """
    if isinstance(texts, Mapping | bytes) or not isinstance(texts, Iterable):
        raise RequestError(f"expected texts, a string or a list of them; got {texts!r:.80}")
    listed = [texts] if isinstance(texts, str) else list(texts)
    examples: list[dict[str, Any]] = []
    for number, text in enumerate(listed):
        if isinstance(text, str):
            examples.append({"text": text})
        elif (
            pairs and isinstance(text, tuple | list) and [type(part) for part in text] == [str] * 2
        ):
            examples.append({"text": text[0], "pair": text[1]})
        else:
            wanted = "a text or a pair of texts" if pairs else "a text"
            raise RequestError(f"text {number + 1}: expected {wanted}, got {text!r:.80}")
    return examples


def questions_of(
    question: str | Sequence[str], passage: str | Sequence[str]
) -> list[dict[str, Any]]:
    """Questions and their passages as examples; one of the one goes with all of the other.

    Raises RequestError where their numbers differ, or something is no text.
    """
    listed = {}
    for name, given in (("question", question), ("passage", passage)):
        texts = [given] if isinstance(given, str) else given
        fine = not isinstance(texts, Mapping | bytes) and isinstance(texts, Iterable)
        listed[name] = list(texts) if fine else [texts]
        for number, text in enumerate(listed[name]):
            if not isinstance(text, str):
                raise RequestError(f"{name} {number + 1}: expected a text, got {text!r:.80}")
    questions, passages = listed["question"], listed["passage"]
    if len(questions) != len(passages) and 1 not in (len(questions), len(passages)):
        raise RequestError(
            f"expected as many questions as passages, or one of either; got {len(questions)} and "
            f"{len(passages)}"
        )
    most = max(len(questions), len(passages)) if questions and passages else 0
    return [
        {"question": questions[n % len(questions)], "context": passages[n % len(passages)]}
        for n in range(most)
    ]


def texts_alone(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The texts of examples and their places, for what reads nothing beside a text."""
    texts: list[Any] = [example.get("text") for example in examples]
    return [
        {**text, "place": example["place"]} if "place" in example else text
        for text, example in zip(examples_of(texts, pairs=False), examples, strict=True)
    ]


@dataclass
class LongTexts:
    """Texts that are longer than the network reads, counted over one request or many.

    asked       how many texts there were
    windowed    how many of them were read as several windows
    tokens_cut  how many tokens were left out
    """

    asked: int = 0
    windowed: int = 0
    tokens_cut: int = 0

    def add(self, groups: Sequence[Sequence[Row]]) -> None:
        """Count the texts of a request, each given as its rows."""
        self.asked += len(groups)
        self.windowed += sum(len(group) > 1 for group in groups)
        self.tokens_cut += sum(group[0].tokens_cut for group in groups)

    def say(self, max_tokens: int) -> None:
        """Log that texts were read as windows, or that something of them was cut."""
        if self.windowed:
            _log.warning(
                "%d of %d texts are longer than %d tokens: each is read as several windows",
                self.windowed,
                self.asked,
                max_tokens,
            )
        if self.tokens_cut:
            _log.warning(
                "%d tokens were cut from texts longer than %d tokens", self.tokens_cut, max_tokens
            )


_counts: ContextVar[LongTexts | None] = ContextVar("long_texts", default=None)


@contextlib.contextmanager
def counted_in(counts: LongTexts) -> Iterator[None]:
    """What is long is counted there and not logged, so that it is said once of many requests."""
    token = _counts.set(counts)
    try:
        yield
    finally:
        _counts.reset(token)


def say_what_is_long(task: Task, groups: Sequence[Sequence[Row]]) -> None:
    """Log that texts are read as windows, or that something of them was cut; see `counted_in`."""
    counts = _counts.get()
    if counts is not None:
        counts.add(groups)
        return
    counts = LongTexts()
    counts.add(groups)
    counts.say(task.max_tokens)


def with_cuts(answers: Sequence[Any], groups: Sequence[Sequence[Row]]) -> list[Any]:
    """Answers that say how many tokens of their text were left out."""
    return [
        dataclasses.replace(answer, tokens_cut=group[0].tokens_cut)
        if group[0].tokens_cut
        else answer
        for answer, group in zip(answers, groups, strict=True)
    ]


def texts_of_tokens(row: Row, tokenizer: Tokenizer, *, pair: bool) -> Array:
    """uint8 [tokens]: 0 for the first text of a row and what stands around it, 1 for the second.

    A network without segments reads a pair without them; its offsets are of two texts all the same.
    """
    which = row.segments * 0
    if pair:
        assert row.offsets is not None
        ends = (row.token_ids == tokenizer.special_ids.sep) & (row.offsets == 0).all(axis=1)
        which[int(ends.argmax()) + tokenizer.pair_separators :] = 1
    return which
