import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filbert.errors import ExtraError
from filbert.language import list_words, split_words, words


def words_of(text, language=None):
    return [text[start:end] for start, end in split_words(text, language)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it's 3.14 or 1,000.", "Don't stop it's 3.14 or 1,000"),
        ("It’s the boys' and 'tis O'Brien's", "It’s the boys and tis O'Brien's"),
        ("a state-of-the-art well_known e.g. U.S.", "a state of the art well known e g U S"),
        ("version 1.2.3, 10. Next", "version 1.2.3 10 Next"),
        ("l'été, naïve cafés", "l'été naïve cafés"),
        ("cafe\u0301 e\u0301te\u0301", "cafe\u0301 e\u0301te\u0301"),
        ("x² + H₂O ½", "x² H₂O ½"),
        ("हिन्दी में लिखा", "हिन्दी में लिखा"),
        ("نصٌّ عربيٌّ، جميل", "نصٌّ عربيٌّ جميل"),
        ("我来到北京清华大学。", "我 来到 北京 清华大学"),
        ("用iPhone手机，2008年！", "用 iPhone 手机 2008 年"),
        ("ＡＢＣ１２３", "ＡＢＣ１２３"),
        ("これは日本語の文です。", "これは日本語の文です"),
        ("한국어 漢字를 쓴다", "한국어 漢字를 쓴다"),
        ("𠀀𠀁", "𠀀𠀁"),
        ("", ""),
        (" .,!？。…_'’- ", ""),
    ],
)
def test_words(text, expected):
    assert words_of(text) == expected.split()


def test_the_language_decides_what_chinese_characters_beside_kana_are():
    assert words_of("我爱清华大学の学生", "zh") == ["我", "爱", "清华大学", "の", "学生"]
    assert words_of("我爱清华大学の学生") == ["我爱清华大学の学生"]
    assert words_of("東京都庁", "ja") == ["東京都庁"]


ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(
    st.sampled_from("aZ9é'’.,-_ \n我爱北京〇々のー한\u0301\u0e31२٣Ａ²𠀀。")
)


@given(ANY_TEXT, st.sampled_from([None, "en", "zh", "ja", "fr"]))
@example("ー〇々中", None)
def test_spans_rise_and_cover_exactly_the_letters_and_digits(text, language):
    spans = split_words(text, language)
    last = 0
    covered = set()
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert not any(c.isspace() or c == "_" for c in text[start:end])
        assert text[start].isalnum() or text[start] >= "\U00020000"
        covered.update(range(start, end))
        last = end
    assert all(place in covered for place, c in enumerate(text) if c.isalnum())


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_takes_a_shorter_way_to_the_same_words(text):
    assert split_words(text) == split_words(text + " é")[:-1]


@pytest.mark.parametrize(
    "piece", ["a", "a'", "1,", "中", "a中", "\u0301", "の", "a\u0301", "'", "中の"]
)
def test_hostile_text_comes_to_an_end(piece):
    """A guard against hanging, no speed."""
    begin = time.process_time()
    split_words(piece * 100_000)
    assert time.process_time() - begin < 60


def test_without_rjieba_the_command_is_named(monkeypatch):
    words._rjieba.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)
    assert words_of("English, naïve") == ["English", "naïve"]
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[zh\]'"):
        split_words("中文")


@given(st.text("aB3 _-'’“”—….,é你好か́"))
def test_the_list_of_words_is_that_of_their_spans(text):
    assert list_words(text) == [text[start:end] for start, end in split_words(text)]


def test_printed_english_is_listed_as_it_is_cut():
    text = "“Don’t — don't,” said 3.14 … ‘x_y’ O’Neill’s 1,000–2,000."
    assert list_words(text) == [text[start:end] for start, end in split_words(text)]
    assert "O’Neill’s" in list_words(text)
