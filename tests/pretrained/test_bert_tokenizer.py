"""BertTokenizer beside transformers' own, on the same folder: equal in every value."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filbert import BertTokenizer
from filbert.errors import FilbertError

TEXTS = [
    "The cats sat, unaffable, on the mat. The dog ran!",
    "猫在哪里？ the cat 天地。 ran a b c d e",
    "",
    "[CLS] a [MASK] [SEP] b [PAD] ##s",
    "don't  Écat\t\x00\u200b café \ufffd ﷺ 🐈‍⬛ \U00020000 \u0301",
    " ".join(["the cat sat"] * 6),
]
PAIRS = ["who sat on the mat?", "", "猫", "a b c d e a b c d e", "where", " ".join(["a"] * 30)]


@pytest.fixture(scope="module")
def both(tmp_path_factory, write_tokenizer):
    folder = write_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return (
        BertTokenizer.from_pretrained(folder),
        transformers.BertTokenizer.from_pretrained(folder),
    )


def assert_equal(ours, theirs):
    assert list(ours.keys()) == list(theirs.keys())
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert ours[name].dtype == value.dtype
            assert torch.equal(ours[name], value), name
        elif isinstance(value, np.ndarray):
            assert ours[name].dtype == value.dtype
            np.testing.assert_array_equal(ours[name], value)
        else:
            assert ours[name] == value, name


def assert_same_places(ours, theirs):
    for index in range(len(theirs.encodings)):
        assert ours.tokens(index) == theirs.tokens(index)
        assert ours.word_ids(index) == theirs.word_ids(index)
        assert ours.sequence_ids(index) == theirs.sequence_ids(index)


ALL = {
    "return_offsets_mapping": True,
    "return_special_tokens_mask": True,
    "return_length": True,
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True},
        {"padding": "longest", "padding_side": "left"},
        {"padding": "max_length"},
        {"padding": "max_length", "max_length": 40},
        {"padding": True, "truncation": True, "return_tensors": "pt"},
        {"padding": True, "truncation": True, "return_tensors": "np", "max_length": 9},
        {"truncation": True},
        {"truncation": "longest_first", "max_length": 8},
        {"max_length": 7},
        {"padding": True, "pad_to_multiple_of": 8},
        {"padding": "max_length", "truncation": True, "max_length": 16, "pad_to_multiple_of": 8},
        {"add_special_tokens": False, "truncation": True, "max_length": 5},
        {"return_token_type_ids": False, "return_attention_mask": False},
        {"truncation": True, "max_length": 8, "stride": 3, "return_overflowing_tokens": True},
        {
            "truncation": True,
            "max_length": 10,
            "stride": 2,
            "return_overflowing_tokens": True,
            "padding": True,
            "return_tensors": "pt",
        },
    ],
)
def test_a_call_gives_what_transformers_gives(both, options):
    ours, theirs = both
    for texts in (TEXTS, TEXTS[0], [TEXTS[4]]):
        for extra in ({}, ALL):
            mine = ours(texts, **options, **extra, verbose=False)
            other = theirs(texts, **options, **extra, verbose=False)
            assert_equal(mine, other)
            assert_same_places(mine, other)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True, "truncation": True, "return_tensors": "pt"},
        {"truncation": "only_first", "max_length": 34},
        {"truncation": "only_second", "max_length": 30},
        {"truncation": "longest_first", "max_length": 9, "return_overflowing_tokens": True},
        {
            "truncation": "longest_first",
            "max_length": 12,
            "return_overflowing_tokens": True,
            "stride": 2,
        },
    ],
)
def test_pairs(both, options):
    ours, theirs = both
    mine = ours(TEXTS, PAIRS, **options, **ALL, verbose=False)
    other = theirs(TEXTS, PAIRS, **options, **ALL, verbose=False)
    assert_equal(mine, other)
    assert_same_places(mine, other)
    as_tuples = ours(list(zip(TEXTS, PAIRS, strict=True)), **options, **ALL, verbose=False)
    assert_equal(as_tuples, other)
    assert_equal(ours(TEXTS[0], ""), theirs(TEXTS[0], ""))


def test_words_that_are_split_already(both):
    ours, theirs = both
    words = [["The", "cats", "", "unaffable!", "猫在"], ["a"], []]
    for options in ({"padding": True}, {"truncation": True, "max_length": 6}):
        mine = ours(words, is_split_into_words=True, **options, **ALL)
        other = theirs(words, is_split_into_words=True, **options, **ALL)
        assert_equal(mine, other)
        assert_same_places(mine, other)
    single = ours(words[0], is_split_into_words=True)
    assert_equal(single, theirs(words[0], is_split_into_words=True))
    pair = ours([words[0]], [words[1]], is_split_into_words=True)
    assert_equal(pair, theirs([words[0]], [words[1]], is_split_into_words=True))


calls = st.fixed_dictionaries(
    {
        "truncation": st.sampled_from(
            [True, False, None, "longest_first", "only_first", "only_second"]
        ),
        "max_length": st.none() | st.integers(3, 14),
        "stride": st.integers(0, 2),
        "padding": st.sampled_from([True, False, "max_length"]),
        "padding_side": st.sampled_from(["left", "right"]),
        "add_special_tokens": st.booleans(),
        "return_overflowing_tokens": st.booleans(),
    }
)
text = st.text(max_size=30) | st.text("the catsat猫在 .[MASK]'é", max_size=40)


def outcome(tokenizer, pairs, options):
    """The encoding, or None where the call is refused (tokenizers panics at some)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tokenizer(*pairs, **options, **ALL, verbose=False)
    except BaseException as error:
        if isinstance(error, FilbertError | OverflowError | ValueError):
            return None
        if "Panic" in type(error).__name__ or type(error) is Exception:
            return None
        raise


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(text, text), min_size=1, max_size=3), st.booleans(), calls)
def test_any_text_and_any_options(both, pairs, paired, options):
    texts = list(zip(*pairs, strict=True))[: 2 if paired else 1]
    mine, other = (outcome(tokenizer, texts, options) for tokenizer in both)
    assert (mine is None) == (other is None)
    if mine is not None:
        assert_equal(mine, other)
        assert_same_places(mine, other)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text)
