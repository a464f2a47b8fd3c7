import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filbert.errors import ExtraError
from filbert.language import simplified, to_simplified


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("漢字轉換，繁體中文。", "汉字转换，繁体中文。"),
        ("乾杯！乾坤未定，頭髮發財。", "干杯！乾坤未定，头发发财。"),
        ("已经是简体的文字", "已经是简体的文字"),
        ("Plain English, 3.14\n", "Plain English, 3.14\n"),
        ("混合 text 與 emoji 👩‍👩‍👧", "混合 text 与 emoji 👩‍👩‍👧"),
        ("", ""),
        ("後\x00面", "后\x00面"),
        ("後\ud800面", "后\ufffd面"),
    ],
)
def test_simplified(text, expected):
    assert to_simplified(text) == expected


@given(st.text())
@example("𠀀\r\n\x85")
def test_everything_but_chinese_characters_stays(text):
    def rest(of):
        return [c for c in of if not ("\u2e80" <= c <= "\u9fff" or c >= "\uf900")]

    assert rest(to_simplified(text)) == rest(text)


def test_one_converter_serves_many_threads():
    texts = [
        f"{number}：開發這個軟體的國家與學術機構。" * (number % 7 + 1) for number in range(400)
    ]
    simplified._converter.cache_clear()
    expected = [to_simplified(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(to_simplified, texts)) == expected
    assert simplified._converter.cache_info().currsize == 1


def test_it_is_opencc_and_not_the_package_that_overwrites_its_module():
    from opencc import OpenCC

    assert OpenCC.__mro__[1].__name__ == "_OpenCC"  # the C++ library's own class


def test_without_opencc_the_command_is_named(monkeypatch):
    simplified._converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    assert to_simplified("English") == "English"
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[zh\]'"):
        to_simplified("漢字")
