"""Paragraphs in two parts, and shards of the one that is learnt from."""

from collections.abc import Sequence
from pathlib import Path

from filbert.batch import Row
from filbert.corpus import Document
from filbert.language import split_sentences
from filbert.shards import ShardReader, write_shards
from filbert.tokenizer import Tokenizer
from race.rows import lines, numbered

_BLOCK, _EVERY, _SHORTEST = 25, 20, 10


def in_two(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(to learn from, held out): blocks of neighbours are held out, 5 % of all."""
    parts: tuple[list[str], list[str]] = [], []
    for number, text in enumerate(texts):
        parts[number // _BLOCK % _EVERY == _EVERY // 2].append(text)
    return parts


def held_out_rows(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> list[Row]:
    """A row a paragraph, cut; those of a few tokens, of which at most one is hidden, left out."""
    return numbered([r for r in lines(texts, tokenizer, max_tokens) if len(r) >= _SHORTEST])


def shards_of(
    texts: Sequence[str], tokenizer: Tokenizer, folder: Path, max_tokens: int
) -> ShardReader:
    """Each paragraph a document with its sentences."""
    documents = (
        Document(
            text,
            "benchmark",
            f"paragraph {number}",
            language="en",
            sentence_ends=[end for _, end in split_sentences(text, "en")],
        )
        for number, text in enumerate(texts)
    )
    write_shards(documents, tokenizer, folder)
    return ShardReader(folder, max_tokens=max_tokens)
