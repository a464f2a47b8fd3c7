import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import ExtraError, SettingsError
from filbert.language import english_sentences, split_sentences


def sentences(text, language=None):
    return [text[start:end] for start, end in split_sentences(text, language)]


@pytest.mark.parametrize(
    "expected",
    [
        ["“走吧！”", "他说。", "“好！”，她答。"],
        ["我……不知道。", "“我们……”", "他停了。"],
        ["《你好！李焕英》很好看。", "你看过吗？！", "没有……。"],
        ["圆周率是3.14吗？", "见http://a.com/?b=c。"],
        ["（他来了。）", "我走了。"],
        ['他说:"走。"', "然后走了。", '"好。"'],
        ["他来了.", "我走了！"],
        ["没有句号"],
        ["他说“很好。”。", "然后走。", "「為什麼？！」。"],
        ["「他說：『走！』」", "然後走了。", "（见第3.2节。）", "完。"],
        ["他说：“她问：‘谁？’”", "没人答。", "‘好。’", "她笑了。"],
        ["约翰·F.肯尼迪生于1917年。", "J.K.罗琳写了《哈利·波特》。"],
        ["版本是v2.0.1，占12.5%。", "价格为￥3.50元！", "跌1.5个点……”", "他说。"],
        ["他……他走了……我没有。", "真的？"],
        ["“等等……”", "“不……不要！”", "他喊。"],
        ["Dr.王用U.S.A.的数据。", "结果见Fig.3。"],
    ],
)
def test_chinese_sentences(expected):
    assert sentences("".join(expected), "zh") == expected


def test_chinese_line_ends_are_ends():
    assert sentences("标题\n第一句。第二句\n") == ["标题", "第一句。", "第二句"]


def test_english_sentences():
    expected = [
        "Dr. Smith came from the U.S. at 3.14 p.m. today.",
        'He said "Go away!" and left.',
        "Really?",
        "Yes, e.g. this one",
    ]
    assert sentences(" ".join(expected)) == expected


def test_a_line_end_joins_and_a_blank_line_divides_english():
    text = "A heading without a stop\n\nThis sentence is\nwrapped. Next."
    assert sentences(text) == ["A heading without a stop", "This sentence is\nwrapped.", "Next."]


def test_each_paragraph_has_its_own_language():
    text = "This is English. It is cut by nupunkt.\n\n这是中文。由自己的规则来分。"
    assert sentences(text) == [
        "This is English.",
        "It is cut by nupunkt.",
        "这是中文。",
        "由自己的规则来分。",
    ]


TEXT = st.text(st.sampled_from("ab. !?\n\t\u3000。！？…“”\"'《》（），3中文Dr")) | st.text()


@given(TEXT, st.sampled_from(["en", "zh", None]))
def test_spans_cover_all_but_spaces_in_order(text, language):
    spans = split_sentences(text, language)
    covered = set()
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered.update(range(start, end))
        last = end
    assert all(place in covered for place, c in enumerate(text) if not c.isspace())


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        ".",
        "a",
        "Dr. ",
        'a."',
        ".(",
        '"',
        '。"',
        "《",
        "(",
        "\n",
        "\n \t",
        "? ! ",
        "\n\n",
        "中",
    ],
)
@pytest.mark.parametrize("language", ["en", "zh", None])
def test_hostile_text_comes_to_an_end(piece, language):
    """A guard against hanging, no speed: three seconds are usual, a square takes many minutes."""
    begin = time.process_time()
    split_sentences(piece * 100_000, language)
    assert time.process_time() - begin < 120


def test_unknown_language():
    with pytest.raises(SettingsError, match="'fr'"):
        split_sentences("Bonjour.", "fr")


def test_without_nupunkt_the_command_is_named(monkeypatch):
    english_sentences._decider.cache_clear()
    monkeypatch.setitem(sys.modules, "nupunkt", None)
    assert split_sentences("中文。") == [(0, 3)]
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[data\]'"):
        split_sentences("English.")
