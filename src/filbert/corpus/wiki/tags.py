"""Wikitext without comments and without the tags whose content is no wikitext."""

import re

_RAW = (
    "nowiki|pre|ref|references|math|chem|ce|gallery|timeline|syntaxhighlight|source|score|hiero|"
    "imagemap|graph|mapframe|maplink|templatedata|inputbox|categorytree|includeonly|noinclude|"
    "templatestyles|indicator|phonos|styles|script|style"
)
_OPENING = re.compile(rf"<(?:!--|({_RAW})(?=[\s/>])([^<>]*)>)", re.IGNORECASE)
_CLOSING = {
    name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in _RAW.split("|") if name != "ref"
}
# A reference never holds another one: where one begins, the one before was left open.
_CLOSING["ref"] = re.compile(r"</ref\s*>|<ref(?=[\s/>])", re.IGNORECASE)

_ATTRIBUTE = r"\s+\w+\s*=\s*(?:\"[^\"\n<>]*\"?|'[^'\n<>]*'?|[^\s\"'<>/]+)"
_BROKEN_REF = re.compile(rf"</?ref(?![a-z])(?:{_ATTRIBUTE})*\s*/?>?", re.IGNORECASE)
_HTML = (
    "abbr|b|bdi|bdo|big|blockquote|br|caption|center|cite|code|col|colgroup|data|dd|del|dfn|div|dl|"
    "dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|noinclude|includeonly|onlyinclude|ol|p|poem|pre|q|"
    "rb|references|rp|rt|rtc|ruby|s|samp|section|small|span|strike|strong|sub|sup|table|tbody|td|"
    "th|thead|time|tr|translate|tt|u|ul|var|wbr|nowiki|math|gallery|source|syntaxhighlight|timeline"
    "|langconvert|languages|score|chem|ce|imagemap"
)
_TAG = re.compile(rf"</?({_HTML})(?=[\s/>])[^<>]*>", re.IGNORECASE)
_BREAKS = frozenset("br hr li dt dd tr p div blockquote center poem ul ol dl".split())
LINE_BREAK = "\u2028"

_MARKS = "[]{}|<>='*#:;_-!"
_HIDE = {ord(mark): chr(0xF0000 + ord(mark)) for mark in _MARKS}
_SHOW = {0xF0000 + ord(mark): mark for mark in _MARKS}


def without_raw_tags(text: str) -> tuple[str, bool]:
    """Wikitext without comments, references, formulas, galleries and the like; time is linear.

    What <nowiki> holds is kept, its marks hidden until show_marks. Tags go by the order in which
    they stand, as MediaWiki reads them; one that is never closed is taken away alone.

    Returns: the text, and whether something was left open.
    """
    kept: list[str] = []
    done, unclosed, lost = 0, False, set[str]()
    opening = _OPENING.search(text)
    while opening is not None:
        kept.append(text[done : opening.start()])
        name = (opening[1] or "!--").lower()
        done = opening.end()
        if not (opening[2] or "").endswith("/"):
            end = (-1, -1) if name in lost else _end_of(name, text, done)
            if end[1] < 0:
                unclosed = True
                if end[0] < 0:
                    lost.add(name)
            else:
                if name == "nowiki":
                    kept.append(text[done : end[0]].translate(_HIDE))
                done = end[1]
                if name == "!--" and text.startswith("\n", done) and _at_line_start(kept):
                    done += 1  # a comment alone in its line takes the line with it
        opening = _OPENING.search(text, done)
    kept.append(text[done:])
    return "".join(kept), unclosed


def _at_line_start(kept: list[str]) -> bool:
    return bool(kept) and kept[-1].endswith("\n")


def _end_of(name: str, text: str, start: int) -> tuple[int, int]:
    """Where the content ends and where the closing tag does.

    -1 for the tag: it is missing before the next one begins; -1 for both: there is none.
    """
    if name == "!--":
        end = text.find("-->", start)
        return end, end + 3 if end >= 0 else -1
    closing = _CLOSING[name].search(text, start)
    if closing is None:
        return -1, -1
    if closing[0][1] != "/":
        return closing.start(), -1
    return closing.start(), closing.end()


def without_tags(text: str) -> str:
    """Text without HTML tags and what is left of broken references; <br> and blocks break lines."""
    if "<" not in text:
        return text
    text = _TAG.sub(lambda tag: LINE_BREAK if tag[1].lower() in _BREAKS else "", text)
    return _BROKEN_REF.sub("", text)


def show_marks(text: str) -> str:
    """The text with what <nowiki> had hidden."""
    return text.translate(_SHOW)
