"""Sets of texts of wished lengths, cut from running English."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filbert.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextSet:
    """Texts and their length.

    tokens  of all texts together, special tokens included
    """

    name: str
    texts: Sequence[str]
    tokens: int

    @property
    def mean(self) -> float:
        """Tokens of a text."""
        return self.tokens / len(self.texts)


def text_sets(paragraphs: Sequence[str], tokenizer: Tokenizer, tokens: int) -> list[TextSet]:
    """Short (about 25 tokens each), mixed (50, from 8 to 250) and long (185), `tokens` of each."""
    random = np.random.default_rng(1)
    many = max(16, tokens // 8)
    wishes = {
        "short": random.uniform(12, 38, many),
        "mixed": np.clip(random.lognormal(np.log(38), 0.75, many), 8, 250),
        "long": random.uniform(125, 245, many),
    }
    order = random.permutation(len(paragraphs))
    return [
        cut(
            name, [paragraphs[i] for i in np.roll(order, 1000 * number)], lengths, tokenizer, tokens
        )
        for number, (name, lengths) in enumerate(wishes.items())
    ]


def cut(
    name: str,
    paragraphs: Sequence[str],
    lengths: NDArray[np.float64],
    tokenizer: Tokenizer,
    tokens: int,
) -> TextSet:
    """Paragraph after paragraph, cut between words into texts of the wished lengths."""
    texts: list[str] = []
    total, place = 0, 0
    while total < tokens and place < len(paragraphs):
        # Several paragraphs together, so that long texts do not favour long paragraphs.
        stretch = " ".join(paragraphs[place : place + 20])
        place += 20
        encoded = tokenizer.encode(stretch, specials=False)
        begin = 0
        while total < tokens:
            end = begin + max(1, round(float(lengths[len(texts)])) - 2)
            while end < len(encoded) and encoded.word_ids[end] == encoded.word_ids[end - 1]:
                end -= 1
            if end >= len(encoded) or end <= begin:
                break
            first, last = encoded.offsets[begin][0], encoded.offsets[end - 1][1]
            texts.append(stretch[first:last])
            total += end - begin + 2
            begin = end
    return TextSet(name, texts, sum(len(tokenizer.encode(text)) for text in texts))


def texts_of(
    tokens: int, paragraphs: Sequence[str], tokenizer: Tokenizer, wanted: int
) -> list[str]:
    """Beginnings of paragraphs that are exactly so many tokens, special tokens included."""
    found = []
    for paragraph in paragraphs:
        encoded = tokenizer.encode(paragraph[: 20 * tokens], specials=False)
        if len(encoded) < tokens:
            continue
        text = paragraph[: encoded.offsets[tokens - 3][1]]
        if len(tokenizer.encode(text)) == tokens:
            found.append(text)
            if len(found) == wanted:
                break
    return found
