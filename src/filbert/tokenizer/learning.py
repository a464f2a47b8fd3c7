"""Learning a WordPiece vocabulary, the same one every time.

Words are counted first (counting.py), then pieces are merged from the counts (merging.py). Nothing
depends on the order of the texts, the number of processes, the memory or chance.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet
from filbert.tokenizer.counting import WordCounter
from filbert.tokenizer.merging import merge_pieces
from filbert.tokenizer.rules import CONTINUING, Rules, SpecialTokens
from filbert.tokenizer.tokenizer import Tokenizer

MOST_WORDS = 500_000
"""Of how many different words pieces are learnt at most, or of 8 for each token that is asked for.

Where there are more, the rarest are left out: all that occur less often than the smallest number
with which the rest fits (Learnt.floor). That depends on the corpus and the size of the vocabulary
alone, never on the memory: learning from 500,000 words takes about 0.6 GB, however long the text.
"""


@dataclass(frozen=True)
class Learnt:
    """A new vocabulary and what it was learnt from.

    texts, characters  that were read
    words              that occurred, all counted
    different_words    how many of them are different
    floor              words that occur less often than this taught no pieces; 1: all words did
    dropped_words      how many different words those were
    dropped_share      of all occurrences
    letters            different characters in the alphabet
    dropped_letters    different characters that the alphabet has no room for; a word with one of
                       them is [UNK]
    passed_over        characters in runs too long to be words
    """

    tokenizer: Tokenizer
    texts: int
    characters: int
    words: int
    different_words: int
    floor: int
    dropped_words: int
    dropped_share: float
    letters: int
    dropped_letters: int
    passed_over: int


def learn_wordpiece(
    texts: Iterable[str],
    vocab_size: int,
    *,
    lowercase: bool = True,
    min_frequency: int = 2,
    alphabet_limit: int | None = None,
    unused: int = 0,
    specials: SpecialTokens | None = None,
    memory_bytes: int = 2**30,
    progress: Progress | None = None,
) -> Tokenizer:
    """Learn a vocabulary of at most vocab_size tokens, special tokens included.

    The result depends on the texts alone: not on their order, the number of cores, the memory or
    chance. Ids: [PAD], [unused0] and on, the other special tokens, the alphabet, the ##x (each
    sorted), then the merges as they were made. A Chinese character is a word of its own: it takes
    one place of the alphabet and needs no ##x.

    lowercase: lower-case the text and strip accents; the tokenizer keeps both rules.
    min_frequency: how often a merged pair of pieces must occur.
    alphabet_limit: how many different characters at most, the most frequent ones; words with
    others are [UNK]. None: as many as fill half of the vocabulary.
    unused: places kept free for words that may come later, as bert-base has 99 there.
    memory_bytes: what counting may take before it goes on in a temporary folder.
    Raises DataError if there is no word in the texts, SettingsError for sizes that cannot be.
    """
    specials = specials or SpecialTokens()
    check_sizes(vocab_size, min_frequency, alphabet_limit, unused, specials)
    rules = Rules(lowercase=lowercase, strip_accents=lowercase)
    with WordCounter(rules, memory_bytes=memory_bytes) as counter:
        counter.add(texts, progress)
        return learn_from_counts(
            counter,
            vocab_size,
            min_frequency=min_frequency,
            alphabet_limit=alphabet_limit,
            unused=unused,
            specials=specials,
            progress=progress,
        ).tokenizer


def learn_from_counts(
    counter: WordCounter,
    vocab_size: int,
    *,
    min_frequency: int = 2,
    alphabet_limit: int | None = None,
    unused: int = 0,
    specials: SpecialTokens | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """`learn_wordpiece` from words that were counted already; the counter is empty then."""
    specials = specials or SpecialTokens()
    check_sizes(vocab_size, min_frequency, alphabet_limit, unused, specials)
    begin = _begin(specials, unused)
    table = _Table(counter.words(), max(MOST_WORDS, 8 * vocab_size))
    if not table.words:
        raise DataError(
            "a vocabulary is learnt from text; expected words, got none"
            if not table.total
            else f"{table.different:,} different words are more than can be learnt from, and none "
            f"occurs more than {table.floor - 1} times: there is nothing to choose by"
        )
    alphabet = _alphabet(table, vocab_size - len(begin), alphabet_limit)
    known = set(alphabet)
    following = sorted(CONTINUING + letter for letter in known.intersection(table.following))
    first = [*begin, *alphabet, *following]
    if len(first) > vocab_size:
        raise SettingsError(
            f"vocab_size {vocab_size} does not hold the {len(begin)} special tokens and "
            f"{len(first) - len(begin)} pieces of single characters; "
            f"enlarge it or lower alphabet_limit"
        )
    words = {word: count for word, count in table.words.items() if known.issuperset(word)}
    with (progress or quiet()).stage("learning pieces", unit="pieces") as stage:
        # In this order ties fall as they fall in the trainer of `tokenizers`.
        merged = merge_pieces(words, [*begin, *following, *alphabet], vocab_size, min_frequency)
        stage.update(len(first) + len(merged))
    return Learnt(
        Tokenizer(first + merged, rules=counter.rules, specials=specials),
        texts=counter.texts,
        characters=counter.characters,
        words=table.total,
        different_words=table.different,
        floor=table.floor,
        dropped_words=table.different - len(table.words),
        dropped_share=1 - sum(table.words.values()) / table.total,
        letters=len(alphabet),
        dropped_letters=len(table.letters) - len(alphabet),
        passed_over=counter.passed_over,
    )


def check_sizes(
    vocab_size: int,
    min_frequency: int,
    alphabet_limit: int | None,
    unused: int,
    specials: SpecialTokens,
) -> None:
    """Refuse, before anything is counted, what cannot be. Raises SettingsError."""
    if unused < 0:
        raise SettingsError(f"unused: expected 0 or more, got {unused}")
    least = len(specials.all) + unused + 1
    if vocab_size <= least:
        raise SettingsError(f"vocab_size: expected more than {least}, got {vocab_size}")
    if min_frequency < 1:
        raise SettingsError(f"min_frequency: expected 1 or more, got {min_frequency}")
    if alphabet_limit is not None and alphabet_limit < 1:
        raise SettingsError(f"alphabet_limit: expected 1 or more, got {alphabet_limit}")


class _Table:
    """The words to learn from, and the characters of all.

    words      the most frequent ones, not more than was asked for
    floor      how often each of them occurs at least
    letters    character → how often it occurs, rare words included
    following  the characters that stand in a word behind another one
    """

    def __init__(self, words: Iterator[tuple[str, int]], most: int):
        self.words: dict[str, int] = {}
        self.floor, self.total, self.different = 1, 0, 0
        self.letters: Counter[str] = Counter()
        self.following: set[str] = set()
        for word, count in words:
            self.total += count
            self.different += 1
            for letter in word:
                self.letters[letter] += count
            self.following.update(word[1:])
            if count >= self.floor:
                self.words[word] = count
                if len(self.words) >= 2 * most:
                    self._shorten(most)
        self._shorten(most)

    def _shorten(self, most: int) -> None:
        """Raise the floor until not more than `most` words stand above it."""
        if len(self.words) <= most:
            return
        counts = sorted(self.words.values())
        # Of the words that occur just as often, all stay or all go: none is chosen by chance.
        self.floor = int(counts[-most - 1]) + 1
        self.words = {word: count for word, count in self.words.items() if count >= self.floor}


def _begin(specials: SpecialTokens, unused: int) -> list[str]:
    """[PAD], the unused places, then the other special tokens, as bert-base has them."""
    pad, *others = specials.all
    return [pad, *(f"[unused{number}]" for number in range(unused)), *others]


def _alphabet(table: _Table, room: int, limit: int | None) -> list[str]:
    """The characters to keep, sorted: the most frequent ones, ties by code point."""
    ranked = sorted(table.letters, key=lambda letter: (-table.letters[letter], letter))
    if limit is not None:
        return sorted(ranked[:limit])
    # Each takes a place, and another as ##x where it stands behind a character of its word.
    places = np.cumsum([2 if letter in table.following else 1 for letter in ranked])
    return sorted(ranked[: np.searchsorted(places, max(2, room // 2), side="right")])
