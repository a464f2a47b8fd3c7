"""What the quality rules measure in texts, each thing at most once, for a batch of texts at a time.

A web page has a few thousand characters and NumPy takes a microsecond for each call: text by text
the calls would take longer than the counting. So the texts of a batch lie one behind the other in
one array, and a measure is an array with a number for each text.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from filbert.corpus.boilerplate import ANCHORS, CHINESE_ANCHORS, boilerplate_share
from filbert.corpus.character_classes import (
    BRACKET,
    CHINESE_STOP_WORDS,
    END,
    GARBLED,
    HAN,
    LATIN,
    LETTER,
    SPACE,
    bullets,
    chinese_stop_words,
    classes,
    letters,
    looked_up,
)
from filbert.corpus.word_hashes import (
    HASH_BITS,
    SLOT,
    Hashes,
    Mask,
    Places,
    hash_runs,
    hash_words,
    stood_before,
    stop_word_hashes,
)

Values: TypeAlias = npt.NDArray[np.float64]
"""A number for each text: [texts]."""

_REPETITION_CHARACTERS = 1_000_000
_NEWLINE, _NUMBER_SIGN, _POINT, _ELLIPSIS = map(ord, "\n#.…")

_ELLIPSIS_CLOSING = '”」"'
_PLACEHOLDER = "lorem ipsum dolor"
_SHORT_WORDS, _SHORT_CHINESE = 50, 150
_FEW_LINES = 3


class Measures:
    """Texts in normal form, all of them Chinese or none, and what is counted in them."""

    def __init__(self, texts: Sequence[str], *, chinese: bool):
        self.texts = texts
        self.chinese = chinese

    # Counted by character.

    @cached_property
    def lengths(self) -> Values:
        """Characters."""
        return self._lengths.astype(np.float64)

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        return np.fromiter(map(len, self.texts), np.int64, len(self.texts))

    @cached_property
    def _bounds(self) -> npt.NDArray[np.int64]:
        """Where each text begins in the batch, in which a line end stands before each text."""
        return np.concatenate([[1], 1 + np.cumsum(self._lengths + 1)])

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint32]:
        joined = "\n".join(["", *self.texts, ""])
        if joined.isascii():
            return np.frombuffer(joined.encode("ascii"), dtype=np.uint8)
        return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")

    @cached_property
    def _classes(self) -> npt.NDArray[np.uint8]:
        return looked_up(classes(), self._codes)

    def _per_text(self, mask: Mask) -> Values:
        """How many characters of each text have something."""
        counts: Values = np.add.reduceat(mask, self._bounds[:-1], dtype=np.int64)
        return counts.astype(np.float64)

    def _per_text_of(self, places: Places) -> Values:
        """How many of these places, rising, lie in each text."""
        return np.diff(np.searchsorted(places, self._bounds)).astype(np.float64)

    @cached_property
    def _han(self) -> Values:
        return self._per_text(self._classes == HAN)

    @cached_property
    def _spaces(self) -> Mask:
        spaces: Mask = self._classes == SPACE
        return spaces

    @cached_property
    def _visible(self) -> Values:
        # The line end behind each text is in its stretch.
        return np.maximum(1, self._lengths + 1 - self._per_text(self._spaces))

    def garbled_share(self) -> Values:
        """Characters that wrong decoding leaves, of all but spaces."""
        # Accented letters are what Latin-1 makes of all other encodings; a few are in order.
        garbled = self._per_text(self._classes == GARBLED)
        return (garbled + self._per_text(self._classes == LATIN) / 4) / self._visible

    def chinese_share(self) -> Values:
        """Chinese characters of all but spaces."""
        return self._han / self._visible

    def brackets_share(self) -> Values:
        """Curly brackets of all but spaces; not Wikipedia's marks of Chinese variants, -{ }-."""
        brackets = self._per_text(self._classes == BRACKET)
        for text in np.flatnonzero(brackets).tolist():
            brackets[text] -= 2 * self.texts[text].count("-{")
        return brackets / self._visible

    def symbols_share(self) -> Values:
        """Number signs and ellipses for each word or Chinese character; …… is one."""
        signs = self._per_text(self._codes == _NUMBER_SIGN)
        points = self._codes == _POINT
        three = points[2:] & points[1:-1] & points[:-2]
        for text in np.flatnonzero(self._per_text_of(np.flatnonzero(three))).tolist():
            signs[text] += self.texts[text].count("...")
        for text in np.flatnonzero(self._per_text(self._codes == _ELLIPSIS)).tolist():
            signs[text] += self.texts[text].count("…") - self.texts[text].count("……")
        return signs / self._units

    def sentence_ends(self) -> Values:
        """Sentence ends for each 100 words or 200 Chinese characters; infinite in short texts."""
        stretch = 200 if self.chinese else 100
        ends = self._per_text(self._classes == END) / self._units * stretch
        return np.where(self._units < stretch, np.inf, ends)

    @cached_property
    def _units(self) -> Values:
        return np.maximum(1, self._han if self.chinese else self.word_count())

    @cached_property
    def _is_short(self) -> Mask:
        """Whether there is too little text for its repetitions and lacks to say anything."""
        return self._units < (_SHORT_CHINESE if self.chinese else _SHORT_WORDS)

    # Counted by word.

    @cached_property
    def _word_starts(self) -> Places:
        return np.flatnonzero(self._spaces[:-1] > self._spaces[1:]) + 1

    def word_count(self) -> Values:
        """Words, as spaces divide them."""
        return self._per_text_of(self._word_starts)

    def word_length(self) -> Values:
        """The mean length of a word in characters."""
        return self._visible / np.maximum(1, self.word_count())

    def letters_share(self) -> Values:
        """Words with a letter in them, of all."""
        starts = self._word_starts
        if not len(starts):
            return np.zeros(len(self.texts))
        with_letter = np.logical_or.reduceat(looked_up(letters(), self._classes), starts)
        return self._per_text_of(starts[with_letter]) / np.maximum(1, self.word_count())

    def stop_words(self) -> Values:
        """How many different function words there are; infinite in short texts.

        Of a text of more than a million characters the first million are looked at.
        """
        if self.chinese:
            found = looked_up(chinese_stop_words(), self._codes)
            places = np.flatnonzero(found)
            which, texts = found[places], np.searchsorted(self._bounds, places, "right") - 1
        else:
            slots, words, numbers = stop_word_hashes()
            hashes, texts = self._tokens
            nearest = slots[hashes & SLOT]
            equal = words[nearest] == hashes
            which, texts = numbers[nearest[equal]], texts[equal]
        seen = np.zeros((len(self.texts), 1 + len(CHINESE_STOP_WORDS)), dtype=np.bool_)
        seen[texts, which] = True
        return np.where(self._is_short, np.inf, seen.sum(axis=1))

    # Counted by line.

    @cached_property
    def _line_ends(self) -> tuple[Places, Places]:
        """The places of the first and of the last character of each line that is not empty."""
        ends = np.flatnonzero(self._codes == _NEWLINE)
        first, last = ends[:-1] + 1, ends[1:] - 1
        return first[first <= last], last[first <= last]

    def bullets_share(self) -> Values:
        """Lines that begin with a bullet, of all."""
        first, _ = self._line_ends
        kinds = looked_up(bullets(), self._codes[first])
        return self._share_of_lines(
            (kinds == 1) | ((kinds == 2) & (self._codes[first + 1] == ord(" ")))
        )

    def ellipsis_share(self) -> Values:
        """Lines that end with an ellipsis, of all; a quotation mark may follow it."""
        _, last = self._line_ends
        at = last - np.isin(self._codes[last], [ord(mark) for mark in _ELLIPSIS_CLOSING])
        end = self._codes[at]
        three = (end == self._codes[at - 1]) & (end == self._codes[at - 2])
        dots = (end == _POINT) | (end == ord("。"))
        return self._share_of_lines((end == _ELLIPSIS) | (dots & three))

    def _share_of_lines(self, mask: Mask) -> Values:
        first, _ = self._line_ends
        lines = self._per_text_of(first)
        share = self._per_text_of(first[mask]) / np.maximum(1, lines)
        return np.where(lines < _FEW_LINES, 0.0, share)

    @cached_property
    def _small(self) -> list[bytes]:
        """The texts as UTF-8, the letters from A to Z small."""
        return [text.encode("utf-8", "surrogatepass").lower() for text in self.texts]

    def _texts_with(self, phrases: Sequence[str]) -> set[int]:
        """The numbers of the texts that hold one of these phrases."""
        joined = b"\n".join(self._small)
        bounds = np.cumsum([len(text) + 1 for text in self._small])
        found = set()
        for phrase in phrases:
            wanted = phrase.encode()
            place = joined.find(wanted)
            while place >= 0:
                text = int(np.searchsorted(bounds, place, "right"))
                found.add(text)
                place = joined.find(wanted, int(bounds[text]))
        return found

    def placeholders(self) -> Values:
        """How often the typesetters' placeholder stands there."""
        counts = np.zeros(len(self.texts))
        for text in self._texts_with([_PLACEHOLDER]):
            counts[text] = self._small[text].count(_PLACEHOLDER.encode())
        return counts

    def boilerplate_share(self) -> Values:
        """Characters in lines with a phrase of the web's own, of all."""
        shares = np.zeros(len(self.texts))
        anchors = (*ANCHORS, *CHINESE_ANCHORS) if self._han.any() else ANCHORS
        for text in self._texts_with(anchors):
            shares[text] = boilerplate_share(self.texts[text])
        return shares

    @cached_property
    def _repeated_lines(self) -> Values:
        shares = np.zeros((len(self.texts), 2))
        for number, text in enumerate(self.texts):
            lines = text.split("\n")
            if len(set(lines)) < len(lines):
                shares[number] = _repeated([line for line in lines if line])
        return shares

    def repeated_lines(self) -> tuple[Values, Values]:
        """Lines that stood before: their share of the lines, and of the text."""
        return self._repeated_lines[:, 0], self._repeated_lines[:, 1]

    @cached_property
    def _repeated_paragraphs(self) -> Values:
        shares = np.zeros((len(self.texts), 2))
        # Where no line stands twice, no paragraph does.
        for number in np.flatnonzero(self._repeated_lines[:, 0]).tolist():
            shares[number] = _repeated(self.texts[number].split("\n\n"))
        return shares

    def repeated_paragraphs(self) -> tuple[Values, Values]:
        """Paragraphs that stood before: their share of the paragraphs, and of the text."""
        return self._repeated_paragraphs[:, 0], self._repeated_paragraphs[:, 1]

    # Counted by runs of words, in Chinese of characters.

    @cached_property
    def _tokens(self) -> tuple[Hashes, Places]:
        """A number for each word or, in Chinese, for each letter and Chinese character; the texts.

        Of a text of more than a million characters, those in the first million.
        """
        if self.chinese:
            wanted = (self._classes == HAN) | (self._classes == LETTER)
            for text in np.flatnonzero(self._lengths > _REPETITION_CHARACTERS).tolist():
                start, end = self._bounds[text : text + 2]
                wanted[start + _REPETITION_CHARACTERS : end] = False
            places = np.flatnonzero(wanted)
        else:
            places = self._word_starts
        counts = np.diff(np.searchsorted(places, self._bounds))
        texts = np.repeat(np.arange(len(self.texts)), counts)
        if self._lengths.max(initial=0) > _REPETITION_CHARACTERS:
            near = places - self._bounds[texts] < _REPETITION_CHARACTERS
            places, texts = places[near], texts[near]
        if self.chinese:
            return self._codes[places].astype(np.uint64), texts
        return hash_words(self._codes, self._spaces, places), texts

    def _runs(self, length: int) -> tuple[Hashes, Places]:
        return hash_runs(*self._tokens, length)

    @cached_property
    def _token_count(self) -> Values:
        counts: Values = np.bincount(self._tokens[1], minlength=len(self.texts)).astype(np.float64)
        return np.maximum(1, counts)

    def frequent_share(self) -> Values:
        """Words in the most frequent pair, or characters in the most frequent four, of all."""
        length = 4 if self.chinese else 2
        most = np.zeros(len(self.texts))
        runs, _ = self._runs(length)
        if len(runs):
            runs.sort()
            starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
            counts = np.diff(starts, append=len(runs))
            texts = (runs[starts] >> HASH_BITS).astype(np.intp)
            first = np.flatnonzero(np.concatenate([[True], texts[1:] != texts[:-1]]))
            most[texts[first]] = np.maximum.reduceat(counts, first)
        return np.where(self._is_short, 0.0, most * length / self._token_count)

    def repeated_share(self) -> Values:
        """Words in runs of 5, or characters in runs of 10, that stood before, of all."""
        length = 10 if self.chinese else 5
        runs, places = self._runs(length)
        again = places[stood_before(runs)]
        if not len(again):
            return np.zeros(len(self.texts))
        tokens, texts = self._tokens
        first = np.zeros(len(tokens), dtype=np.bool_)
        first[again] = True
        covered = first.copy()
        for place in range(1, length):
            covered[place:] |= first[:-place]
        counts = np.bincount(texts[covered], minlength=len(self.texts))
        return np.where(self._is_short, 0.0, counts / self._token_count)


def _repeated(pieces: Sequence[str]) -> tuple[float, float]:
    different = set(pieces)
    if len(different) == len(pieces):
        return 0.0, 0.0
    total = sum(map(len, pieces))
    return 1 - len(different) / len(pieces), 1 - sum(map(len, different)) / max(1, total)
