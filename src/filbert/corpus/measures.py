"""What the quality rules measure in a text, each thing at most once."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

_OTHER, _SPACE, _LETTER, _HAN, _END, _SYMBOL, _BRACKET, _LATIN, _GARBLED = range(9)
_REPETITION_CHARACTERS = 1_000_000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)

_BULLETS = (*"•‣◦▪▫■□●○◆◇★☆▶►", "· ", "* ", "- ", "– ")
_ELLIPSES = ("...", "…", "。。。", "…”", "…」", '..."', "...”")
_ENGLISH_STOP_WORDS = frozenset(
    "the be to of and that have with a in is it for was as on he she i you".split()
)
_CHINESE_STOP_WORDS = frozenset("的了是在不有和与與這这為为於于以之其而也及就都我他一")
_BOILERPLATE = (
    "enable javascript",
    "javascript is disabled",
    "javascript enabled",
    "requires javascript",
    "启用javascript",
    "启用 javascript",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "使用cookie",
    "使用 cookie",
    "privacy policy",
    "terms of use",
    "terms of service",
    "all rights reserved",
    "版权所有",
    "版權所有",
    "icp备",
    "公网安备",
    "隐私政策",
    "隱私權政策",
    "服务条款",
)
_BOILERPLATE_LINE = 300  # characters; a longer paragraph has something to say
_SHORT_WORDS, _SHORT_CHINESE = 50, 150
_FEW_LINES = 3
# What UTF-8 leaves when it is read as GBK (the marks "，。" and the quotes become these), and what
# GBK makes of U+FFFD.
_READ_AS_GBK = "锛銆鈥锟"


class Measures:
    """A text and what is counted in it."""

    def __init__(self, text: str, language: str):
        self.text = text
        self.language = language
        self._chinese = language == "zh"

    # Counted by character.

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        if self.text.isascii():
            return np.frombuffer(self.text.encode("ascii"), dtype=np.uint8).astype(np.uint32)
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

    @cached_property
    def _classes(self) -> npt.NDArray[np.uint8]:
        return np.take(_class_of(), np.minimum(self._codes, 0x20000))

    @cached_property
    def _counts(self) -> list[int]:
        counts: list[int] = np.bincount(self._classes, minlength=_GARBLED + 1).tolist()
        return counts

    @property
    def _visible(self) -> int:
        return max(1, len(self.text) - self._counts[_SPACE])

    def garbled_share(self) -> float:
        """Characters that wrong decoding leaves, of all but spaces."""
        # Accented letters are what Latin-1 makes of all other encodings; a few are in order.
        return (self._counts[_GARBLED] + self._counts[_LATIN] / 4) / self._visible

    def chinese_share(self) -> float:
        """Chinese characters of all but spaces."""
        return self._counts[_HAN] / self._visible

    def brackets_share(self) -> float:
        """Curly brackets of all but spaces; not Wikipedia's marks of Chinese variants, -{ }-."""
        brackets = self._counts[_BRACKET]
        return (brackets - 2 * self.text.count("-{") if brackets else 0) / self._visible

    def symbols_share(self) -> float:
        """Number signs and ellipses for each word or Chinese character; …… is one."""
        signs = self.text.count("#") + self.text.count("...")
        if self._counts[_SYMBOL] > signs:
            signs += self.text.count("…") - self.text.count("……")
        return signs / self._units

    def sentence_ends(self) -> float:
        """Sentence ends for each 100 words or 200 Chinese characters; infinite in short texts."""
        stretch = 200 if self._chinese else 100
        if self._units < stretch:
            return float("inf")
        return self._counts[_END] / self._units * stretch

    @property
    def _units(self) -> int:
        return max(1, self._counts[_HAN] if self._chinese else self.word_count())

    @property
    def _is_short(self) -> bool:
        """Whether there is too little text for its repetitions and lacks to say anything."""
        return self._units < (_SHORT_CHINESE if self._chinese else _SHORT_WORDS)

    # Counted by word.

    @cached_property
    def _words(self) -> list[str]:
        return self.text.split()

    def word_count(self) -> int:
        """Words, as spaces divide them."""
        return len(self._words)

    def word_length(self) -> float:
        """The mean length of a word in characters."""
        return self._visible / max(1, self.word_count())

    def letters_share(self) -> float:
        """Words with a letter in them, of all."""
        classes = self._classes
        spaces = classes == _SPACE
        starts = np.flatnonzero(~spaces & np.concatenate([[True], spaces[:-1]]))
        if not len(starts):
            return 0.0
        letters = (classes == _LETTER) | (classes == _HAN) | (classes == _LATIN)
        return float(np.logical_or.reduceat(letters, starts).mean())

    def stop_words(self) -> float:
        """How many different function words there are; infinite in short texts."""
        if self._is_short:
            return float("inf")
        if self._chinese:
            return sum(word in self.text for word in _CHINESE_STOP_WORDS)
        return len(_ENGLISH_STOP_WORDS.intersection(map(str.lower, self._words)))

    # Counted by line.

    @cached_property
    def _lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line]

    def bullets_share(self) -> float:
        """Lines that begin with a bullet, of all."""
        return self._share_of_lines(str.startswith, _BULLETS)

    def ellipsis_share(self) -> float:
        """Lines that end with an ellipsis, of all."""
        return self._share_of_lines(str.endswith, _ELLIPSES)

    def _share_of_lines(
        self, test: Callable[[str, tuple[str, ...]], bool], marks: tuple[str, ...]
    ) -> float:
        if len(self._lines) < _FEW_LINES or not any(mark in self.text for mark in marks):
            return 0.0
        return sum(test(line, marks) for line in self._lines) / len(self._lines)

    def placeholders(self) -> float:
        """How often the typesetters' placeholder stands there."""
        return self._lower.count("lorem ipsum dolor")

    @cached_property
    def _lower(self) -> str:
        return self.text.lower()

    def boilerplate_share(self) -> float:
        """Characters in lines with a phrase of the web's own, of all."""
        phrases = [phrase for phrase in _BOILERPLATE if phrase in self._lower]
        if not phrases:
            return 0.0
        found = re.compile("|".join(map(re.escape, phrases)))
        lines = [line for line in self._lower.split("\n") if len(line) <= _BOILERPLATE_LINE]
        return sum(len(line) for line in lines if found.search(line)) / max(1, len(self.text))

    def repeated_lines(self) -> tuple[float, float]:
        """Lines that stood before: their share of the lines, and of the text."""
        return _repeated(self._lines)

    def repeated_paragraphs(self) -> tuple[float, float]:
        """Paragraphs that stood before: their share of the paragraphs, and of the text."""
        if "\n\n" not in self.text:
            return 0.0, 0.0
        return _repeated(self.text.split("\n\n"))

    # Counted by runs of words, in Chinese of characters.

    @cached_property
    def _tokens(self) -> npt.NDArray[np.uint64]:
        """A number for each word or, in Chinese, for each letter and Chinese character."""
        if self._chinese:
            classes = self._classes[:_REPETITION_CHARACTERS]
            letters = (classes == _HAN) | (classes == _LETTER)
            codes: npt.NDArray[np.uint32] = self._codes[:_REPETITION_CHARACTERS][letters]
            return codes.astype(np.uint64)
        words = self._words
        if len(self.text) > _REPETITION_CHARACTERS:
            words = self.text[:_REPETITION_CHARACTERS].split()
        return np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)

    def frequent_share(self) -> float:
        """Words in the most frequent pair, or characters in the most frequent four, of all."""
        if self._is_short:
            return 0.0
        length = 4 if self._chinese else 2
        runs = np.sort(_runs(self._tokens, length))
        starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1], [True]]))
        most = int(np.diff(starts).max())
        return most * length / len(self._tokens)

    def repeated_share(self) -> float:
        """Words in runs of 5, or characters in runs of 10, that stood before, of all."""
        if self._is_short:
            return 0.0
        length = 10 if self._chinese else 5
        runs = _runs(self._tokens, length)
        ordered = np.sort(runs)
        several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if not len(several):
            return 0.0
        found = np.minimum(np.searchsorted(several, runs), len(several) - 1)
        places = np.flatnonzero(several[found] == runs)
        first = np.unique(runs[places], return_index=True)[1]
        again = np.zeros(len(self._tokens), dtype=np.bool_)
        again[np.delete(places, first)] = True
        covered = again.copy()
        for place in range(1, length):
            covered[place:] |= again[:-place]
        return float(covered.mean())


