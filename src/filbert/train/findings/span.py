"""What is found of answers: by kind of question and length of answer, the worst errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from filbert.language import is_chinese
from filbert.report import Report
from filbert.tasks import Answer, Example
from filbert.tasks.answers import Overlap, Right, overlap
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import MOST_ERRORS, Mark, Where, brief
from filbert.train.page_words import Words

ENGLISH = ("who", "what", "when", "where", "which", "why", "how many", "how much", "how", "whose")
CHINESE = {
    "为什么": ("为什么", "为何", "为甚么", "為什麼", "為何"),
    "何时": ("什么时候", "何时", "哪一年", "哪年", "几年", "几月", "何時", "什麼時候", "幾年"),
    "哪里": ("哪里", "哪儿", "何处", "何地", "哪裡", "何處"),
    "谁": ("谁", "誰", "何人"),
    "多少": ("多少", "几", "多大", "多长", "多高", "多远", "幾", "多長", "多遠"),
    "如何": ("怎么", "怎样", "如何", "怎麼", "怎樣"),
    "哪": ("哪",),
    "什么": ("什么", "什麼", "何"),
}
"""Words that say what is asked for, those that are within others last."""
LENGTHS = (1, 3, 6, 11, 21)
"""Where the classes of lengths begin, in words of an answer; in characters of a Chinese one."""
OTHER, NOTHING = "other", "none"
_ANSWERS = 3  # right ones that are shown
_CHARACTERS = 300  # of a question


@dataclass(frozen=True)
class Group:
    """Questions of one kind: how many, and the means of their scores."""

    name: str
    count: int
    exact: float
    f1: float


@dataclass(frozen=True)
class Missed:
    """A question that got another answer.

    text           the passage around gold and predicted, which are the marks
    gold           the right answers; none: there is none
    predicted      ""; the passage was said to have no answer
    """

    where: Where
    question: str
    text: str
    marks: tuple[Mark, ...]
    gold: tuple[str, ...]
    predicted: str
    probability: float
    f1: float


@dataclass(frozen=True)
class FoundOfAnswers:
    """What is found of questions and answers.

    answerable  with and without an answer: at most two groups
    asked       by the word that asks
    lengths     by the length of the first right answer
    threshold   of "no answer", where the task knows it
    wrong       how many answers are not exactly right
    worst       those with the least in common with the right one, the surest first
    """

    answerable: tuple[Group, ...]
    asked: tuple[Group, ...]
    lengths: tuple[Group, ...]
    threshold: float | None
    wrong: int
    worst: tuple[Missed, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfAnswers":
        """Find it."""
        found = [
            overlap(answer.text, right)
            for answer, right in zip(dev.answers, dev.references, strict=True)
        ]

        def grouped(name_of: Callable[[Example, Right], str]) -> tuple[Group, ...]:
            names = [name_of(e, r) for e, r in zip(dev.examples, dev.references, strict=True)]
            return _groups(names, found)

        errors = [
            (scored.f1, -answer.probability, place)
            for place, (answer, scored) in enumerate(zip(dev.answers, found, strict=True))
            if not scored.exact
        ]
        errors.sort()
        chosen = [place for _, _, place in errors[: MOST_ERRORS * dev.texts]]
        every = list(dev) if chosen else []
        unanswerable = bool(getattr(dev.task, "unanswerable", False))
        threshold = float(getattr(dev.task, "null_threshold", 0.0))
        return cls(
            answerable=grouped(lambda _, right: "answerable" if right.texts else "unanswerable"),
            asked=grouped(lambda example, _: asked_for(example["question"])),
            lengths=_by_length(grouped(lambda _, right: _length(right))),
            threshold=threshold if unanswerable else None,
            wrong=len(errors),
            worst=tuple(_missed(dev, *every[place][:3], found[place].f1) for place in chosen),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["by_question"])
        if self.threshold is not None:
            page.text(words["threshold_text"].format(threshold=f"{self.threshold:.4g}"))
        if len(self.answerable) > 1:
            _show_groups(page, self.answerable, words, words["kind_of_question"])
        _show_groups(page, self.asked, words, words["asked_by"])
        _show_groups(page, self.lengths, words, words["answer_length"])
        page.heading(words["worst"])
        count = {"wrong": f"{self.wrong:,}", "shown": f"{len(self.worst):,}"}
        said = "worst_answers" if self.worst else "wrong_untold" if self.wrong else "no_errors"
        page.text(words[said].format(**count))
        for one in self.worst:
            marks = [(a, b, words.get(label, label), kind) for a, b, label, kind in one.marks]
            said = one.predicted or words["no_answer"]
            page.marked(
                {
                    words["question"]: (one.question, ()),
                    words["passage"]: (one.text, marks),
                    words["gold"]: (" / ".join(one.gold) or words["no_answer"], ()),
                    words["predicted"]: (f"{said} ({one.probability:.2f})", ()),
                },
                title=f"{title_of(one.where, words)} · F1 {one.f1:.2f}",
            )


def asked_for(question: str) -> str:
    """The word of a question that says what is asked for; OTHER where none is known."""
    if is_chinese(question):
        found = (name for name, said in CHINESE.items() if any(word in question for word in said))
        return next(found, OTHER)
    padded = f" {' '.join(question.lower().split())} "
    begins = next((word for word in ENGLISH if padded.startswith(f" {word} ")), None)
    # "In which year …", "To whom …": the word that asks may stand within.
    inside = (word for word in ENGLISH if f" {word} " in padded)
    return begins or next(inside, OTHER)


def _length(right: Right) -> str:
    if not right.texts:
        return NOTHING
    text = right.texts[0]
    length = len(text.replace(" ", "")) if right.chinese else len(text.split())
    place = max(at for at, least in enumerate(LENGTHS) if least <= max(1, length))
    last = place == len(LENGTHS) - 1
    return f"{LENGTHS[place]}+" if last else f"{LENGTHS[place]}–{LENGTHS[place + 1] - 1}"


def _by_length(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The shortest first; questions without an answer are a group of `answerable`."""
    said = [group for group in groups if group.name != NOTHING]
    return tuple(sorted(said, key=lambda group: int(group.name.rstrip("+").split("–")[0])))