def test_back_to_text(both, words):
    ours, theirs = both
    ids = theirs(words, verbose=False)["input_ids"]
    assert ours.encode(words, verbose=False) == ids
    assert ours.tokenize(words, verbose=False) == theirs.tokenize(words, verbose=False)
    for skip in (True, False):
        for tidy in (None, True):
            options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": tidy}
            assert ours.decode(ids, **options) == theirs.decode(ids, **options)


def test_decoding_takes_all_that_holds_numbers(both):
    ours, theirs = both
    ids = theirs(["the cats . sat", "do not , ' s a"], padding=True)["input_ids"]
    for batch in (ids, np.array(ids), torch.tensor(ids)):
        assert ours.batch_decode(batch) == theirs.batch_decode(batch)
        assert ours.decode(batch) == theirs.decode(batch)
        assert ours.decode(batch[0]) == theirs.decode(batch[0])
    assert ours.decode(7) == theirs.decode(7)
    assert ours.convert_ids_to_tokens(torch.tensor(ids[0])) == theirs.convert_ids_to_tokens(ids[0])
    assert ours.convert_tokens_to_ids(["cat", "nowhere"]) == [6, ours.unk_token_id]
    assert ours.convert_tokens_to_ids("猫") == theirs.convert_tokens_to_ids("猫")
    tokens = ["un", "##aff", "##able"]
    assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens)


def test_names_and_numbers(both):
    ours, theirs = both
    for name in ("pad", "unk", "cls", "sep", "mask"):
        assert getattr(ours, f"{name}_token") == getattr(theirs, f"{name}_token")
        assert getattr(ours, f"{name}_token_id") == getattr(theirs, f"{name}_token_id")
    assert ours.all_special_tokens == theirs.all_special_tokens
    assert ours.all_special_ids == theirs.all_special_ids
    assert ours.get_vocab() == theirs.get_vocab()
    assert (len(ours), ours.vocab_size) == (len(theirs), theirs.vocab_size)
    assert ours.model_max_length == theirs.model_max_length == 24
    assert ours.num_special_tokens_to_add(pair=True) == theirs.num_special_tokens_to_add(pair=True)


def test_padding_afterwards(both):
    ours, theirs = both
    one_by_one = [theirs(words, verbose=False) for words in TEXTS]
    plain = [dict(encoding) for encoding in one_by_one]
    by_name = {name: [encoding[name] for encoding in plain] for name in plain[0]}
    for options in (
        {"return_tensors": "pt"},
        {"padding": "max_length", "max_length": 40, "padding_side": "left"},
        {"pad_to_multiple_of": 8},
        {"padding": False},
    ):
        for encodings in (plain, by_name, plain[0]):
            if encodings is by_name and options.get("padding") is False:
                continue
            copy = dict(encodings) if isinstance(encodings, dict) else list(map(dict, encodings))
            assert_equal(ours.pad(encodings, **options), theirs.pad(copy, **options))


