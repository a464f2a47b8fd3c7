"""Schemes of tags: BIO, BIOES, BMES, BILOU, IO, or no scheme at all, as in part-of-speech tagging.

A tag is "O", PREFIX-TYPE, or a plain word. B begins an entity, I and M are inside, E and L end it,
S and U are one of a single word.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from filbert.batch import Array

Scheme = Literal["BIO", "BIOES", "IO", "plain"]
Span = tuple[int, int, str]
"""An entity by the numbers of its words: (first, behind its last, type)."""

OUTSIDE = "O"
_BEGINS, _SINGLE, _INSIDE, _ENDS = "B", ("S", "U"), ("I", "M"), ("E", "L")
_PREFIXES = (_BEGINS, *_SINGLE, *_INSIDE, *_ENDS)


def parted(tag: str) -> tuple[str, str]:
    """(prefix, type) of a tag; "O" has neither, and a plain word is a type without a prefix."""
    if tag == OUTSIDE:
        return "", ""
    prefix, dash, kind = tag.partition("-")
    if dash and prefix in _PREFIXES:
        return prefix, kind
    return ("", tag) if tag not in _PREFIXES else (tag, "")


def scheme_of(tags: Sequence[str]) -> Scheme:
    """The scheme that a set of tags follows."""
    prefixes = {parted(tag)[0] for tag in tags if tag != OUTSIDE}
    if not prefixes or "" in prefixes:
        return "plain"
    if prefixes & {*_SINGLE, *_ENDS, "M"}:
        return "BIOES"
    return "BIO" if _BEGINS in prefixes else "IO"


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The entities that tags of any scheme say, read as leniently as conlleval and seqeval do.

    An inside or end without a beginning begins one; a word tagged plainly is one by itself.
    """
    spans: list[Span] = []
    start, kind = -1, ""
    ended = True
    for place, tag in enumerate(tags):
        prefix, its = parted(tag)
        plain = tag != OUTSIDE and not prefix
        goes_on = not ended and prefix in (*_INSIDE, *_ENDS) and its == kind and start >= 0
        if not goes_on and start >= 0:
            spans.append((start, place, kind))
            start = -1
        if tag != OUTSIDE and not goes_on:
            start, kind = place, its
        ended = tag == OUTSIDE or plain or prefix in (*_ENDS, *_SINGLE)
    if start >= 0:
        spans.append((start, len(tags), kind))
    return spans


def tags_of(spans: Sequence[Span], words: int, scheme: Scheme) -> list[str]:
    """Entities as tags of a scheme. Those that lie over one another: the first that is given."""
    tags = [OUTSIDE] * words
    for start, stop, kind in spans:
        if any(tag != OUTSIDE for tag in tags[start:stop]):
            continue
        for place in range(start, stop):
            tags[place] = _tag(place == start, place == stop - 1, kind, scheme)
    return tags


def _tag(first: bool, last: bool, kind: str, scheme: Scheme) -> str:
    if scheme == "plain":
        return kind
    if scheme == "IO":
        return f"I-{kind}"
    if scheme == "BIO":
        return f"{'B' if first else 'I'}-{kind}"
    return f"{'S' if first and last else 'B' if first else 'E' if last else 'I'}-{kind}"


def labels_for(kinds: Sequence[str], scheme: Scheme) -> list[str]:
    """All tags of a scheme for these types; "O" first, but for plain tags, which are the types."""
    if scheme == "plain":
        return list(kinds)
    prefixes = {"IO": "I", "BIO": "BI", "BIOES": "BIES"}[scheme]
    return [OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in prefixes)]


def legal_steps(labels: Sequence[str]) -> tuple[Array, Array, Array]:
    """What may stand where: bool (first [labels], next [labels, labels], last [labels]).

    next[a, b] says that b may follow a. Where the labels know no B of a type (IO), its I may begin.
    """
    scheme = scheme_of(labels)
    count = len(labels)
    if scheme in ("plain", "IO"):
        return np.ones(count, bool), np.ones((count, count), bool), np.ones(count, bool)
    parts = [parted(label) for label in labels]
    known = set(labels)
    # An inside of a type that cannot be begun otherwise begins it.
    begins = np.array(
        [p not in (*_INSIDE, *_ENDS) or not _has(known, (_BEGINS,), kind) for p, kind in parts]
    )
    ends = np.array(
        [
            p not in (_BEGINS, *_INSIDE) or not (scheme == "BIOES" and _has(known, _ENDS, kind))
            for p, kind in parts
        ]
    )
    steps = ends[:, None] & begins[None, :]
    for a, (before, kind) in enumerate(parts):
        for b, (after, its) in enumerate(parts):
            if before in (_BEGINS, *_INSIDE) and after in (*_INSIDE, *_ENDS) and kind == its:
                steps[a, b] = True
    return begins, steps, ends


def _has(known: set[str], prefixes: Sequence[str], kind: str) -> bool:
    return any(f"{prefix}-{kind}" in known for prefix in prefixes)
