"""What the page's script reads: one JSON of facts, and arrays as coded texts."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from filbert.batch import Array
from filbert.explain.coding import (
    GRADES,
    Grade,
    code_shares,
    code_vectors,
    decode_shares,
    decode_vectors,
    to_text,
)
from filbert.explain.looking import Seen
from filbert.explain.measures import head_measures, rollout, telling_cell
from filbert.report.escape import shorten, visible

BLOCKS_BYTES = 7_600_000
"""What the coded arrays may take together: the page stays below 8 MB, if any grade can do it."""

FINEST_BYTES = 4_000_000
"""No page is made larger than this for the sake of the finest grade."""

PIECE_CHARACTERS = 40


def coded_arrays(seen: Seen) -> tuple[dict[str, str], dict[str, Any]]:
    """(name → coded text, facts about their rounding), in the finest grade that stays small."""
    for grade in GRADES:
        limit = FINEST_BYTES if grade == GRADES[0] else BLOCKS_BYTES
        if grade != GRADES[-1] and _least_bytes(seen, grade) > limit:
            continue
        blocks, rounding = _code(seen, grade)
        if sum(map(len, blocks.values())) <= limit:
            break
    return blocks, rounding


def _least_bytes(seen: Seen, grade: Grade) -> float:
    """Of vectors alone, which hardly deflate: so that no work is done in vain."""
    bits = seen.inside.query.size * (2 * grade.match + grade.value)
    return bits / 8 * 0.8 * 4 / 3


def _code(seen: Seen, grade: Grade) -> tuple[dict[str, str], dict[str, Any]]:
    """The arrays by name, little-endian.

    attention      [depth, attention_heads, tokens, tokens]
    rollout        [depth, tokens, tokens]
    vectors-LAYER  of queries, then of keys, then of values: exponents [attention_heads, tokens],
                   numbers [attention_heads, tokens, attention_head_width]
    sums           exponents [parts + 1, tokens], then the numbers of the embeddings' parts and of
                   their normalised sum [parts + 1, tokens, width]
    """
    inside = seen.inside
    shares = code_shares(inside.attention, grade)
    sums = np.stack([*inside.parts.values(), inside.hidden[0]])
    blocks = {
        "attention": to_text(shares),
        "rollout": to_text(code_shares(rollout(inside.attention), grade)),
        "sums": to_text(*code_vectors(sums, grade.value)),
    }
    score_errors = []
    for layer in range(seen.shape.depth):
        vectors = (inside.query[layer], inside.key[layer], inside.value[layer])
        coded = [
            code_vectors(vector, bits)
            for vector, bits in zip(vectors, (grade.match, grade.match, grade.value), strict=True)
        ]
        blocks[f"vectors-{layer}"] = to_text(*(array for pair in coded for array in pair))
        query, key = (decode_vectors(*pair).astype(np.float32) for pair in coded[:2])
        off = np.abs(_scores(query, key) - _scores(*vectors[:2]))
        score_errors.append(off.max(axis=(1, 2)).round(7).tolist())
    return blocks, {
        "bits": [grade.share, grade.match, grade.value],
        "shareError": float(np.abs(decode_shares(shares, grade) - inside.attention).max()),
        "scoreErrors": score_errors,
    }


def _scores(query: Array, key: Array) -> Array:
    scores: Array = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    return scores


def pieces_of(seen: Seen) -> list[str]:
    """The tokens as a page can show them: short, and nothing in them invisible."""
    return [visible(shorten(token, PIECE_CHARACTERS)) for token in seen.inside.tokens]


def facts(seen: Seen, words: Mapping[str, str]) -> dict[str, Any]:
    """Everything but the arrays."""
    shape, inside = seen.shape, seen.inside
    measures = head_measures(inside.attention, seen.separators)
    return {
        "pieces": pieces_of(seen),
        "ids": inside.token_ids.tolist(),
        "offsets": inside.offsets.tolist(),
        "segments": inside.segments.tolist(),
        "depth": shape.depth,
        "heads": shape.attention_heads,
        "headWidth": shape.attention_head_width,
        "width": shape.width,
        "windows": [shape.window_of(layer) for layer in range(shape.depth)],
        "parts": list(inside.parts),
        "start": telling_cell(inside.attention, seen.ordinary),
        "measures": {name: np.round(values, 5).tolist() for name, values in measures.items()},
        "words": dict(words),
    }


def to_json(value: Any) -> str:
    """JSON for inside a script element: no < in it, so nothing can end the element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
