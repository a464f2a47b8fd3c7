"""What kind of character each is, for the quality rules: tables that NumPy looks up."""

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

OTHER, SPACE, LETTER, HAN, END, BRACKET, LATIN, GARBLED = range(8)

_BULLETS = "•‣◦▪▫■□●○◆◇★☆▶►"
_BULLETS_WITH_SPACE = "·*-–"
CHINESE_STOP_WORDS = "的了是在不有和与與這这為为於于以之其而也及就都我他一"
# What UTF-8 leaves when it is read as GBK (the marks "，。" and the quotes become these), and what
# GBK makes of U+FFFD.
_READ_AS_GBK = "锛銆鈥锟"


def looked_up(table: npt.NDArray[Any], codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What a table says of each code; its last place speaks for all codes behind it."""
    if codes.dtype != np.uint8 and len(table) > 1 << 16:
        codes = np.minimum(codes, len(table) - 1)
    return np.take(table, codes)


@cache
def classes() -> npt.NDArray[np.uint8]:
    """The class of each character up to U+FFFF; one more place for those behind, Chinese ones."""
    kinds = np.full(0x20001, OTHER, dtype=np.uint8)
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        if category[0] == "L" or category[0] == "M":
            kinds[code] = LETTER
        elif category[0] == "Z":
            kinds[code] = SPACE
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x20000)):
        kinds[first : last + 1] = HAN
    for characters, kind in (
        ("\t\n\r\x0b\x0c", SPACE),
        (".!?。！？；;．…", END),
        ("{}", BRACKET),
        ("\ufffd" + _READ_AS_GBK, GARBLED),
    ):
        kinds[[ord(character) for character in characters]] = kind
    kinds[0x80:0xA0] = GARBLED  # control characters of Latin-1
    kinds[0xC0:0x100] = LATIN
    return kinds


@cache
def letters() -> npt.NDArray[np.bool_]:
    """By class: whether it is one of letters."""
    kinds = np.zeros(GARBLED + 1, dtype=np.bool_)
    kinds[[LETTER, HAN, LATIN]] = True
    return kinds


@cache
def bullets() -> npt.NDArray[np.uint8]:
    """By character: 1 for a bullet, 2 for what is one if a space follows."""
    kinds = np.zeros(0x10001, dtype=np.uint8)
    kinds[[ord(mark) for mark in _BULLETS]] = 1
    kinds[[ord(mark) for mark in _BULLETS_WITH_SPACE]] = 2
    return kinds


@cache
def chinese_stop_words() -> npt.NDArray[np.uint8]:
    """By character: its number among the Chinese function words, from 1."""
    numbers = np.zeros(0x10001, dtype=np.uint8)
    for number, word in enumerate(CHINESE_STOP_WORDS, start=1):
        numbers[ord(word)] = number
    return numbers
