import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filbert.files import html_text
from filbert.files.html_encoding import decode_page
from filbert.files.html_limits import MAX_PAGE_BYTES, what_is_too_much

CHINESE = "中文网页的内容在这里，今天天气很好。我们去公园散步，看见很多花。"
TRADITIONAL = "中文網頁的內容在這裡，今天天氣很好。我們去公園散步，看見很多花。"

PAGE = """<!DOCTYPE html>
<html lang="zh-CN"><head><title> 标题
  之二 </title><meta charset="utf-8"><script>var hidden = "<p>no</p>"</script>
<style>p { color: red }</style></head><body>
<nav><ul><li><a href="/">首页</a></li><li><a href="/a">关于</a></li></ul></nav>
<div id="main"><h1>大标题</h1>
<p>第一段，
   换行的中文，<a href="x">链接</a>文字，只有<b>一</b>个字。</p>
<ul><li>甲</li><li>乙<ul><li>丙</li></ul></li></ul>
<ul><li><a href="1">另一页</a></li><li><a href="2">再一页</a></li></ul>
<table><tr><th>名</th><th>值</th></tr><tr><td>一</td><td>二</td></tr></table>
<p>English <b>bold</b> and <i>it</i>alic,
wrapped&nbsp;here &amp; there.<br>New line</p>
<img alt="图片说明"><!-- a comment --></div>
<form><input value="search"><button>Go</button></form>
<footer>版权所有</footer></body></html>"""


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_a_page():
    page = html_text(PAGE.encode())
    assert lines(page.text) == [
        "大标题",
        "第一段，换行的中文，链接文字，只有一个字。",
        *("甲", "乙", "丙"),
        *("名 值", "一 二"),
        "English bold and italic, wrapped here & there.",
        "New line",
    ]
    assert (page.title, page.language, page.charset) == ("标题之二", "zh", "utf-8")
    assert page.problem is None


def test_what_a_wiki_adds_for_its_reader_is_left_out():
    raw = (
        b"<div><h2>History<span class='mw-editsection'>[edit]</span></h2>"
        b"<p>It began<sup class='reference'>[1]</sup> in H<sub>2</sub>O.</p></div>"
    )
    assert lines(html_text(raw).text) == ["History", "It began in H2O."]


def test_lists_of_text_are_kept_and_lists_of_links_are_not():
    raw = b"""<body><ul><li><a href=a>Home</a><li><a href=b>About us</a></ul><h1>Fruit</h1>
      <ul class=x><li>Apples, which are sweet, <a href=c>grow</a> on trees.
      <li>Pears<UL><li>green ones</UL></ul><ol><li>first</ol><p>The end."""
    said = lines(html_text(raw).text)
    assert "Home" not in " ".join(said)
    assert said == [
        *("Fruit", "Apples, which are sweet, grow on trees.", "Pears", "green ones"),
        *("first", "The end."),
    ]


def test_preformatted_chinese_keeps_its_lines():
    page = html_text("<pre>床前明月光，\n疑是地上霜。</pre>".encode())
    assert page.text == "床前明月光，\n疑是地上霜。"


def test_without_main_text_all_text_is_taken():
    raw = b"<body><nav>menu</nav><div class='sidebar'><p>All that there is.</p></div></body>"
    assert html_text(raw).text == "All that there is."


def test_what_holds_no_tag_is_plain_text():
    assert html_text(b"one line\n  and another\n").text == "one line\n  and another"


META = [
    "",
    '<meta charset="{}">',
    '<META http-equiv=Content-Type content="text/html; charset={}">',
    "<?xml version='1.0' encoding='{}'?>",
]


@pytest.mark.parametrize("meta", META)
@pytest.mark.parametrize(
    ("coding", "label", "text", "charset"),
    [
        ("utf-8", "utf-8", CHINESE, "utf-8"),
        ("utf-8-sig", "gb2312", CHINESE, "utf-8"),
        ("gbk", "gb2312", CHINESE, "gb18030"),
        ("gb18030", "GBK", CHINESE + "𠀀", "gb18030"),
        ("big5", "Big5", TRADITIONAL, "big5hkscs"),
        ("utf-16", "utf-16", CHINESE, "utf-16-le"),
        ("utf-16-be", "utf-16", CHINESE, "utf-16-be"),
        ("cp1252", "iso-8859-1", "Café naïve – “très bien”, déjà vu", "cp1252"),
        ("cp1251", "windows-1251", "Привет, как дела? Это старая кодировка.", "cp1251"),
        ("shift_jis", "Shift_JIS", "これは日本語の文です。天気がいいです。", "cp932"),
    ],
)
def test_encodings_declared_or_not(meta, coding, label, text, charset):
    raw = f"{meta.format(label)}<html><body><p>{text}</p></body></html>".encode(coding)
    page = html_text(raw)
    assert (page.text, page.charset, page.problem) == (text, charset, None)


