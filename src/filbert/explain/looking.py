"""Ask a model all that the page shows about one text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from filbert.batch import Array, Row
from filbert.encoder.shape import Shape
from filbert.engine import Inside, Predictor
from filbert.errors import RequestError

TOKENS_SHOWN = 128
"""A longer text makes maps that nobody can read, and a page that is no longer small."""

HIDDEN_IN_TURN = 32


@dataclass(frozen=True)
class Filling:
    """What the model would put in one place.

    position     the token
    tokens       the likeliest, best first
    shares       their probabilities
    right_share  the probability of the token that stands there; None for a [MASK] of the text
    """

    position: int
    tokens: tuple[str, ...]
    shares: tuple[float, ...]
    right_share: float | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """A text as one model sees it.

    name        of the model
    texts       one, or a pair; what was cut off is not in them
    ordinary    bool [tokens]: no special token
    separators  places of [SEP]
    specials    how this model writes [CLS], [SEP] and [MASK]
    tokens_cut  tokens that were left out because the text is too long
    fillings    of each [MASK]; of a text without one, of each token as if it were one; None where
                the model has no head for it
    """

    name: str
    shape: Shape
    texts: tuple[str, ...]
    inside: Inside
    ordinary: Array
    separators: tuple[int, ...]
    specials: tuple[str, str, str]
    tokens_cut: int
    fillings: tuple[Filling, ...] | None


def look(
    model: Predictor,
    text: str,
    pair: str | None,
    *,
    name: str | None = None,
    long: Literal["error", "truncate"] = "error",
) -> Seen:
    """Run the text through the model and keep what there is to see.

    Raises RequestError for a text that is longer than TOKENS_SHOWN or than the model reads, unless
    `long` is "truncate"; DataError for a text that is not valid Unicode.
    """
    tokenizer = model.task.tokenizer
    texts, cut = _fit(model, (text,) if pair is None else (text, pair), long)
    inside = model.inside(*texts)
    ordinary = ~tokenizer.is_special[inside.token_ids]
    return Seen(
        name=name or _name_of(model),
        shape=model.folder.shape(),
        texts=texts,
        inside=inside,
        ordinary=ordinary,
        separators=tuple(np.flatnonzero(inside.token_ids == tokenizer.special_ids.sep).tolist()),
        specials=(tokenizer.specials.cls, tokenizer.specials.sep, tokenizer.specials.mask),
        tokens_cut=cut,
        fillings=_fillings(model, inside, ordinary) if model.task.name == "pretrain" else None,
    )


def _name_of(model: Predictor) -> str:
    """The folder's name; of a run's step, the run's name before it."""
    path = model.folder.path.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.startswith("step-") else path.name


def _fit(
    model: Predictor, texts: tuple[str, ...], long: Literal["error", "truncate"]
) -> tuple[tuple[str, ...], int]:
    """The texts, cut at the end of a token if they are too long; how many tokens were cut."""
    if long not in ("error", "truncate"):
        raise RequestError(f"long: expected error or truncate, got {long!r:.80}")
    tokenizer, room = model.task.tokenizer, min(TOKENS_SHOWN, model.task.max_tokens)
    whole = len(tokenizer.encode(*texts))
    if whole <= room:
        return texts, 0
    if long == "error":
        raise RequestError(
            f"the page shows texts of at most {room} tokens, special ones included; this one has "
            f"{whole:,}: shorten it, or let it be cut (--long truncate)"
        )
    parts = [tokenizer.encode(text, specials=False) for text in texts]
    lengths = [len(part) for part in parts]
    inner = room - (whole - sum(lengths))
    while True:
        kept = tuple(
            _first_tokens(text, part.offsets, tokens)
            for text, part, tokens in zip(texts, parts, _rooms(lengths, inner), strict=True)
        )
        tokens_kept = len(tokenizer.encode(*kept))
        if tokens_kept <= room:
            return kept, whole - tokens_kept
        inner -= 1  # a word cut in two may have more pieces than it had


def _rooms(lengths: Sequence[int], inner: int) -> list[int]:
    """The tokens that each text may keep: the shorter one of a pair at least half of the room."""
    if len(lengths) == 1:
        return [max(0, inner)]
    short = min(min(lengths), max(inner // 2, inner - max(lengths)))
    return [short, inner - short] if lengths[0] <= lengths[1] else [inner - short, short]


def _first_tokens(text: str, offsets: Array, tokens: int) -> str:
    if tokens >= len(offsets):
        return text
    return text[: int(offsets[tokens - 1, 1])] if tokens > 0 else ""


def _fillings(model: Predictor, inside: Inside, ordinary: Array) -> tuple[Filling, ...]:
    """Of each [MASK]; else of the first ordinary tokens, each hidden alone."""
    mask = model.task.tokenizer.special_ids.mask
    masked = np.flatnonzero(inside.token_ids == mask)
    ids = inside.token_ids.astype(np.int32)
    segments = inside.segments.astype(np.uint8)
    if masked.size:
        rows = [Row(ids, segments)]
    else:
        rows = []
        for place in np.flatnonzero(ordinary)[:HIDDEN_IN_TURN]:
            hidden = ids.copy()
            hidden[place] = mask
            rows.append(Row(hidden, segments, labels=ids))
    if not rows:
        return ()
    return tuple(
        Filling(
            filled.position,
            tuple(model.task.tokenizer.shown(filled.token_ids)),
            filled.probabilities,
            None if filled.loss is None else float(np.exp(-filled.loss)),
        )
        for answer in model.fill_rows(rows)
        for filled in answer
    )
