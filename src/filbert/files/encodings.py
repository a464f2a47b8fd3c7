"""Which encoding a text is in, and its lines decoded: nothing that can be read is given up."""

import codecs
import itertools
import re
from typing import Literal

from filbert.files.found import Problem

Coding = Literal["utf-8", "gb18030", "utf-16-le", "utf-16-be"]
HEAD_BYTES = 1 << 20
"""By how many bytes from the beginning of a file its encoding is told."""

# The characters that stand most often in any modern Chinese text, simplified. A third to a half of
# a text are of them; of text in another encoding (Korean, Cyrillic) that happens to be valid
# GB18030, a twentieth.
_OFTEN = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
    "前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很"
    "最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度"
    "门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电"
    "数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马"
    "科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万"
    "取拉格望觉术领共确传师观清今切院让识候带导争运"
)
_MANY = 0.15
"""What part of the Chinese characters must be of those before bytes are taken for GB18030."""
_FEW = 4
"""Fewer Chinese characters than this in a line say nothing about its encoding."""
_ENOUGH = 10_000
"""So many Chinese characters say what there is to say."""
_CHINESE = re.compile("[\u4e00-\u9fff]")
_BAD_PART = 0.25
"""A head of which more is invalid is no text; of European languages in Latin-1 a tenth is."""
_UTF16_PART = 0.9


def coding_of(head: bytes) -> Coding | None:
    """The encoding of a text by its first HEAD_BYTES bytes; None for what is no text.

    UTF-16 and UTF-8 are told by their byte order mark, or by what they decode to; GB18030 (with
    GBK and GB2312 in it) where the bytes are not UTF-8 and give common Chinese characters.
    """
    marked = _by_mark(head)
    if marked is not None:
        return None if marked == "utf-32" else marked
    if b"\0" in head:
        return _unmarked_utf16(head)
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)  # may end in a character
    bad = text.count("\ufffd")
    if not bad:
        return "utf-8"
    if _reads_as_chinese(head):
        return "gb18030"
    return "utf-8" if bad <= _BAD_PART * len(text) or _is_mixed(head) else None


def decode_line(raw: bytes, coding: Coding, place: str, at: int) -> tuple[str, Problem | None]:
    """A line as text, and what was wrong with it.

    A line in another encoding than the file's (UTF-8 or GB18030) is read in its own. What cannot
    be decoded becomes U+FFFD; a line with zero bytes is no text ("" with a problem of kind
    "binary", lost).

    Args:
        raw: the bytes of the line.
        coding: the encoding of the file.
        place: where the line is, for the problem.
        at: the offset of the line in the file, for the problem.
    """
    text, problem = _read(raw, coding, place, at)
    if "\0" in text:
        return "", Problem("binary", place, "expected text, got a line with zero bytes")
    return text, problem


def whole_characters(raw: bytes, coding: Coding) -> bytes:
    """Bytes that were cut off anywhere, without the character that is not whole."""
    codec = codecs.getincrementaldecoder(coding)("replace")
    codec.decode(raw)
    left = codec.getstate()[0]
    return raw[: len(raw) - len(left)] if left else raw


def _read(raw: bytes, coding: Coding, place: str, at: int) -> tuple[str, Problem | None]:
    text = _decoded(raw, coding)
    if text is not None and (coding != "gb18030" or raw.isascii() or _is_chinese(text, 1)):
        return text, None
    if coding == "utf-8":
        other = _decoded(raw, "gb18030")
        if other is not None and _is_chinese(other, _FEW):
            said = "expected UTF-8, got a line that reads as GB18030; it was read so"
            return other, Problem("encoding", place, said, lost=False)
    if coding == "gb18030":
        text = _decoded(raw, "utf-8") or text
        if text is not None:
            return text, None
    return _replaced(raw, coding, place, at)


def _decoded(raw: bytes, coding: Coding) -> str | None:
    try:
        return raw.decode(coding)
    except UnicodeDecodeError:
        return None


def _is_chinese(text: str, least: int) -> bool:
    chinese = [match[0] for match in itertools.islice(_CHINESE.finditer(text), _ENOUGH)]
    often = sum(character in _OFTEN for character in chinese)
    return len(chinese) >= least and often >= _MANY * len(chinese)


def _reads_as_chinese(head: bytes) -> bool:
    """Whether nearly all of the head is valid GB18030 and common Chinese."""
    text = codecs.getincrementaldecoder("gb18030")("replace").decode(head)
    return text.count("\ufffd") <= 0.01 * len(text) and _is_chinese(text, _FEW)


def _is_mixed(head: bytes) -> bool:
    """Whether nearly all lines are text, each in one of the two encodings: files joined to one."""
    lines = [line for line in head.split(b"\n") if line.strip()]
    read = (_read(line, "utf-8", "", 0) for line in lines)
    return sum("\ufffd" not in text for text, _ in read) >= (1 - _BAD_PART) * len(lines)


def _by_mark(head: bytes) -> Literal["utf-8", "utf-16-le", "utf-16-be", "utf-32"] | None:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    return "utf-8" if head.startswith(codecs.BOM_UTF8) and b"\0" not in head else None


def _unmarked_utf16(head: bytes) -> Coding | None:
    """UTF-16 without a mark: in one of the two orders nearly all of it are common characters."""
    best: Coding | None = None
    most = _UTF16_PART
    for coding in ("utf-16-le", "utf-16-be"):
        text = codecs.getincrementaldecoder(coding)("replace").decode(head)
        usual = sum(map(_is_usual, text[:4096])) / max(1, len(text[:4096]))
        if usual >= most:
            best, most = coding, usual
    return best


def _is_usual(character: str) -> bool:
    return (
        "\t" <= character <= "\r"
        or " " <= character <= "~"
        or character in _OFTEN
        or ("\u4e00" <= character <= "\u9fff" or "\u3000" <= character <= "\u3002")
    )


def _replaced(raw: bytes, coding: Coding, place: str, at: int) -> tuple[str, Problem]:
    start = 0
    try:
        raw.decode(coding)
    except UnicodeDecodeError as error:
        start = error.start
    name = coding.upper()
    said = (
        f"expected {name}, got the byte 0x{raw[start]:02x} at byte {at + start:,}; what is no "
        f"{name} became U+FFFD"
    )
    return raw.decode(coding, "replace"), Problem("encoding", place, said, lost=False)
