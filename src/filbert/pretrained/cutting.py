"""Truncation as the tutorial's calls ask for it, and the windows that it leaves over."""

from filbert.errors import RequestError
from filbert.pretrained.columns import EMPTY, Table

Pair = tuple[Table, Table | None]

STRATEGIES = ("longest_first", "only_first", "only_second")


def cut(
    first: Table, second: Table | None, room: int, strategy: str, stride: int, side: str
) -> list[Pair]:
    """A text or a pair in at most `room` tokens, then what was left over, in windows.

    strategy: which text is cut; "longest_first" cuts the longer one until both are equal.
    stride: tokens that two neighbouring windows share. side: "right" keeps the beginning.
    Raises RequestError where the text that shall be cut is shorter than what must go, and where a
    window would hold nothing but its overlap.
    """
    excess = len(first) + (0 if second is None else len(second)) - room
    if excess <= 0:
        return [(first, second)]
    keep_first, keep_second = _lengths(first, second, room, strategy, excess)
    firsts = _windows(first, keep_first, stride, side)
    if second is None:
        return [(window, None) for window in firsts]
    seconds = _windows(second, keep_second, stride, side)
    # The order of tokenizers' Encoding.merge_with: the first text's left-overs come first.
    left_over = [(a, b) for a in firsts[1:] for b in seconds]
    left_over += [(firsts[0], b) for b in seconds[1:]]
    return [(firsts[0], seconds[0]), *left_over]


def _lengths(
    first: Table, second: Table | None, room: int, strategy: str, excess: int
) -> tuple[int, int]:
    here, there = len(first), 0 if second is None else len(second)
    if room == 0:
        return 0, 0
    if strategy == "longest_first":
        return (room, 0) if second is None else _longest_first(here, there, room)
    if strategy == "only_second" and second is None:
        raise RequestError("truncation='only_second' needs a second text; there is one text only")
    name, length = ("first", here) if strategy == "only_first" else ("second", there)
    if length <= excess:
        raise RequestError(
            f"truncation={strategy!r}: {excess} tokens must go, but the {name} text has only "
            f"{length}; raise max_length, or cut the longer one: truncation='longest_first'"
        )
    return (here - excess, there) if name == "first" else (here, there - excess)


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    shorter, longer = sorted((first, second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter = room // 2
        longer = shorter + room % 2
    return (longer, shorter) if first > second else (shorter, longer)


def _windows(table: Table, length: int, stride: int, side: str) -> list[Table]:
    """The part that is kept, then the others, each `length` long but for the last."""
    if length >= len(table):
        return [table]
    if length == 0:
        return [EMPTY, table]
    if stride >= length:
        raise RequestError(
            f"stride {stride}: a window has room for {length} tokens of this text, so it must be "
            f"less than that; lower stride or raise max_length"
        )
    step, windows = length - stride, []
    if side == "left":
        for stop in range(len(table), 0, -step):
            windows.append(table[max(0, stop - length) : stop])
            if stop <= length:
                break
        return windows
    for start in range(0, len(table), step):
        windows.append(table[start : start + length])
        if start + length >= len(table):
            break
    return windows
