"""Token ids beside BERT's own rules, as transformers keeps them in Python, for three vocabularies.

transformers' BertTokenizer of today is the same library as ours and must agree on any text. The
old one in Python (BertTokenizerLegacy) follows the code that BERT was published with; where the
two part, every model in use has the library's ids, so the library's stay. Each such place is here:
a character or a rule that is not listed makes these tests fail.
"""

import gzip
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from filbert.tokenizer import Tokenizer

PUBLISHED = [
    ("vocab-bert-base-uncased.txt.gz", True),
    ("vocab-bert-base-chinese.txt", True),
    ("vocab-mbert-cased-tydiqa-modified.txt.gz", False),
]

# Of all that the three vocabularies spell and BERT's rules treat apart. Greek capital sigma and
# what composes in NFC stay out: they have tests of their own.
NASTY = [
    *"abcXYZ019éÉöüñßøıİşδεζςσЖйђ한국ᄒאבגعربيहिंดีぁアガー々",
    *"我用代码写的\uf900\ufa11〇\U00020000\U0002b740\U0002cea1\U0002f800",
    *".,!?'\"()[]-_$@#~^`|\\=+<>。，、「」《》“”‘’…—–·«»！？（）；：･・§¿٪؟।",
    *" \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
    *"\0\x01\x7f\xad\u061c\u180e\u200b\u200c\u200d\u200e\u202e\u2060\u2064\ufeff\ufffd\ufff9\ue000",
    *"\u05b0\u064b\u093f\u0e31\u20e3\ufe0f\U000e0101",
    *"ａＡ１．ｶﾞﬁǅⅷ²½ﷺ€№™°",
    *"🙂👩\U0001f469\u200d\U0001f4bb\U0001f3fd🇨🇳\U0001f468\u200d\U0001f469\u200d\U0001f467",
    *("the", "##ing", "unaffable", "北京", "[MASK]", "[UNK]", "don't", "naïve", "ＢＥＲＴ"),
    *("x" * 100, "y" * 101, "é" * 100, "我" * 101, "z" * 10_000, "\u200b" * 200, "-" * 50),
]
# Lower-cased text loses its accents in both, so that any order and number of marks may come.
ACCENTS = [*"\u0301\u0308\u0323\u0327\u0345\u3099", "e\u0301", "İ", "Å", "ﾎﾟ", "각", "q\u0307\u0323"]

EXT_E_GAP = range(0x2B820, 0x2B920)  # the library's table of ideographs begins 256 too late
RECLASSIFIED = frozenset("\u166d\u1734\u1885\u1886")  # categories that Unicode has changed

Pair = tuple[Tokenizer, Any, bool]


@pytest.fixture(scope="module", params=PUBLISHED, ids=[name for name, _ in PUBLISHED])
def folder(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, bool]:
    name, lowercase = request.param
    raw = (shared_data / "ckpt" / name).read_bytes()
    path = tmp_path_factory.mktemp("vocabulary")
    (path / "vocab.txt").write_bytes(gzip.decompress(raw) if name.endswith(".gz") else raw)
    return path, lowercase


@pytest.fixture(scope="module")
def pair(folder: tuple[Path, bool]) -> Pair:
    path, lowercase = folder
    legacy = pytest.importorskip(
        "transformers.models.bert.tokenization_bert_legacy",
        reason="this transformers has no BERT tokenizer in Python",
    )
    old = legacy.BertTokenizerLegacy(str(path / "vocab.txt"), do_lower_case=lowercase)
    return Tokenizer.load(path), old, lowercase


def by_old(old: Any, text: str) -> list[int]:
    """The old tokenizer's ids, special tokens that are written out being text, as in ids_batch."""
    pieces = old._tokenize(text, split_special_tokens=True)
    ids: list[int] = old.convert_tokens_to_ids(pieces)
    return ids


def characters() -> list[str]:
    """All characters of the scripts and planes where rules might differ, and some of the others."""
    numbers = [*range(0x20, 0x3400), *range(0x3400, 0x1F000, 23), *range(0xA600, 0xAC00)]
    numbers += [*range(0xF900, 0x11000), *range(0x1F000, 0x1FB00), *range(0x2B700, 0x2BA00)]
    numbers += [*range(0x2F7F0, 0x2FA30), *range(0xE0000, 0xE0200)]
    return [chr(number) for number in numbers if not 0xD800 <= number < 0xE000]


