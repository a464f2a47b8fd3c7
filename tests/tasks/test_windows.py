"""Long texts: windows that lose nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import DataError
from filbert.tasks import Classify, text_rows, windows
from filbert.tokenizer import Tokenizer

TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", "中", "文"])
ROBERTA = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", "中", "文"])
ROBERTA.pair_separators, ROBERTA.pair_segments = 2, False


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 40))
def test_windows_cover_everything_evenly(tokens: int, room: int, overlap: int) -> None:
    if overlap >= room:
        with pytest.raises(DataError, match="cannot overlap"):
            list(windows(tokens, room, overlap))
        return
    found = list(windows(tokens, room, overlap))
    assert found[0][0] == 0
    assert found[-1][1] == tokens
    covered = {place for start, stop in found for place in range(start, stop)}
    assert covered == set(range(tokens))
    assert all(stop - start <= room for start, stop in found)
    sizes = [stop - start for start, stop in found]
    assert max(sizes) - min(sizes) <= 1
    for (_, before), (after, _) in itertools.pairwise(found):
        assert before - after == overlap


texts = st.lists(st.sampled_from("abcdefghij中文"), max_size=80).map(" ".join)


@settings(deadline=None)
@given(texts, st.none() | texts, st.integers(8, 40))
def test_rows_keep_every_token_or_count_it(text: str, pair: str | None, limit: int) -> None:
    first = TOKENIZER.encode(text, specials=False)
    second = None if pair is None else TOKENIZER.encode(pair, specials=False)
    rows = text_rows(TOKENIZER, first, second, max_tokens=limit)
    special = TOKENIZER.special_ids
    for row in rows:
        assert len(row) <= limit
        assert row.token_ids[0] == special.cls
        assert row.token_ids[-1] == special.sep
        assert (row.token_ids == special.sep).sum() == (1 if second is None else 2)
        assert (np.diff(row.segments.astype(int)) >= 0).all()
        assert row.offsets is not None
        for token, (start, end), segment in zip(
            row.token_ids, row.offsets, row.segments, strict=True
        ):
            source = pair if segment else text
            if token not in (special.cls, special.sep):
                assert source is not None
                assert TOKENIZER.tokens([int(token)]) == [source[start:end]]
    kept = sum(len(row) for row in rows)
    if second is None:
        assert kept == len(first) + 2 * len(rows)
    elif len(rows) == 1:
        assert kept + rows[0].tokens_cut == len(first) + len(second) + 3


@settings(deadline=None)
@given(texts, st.none() | texts, st.integers(8, 40), st.sampled_from([TOKENIZER, ROBERTA]))
def test_truncated_rows_keep_the_beginnings_and_count_the_rest(
    text: str, pair: str | None, limit: int, tokenizer: Tokenizer
) -> None:
    parts = [tokenizer.encode(p, specials=False) for p in (text, pair) if p is not None]
    (row,) = text_rows(tokenizer, *parts, max_tokens=limit, truncate=True)
    specials = 2 + tokenizer.pair_separators * (len(parts) - 1)
    assert len(row) == min(limit, sum(map(len, parts)) + specials)
    assert len(row) + row.tokens_cut == sum(map(len, parts)) + specials
    kept = row.token_ids[1:-1]
    if pair is not None:
        first = int(np.flatnonzero(kept == tokenizer.special_ids.sep)[0])
        second = kept[first + tokenizer.pair_separators :]
        assert second.tolist() == parts[1].token_ids[: len(second)].tolist()
        assert (row.segments.max() == 1) == tokenizer.pair_segments
        kept = kept[:first]
    assert kept.tolist() == parts[0].token_ids[: len(kept)].tolist()


def test_an_empty_text_is_a_row_of_special_tokens() -> None:
    (row,) = text_rows(TOKENIZER, TOKENIZER.encode("", specials=False), max_tokens=8)
    assert row.token_ids.tolist() == [TOKENIZER.special_ids.cls, TOKENIZER.special_ids.sep]


def test_every_window_carries_the_label_and_meets_the_whole_pair() -> None:
    task = Classify(labels=("x", "y"), max_tokens=12).with_tokenizer(TOKENIZER)
    rows = task.rows({"text": "a b", "pair": "c d e f g h i j " * 3, "label": "y"})
    assert len(rows) > 1
    ids = TOKENIZER.encode("a b", specials=False).token_ids.tolist()
    for row in rows:
        assert row.labels is not None
        assert int(row.labels) == 1
        assert row.token_ids[1:3].tolist() == ids
        assert row.segments[:4].tolist() == [0, 0, 0, 0]