def _runs(tokens: npt.NDArray[np.uint64], length: int) -> npt.NDArray[np.uint64]:
    """A number for each run of so many tokens."""
    count = max(0, len(tokens) - length + 1)
    runs = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        runs ^= tokens[place : place + count]
        runs *= _FACTOR
        runs ^= runs >> _HALF
    return runs


def _repeated(pieces: Sequence[str]) -> tuple[float, float]:
    different = set(pieces)
    if len(different) == len(pieces):
        return 0.0, 0.0
    total = sum(map(len, pieces))
    return 1 - len(different) / len(pieces), 1 - sum(map(len, different)) / max(1, total)


@cache
def _class_of() -> npt.NDArray[np.uint8]:
    """The class of each character up to U+FFFF; one more place for those behind, Chinese ones."""
    classes = np.full(0x20001, _OTHER, dtype=np.uint8)
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        if category[0] == "L" or category[0] == "M":
            classes[code] = _LETTER
        elif category[0] == "Z":
            classes[code] = _SPACE
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x20000)):
        classes[first : last + 1] = _HAN
    for characters, kind in (
        ("\t\n\r\x0b\x0c", _SPACE),
        (".!?。！？；;．…", _END),
        ("#", _SYMBOL),
        ("{}", _BRACKET),
        ("\ufffd" + _READ_AS_GBK, _GARBLED),
    ):
        classes[[ord(character) for character in characters]] = kind
    classes[0x80:0xA0] = _GARBLED  # control characters of Latin-1
    classes[0xC0:0x100] = _LATIN
    return classes
