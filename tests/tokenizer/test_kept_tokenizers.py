"""Byte-level BPE and Unigram: tokenizer.json of other kinds than BERT's, kept as they came."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
import transformers

from filbert.errors import CheckpointError, DataError
from filbert.tasks import text_rows
from filbert.tokenizer import Tokenizer

KINDS = ("roberta", "modernbert", "xlm-roberta")
TEXTS = [
    "The quick brown fox, don't panic!",
    "今天天气很好，机器学习 🙂",
    "naïve café\n two  spaces 👩‍🚀x",
    "",
    "3.14 unseen žluťoučký текст",
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tokenizer_kinds: dict[str, Path]) -> tuple[str, Path]:
    return request.param, tokenizer_kinds[request.param]


def test_ids_are_those_of_transformers(kind: tuple[str, Path]) -> None:
    name, folder = kind
    ours, theirs = Tokenizer.load(folder), transformers.AutoTokenizer.from_pretrained(folder)
    mask = ours.specials.mask
    for text in [*TEXTS, f"the {mask} dog"]:
        encoded = ours.encode(text)
        assert encoded.token_ids.tolist() == theirs(text)["input_ids"], text
        for pair in filter(None, TEXTS):  # transformers takes an empty text for no text
            both = theirs(text, pair, return_token_type_ids=True)
            assert ours.encode(text, pair).token_ids.tolist() == both["input_ids"]
            parts = (ours.encode(part, specials=False) for part in (text, pair))
            (row,) = text_rows(ours, *parts, max_tokens=512)
            assert row.token_ids.tolist() == both["input_ids"]
            assert row.segments.tolist() == ours.encode(text, pair).segments.tolist()
    assert ours.vocab_size == len(theirs)
    for word in ("pad", "unk", "cls", "sep", "mask"):
        assert getattr(ours.specials, word) == getattr(theirs, f"{word}_token")
        assert getattr(ours.special_ids, word) == getattr(theirs, f"{word}_token_id")
    assert ours.pair_separators == (1 if name == "modernbert" else 2)
    assert ours.pair_segments == (name == "modernbert")
    assert not ours.lowercase


def test_saved_as_it_came_and_equal_afterwards(kind: tuple[str, Path], tmp_path: Path) -> None:
    _, folder = kind
    ours = Tokenizer.load(folder)
    ours.save(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    again = Tokenizer.load(tmp_path)
    other = pickle.loads(pickle.dumps(again))
    assert ours.digest == again.digest == other.digest
    assert other.encode(TEXTS[1]).token_ids.tolist() == ours.encode(TEXTS[1]).token_ids.tolist()
    assert other.ids_batch([ours.specials.mask])[0].size > 1


def test_offsets_are_the_characters_of_the_text(kind: tuple[str, Path]) -> None:
    _, folder = kind
    ours = Tokenizer.load(folder)
    for text in TEXTS:
        encoded = ours.encode(text, specials=False)
        covered = set()
        for (start, end), token in zip(
            encoded.offsets.tolist(), ours.shown(encoded.token_ids), strict=True
        ):
            quoted = text[start:end]
            assert quoted == quoted.strip()
            plain = token.replace("▁", "").strip()
            if plain and "\\x" not in token and token not in ours.specials.all:
                assert normalize("NFKC", quoted) == normalize("NFKC", plain)
            covered |= set(range(start, end))
        letters = {place for place, letter in enumerate(text) if not letter.isspace()}
        # Unigram's normal form may leave out an invisible joiner; all else is covered.
        assert {text[place] for place in letters - covered} <= {"\u200d"}
    mask = ours.encode(f"a {ours.specials.mask} b")
    ((start, end),) = mask.offsets[mask.token_ids == ours.special_ids.mask].tolist()
    assert (start, end) == (2, 2 + len(ours.specials.mask))


def test_decoding_and_words(kind: tuple[str, Path]) -> None:
    _, folder = kind
    ours = Tokenizer.load(folder)
    for text in ("the quick brown fox", "今天天气很好"):
        encoded = ours.encode(text)
        assert ours.decode(encoded.token_ids).strip() == text
        going = ours.continues[encoded.token_ids[1:-1]]
        words = encoded.word_ids[1:-1]
        assert (going[1:] == (words[1:] == words[:-1])).all()
    ordinary = set(ours.ordinary_ids.tolist())
    assert not ordinary & set(np.flatnonzero(ours.is_special).tolist())
    assert len(ordinary) == ours.vocab_size - 5


def test_bytes_are_shown_as_text(tokenizer_kinds: dict[str, Path]) -> None:
    ours = Tokenizer.load(tokenizer_kinds["roberta"])
    seen = {text: ours.shown(ours.encode(text, specials=False).token_ids) for text in ("x 🙂", "ž")}
    assert seen == {"x 🙂": ["x", "▁🙂"], "ž": [r"\xc5", r"\xbe"]}


def test_robertas_old_layout(tokenizer_kinds: dict[str, Path], tmp_path: Path) -> None:
    content = json.loads((tokenizer_kinds["roberta"] / "tokenizer.json").read_text())
    old = tmp_path / "old"
    old.mkdir()
    (old / "vocab.json").write_text(json.dumps(content["model"]["vocab"]))
    merges = [" ".join(pair) for pair in content["model"]["merges"]]
    (old / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    ours, whole = Tokenizer.load(old), Tokenizer.load(tokenizer_kinds["roberta"])
    for text in [*TEXTS, "the <mask> fox"]:
        assert ours.encode(text).token_ids.tolist() == whole.encode(text).token_ids.tolist()
    assert ours.pair_separators == 2
    ours.save(tmp_path / "saved")
    assert Tokenizer.load(tmp_path / "saved").digest == ours.digest
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert theirs(TEXTS[0])["input_ids"] == ours.encode(TEXTS[0]).token_ids.tolist()
    (old / "merges.txt").write_text("#version: 0.2\nĠ t\nbroken\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt:3: expected two pieces, got 'broken'"):
        Tokenizer.load(old)
    (old / "merges.txt").write_text("zz yy\n")
    with pytest.raises(CheckpointError, match=r"vocab\.json: not a vocabulary of merges"):
        Tokenizer.load(old)


Change = Callable[[dict[str, Any]], object]


def _doubling(content: dict[str, Any]) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    content["normalizer"] = {"type": "Sequence", "normalizers": [step] * 40}


def _split(expression: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["pre_tokenizer"] = {
            "type": "Split",
            "pattern": {"Regex": expression},
            "behavior": "Isolated",
            "invert": False,
        }

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].update(type="Nonsense"), "not a tokenizer"),
        (lambda c: c["model"].update(vocab={}, merges=[]), "expected rows as an encoder"),
        (lambda c: c["model"].update(continuing_subword_prefix="x"), "does not go on with 'x'"),
        (lambda c: c["model"].update(dropout=0.5), r"model\.dropout: expected nothing or 0"),
        (lambda c: c["model"]["vocab"].update(far=2**31), r"model\.vocab: an id is 2,147,483,648"),
        (lambda c: c["model"]["vocab"].update(twice=9), "an id has more than one token"),
        (lambda c: c["added_tokens"][0].update(id=77), "'<s>' has the id 77, expected 0"),
        (lambda c: c.update(post_processor=None), "post_processor: expected rows as an encoder"),
        (_doubling, r"normalizers\[\d+\]: these replacements can make a text 512 times longer"),
        (_split(r"(a+)+$"), r"pre_tokenizer\.pattern: .*repeats a group"),
        (_split(r"(?:a|aa)*$"), "can take for ever"),
        (_split(r"((x{0,50}){0,50})+"), "can take for ever"),
        (_split(r"(?:a?b?)*$"), "can take for ever"),
        (_split(r"x|a*a*a*a*a*a*a*$"), "can take for ever"),
        (_split(r"(a|b\g<0>)"), "can take for ever"),
        (_split(r"("), "not a tokenizer"),
    ],
)
def test_hostile_files_are_refused_by_name(
    tokenizer_kinds: dict[str, Path], tmp_path: Path, change: Change, message: str
) -> None:
    content = json.loads((tokenizer_kinds["roberta"] / "tokenizer.json").read_text())
    change(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message) as error:
        Tokenizer.load(tmp_path)
    assert "tokenizer.json" in str(error.value)


@pytest.mark.parametrize(
    "expression",
    [
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\S|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}]?[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}|[^\s(+]++|\s",
        r"(\d+)x+|(?:ab)+|( {2,})",
    ],
)
def test_expressions_in_use_are_followed(
    tokenizer_kinds: dict[str, Path], tmp_path: Path, expression: str
) -> None:
    content = json.loads((tokenizer_kinds["modernbert"] / "tokenizer.json").read_text())
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = expression
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    ours = Tokenizer.load(tmp_path)
    encoded = ours.encode(TEXTS[0], specials=False)
    assert ours.decode(encoded.token_ids) == TEXTS[0]


def test_padding_and_cutting_in_the_file_are_not_followed(
    tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    content = json.loads((tokenizer_kinds["roberta"] / "tokenizer.json").read_text())
    content["padding"] = {
        "strategy": {"Fixed": 2**31},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    content["truncation"] = {
        "direction": "Right",
        "max_length": 3,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert 6 < len(Tokenizer.load(tmp_path).encode(TEXTS[0])) < 40


def test_special_tokens_that_no_file_names_are_asked_for(
    tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    text = (tokenizer_kinds["modernbert"] / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace("[MASK]", "[HIDE]"))
    with pytest.raises(CheckpointError, match=r"has none for mask: .* none of <mask>, \[MASK\]"):
        Tokenizer.load(tmp_path)
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": {"content": "[HIDE]"}}')
    assert Tokenizer.load(tmp_path).specials.mask == "[HIDE]"


def test_what_it_cannot_encode_is_said(tokenizer_kinds: dict[str, Path]) -> None:
    ours = Tokenizer.load(tokenizer_kinds["roberta"])
    with pytest.raises(DataError, match=r"text 2 of 2: character 1 is U\+D800, half of a pair"):
        ours.encode_batch(["fine", "x\ud800"])


def test_an_expression_that_gives_up_is_an_error_not_a_crash(
    tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    content = json.loads((tokenizer_kinds["roberta"] / "tokenizer.json").read_text())
    _split(r"\w*\w*\w*\w*\w*$|.")(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    ours = Tokenizer.load(tmp_path)
    with pytest.raises(DataError, match=r"these 2 texts cannot be encoded: .*retry-limit"):
        ours.encode_batch(["a", "a" * 300 + "!"])


def test_a_prefix_space_follows_the_config(
    tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tokenizer_kinds["roberta"], tmp_path, dirs_exist_ok=True)
    config = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    ours, theirs = Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert ours.encode("the fox").token_ids.tolist() == theirs("the fox")["input_ids"]
    assert ours.tokens(ours.encode("the fox").token_ids)[1].startswith("Ġ")