@pytest.mark.parametrize(
    ("coding", "header", "text"),
    [
        ("gbk", "ISO-8859-1", CHINESE),  # what a server says of every page
        ("utf-8", "gb2312", CHINESE),
        ("utf-8", "windows-1252", "Café"),
        ("cp1252", "utf-8", "Café naïve – “très bien”, déjà vu"),
        ("big5", "big5", TRADITIONAL),
        ("euc-kr", "EUC-KR", "한국어로 쓴 문장입니다."),
        ("iso2022_jp", "iso-2022-jp", "これは日本語の文です。"),
    ],
)
def test_what_the_header_says_is_checked(coding, header, text):
    assert html_text(f"<p>{text}</p>".encode(coding), charset=header).text == text


@pytest.mark.parametrize(
    "label", ["zip", "hex", "rot13", "punycode", "utf-7", "", "\0", "中", "x" * 999]
)
def test_names_that_are_no_encoding_of_the_web_are_passed_over(label):
    assert html_text("<p>naïve</p>".encode(), charset=label).text == "naïve"


def test_invalid_bytes_are_noted():
    page = html_text(f"<p>{CHINESE * 5}</p>".encode() + b"\xff\xfe <p>end</p>", charset="utf-8")
    assert page.text.startswith(CHINESE)
    assert page.text.endswith("end")
    assert page.problem is not None
    assert (page.problem.kind, page.problem.lost) == ("encoding", False)
    assert "2 places" in page.problem.message


@given(st.text(st.sampled_from("一二三，。ab é\u3000𠀀"), max_size=20))
@example("一")
@example(" 二 ")
@example("aé")
@example("éa")
def test_no_character_of_a_paragraph_is_lost(text):
    """resiliparse alone drops a text of one Chinese character as if it were an icon."""
    raw = "<div>" + "".join(f"<p>{c}</p><b>{c}</b>" for c in text) + f"<p>{text}</p></div>"
    said = "".join(html_text(raw.encode()).text.split())
    expected = "".join(c * 2 for c in text) + text
    assert said == "".join(expected.split())


@pytest.mark.parametrize("word", ["où", "né", "o&ugrave;", "n&#233;", "&#19968;"])
def test_no_word_of_three_bytes_is_lost(word):
    said = html_text(f"<p>Un texte.</p><p>{word}</p><p>La fin.</p>".encode()).text
    assert said.split()[2] == html.unescape(word)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"<html><head><title>Only a title</title></head><body></body></html>", "empty"),
        (b"<script>alert(1)</script>", "empty"),
        (b"<!-- never closed <p>text</p>", "empty"),
        (b"\0" * 1000, "binary"),
        (bytes(range(256)) * 20, "binary"),
        (b"%PDF-1.4 <p>text</p>", "binary"),
        (b"\x89PNG\r\n\x1a\n....", "binary"),
        (b"<p>x" * (MAX_PAGE_BYTES // 4 + 1), "too large"),
        (b"<p>x" * 400_000, "hostile HTML"),
        (b"<p " + b"a1 " * 100_000 + b">x", "hostile HTML"),
        (b"<p " + b"a='>' b " * 100_000 + b">x", "hostile HTML"),
        (b"".join(b"<font size=%d><p>x" % n for n in range(5000)), "hostile HTML"),
    ],
)
def test_pages_that_give_nothing_say_why(raw, kind):
    page = html_text(raw)
    assert page.text == ""
    assert page.problem is not None
    assert (page.problem.kind, page.problem.lost) == (kind, True)
    assert "expected" in page.problem.message


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"<div>" * 10_000 + b"deep", "deep"),
        (b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000, "deep"),
        (b"<b>" * 10_000 + b"bold", ""),
        (b"<p title='" + b"x" * 10_000_000 + b"'>kept</p>", "kept"),
        (b"<table>" * 10_000 + b"cell", "cell"),
        (b"<p <b <i unclosed>text", "text"),
        (b"<p>a\0b</p>", "ab"),
        (b"</div></p></b>closed first", "closed first"),
        (b"<p>&#0; &#xD800; &#x110000; &bogus; &amp</p>", "&bogus; &"),
        (b"<ul>" * 5000 + b"<li>item", ""),
        (b"<a href=x>" * 3000 + b"link", "link"),
    ],
)
def test_hostile_pages_are_read_in_bounded_time(raw, text):
    page = html_text(raw)
    assert text in page.text
    assert (page.problem is None) or page.problem.kind in ("too deep", "hostile HTML", "empty")


def test_deep_nesting_is_noted():
    problem = html_text(b"<div>" * 10_000 + b"deep").problem
    assert problem is not None
    assert (problem.kind, problem.lost) == ("too deep", False)


@given(
    st.binary(max_size=300) | st.text(st.sampled_from("<>/=\"' abupliov!-&;#一\0")).map(str.encode)
)
def test_any_bytes_come_back_as_text_or_a_problem(raw):
    page = html_text(raw)
    assert page.text or page.problem
    page.text.encode()
    assert "\ufdd0" not in page.text


@given(st.text(st.sampled_from("<>/=\"' ab\n")))
def test_an_honest_page_is_never_too_much(text):
    from filbert.files import html_limits

    assert what_is_too_much(text) is None
    assert html_limits._end_of_page(text) == len(text)


@given(st.text())
def test_utf8_is_always_read_as_utf8(text):
    raw = text.encode()
    if "\0" not in text and not text.startswith("\ufeff"):
        assert decode_page(raw, None)[:2] == (text, "utf-8")