def test_places_of_characters(both):
    mine, other = (tokenizer([TEXTS[0]], [PAIRS[0]], verbose=False) for tokenizer in both)
    for text_index in (0, 1):
        for char in range(20):
            expected = other.char_to_token(0, char, text_index)
            assert mine.char_to_token(0, char, text_index) == expected
    for token in range(len(mine["input_ids"][0])):
        assert mine.token_to_chars(0, token) == other.token_to_chars(0, token)


def test_an_encoding_is_a_dictionary_with_attributes(both):
    encoding = both[0](["the cat"], return_tensors="pt")
    assert encoding.input_ids is encoding["input_ids"]
    assert {**encoding}.keys() == encoding.keys()
    assert encoding.to("cpu") is encoding
    pickled = pickle.loads(pickle.dumps(encoding))
    assert pickled.word_ids() == encoding.word_ids() == [None, 0, 1, None]
    with pytest.raises(FilbertError, match="pickled"):
        pickled.tokens()
    assert encoding.to("meta").input_ids.device.type == "meta"
    with pytest.raises(AttributeError, match="labels"):
        _ = encoding.labels


def test_a_text_that_is_too_long_is_warned_of_once(tmp_path, write_tokenizer):
    tokenizer = BertTokenizer.from_pretrained(write_tokenizer(tmp_path))
    with pytest.warns(UserWarning, match=r"32 tokens is longer than the 24 .*truncation=True"):
        assert len(tokenizer("a " * 30)["input_ids"]) == 32
    assert len(tokenizer("a " * 30)["input_ids"]) == 32
    assert len(tokenizer("a " * 30, truncation=True)["input_ids"]) == 24


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t(None), "text: expected a string, got NoneType"),
        (lambda t: t(["a", 3]), "text 1: expected a string, got int"),
        (lambda t: t("a b", is_split_into_words=True), "a list of words"),
        (lambda t: t(["a"], ["b", "c"]), r"as long as text \(1\), got 2"),
        (lambda t: t(["a"], "b"), "got str"),
        (lambda t: t("a", padding="long"), "padding: expected one of .*'longest'"),
        (lambda t: t("a", truncation="first"), "truncation: expected one of .*'only_first'"),
        (lambda t: t("a", return_tensors="tf"), "return_tensors: expected 'pt', 'np'"),
        (lambda t: t(["a", "a b"], return_tensors="pt"), "3 to 4 tokens .*padding=True"),
        (lambda t: t("a", truncation=True, max_length=1), "max_length 1: .* need 2"),
        (lambda t: t("a b c", truncation="only_second", max_length=4), "needs a second text"),
        (
            lambda t: t("a", "b c d", truncation="only_first", max_length=5),
            "2 tokens must go, but the first text has only 1",
        ),
        (
            lambda t: t(
                "a b c d", truncation=True, max_length=3, stride=2, return_overflowing_tokens=True
            ),
            "stride 2: windows of 3",
        ),
        (lambda t: t("a", max_length=True), "max_length: expected a whole number"),
        (
            lambda t: t("a", padding=True, truncation=True, max_length=10, pad_to_multiple_of=8),
            "multiple of 8, which 10 is not",
        ),
        (lambda t: t("a", text_target="b"), "text_target: not known"),
        (lambda t: t("\ud800"), "half of a pair"),
        (lambda t: t.pad([{"ids": [1]}]), "expected encodings with input_ids"),
        (lambda t: t.pad([{"input_ids": [1]}]).tokens(), "no longer knows its texts"),
        (lambda t: t("a b").tokens(1), "sequence 1: this encoding holds 1"),
        (lambda t: t.decode([99]), "token id 99"),
    ],
)
def test_refusals_say_what_was_expected(both, call, message):
    with pytest.raises(FilbertError, match=message):
        call(both[0])


