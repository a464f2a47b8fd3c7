"""What a tokenizer.json must not ask of `tokenizers`: work or memory without bound."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filbert.errors import CheckpointError

LARGEST_FILE = 2**28  # bytes; the largest tokenizer known has a million tokens in 60 MB
_MOST_GROWTH = 256
_MOST_PARTS = 1_000
_DEEPEST = 32
_LONGEST_EXPRESSION = 4_000
_MOST_REPEATS = 6
# The pieces of a regular expression that matter here: classes and escapes hide what is in them.
_PIECES = re.compile(
    r"\\.|\[(?:\\.|\[:\w+:\]|[^\]\\])*\]|\((?:\?[^)|(]*?[:=!>])?|\{\d*,?\d*\}|.", re.DOTALL
)


def check_work(content: Mapping[str, Any], path: Path) -> None:
    """Refuse what could take for ever on a short text.

    Regular expressions whose repeated groups repeat or choose inside (they take exponential time)
    or that repeat again and again in one branch (a high power), replacements that make a text
    hundreds of times longer, and merges that are left to chance.
    Raises CheckpointError naming file and field.
    """
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        growth = 1.0
        for field, table in _tables(content.get(part), part, path):
            pattern = table.get("pattern")
            expression = pattern.get("Regex") if isinstance(pattern, dict) else None
            if isinstance(expression, str) and (
                len(expression) > _LONGEST_EXPRESSION or _explodes(expression)
            ):
                raise CheckpointError(
                    f"{path}: {field}.pattern: is long, or repeats a group that repeats or chooses "
                    f"inside, or repeats too often, which can take for ever: {expression!r:.80}"
                )
            growth *= _growth(table)
            if growth > _MOST_GROWTH:
                raise CheckpointError(
                    f"{path}: {field}: these replacements can make a text {growth:,.0f} times "
                    f"longer; expected at most {_MOST_GROWTH}"
                )
    model = content.get("model")
    if isinstance(model, dict):
        _check_model(model, path)


def _check_model(model: Mapping[str, Any], path: Path) -> None:
    prefix, merges = model.get("continuing_subword_prefix"), model.get("merges")
    # `tokenizers` takes the prefix off without looking, and ends the process where it cuts a
    # character in two.
    for merge in merges if prefix and isinstance(prefix, str) and isinstance(merges, list) else ():
        pieces = merge.split(" ") if isinstance(merge, str) else merge
        if isinstance(pieces, list) and not f"{pieces[-1] if pieces else None}".startswith(
            str(prefix)
        ):
            raise CheckpointError(
                f"{path}: model.merges: {merge!r:.80} does not go on with {prefix!r:.80}, the "
                "continuing_subword_prefix"
            )
    if model.get("dropout"):
        raise CheckpointError(
            f"{path}: model.dropout: expected nothing or 0, got {model['dropout']!r:.80}: "
            "a text must have the same tokens every time"
        )


def _tables(value: Any, field: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A part of the file and all parts inside it, each with its name."""
    waiting, seen = [(field, value, 0)], 0
    while waiting:
        field, value, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST or seen > _MOST_PARTS:
            raise CheckpointError(f"{path}: {field}: too many parts")
        if isinstance(value, dict):
            yield field, value
            inside = [(f"{field}.{name}", part) for name, part in value.items()]
        elif isinstance(value, list):
            inside = [(f"{field}[{number}]", part) for number, part in enumerate(value)]
        else:
            continue
        waiting += [(n, part, depth + 1) for n, part in inside if isinstance(part, dict | list)]


def _growth(table: Mapping[str, Any]) -> float:
    """How many times longer a text may become by one step."""
    kind, content = table.get("type"), table.get("content", table.get("prepend"))
    if kind not in ("Replace", "Prepend") or not isinstance(content, str):
        return 1.0
    pattern = table.get("pattern")
    replaced = pattern.get("String") if isinstance(pattern, dict) else None
    # An expression may match nothing, between any two characters.
    shortest = len(replaced) if isinstance(replaced, str) and replaced else 0.5
    return max(1.0, len(content) / shortest)


def _explodes(expression: str) -> bool:
    """Whether a group that is repeated has a repetition or a choice inside, and the like."""
    open_groups: list[bool] = [False]  # for each: is there anything in it that must not repeat?
    inner = False  # the same of the group that has just been closed
    repeats = 0  # one after the other
    for piece in _PIECES.findall(expression):
        if piece == r"\g":  # calls a group, perhaps the one that it stands in
            return True
        if piece.startswith("("):
            open_groups.append(False)
        elif piece == ")" and len(open_groups) > 1:
            inner = open_groups.pop()
            open_groups[-1] |= inner
            continue
        elif piece in ("|", "?"):
            open_groups[-1] = True
            repeats *= piece == "?" or len(open_groups) > 1
        elif _repeats(piece):
            repeats += 1
            if inner or repeats > _MOST_REPEATS:
                return True
            open_groups[-1] = True
        inner = False
    return False


def _repeats(piece: str) -> bool:
    if piece in ("*", "+"):
        return True
    most = piece.strip("{}").rpartition(",")[2]
    return piece[:1] == "{" and piece != "{}" and (most == "" or int(most) > 1)
