"""How well a vocabulary fits a text: pieces per word, [UNK], whole words, by language."""

import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from filbert.tokenizer.counting import WordCounter
from filbert.tokenizer.extension import check_wordpiece
from filbert.tokenizer.rules import CONTINUING
from filbert.tokenizer.tokenizer import Tokenizer

LANGUAGES = ("en", "zh")
"""The languages that a report tells apart; all others are "other"."""

MOST_CHARACTERS = 50_000
"""What is taken of one text of a sample."""

_EXAMPLES = 24
_LONGEST = 20


@dataclass(frozen=True, order=True)
class Sampled:
    """A text of the sample; the sample is made of the texts with the smallest numbers.

    number    a hash of the text, so that the sample depends on nothing but the corpus
    language  "en", "zh" or "other"
    """

    number: int
    text: str
    language: str


@dataclass
class Fit:
    """How a vocabulary cuts some text.

    characters  of the text
    words       occurrences, as the tokenizer cuts words: a Chinese character is one, so is a mark
    pieces      of all words; an [UNK] is one
    unknown     occurrences of words that are [UNK]
    whole       occurrences of words that are one piece, [UNK] not counted
    """

    characters: int = 0
    words: int = 0
    pieces: int = 0
    unknown: int = 0
    whole: int = 0

    @property
    def pieces_per_word(self) -> float:
        """Pieces per word; 0 where there is no word."""
        return self.pieces / self.words if self.words else 0.0

    @property
    def characters_per_piece(self) -> float:
        """Characters of the text, spaces too, for each piece; 0 where there is none."""
        return self.characters / self.pieces if self.pieces else 0.0

    def share(self, number: int) -> float:
        """A number of words as a share of all; 0 where there is no word."""
        return number / self.words if self.words else 0.0


@dataclass
class Measured:
    """A vocabulary on a sample of texts.

    fits        by language, "all" first; a language that does not occur has none
    used        how many of the tokens occur
    longest     the longest tokens of the vocabulary, ## not counted, with how often each occurs
    unknown     the most frequent words that are [UNK], with their numbers
    examples    frequent long words with the pieces that they are cut into
    """

    name: str
    vocab_size: int
    lowercase: bool
    fits: dict[str, Fit]
    used: int = 0
    longest: list[tuple[str, int]] = field(default_factory=list)
    unknown: list[tuple[str, int]] = field(default_factory=list)
    examples: dict[str, list[str]] = field(default_factory=dict)


def language_of(said: str | None, chinese: bool) -> str:
    """The language of a report that a text belongs to.

    said: what the corpus says of it. chinese: whether it looks so, where the corpus says nothing.
    """
    if said is None:
        return "zh" if chinese else "en"
    return said if said in LANGUAGES else "other"


def sample(texts: Iterable[tuple[str, str]], most: int) -> list[Sampled]:
    """`most` texts drawn by a hash of the text: the same ones in whatever order they come.

    texts: (text, language); of a long one only the beginning is kept (MOST_CHARACTERS). The sample
    of a corpus is that of the samples of its parts (join_samples).
    """
    return heapq.nsmallest(
        most,
        (
            Sampled(zlib.crc32(text.encode("utf-8")), text[:MOST_CHARACTERS], language)
            for text, language in texts
        ),
    )


def join_samples(samples: Iterable[Sequence[Sampled]], most: int) -> list[Sampled]:
    """The sample of a corpus from those of its parts."""
    return heapq.nsmallest(most, chain.from_iterable(samples))


def measure(
    tokenizer: Tokenizer,
    name: str,
    texts: Sequence[Sampled],
    examples: Sequence[str] = (),
) -> Measured:
    """How a WordPiece vocabulary fits a sample of texts.

    examples: words to show the pieces of. Raises SettingsError for another kind of tokenizer.
    """
    check_wordpiece(tokenizer)
    fits = {"all": Fit()}
    used: Counter[int] = Counter()
    unknown: Counter[str] = Counter()
    for language in (*LANGUAGES, "other"):
        mine = [one.text for one in texts if one.language == language]
        if mine:
            fits[language] = _fit(tokenizer, mine, used, unknown)
            for field_name, value in vars(fits[language]).items():
                setattr(fits["all"], field_name, getattr(fits["all"], field_name) + value)
    tokens = tokenizer.tokens(range(tokenizer.vocab_size))
    ordinary = set(tokenizer.ordinary_ids.tolist())
    longest = sorted(
        ((len(token.removeprefix(CONTINUING)), token, number) for number, token in enumerate(tokens)
         if number in ordinary),
        key=lambda entry: (-entry[0], entry[1]),
    )  # fmt: skip
    return Measured(
        name=name,
        vocab_size=tokenizer.vocab_size,
        lowercase=tokenizer.lowercase,
        fits=fits,
        used=len(ordinary & used.keys()),
        longest=[(token, used[number]) for _, token, number in longest[:_LONGEST]],
        unknown=sorted(unknown.items(), key=lambda entry: (-entry[1], entry[0]))[:_EXAMPLES],
        examples={
            word: tokenizer.tokens(ids)
            for word, ids in zip(examples, tokenizer.ids_batch(examples), strict=True)
        },
    )


def _fit(
    tokenizer: Tokenizer, texts: Sequence[str], used: Counter[int], unknown: Counter[str]
) -> Fit:
    """The fit to the texts of one language; tokens and unknown words are counted on the way."""
    counter = WordCounter(tokenizer.rules)
    counter.add(texts)
    counts: Mapping[str, int] = dict(counter.words())
    fit = Fit(
        characters=counter.characters,
        words=counter.too_long,
        pieces=counter.too_long,
        unknown=counter.too_long,
    )
    unk = tokenizer.special_ids.unk
    for (word, count), ids in zip(counts.items(), tokenizer.ids_batch(list(counts)), strict=True):
        pieces = ids.tolist()
        fit.words += count
        fit.pieces += count * len(pieces)
        if unk in pieces:
            fit.unknown += count
            unknown[word] += count
        elif len(pieces) == 1:
            fit.whole += count
        for piece in pieces:
            used[piece] += count
    return fit


def telling_words(tokenizers: Sequence[Tokenizer], texts: Sequence[Sampled]) -> list[str]:
    """Words of the sample that show how vocabularies differ, the most frequent first.

    Words of five letters and more that not all of them cut alike, or, of one vocabulary alone, that
    it cuts.
    """
    counter = WordCounter(tokenizers[0].rules)
    counter.add(one.text for one in texts)
    ranked = sorted(
        ((count, word) for word, count in counter.words() if len(word) >= 5 and word.isalpha()),
        key=lambda entry: (-entry[0], entry[1]),
    )[:5_000]
    words = [word for _, word in ranked]
    cuts = [[tuple(t.tokens(ids)) for ids in t.ids_batch(words)] for t in tokenizers]
    telling = []
    for word, *ways in zip(words, *cuts, strict=True):
        pieces = np.array([len(way) for way in ways])
        if pieces.max() > 1 and (len(ways) == 1 or len(set(ways)) > 1):
            telling.append(word)
    return telling[:_EXAMPLES]
