"""What removed markup leaves behind, put right: empty parentheses, doubled spaces, lone commas."""

import re
from html import unescape

_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(
    r"__[A-Z]{3,30}__|__(?:目录|目錄|无目录|無目錄|强显目录|強顯目錄|不转换标题|不轉換標題|不转换内容|不轉換內容|"
    r"简|繁|索引|不索引|无编辑段落|無編輯段落|新段落链接|隐藏分类|隱藏分類)__"
)
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_SPACES = re.compile(
    r"[ \t\u00a0\u2000-\u200a\u202f\u205f]{2,}|[\t\u00a0\u2000-\u200a\u202f\u205f]"
)
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u2060\ufeff\u00ad]")
_LEFT = re.compile(r"\{\|+|\|+\}|\{\{+|\}\}+|\[\[+|\]\]+|(?:(?:thumb|thumbnail|frameless)\|)")
_MOST_ROUNDS = 8
_OPENED = re.compile(
    r"([(（])(?: ?[,;:，；、：/])+ ?| ?(?:[,;:，；、/] ?){1,8}(?=[)）])|(?<=[(（]) | (?=[)）])"
)
_EMPTY = re.compile(
    r" *(?:\( *[-–—,;:/.]* *\)|（[ 、，；：。/－—-]*）|\[ *\]|「 *」|『 *』|《 *》|〈 *〉|“ *”)"
)
_LONE = re.compile(
    r" +(?=[,;.](?:[\s\u2028]|$))"
    r"|[ \u3000]{1,8}(?=[，。、；：！？）」』》])|(?<=[，。、；：（「『《]) +"
)
_DOUBLED = re.compile(r"([,;，、；])(?: ?[,;，、；])+")
_BEFORE_STOP = re.compile(r"[,;，、；](?= ?(?:\.(?!\.)|。))")
_STARTS = re.compile(r"^[ ]*[,，、；。：]+ *", re.MULTILINE)


def decoded(text: str) -> str:
    """Text with its entities as characters, also those that were encoded twice."""
    for _ in range(2):
        if "&" not in text:
            break
        text = _ENTITY.sub(lambda found: unescape(found[0]), text)
    return text


def without_emphasis(text: str) -> str:
    """Text without the marks of bold and italic, and without magic words."""
    text = _QUOTES.sub("", text) if "''" in text else text
    return _SWITCH.sub("", text) if "__" in text else text


def tidied(text: str) -> str:
    """Text with one space between words, and without brackets and commas that hold nothing."""
    text = _INVISIBLE.sub("", text)
    text = _SPACES.sub(" ", text)
    text = _without_marks(text)
    text = _OPENED.sub(r"\1", text)
    text = _EMPTY.sub("", text)
    text = _DOUBLED.sub(r"\1", text)
    text = _BEFORE_STOP.sub("", text)
    text = _LONE.sub("", text)
    return _without_marks(_STARTS.sub("", text))


def _without_marks(text: str) -> str:
    """Text without brackets that belong to nothing; taking one away can put others together."""
    for _ in range(_MOST_ROUNDS):
        text, found = _LEFT.subn("", text)
        if not found:
            break
    return text