def why(character: str, *, composes: bool) -> str | None:
    """Why the ids of a character may differ from the old ones, or None if they must not."""
    category = unicodedata.category(character)
    if category == "Cn":
        return "Python's table does not know it, and the old rules drop what they do not know"
    if ord(character) in EXT_E_GAP:
        return "an ideograph that the library does not set apart"
    young = unicodedata.ucd_3_2_0.category(character) == "Cn" or character in RECLASSIFIED
    if young and (category[0] in "MP" or category in ("Cf", "So")):
        return "a mark or sign younger than the library's table, and a letter to it"
    if composes and not unicodedata.is_normalized("NFC", character + "b"):
        return "the old rules compose it"
    if composes and not unicodedata.is_normalized("NFC", "a" + character):
        return "the old rules compose it"
    return None


def test_each_character_that_differs_is_accounted_for(pair: Pair) -> None:
    ours, old, lowercase = pair
    texts = [f"a{character}b" for character in characters()]
    different = [
        text[1]
        for text, ids in zip(texts, ours.ids_batch(texts), strict=True)
        if ids.tolist() != by_old(old, text)
    ]
    unexplained = [each for each in different if why(each, composes=not lowercase) is None]
    assert unexplained == []
    # No assigned character of the commonest scripts, and no piece of a lower-cased vocabulary.
    early = [each for each in different if ord(each) < 0x600 and unicodedata.category(each) != "Cn"]
    if lowercase:
        assert early == []
        assert set("".join(ours.tokens(range(ours.vocab_size)))).isdisjoint(different)


def check_against_old(pair: Pair, text: str) -> None:
    ours, old, lowercase = pair
    if not lowercase:
        seen = "".join(c for c in text if unicodedata.category(c)[0] != "C")
        assume(unicodedata.is_normalized("NFC", seen))
        assume(not any("\uf900" <= c <= "\ufaff" or "\U0002f800" <= c for c in seen))
    (ids,) = ours.ids_batch([text])
    assert ids.tolist() == by_old(old, text)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(NASTY), max_size=25), st.lists(st.sampled_from(ACCENTS)))
@example(["z" * 10_000, " ", "a\u0301" * 60], [])
@example(["👩\u200d💻 ", "ＢＥＲＴ", "1．5", "عربي", "a\x0bb\x1cc\u200bd"], [])
def test_nasty_text_as_in_the_old_tokenizer(
    pair: Pair, words: list[str], accents: list[str]
) -> None:
    if pair[2]:
        words = [word + "".join(accents[n::7]) for n, word in enumerate(words)]
    check_against_old(pair, "".join(words))


@settings(deadline=None, max_examples=100)
@given(st.text() | st.lists(st.sampled_from(NASTY + ACCENTS + ["Σ"]), max_size=25).map("".join))
def test_any_text_as_in_transformers_of_today(today: Callable[..., Any], text: str) -> None:
    ours, other = today()
    expected = other(text, add_special_tokens=False)["input_ids"]
    assert ours.encode(text, specials=False).token_ids.tolist() == expected


@pytest.fixture(scope="module")
def today(folder: tuple[Path, bool]) -> Callable[..., Any]:
    path, lowercase = folder
    both = (
        Tokenizer.load(path),
        transformers.BertTokenizer(str(path / "vocab.txt"), do_lower_case=lowercase),
    )
    return lambda: both


# What the old rules alone do: the first text is to them what the second is to everyone.
DIFFERENCES_LOWERCASE = [
    ("an unassigned character is dropped", "a\u2065b", "ab"),
    ("the first 256 ideographs of extension E stand apart", "a\U0002b8b8b", "a \U0002b8b8 b"),
    ("newer punctuation is set apart", "a\u2e43b", "a \u2e43 b"),
    ("newer accents are stripped", "a\u1df6b", "ab"),
    ("a last capital sigma becomes the final letter", "ΟΔΟΣ", "οδος"),
]
DIFFERENCES_CASED = [
    ("letters and accents are composed", "e\u0301", "\u00e9"),
    ("compatibility ideographs become ordinary ones", "\uf900", "\u8c48"),
]


def test_where_the_old_tokenizer_differs(pair: Pair) -> None:
    ours, old, lowercase = pair
    for what, text, same in DIFFERENCES_LOWERCASE if lowercase else DIFFERENCES_CASED:
        assert by_old(old, text) == by_old(old, same) == ours.ids_batch([same])[0].tolist(), what
        assert ours.ids_batch([text])[0].tolist() != by_old(old, text), what
