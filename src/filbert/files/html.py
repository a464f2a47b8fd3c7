"""HTML → the text that a reader came for."""

import re
from dataclasses import dataclass
from typing import Any

from filbert.errors import missing_extra
from filbert.files.found import Problem
from filbert.files.html_encoding import decode_page
from filbert.files.html_limits import MAX_DEPTH, MAX_PAGE_BYTES, what_is_too_much
from filbert.files.html_lists import keep_lists

_MAGIC_BYTES = (b"%PDF-", b"\x89PNG", b"GIF8", b"PK\x03\x04", b"\xff\xd8\xff", b"\x1f\x8b", b"RIFF")
# Control characters that no text has, whatever its encoding.
_CONTROLS = bytes(set(range(9)) | set(range(14, 27)) | set(range(28, 32)) | {127})
_LOOKED_AT = 1 << 16
_BINARY_PART = 0.05
_FEW_CONTROLS = 8
_CODE = re.compile("[A-Za-z]{2,3}")
# Pictures and sound with what stands in their place, and what a wiki writes for its reader.
_SKIPPED = [
    *("img", "area", "svg", "object", "video", "audio", "embed", "figcaption"),
    *(".mw-editsection", ".editsection", "sup.reference", ".mw-jump-link", "#jump-to-nav"),
    *("#siteSub", "#catlinks", "#mw-head", "#mw-panel", "#mw-navigation"),
]
# Without alt_texts resiliparse drops all of a <figure>, and some pages put their text in one.
_PLAIN = {"list_bullets": False, "alt_texts": True, "comments": False, "post_meta": False}
_MAIN: dict[str, Any] = {**_PLAIN, "skip_elements": _SKIPPED}
_ALL = {**_MAIN, "skip_elements": [*_SKIPPED, "nav", "header", "footer", "aside", "form"]}
# In East Asian text a line end is no space; <pre> keeps its lines.
_WIDE = "\u2e80-\u303f\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff60"
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_WRAPPED = re.compile(rf"(?<=[{_WIDE}])[ \t]*+\r?+\n\s*+(?=[{_WIDE}])")
_TOO_DEEP = " > ".join(["*"] * MAX_DEPTH)
# resiliparse takes a text of three bytes in UTF-8 that are not ASCII ("一", "où") for an icon and
# drops it: a noncharacter beside it keeps it, and is taken out again.
_KEEPER = "\ufdd0"
_ASCII = "[!-%'-;=?-~]"  # what can stand in a text: not &, < and >
_OTHER = r"(?:[^\x00-\x7f\s]|&#?\w{2,9};)"
_ALONE = re.compile(rf">(\s*+(?:{_ASCII}?{_OTHER}|{_OTHER}{_ASCII}))(?=\s*+<)")


@dataclass(frozen=True, slots=True)
class HtmlText:
    """What a page says.

    Attributes:
        text: the main text, a line for each block; "" where there is none.
        title: its <title>.
        language: what <html lang> says, without the region ("zh-CN" → "zh"); pages often lie.
        charset: the encoding it was read in, by Python's name.
        problem: why there is no text (lost), or what was noted (not lost): "encoding", "too deep".
    """

    text: str
    title: str | None = None
    language: str | None = None
    charset: str = "utf-8"
    problem: Problem | None = None


def html_text(raw: bytes, *, charset: str | None = None) -> HtmlText:
    """The main text of a page, found by resiliparse; never raises for what is in `raw`.

    Scripts, styles, forms, navigation, bylines and comments are left out; headings, paragraphs,
    tables (a row is a line) and lists that are no list of links are kept. A page in which no main
    text is found gives all its text but that of nav, header, footer, aside and form. What holds no
    tag at all is plain text and comes back as it is.

    The encoding is told by the byte order mark, else by being valid UTF-8, else by `charset` and
    <meta charset>, else by its look. Time and memory are bounded: pages of more than 10 MB, 300,000
    tags, 10,000 attributes in one tag or 500 formatting tags left open are not parsed, and in pages
    that nest deeper than 512 all text is taken for main text.

    Args:
        raw: the page.
        charset: what the HTTP header says of its encoding; any string.

    Kinds of problems, lost: "too large", "binary", "hostile HTML", "empty"; not lost: "encoding",
    "too deep".

    Raises ExtraError where resiliparse is not installed.
    """
    if len(raw) > MAX_PAGE_BYTES:
        said = f"expected a page of at most {MAX_PAGE_BYTES:,} bytes, got {len(raw):,}"
        return HtmlText("", problem=Problem("too large", "", said))
    if raw.startswith(_MAGIC_BYTES):
        return _binary(f"a file that begins with {raw[:8]!r}")
    text, charset, problem = decode_page(raw, charset)
    if not charset.startswith("utf-16"):
        head = raw[:_LOOKED_AT]
        controls = len(head) - len(head.translate(None, _CONTROLS))
        if controls > max(_FEW_CONTROLS, _BINARY_PART * len(head)):
            return _binary(f"{controls:,} control characters in {len(head):,} bytes")
    text = text.replace("\0", "")
    if "<" not in text:
        return _checked(HtmlText(text.strip(), charset=charset, problem=problem))
    if too_much := what_is_too_much(text):
        return HtmlText("", charset=charset, problem=Problem("hostile HTML", "", too_much))
    return _checked(_extracted(text, charset, problem))


def _binary(got: str) -> HtmlText:
    return HtmlText("", problem=Problem("binary", "", f"expected HTML, got {got}"))


def _checked(page: HtmlText) -> HtmlText:
    if page.text:
        return page
    nothing = Problem("empty", "", "expected a page with text, got one without any")
    return HtmlText("", page.title, page.language, page.charset, nothing)


def _extracted(text: str, charset: str, problem: Problem | None) -> HtmlText:
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.html import HTMLTree
    except ImportError as error:
        raise missing_extra("resiliparse", "data") from error
    if not text.isascii() or "&" in text:
        text = _ALONE.sub(rf">\1{_KEEPER}", text.replace(_KEEPER, ""))
    if _HAN.search(text) and "<pre" not in text.lower():
        text = _WRAPPED.sub("", text)
    tree = HTMLTree.parse(keep_lists(text))
    deep = text.count("<") > MAX_DEPTH and _has(tree.document, _TOO_DEEP)
    if deep and problem is None:
        said = f"expected at most {MAX_DEPTH} elements inside one another; all text was taken"
        problem = Problem("too deep", "", said, lost=False)
    found = "" if deep else extract_plain_text(tree, main_content=True, **_MAIN)
    if not found.strip():
        # With formatting, a list in a list in a list … is indented by all of them.
        found = extract_plain_text(tree, preserve_formatting=not deep, main_content=False, **_ALL)
    title = " ".join((tree.title or "").split())
    found = found.replace(_KEEPER, "").strip()
    return HtmlText(found, title or None, _language(tree.document), charset, problem)


def _has(document: Any, selector: str) -> bool:
    return document is not None and document.query_selector(selector) is not None


def _language(document: Any) -> str | None:
    root = document.query_selector("html") if document is not None else None
    if root is None:
        return None
    code = _CODE.fullmatch(
        re.split("[-_]", root.get_attribute("lang") or "", maxsplit=1)[0].strip()
    )
    return code[0].lower() if code else None
