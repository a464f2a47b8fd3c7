"""Text → tokens and back: offsets, pairs, special tokens, Chinese, hostile text."""

import os
import pickle
import string
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import CheckpointError, DataError
from filbert.tokenizer import Rules, SpecialTokens, Tokenizer

LETTERS = string.ascii_lowercase + string.digits
VOCAB = [
    *SpecialTokens().all,
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *string.punctuation,
    *"我用代码写好，。、～＋「」テストＡ",
    *("##テ", "##ス", "##ト"),
    *("the", "un", "##want", "##ed"),
]
UNCASED = Tokenizer(VOCAB)
CASED = Tokenizer([*VOCAB, *string.ascii_uppercase, "é"], rules=Rules(False, False, True))

patient = settings(deadline=None)
SANE = st.text(
    st.one_of(
        st.sampled_from(LETTERS + string.ascii_uppercase + string.punctuation + " \t\n"),
        st.sampled_from("我用代码写好，。、～＋「」テストéÜñ😀\u3000\u00a0"),
    )
)


def pieces(tokenizer: Tokenizer, text: str, *, specials: bool = True) -> list[str]:
    return tokenizer.tokens(tokenizer.encode(text, specials=specials).token_ids)


def plain(text: str) -> str:
    """Lower case without accents, by Python's own means."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()


def test_the_parts_of_an_encoding() -> None:
    encoded = UNCASED.encode("Unwanted cat。")
    assert UNCASED.tokens(encoded.token_ids) == [
        "[CLS]", "un", "##want", "##ed", "c", "##a", "##t", "。", "[SEP]",
    ]  # fmt: skip
    assert encoded.offsets.tolist() == [
        [0, 0], [0, 2], [2, 6], [6, 8], [9, 10], [10, 11], [11, 12], [12, 13], [0, 0],
    ]  # fmt: skip
    assert encoded.word_ids.tolist() == [-1, 0, 0, 0, 1, 1, 1, 2, -1]
    assert encoded.segments.tolist() == [0] * 9
    assert len(encoded) == 9
    assert encoded.token_ids.dtype == encoded.offsets.dtype == encoded.word_ids.dtype == np.int32
    assert encoded.segments.dtype == np.uint8


def test_a_pair() -> None:
    encoded = UNCASED.encode("the cat", "a cat")
    first = encoded.segments == 0
    assert UNCASED.tokens(encoded.token_ids[first]) == [
        "[CLS]", "the", "c", "##a", "##t", "[SEP]",
    ]  # fmt: skip
    assert encoded.offsets[first].tolist() == [[0, 0], [0, 3], [4, 5], [5, 6], [6, 7], [0, 0]]
    second = encoded.segments == 1
    assert UNCASED.tokens(encoded.token_ids[second]) == ["a", "c", "##a", "##t", "[SEP]"]
    assert encoded.offsets[second].tolist() == [[0, 1], [2, 3], [3, 4], [4, 5], [0, 0]]
    assert encoded.word_ids[second].tolist() == [0, 1, 1, 1, -1]


def test_nothing_gives_nothing_but_specials() -> None:
    assert pieces(UNCASED, "") == ["[CLS]", "[SEP]"]
    empty = UNCASED.encode(" \t ", specials=False)
    assert (len(empty), empty.offsets.shape) == (0, (0, 2))
    assert UNCASED.encode_batch([]) == []
    assert UNCASED.ids_batch([]) == []


def test_long_texts_are_not_cut() -> None:
    assert len(UNCASED.encode("the " * 5000)) == 5002


def test_a_written_special_token_is_one_in_encode_and_text_in_ids_batch() -> None:
    assert pieces(UNCASED, "a [MASK] b", specials=False) == ["a", "[MASK]", "b"]
    (ids,) = UNCASED.ids_batch(["a [MASK] b"])
    assert UNCASED.tokens(ids) == ["a", "[", "m", "##a", "##s", "##k", "]", "b"]


def test_a_word_of_more_than_100_characters_is_unknown() -> None:
    assert pieces(UNCASED, "a" * 100, specials=False) == ["a", *["##a"] * 99]
    assert pieces(UNCASED, "a" * 101, specials=False) == ["[UNK]"]


def test_chinese_may_be_left_whole() -> None:
    whole = Tokenizer(VOCAB, rules=Rules(split_chinese=False))
    assert pieces(UNCASED, "代码", specials=False) == ["代", "码"]
    assert pieces(whole, "代码", specials=False) == ["[UNK]"]


@patient
@given(SANE)
def test_offsets_quote_the_text(text: str) -> None:
    for tokenizer, seen in ((UNCASED, plain), (CASED, str)):
        encoded = tokenizer.encode(text, specials=False)
        covered = np.zeros(len(text), bool)
        for token, (start, end) in zip(
            tokenizer.tokens(encoded.token_ids), encoded.offsets, strict=True
        ):
            assert not covered[start:end].any()
            covered[start:end] = True
            if token != "[UNK]":
                assert seen(text[start:end]) == token.removeprefix("##" if len(token) > 2 else "")
        assert all(text[place].isspace() for place in np.flatnonzero(~covered))


@patient
@given(st.text())
def test_any_text_has_offsets_in_order(text: str) -> None:
    encoded = UNCASED.encode(text, specials=False)
    starts, ends = encoded.offsets.T
    assert (starts >= 0).all()
    assert (starts <= ends).all()
    assert (ends <= len(text)).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    assert (np.diff(encoded.word_ids) >= 0).all()


@patient
@given(st.lists(SANE, max_size=5))
def test_batches_equal_single_texts(texts: list[str]) -> None:
    alone = [UNCASED.encode(text).token_ids.tolist() for text in texts]
    assert [e.token_ids.tolist() for e in UNCASED.encode_batch(texts)] == alone
    assert [ids.tolist() for ids in UNCASED.ids_batch(texts)] == [ids[1:-1] for ids in alone]


@patient
@given(SANE)
def test_decoded_text_encodes_to_the_same_ids(text: str) -> None:
    ids = UNCASED.encode(text).token_ids
    if UNCASED.is_special[
        ids[1:-1]
    ].any():  # unknown, or written out: it is not in the decoded text
        return
    assert UNCASED.encode(UNCASED.decode(ids)).token_ids.tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("the unwanted cats.", "the unwanted cats."),
        ("我用代码，写好。", "我用代码，写好。"),
        ("我用 code 写", "我用code写"),
        ("don't (a b) c: d's", "don't (a b) c: d's"),
        ("a ' b", "a ' b"),
        ("Cat", "cat"),
        ("テスト テ 写ト", "テスト テ写ト"),
    ],
)
def test_decoded_text_reads_well(text: str, decoded: str) -> None:
    assert UNCASED.decode(UNCASED.encode(text).token_ids) == decoded


def test_decoding_special_tokens() -> None:
    ids = UNCASED.encode("a [MASK]").token_ids
    assert UNCASED.decode(ids) == "a"
    assert UNCASED.decode(ids, skip_specials=False) == "[CLS] a [MASK] [SEP]"
    assert UNCASED.decode([]) == ""
    assert UNCASED.decode([UNCASED.id("##want"), UNCASED.id("##ed")]) == "wanted"


def test_continues_marks_the_continuations() -> None:
    assert UNCASED.continues.dtype == np.bool_
    marked = {token for token, goes_on in zip(VOCAB, UNCASED.continues, strict=True) if goes_on}
    assert marked == {token for token in VOCAB if token.startswith("##")}


def test_special_and_ordinary_tokens() -> None:
    tokenizer = Tokenizer([*SpecialTokens().all, "[unused1]", "a", "[x]"])
    assert np.flatnonzero(tokenizer.is_special).tolist() == [0, 1, 2, 3, 4]
    assert tokenizer.ordinary_ids.tolist() == [6, 7]


def test_ids_and_tokens() -> None:
    assert UNCASED.id("[MASK]") == UNCASED.special_ids.mask == 4
    assert UNCASED.tokens(np.array([0, 4])) == ["[PAD]", "[MASK]"]
    with pytest.raises(DataError, match=r"'\[MSK\]' is not one of .*did you mean '\[MASK\]'"):
        UNCASED.id("[MSK]")
    for index in (-1, UNCASED.vocab_size):
        with pytest.raises(DataError, match=f"token id {index} is not in"):
            UNCASED.tokens([index])


@pytest.mark.parametrize("call", ["encode", "encode_batch", "ids_batch"])
def test_half_a_character_is_an_error(call: str) -> None:
    bad = "ab\udc00"
    with pytest.raises(DataError, match=r"character 2 is U\+DC00, half of a pair"):
        getattr(UNCASED, call)(bad if call == "encode" else ["fine", bad])


@pytest.mark.parametrize("call", ["encode", "encode_batch", "ids_batch"])
def test_what_is_no_text_stays_a_type_error(call: str) -> None:
    with pytest.raises(TypeError, match="must be"):
        getattr(UNCASED, call)(5 if call == "encode" else ["fine", 5])


def test_digest_follows_vocabulary_and_rules() -> None:
    assert UNCASED.digest == Tokenizer(VOCAB).digest
    others = [
        Tokenizer(VOCAB[:-1]),
        Tokenizer([*VOCAB[:-2], VOCAB[-1], VOCAB[-2]]),
        Tokenizer(VOCAB, rules=Rules(strip_accents=False)),
        Tokenizer(VOCAB, specials=SpecialTokens(mask="a")),
    ]
    assert len({UNCASED.digest, *(other.digest for other in others)}) == 5


def test_a_vocabulary_needs_its_special_tokens_and_no_token_twice() -> None:
    with pytest.raises(CheckpointError, match=r"lacks the special tokens \[CLS\], \[MASK\]"):
        Tokenizer(["[PAD]", "[UNK]", "[SEP]", "a"])
    with pytest.raises(CheckpointError, match="the token 'a' occurs more than once"):
        Tokenizer([*SpecialTokens().all, "a", "b", "a"])


def test_threads_may_share_one() -> None:
    texts = [f"the cat {number} " * 20 for number in range(200)]
    expected = [ids.tolist() for ids in UNCASED.ids_batch(texts)]
    fresh = Tokenizer(VOCAB)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda text: fresh.ids_batch([text])[0].tolist(), texts))
    assert results == expected


def test_pickled_and_back() -> None:
    expected = UNCASED.ids_batch(["a [MASK]"])[0].tolist()
    again = pickle.loads(pickle.dumps(UNCASED))
    assert again.digest == UNCASED.digest
    assert again.ids_batch(["a [MASK]"])[0].tolist() == expected
    assert again.encode("a cat").token_ids.tolist() == UNCASED.encode("a cat").token_ids.tolist()


FORK = """
import os
from filbert.tokenizer import SpecialTokens, Tokenizer
tokenizer = Tokenizer([*SpecialTokens().all, "a"])
texts = ["a a a"] * 1000
assert len(tokenizer.ids_batch(texts)) == 1000
child = os.fork()
if child == 0:
    os._exit(0 if len(tokenizer.ids_batch(texts)) == 1000 else 1)
assert os.waitpid(child, 0)[1] == 0
assert os.environ["TOKENIZERS_PARALLELISM"] == "true"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork: this system has none")
def test_a_forked_process_works_and_says_nothing() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    run = subprocess.run(
        [sys.executable, "-c", FORK],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
