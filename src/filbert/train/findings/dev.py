"""A dev set that a checkpoint has answered: what all findings are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from filbert.language import is_chinese
from filbert.report import Report
from filbert.tasks import Example, Task
from filbert.train.findings.excerpts import CHARACTERS, Excerpt, Where, excerpt
from filbert.train.page_words import Words

_LOOKED_AT = 200  # examples, and characters of each of their texts


@dataclass(frozen=True)
class Dev:
    """A dev set and what a checkpoint says of it.

    task        the checkpoint's, with what was fitted on this set
    answers     one an example
    references  the right ones
    unfitted    the answers without a temperature; None: the task has none
    texts       whether texts of the examples may be kept
    """

    task: Task
    examples: Sequence[Example]
    answers: Sequence[Any]
    references: Sequence[Any]
    unfitted: Sequence[Any] | None = None
    texts: bool = True

    def __iter__(self) -> Iterator[tuple[Where, Example, Any, Any]]:
        """(where, example, answer, reference) one after the other."""
        every = zip(self.examples, self.answers, self.references, strict=True)
        for index, (example, answer, reference) in enumerate(every):
            yield Where.of(example, index), example, answer, reference

    def text(self, text: object, characters: int = CHARACTERS) -> str:
        """The beginning of a text, where texts may be kept."""
        return excerpt(str(text), limit=characters).text if self.texts else ""

    def excerpt(self, text: str, focus: Sequence[tuple[int, int]]) -> Excerpt:
        """What stands around the parts in focus, where texts may be kept."""
        return excerpt(text, focus) if self.texts else Excerpt("", ())

    def both(self, example: Example) -> str:
        """The beginning of an example's text; of a pair, of each of them."""
        if example.get("pair") is None:
            return self.text(example["text"])
        half = CHARACTERS // 2
        texts = [self.text(example[name], half) for name in ("text", "pair")]
        return f"A: {texts[0]}\nB: {texts[1]}" if self.texts else ""


class Found(Protocol):
    """What was found of one task: plain data, and how it stands on a page."""

    @classmethod
    def of(cls, dev: Dev) -> Self:
        """Find it."""

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""


def title_of(where: Where, words: Words) -> str:
    """An example's place in its file, or its number."""
    return where.place or words["example_number"].format(number=f"{where.number:,}")


def language_of(examples: Sequence[Example]) -> str | None:
    """The language of examples' texts: "zh", or "en" for all others; None: there is no text."""
    step = max(1, len(examples) // _LOOKED_AT)  # files may be sorted: a few of each part
    texts = [
        text[:_LOOKED_AT]
        for example in examples[::step]
        for name in ("text", "pair", "question", "context")
        if isinstance(text := example.get(name), str)
    ]
    said = " ".join(texts)
    if not said.strip():
        return None
    return "zh" if is_chinese(said) else "en"