def _groups(names: Sequence[str], found: Sequence[Overlap]) -> tuple[Group, ...]:
    members: dict[str, list[Overlap]] = {}
    for name, one in zip(names, found, strict=True):
        members.setdefault(name, []).append(one)
    return tuple(
        Group(
            name,
            len(its),
            sum(one.exact for one in its) / len(its),
            sum(one.f1 for one in its) / len(its),
        )
        for name, its in sorted(members.items(), key=lambda item: -len(item[1]))
    )


def _show_groups(page: Report, groups: Sequence[Group], words: Words, what: str) -> None:
    page.table(
        [what, words["questions"], "EM", "F1"],
        [
            (words.get(f"group_{one.name}", one.name), one.count, f"{one.exact:.4f}",
             f"{one.f1:.4f}")
            for one in groups
        ],
    )  # fmt: skip


def _missed(dev: Dev, where: Where, example: Example, answer: Answer, f1: float) -> Missed:
    context, gold = example["context"], list(_gold(example))
    places = dict.fromkeys((start, end) for _, start, end in gold if 0 <= start < end)
    marks = [(start, end, "gold", "missed") for start, end in list(places)[:_ANSWERS]]
    if answer.text:
        marks.append((answer.start, answer.end, "predicted", "wrong"))
    marks = [mark for mark in marks if mark[1] <= len(context)]
    part = dev.excerpt(context, [(start, end) for start, end, _, _ in reversed(marks)])
    texts = list(dict.fromkeys(text for text, _, _ in gold))[:_ANSWERS]
    return Missed(
        where,
        dev.text(example["question"], _CHARACTERS),
        part.text,
        part.marks(marks),
        tuple(map(brief, texts)),
        brief(answer.text),
        answer.probability,
        f1,
    )


def _gold(example: Example) -> Iterator[tuple[str, int, int]]:
    """(text, start, end) of each right answer; one that does not stand there starts below 0."""
    for answer in example["answers"]:
        if isinstance(answer, Mapping):
            text, start = answer["text"], int(answer["start"])
            end = answer.get("end")
        else:
            (text, start), end = answer, None
        yield text, start, start + len(text) if end is None else int(end)
