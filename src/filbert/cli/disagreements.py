"""Examples that one of two models alone has right, as `filbert evaluate --show` says them."""

from collections.abc import Iterator, Mapping
from typing import Any

from filbert.engine.comparing import Disagreement
from filbert.tasks import Answer, Answered, Tagged
from filbert.tasks.answers import Right

TEXT_SHOWN = 100
"""Characters of each text."""


def described(
    example: Mapping[str, Any],
    one: Disagreement,
    answered: tuple[Answered, Answered],
    names: tuple[str, str],
) -> dict[str, Any]:
    """Where the example stands, its texts, who is right, and what all say, as texts."""
    return {
        "example": one.number + 1,
        "place": str(example.get("place", f"example {one.number + 1}")),
        "texts": [
            _shortened(example[part])
            for part in ("question", "text", "pair", "context")
            if isinstance(example.get(part), str)
        ],
        "right_model": names[0] if one.first_is_right else names[1],
        "right_answer": _wanted(answered[0].references[one.number], example),
        "answers": [
            {"model": name, "answer": _said(each.answers[one.number])}
            for name, each in zip(names, answered, strict=True)
        ],
    }


def in_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """`described` for a reader: the place, the texts, and the answers below each other."""
    yield f"{told['place']}: {' | '.join(told['texts'])}"
    yield f"  right: {told['right_answer']}"
    for each in told["answers"]:
        mark = "+" if each["model"] == told["right_model"] else "-"
        yield f"  {mark} {each['model']}: {each['answer']}"


def _said(answer: Any) -> str:
    """An answer, with its characters where it is a part of the text."""
    if isinstance(answer, Tagged):
        found = (f"{e.text} [{e.type} {e.start}-{e.end}]" for e in answer.entities)
        return ", ".join(found) or "nothing"
    if isinstance(answer, Answer) and answer.text:
        return f"{answer} [{answer.start}-{answer.end}]"
    return str(answer)


def _wanted(reference: Any, example: Mapping[str, Any]) -> str:
    """The right answer, said as answers are."""
    if isinstance(reference, Right):
        return " / ".join(reference.texts) or "no answer"
    if isinstance(reference, int):
        return str(example["choices"][reference])
    if isinstance(reference, str):
        return reference
    parts = [part if isinstance(part, str) else _entity(part, example) for part in reference]
    return ", ".join(parts) or "nothing"


def _entity(entity: tuple[int, int, str], example: Mapping[str, Any]) -> str:
    start, end, kind = entity
    return f"{example['text'][start:end]} [{kind} {start}-{end}]"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN else line[: TEXT_SHOWN - 1] + "…"
