"""Wikitext → prose: rule by rule, on written pages, on broken and on hostile text."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus.wiki import plain_text

PAGES = sorted((Path(__file__).parent / "pages").glob("*.wikitext"))
MARKERS = ("{{", "}}", "[[", "]]", "{|", "|}", "<ref", "</ref", "thumb|", "&nbsp;")


def shown(wikitext: str) -> str:
    return plain_text(wikitext).text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_reads_as_its_readers_see_it(page):
    plain = plain_text(page.read_text(encoding="utf-8"))
    assert plain.text == page.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")
    assert not plain.unclosed


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("the [[dog]]s and [[cat|cats]]", "the dogs and cats"),
        ("[[Mercury (planet)|]], [[Paris, Texas|]] and [[Help:Dogs|]]", "Mercury, Paris and Dogs"),
        ("[[wikt:dog]] and [[:Category:Dogs]] and [[:de:Hund]]", "dog and Dogs and Hund"),
        ("a[[Category:Dogs]][[分類:狗]][[fr:Chien]]b", "ab"),
        ("a [[image:x.png|thumb|with [[a link|b]] and [http://x.org c]]] b", "a b"),
        ("see [http://x.org/?a=1 the page] and [https://x.org]", "see the page and"),
        ("'''bold''', ''it'' and '''''both'''''", "bold, it and both"),
        ("a&nbsp;b &amp;nbsp; c &amp;amp; d &lt;", "a b c & d <"),
        ("H<sub>2</sub>O<!-- c -->, x<ref name=a/>.<ref>r <b>s</b></ref>", "H2O, x."),
        ("<nowiki>[[x]] '''y'''</nowiki> z", "[[x]] '''y''' z"),
        ("born ({{IPA-en|x}}; {{x}}) and (,) ( ; 1809) there", "born and (1809) there"),
        ("柏林（{{x}}，），德国（；1237年）。", "柏林，德国（1237年）。"),
        ("-{zh-hant:後;zh-hans:后}- -{zh-tw:台;zh-hk:港}- -{x}- -{T|zh:y}-z", "后 台 x z"),
        ("{{lang|fr|chat}}, {{convert|5|km|mi}}, {{nihongo|Go|碁|igo}}", "chat, 5 km, Go"),
        ("{{a|{{b|{{{1|{{{2|}}}}}}}}|c}}d", "d"),
        ("__TOC__a__NOEDITSECTION__", "a"),
        ("a\n{|\n|x\n{|\n|y\n|}\n|}\nb", "a\n\nb"),
        ("<table><tr><td>x<table></table></td></tr></table>b", "b"),
        ("x<math>{{[[</math>y", "xy"),
        ("one\ntwo\n\n三\n四", "one two\n\n三四"),
        ("* a\n** b\n#c\n: d", "a\nb\nc\nd"),
        ("== A ==\n=== B ===\ntext\n== C ==\n{{x}}", "A\n\nB\n\ntext"),
        ("== Notes ==\nThis was written as prose, with many words.", "Notes\n\nThis was written as "
         "prose, with many words."),
        ("a\n== Notes ==\n{{reflist}}", "a"),
        ("a\n== 外部链接 ==\n* [http://x.cn 网站]\n== 后来 ==\nb", "a\n\n后来\n\nb"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_shown(wikitext, text):
    assert plain_text(wikitext) == type(plain_text(""))(text, False)


@pytest.mark.parametrize(
    ("wikitext", "kept"),
    [
        ("{{Infobox\n| a = b\n| c = d\nProse of the page.\n\nMore prose.", "Prose of the page."),
        ("He ran {{cite web|url=x|title=y. She stood.\n== H ==\nNext.", "She stood."),
        ("The [[dog runs.\n\nThe cat sits.", "The cat sits."),
        ("The dog runs.<ref>Smith\n\nThe cat sits.", "The cat sits."),
        ("The dog.<ref>S<ref>T</ref> The cat sits.", "The cat sits."),
        ("{|\n| a\n| b\nThe cat sits.\n== H ==\nThe dog runs.", "The dog runs."),
        ("[[File:x.jpg|thumb|The cat sits.\n== H ==\nThe dog runs.", "The dog runs."),
        ("The <!-- dog runs. The cat sits.", "The cat sits."),
        ("<math>x The cat sits.", "The cat sits."),
        ("[[A {{b]] The cat sits.", "The cat sits."),
    ],
)
def test_what_was_left_open_costs_no_prose(wikitext, kept):
    plain = plain_text(wikitext)
    assert plain.unclosed
    assert kept in plain.text
    assert not [marker for marker in MARKERS if marker in plain.text]


def test_closing_brackets_without_an_opening_one_go():
    assert shown("The cat]] sits}} here.") == "The cat sits here."


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "{{ }} [[ ]] {{{ }}} | \n{| \n|} \n|- -{ }- <ref> </ref> <ref/> <!-- --> <nowiki> "
            "</nowiki> <math> File: 文件: ''' == \n==A==\n \n\n * [http://x ] 猫坐下。 cat &nbsp; "
            "thumb| ( ) ， zh-hans: ; <table> </table> <br> convert lang|x|".replace(" ", "\0")
            .replace("\0", " ")
            .split(" ")
        ),
        max_size=40,
    )
)
def test_no_marker_survives_whatever_is_put_together(pieces):
    wikitext = "".join(pieces)
    text = shown(wikitext)
    if "<nowiki>" not in wikitext:
        assert not [marker for marker in MARKERS if marker in text], text


HOSTILE = (
    *("{{", "[[", "[[a|", "{{a|", "[[{{", "]]", "\n{|", "-{", "<ref>", "<!--", "<nowiki>", ","),
    *("(", "（，", "==", "\n=a=\n", "[http://a", "&amp;", "'", "\u3000", "[[File:a|\n\n"),
    "<ref a=b ",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_quadratic_time(piece):
    plain_text(piece * (400_000 // len(piece)))  # quadratic, this would take hours


def test_ten_thousand_nested_brackets():
    nested = "{{a|" * 10_000 + "x" + "}}" * 10_000
    assert shown(f"before {nested} after") == "before after"
    assert "after" in shown("[[a|" * 10_000 + "x" + "]]" * 10_000 + " after")
