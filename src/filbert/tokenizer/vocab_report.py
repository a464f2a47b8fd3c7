"""What is said of a new vocabulary: lines for a terminal, and a page."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from filbert.report import Report
from filbert.tokenizer.extension import NewWord
from filbert.tokenizer.learning import Learnt
from filbert.tokenizer.measuring import MOST_CHARACTERS, Fit, Measured
from filbert.tokenizer.tokenizer import Tokenizer

_NAMES = {"all": "all", "en": "English", "zh": "Chinese", "other": "other"}
_COLUMNS: dict[str, Callable[[Fit], float]] = {
    "pieces per word": lambda fit: round(fit.pieces_per_word, 4),
    "[UNK] words, %": lambda fit: round(100 * fit.share(fit.unknown), 3),
    "words of one piece, %": lambda fit: round(100 * fit.share(fit.whole), 2),
    "characters per piece": lambda fit: round(fit.characters_per_piece, 3),
}
_WIDEST = 32
_SHOWN = 1000
_NEW_SHOWN = 100
_DRAWN = (
    "The sample is drawn from the corpus by a hash of each document, and at most the first "
    f"{MOST_CHARACTERS:,} characters of each are taken. "
)
ABOUT_SAMPLE = (
    f"{_DRAWN}All of the corpus was learnt from, the sample too: a vocabulary is measured here on "
    "text that it has seen. The others have not seen it, as far as is known."
)
ABOUT_EXTENSION_SAMPLE = (
    f"{_DRAWN}The new words were chosen from all of the corpus, the sample too."
)
ABOUT_WORDS = (
    "A word is what the tokenizer cuts at spaces and punctuation; a punctuation mark is one, and "
    "so is every Chinese character. A word that cannot be spelt is [UNK], which is one piece."
)


def describe(learnt: Learnt) -> dict[str, str | int | float]:
    """What a vocabulary was learnt from, by name."""
    facts: dict[str, str | int | float] = {
        "tokens": learnt.tokenizer.vocab_size,
        "texts": learnt.texts,
        "characters": learnt.characters,
        "words": learnt.words,
        "different words": learnt.different_words,
        "letters in the alphabet": learnt.letters,
        "letters without room": learnt.dropped_letters,
        "digest": learnt.tokenizer.digest[:12],
    }
    if learnt.dropped_words:
        facts["rare words that taught nothing"] = (
            f"{learnt.dropped_words:,} different ones that occur less than {learnt.floor} times, "
            f"{100 * learnt.dropped_share:.2f} % of the text"
        )
    if learnt.passed_over:
        facts["characters passed over"] = learnt.passed_over
    return facts


def lines(measured: Sequence[Measured]) -> Iterator[str]:
    """The table of the vocabularies, for a terminal."""
    names = [_short(one.name) for one in measured]
    width = max(map(len, names))
    for language in _languages(measured):
        fit = measured[0].fits[language]
        yield f"{_NAMES[language]}: {fit.characters:,} characters, {fit.words:,} words"
        for name, one in zip(names, measured, strict=True):
            fit = one.fits[language]
            yield (
                f"  {name:{width}}  {fit.pieces_per_word:.4f} pieces a word, "
                f"{100 * fit.share(fit.unknown):6.3f} % [UNK], "
                f"{100 * fit.share(fit.whole):5.2f} % of one piece"
            )


def write_page(path: Path, learnt: Learnt, measured: Sequence[Measured], documents: int) -> None:
    """The page: the vocabularies beside each other on a sample of `documents` texts.

    measured: the new vocabulary first.
    """
    page = Report("A vocabulary and what it makes of the text")
    page.heading("What it was learnt from")
    page.facts(describe(learnt))
    _compare(page, measured, f"{documents:,} documents. {ABOUT_SAMPLE}")
    page.write(path)


def write_extension_page(
    path: Path,
    tokenizer: Tokenizer,
    chosen: Sequence[NewWord],
    measured: Sequence[Measured],
    documents: int,
) -> None:
    """The page of a model's new words: each with the pieces that it was cut into before.

    tokenizer: as it was before. measured: as it is now, as it was, and others.
    """
    shown = chosen[:_NEW_SHOWN]
    page = Report("New words of a model and what they make of the text")
    page.heading("New words")
    page.text(
        f"{len(chosen):,} words, those first that save most pieces: how often each occurs in the "
        "corpus, times its pieces less one. Their rows begin as the mean of their pieces' rows."
    )
    page.table(
        ["word", "occurs", "pieces before"],
        [[new.word, new.count, " ".join(tokenizer.tokens(new.pieces))] for new in shown],
        caption=f"The first {len(shown):,}.",
    )
    _compare(page, measured, f"{documents:,} documents. {ABOUT_EXTENSION_SAMPLE}")
    page.write(path)


def _compare(page: Report, measured: Sequence[Measured], about: str) -> None:
    """The sections on how vocabularies fit the same sample."""
    page.heading("How it fits")
    page.text(f"{about}\n\n{ABOUT_WORDS}")
    for language in _languages(measured):
        fit = measured[0].fits[language]
        page.table(
            ["measure", *(one.name for one in measured)],
            [
                [name, *(get(one.fits[language]) for one in measured)]
                for name, get in _COLUMNS.items()
            ],
            caption=f"{_NAMES[language]}: {fit.characters:,} characters, {fit.words:,} words",
        )
        page.bars(
            {one.name: one.fits[language].pieces_per_word for one in measured},
            title=f"Pieces per word: {_NAMES[language]}",
            value="pieces",
        )
    page.heading("How words are cut")
    page.table(
        ["word", *(one.name for one in measured)],
        [
            [word, *(" ".join(one.examples.get(word, [])) for one in measured)]
            for word in measured[0].examples
        ],
        caption="Frequent words of the sample that not all of the vocabularies cut alike.",
    )
    page.heading("What is in it")
    page.table(
        ["vocabulary", "tokens that occur in the sample", "tokens"],
        [[one.name, one.used, one.vocab_size] for one in measured],
    )
    page.table(*_beside(measured, [one.longest for one in measured]), caption="Longest tokens.")
    page.heading("What it cannot spell")
    page.table(
        *_beside(measured, [one.unknown for one in measured]),
        caption="The most frequent words that are [UNK].",
    )


def _beside(
    measured: Sequence[Measured], entries: Sequence[Sequence[tuple[str, int]]]
) -> tuple[list[str], list[list[str | None]]]:
    """A table with a column for each vocabulary: texts with how often they occur in the sample."""
    columns = [[f"{text} × {count:,}" for text, count in column] for column in entries]
    rows = [list(row) for row in zip_longest(*columns)]
    return [one.name for one in measured], rows


def _languages(measured: Sequence[Measured]) -> list[str]:
    """The languages that occur; the sum of them only where there are several."""
    found = list(measured[0].fits)
    return found[1:] if len(found) == 2 else found


def _short(name: str) -> str:
    """The end of a path, which tells more than its beginning."""
    return name if len(name) <= _WIDEST else f"…{name[-_WIDEST + 1 :]}"
