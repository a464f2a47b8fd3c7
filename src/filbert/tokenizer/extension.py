"""New words for a vocabulary that has been learnt already: which ones, and how they are added."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from filbert.errors import DataError, SettingsError
from filbert.tokenizer.rules import LONGEST_WORD
from filbert.tokenizer.tokenizer import Tokenizer

_AT_ONCE = 10_000  # words that are cut at once


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word that a vocabulary lacks.

    count   how often it occurs
    pieces  the ids of the pieces that it is cut into today; [UNK] alone where it cannot be spelt
    """

    word: str
    count: int
    pieces: tuple[int, ...]


def choose_words(
    tokenizer: Tokenizer,
    words: Iterable[tuple[str, int]],
    most: int,
    *,
    min_count: int = 5,
    least_pieces: int = 2,
) -> list[NewWord]:
    """The words that are worth most as tokens of their own, the best first.

    A word is worth as many tokens as it saves: its count · (pieces − 1). One that is [UNK] today (a
    Chinese character that the vocabulary lacks, say) is worth its count. Ties: by the letters of
    the word. Words without a letter (numbers, signs) are not considered, and none is chosen with
    which another word of the text could no longer be spelt: WordPiece takes the longest beginning.

    words: every word of the text with its number (WordCounter.words), under the tokenizer's rules.
    most: how many words at most. min_count: how often a word must occur.
    least_pieces: into how many pieces it must be cut today.
    Raises SettingsError for numbers that cannot be and for a tokenizer that is no WordPiece,
    DataError where no word is worth it.
    """
    for name, value, least in (
        ("words", most, 1),
        ("min_count", min_count, 1),
        ("least_pieces", least_pieces, 2),
    ):
        if value < least:
            raise SettingsError(f"{name}: expected {least} or more, got {value}")
    check_wordpiece(tokenizer)
    unknown = tokenizer.special_ids.unk
    found: list[tuple[int, NewWord]] = []
    spelt: set[str] = set()
    for word, count, pieces in _cut(tokenizer, words):
        if unknown not in pieces:
            spelt.add(word)
        if count < min_count or not any(letter.isalpha() for letter in word):
            continue
        if unknown in pieces:
            found.append((count, NewWord(word, count, (unknown,))))
        elif len(pieces) >= least_pieces:
            found.append((count * (len(pieces) - 1), NewWord(word, count, pieces)))
    found.sort(key=lambda entry: (-entry[0], entry[1].word))
    ranked = [new for _, new in found]
    if not ranked:
        raise DataError(
            f"none of the words of this text is worth a token of its own: expected one that occurs "
            f"{min_count} times or more and is cut into {least_pieces} pieces or more, or is [UNK]"
        )
    return _harmless(tokenizer, ranked, most, spelt)


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """The same tokenizer with more whole words; all ids stay, the new ones follow in this order.

    Raises SettingsError for a tokenizer that is no WordPiece and for a word that is no word under
    its rules, or that it has already.
    """
    check_wordpiece(tokenizer)
    tokens = tokenizer.tokens(range(tokenizer.vocab_size))
    known = set(tokens)
    for word in words:
        if word in known:
            raise SettingsError(f"new word {word!r:.120}: the vocabulary has it already")
        known.add(word)
    for word, pieces in zip(words, tokenizer.encode_batch(words, specials=False), strict=True):
        if not word or len(word) > LONGEST_WORD or set(pieces.word_ids.tolist()) != {0}:
            raise SettingsError(
                f"new word {word!r:.120}: expected one word of at most {LONGEST_WORD} characters, "
                "as the tokenizer cuts them"
            )
    grown = Tokenizer(
        [*tokens, *words],
        rules=tokenizer.rules,
        specials=tokenizer.specials,
        added=tokenizer.added,
    )
    for word, new in zip(words, grown.encode_batch(words, specials=False), strict=True):
        if len(new) != 1:
            raise SettingsError(
                f"new word {word!r:.120}: is not what the tokenizer makes of it; expected its "
                f"normal form ({'lower case' if tokenizer.lowercase else 'as it is written'})"
            )
    return grown


def check_wordpiece(tokenizer: Tokenizer) -> None:
    """Raise SettingsError for a tokenizer that is no WordPiece."""
    if not tokenizer.is_wordpiece:
        raise SettingsError(
            "expected a WordPiece vocabulary (BERT, DistilBERT, MiniLM, …); this tokenizer is of "
            "another kind, to which no words are added"
        )


def _cut(
    tokenizer: Tokenizer, words: Iterable[tuple[str, int]]
) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Words with the ids of their pieces."""

    def cut(some: Mapping[str, int]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        ids = tokenizer.ids_batch(list(some))
        for (word, count), pieces in zip(some.items(), ids, strict=True):
            yield word, count, tuple(pieces.tolist())

    waiting: dict[str, int] = {}
    for word, count in words:
        waiting[word] = count
        if len(waiting) == _AT_ONCE:
            yield from cut(waiting)
            waiting = {}
    yield from cut(waiting)


def _harmless(
    tokenizer: Tokenizer, ranked: list[NewWord], most: int, spelt: set[str]
) -> list[NewWord]:
    """The first ones with which all words that can be spelt today still can."""
    refused: set[str] = set()
    while True:
        chosen = [new for new in ranked if new.word not in refused][:most]
        names = {new.word for new in chosen}
        grown = with_words(tokenizer, [new.word for new in chosen])
        unknown = tokenizer.special_ids.unk
        # What no new word begins is cut as before.
        touched = [word for word in sorted(spelt) if _beginning(word, names)]
        broken = {
            _beginning(word, names)
            for word, ids in zip(touched, grown.ids_batch(touched), strict=True)
            if unknown in ids
        }
        if not broken:
            return chosen
        refused |= broken


def _beginning(word: str, names: set[str]) -> str:
    """The longest of some words that this one begins with and goes on behind; "" if none."""
    return next((word[:end] for end in range(len(word) - 1, 0, -1) if word[:end] in names), "")