@pytest.mark.parametrize(
    ("name", "lowercase"),
    [
        ("vocab-bert-base-uncased.txt.gz", True),
        ("vocab-bert-base-chinese.txt", False),
        ("vocab-mbert-cased-tydiqa-modified.txt.gz", False),
    ],
)
def test_real_vocabularies(tmp_path, write_tokenizer, real_vocab, name, lowercase):
    vocab = list(dict.fromkeys(real_vocab(name)))
    folder = write_tokenizer(tmp_path, vocab, do_lower_case=lowercase, model_max_length=512)
    ours = BertTokenizer.from_pretrained(folder)
    theirs = transformers.BertTokenizer.from_pretrained(folder)
    texts = [
        *TEXTS,
        "BERT is a language representation model which stands for Bidirectional Encoder "
        "Representations from Transformers (Devlin et al., 2018).",
        "自然语言处理是人工智能的一个重要方向，BERT 模型于 2018 年提出。",
        "Ⅷ ½ ﬁ İstanbul straße ΑΣ Ελλάδα हिन्दी ไทย 한국어 にほんご",
    ]
    mine, other = ours(texts, padding=True, **ALL), theirs(texts, padding=True, **ALL)
    assert_equal(mine, other)
    assert_same_places(mine, other)
    for ids in mine["input_ids"]:
        assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(
            ids, skip_special_tokens=True
        )
    long = ours(texts[-2] * 40, truncation=True, max_length=64, stride=16, **ALL)
    assert_equal(long, theirs(texts[-2] * 40, truncation=True, max_length=64, stride=16, **ALL))


def test_a_saved_tokenizer_is_the_same_to_transformers(tmp_path, write_tokenizer):
    folder = write_tokenizer(tmp_path / "in", padding_side="left")
    tokenizer = BertTokenizer.from_pretrained(folder, clean_up_tokenization_spaces=True)
    paths = tokenizer.save_pretrained(tmp_path / "out")
    assert all(Path(path).is_file() for path in paths)
    for again in (
        transformers.AutoTokenizer.from_pretrained(tmp_path / "out"),
        BertTokenizer.from_pretrained(tmp_path / "out"),
    ):
        assert again.model_max_length == 24
        assert (again.padding_side, again.truncation_side) == ("left", "right")
        assert again.clean_up_tokenization_spaces is True
        expected = tokenizer(TEXTS, padding=True, truncation=True)
        assert_equal(expected, again(TEXTS, padding=True, truncation=True))


def test_added_tokens(tmp_path, write_tokenizer):
    theirs = transformers.BertTokenizer.from_pretrained(write_tokenizer(tmp_path / "plain"))
    theirs.add_tokens(["catdog"])
    theirs.add_tokens(["[E1]"], special_tokens=True)
    theirs.save_pretrained(tmp_path / "added")
    ours = BertTokenizer.from_pretrained(tmp_path / "added")
    ours.save_pretrained(tmp_path / "again")
    for tokenizer in (ours, BertTokenizer.from_pretrained(tmp_path / "again")):
        ids = theirs("the catdog [E1] cats")["input_ids"]
        assert tokenizer("the catdog [E1] cats")["input_ids"] == ids
        assert len(tokenizer) == len(theirs)
        for skip in (True, False):
            expected = theirs.decode(ids, skip_special_tokens=skip)
            assert tokenizer.decode(ids, skip_special_tokens=skip) == expected


def test_the_left_side_is_cut_where_asked(tmp_path, write_tokenizer):
    folder = write_tokenizer(tmp_path, truncation_side="left")
    ours = BertTokenizer.from_pretrained(folder)
    theirs = transformers.BertTokenizer.from_pretrained(folder)
    options = {
        "truncation": True,
        "max_length": 8,
        "stride": 2,
        "return_overflowing_tokens": True,
    }
    assert_equal(ours(TEXTS, **options), theirs(TEXTS, **options))


def test_options_of_from_pretrained(tmp_path, write_tokenizer):
    folder = write_tokenizer(tmp_path)
    assert BertTokenizer.from_pretrained(folder, model_max_length=8).model_max_length == 8
    assert BertTokenizer.from_pretrained(folder, do_lower_case=True).do_lower_case
    with pytest.raises(FilbertError, match="do_lower_case=False, but this vocabulary"):
        BertTokenizer.from_pretrained(folder, do_lower_case=False)
    with pytest.raises(FilbertError, match="use_fast is not known here"):
        BertTokenizer.from_pretrained(folder, use_fast=True)


def test_a_bert_cannot_translate(both):
    with pytest.raises(FilbertError, match=r"translate: .* no decoder.*translator"):
        both[0].translate("猫", src_lang="zh", tgt_lang="en")
