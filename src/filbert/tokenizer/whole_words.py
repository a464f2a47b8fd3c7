"""Which tokens make a whole word: English by pieces, Chinese by a segmenter.

BERT cuts Chinese into characters, so that pieces of a word are not marked there (机 器 学 习). A
segmenter finds the words (机器 学习), and the tokens are told which of them they belong to.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError
from filbert.language import split_words
from filbert.tokenizer.marks import is_chinese
from filbert.tokenizer.tokenizer import Encoded, Tokenizer

_NONE = -1


def whole_words(text: str, encoded: Encoded) -> NDArray[np.int32]:
    """The word that each token of a text belongs to: int32 [tokens], counted from 0.

    Pieces belong to their word as the tokenizer cuts words (don ' t are three), Chinese characters
    to the word that the segmenter finds, and a punctuation mark is a word of its own. -1 for [CLS]
    and [SEP] that were added. The characters of a word are those between the offsets of its first
    token and of its last.

    encoded: what the tokenizer made of `text` alone. Raises DataError for a pair of texts,
    ExtraError where Chinese comes and rjieba is not installed.
    """
    if encoded.segments.any() or (np.diff(encoded.word_ids[encoded.word_ids >= 0]) < 0).any():
        raise DataError("whole words are found in one text; got the tokens of a pair")
    if len(encoded) and int(encoded.offsets.max()) > len(text):
        raise DataError(
            f"whole words: a token ends at character {int(encoded.offsets.max()):,}, but the text "
            f"has {len(text):,}: these are the tokens of another text"
        )
    offsets = encoded.offsets.tolist()
    chinese = np.array([is_chinese(text[start:end]) for start, end in offsets], np.bool_)
    return _joined(encoded.word_ids, encoded.offsets[:, 0], chinese, split_words(text))


def whole_words_of_ids(
    tokenizer: Tokenizer,
    token_ids: Iterable[int] | NDArray[np.integer],
    ends: NDArray[np.integer] | None = None,
) -> NDArray[np.int32]:
    """The same from token ids alone, where the text is not kept (shards): int32 [tokens].

    The pieces are put together to a text again, Chinese characters without spaces, and that is cut
    into words. -1 for every special token, [UNK] too; words do not go on across one. Chinese words
    that a space or a line end parted in the text cannot be told from one; otherwise it is what
    `whole_words` says. In other kinds than WordPiece the tokens alone say where words begin.

    ends: where each of several sequences that lie end to end ends, as in a Packed; none of their
    words goes on in the next one. Many short ones are quicker together than one by one.

    Raises DataError for an id outside the vocabulary, ExtraError as `whole_words`.
    """
    ids = np.asarray(
        token_ids if isinstance(token_ids, np.ndarray) else list(token_ids), np.int64
    ).reshape(-1)
    if not len(ids):
        return np.empty(0, np.int32)
    if ids.min() < 0 or ids.max() >= tokenizer.vocab_size:
        tokenizer.tokens(ids)  # which says what is wrong
    special = tokenizer.is_special[ids]
    # A piece goes on with what stands before it, unless that is no word.
    cut = np.r_[True, special[:-1]]
    cuts = np.zeros(0, np.int64) if ends is None else np.asarray(ends, np.int64)
    cuts = cuts[cuts < len(ids)]
    cut[cuts] = True
    goes_on = tokenizer.continues[ids]
    if tokenizer.is_wordpiece:
        goes_on = goes_on | _within_chinese_word(tokenizer.chinese[ids], cuts)
    begins = ~special & (cut | ~goes_on)
    return np.where(special, _NONE, np.cumsum(begins) - 1).astype(np.int32)


def _within_chinese_word(
    characters: NDArray[np.uint32], cuts: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Which tokens are a Chinese character that goes on with the word of the one before it.

    characters: code point of each token, 0 for those that are none. cuts: tokens before which the
    text ends.
    """
    chinese = characters > 0
    if not chinese.any():
        return chinese
    # Words of other scripts are as they are: the segmenter need not see them, nor know how long.
    text = np.insert(np.where(chinese, characters, ord(" ")), cuts, ord(" "))
    spans = split_words(text.astype("<u4").tobytes().decode("utf-32-le"))
    begins = np.zeros(len(text), np.bool_)
    begins[[begin for begin, _ in spans]] = True
    inside = chinese & ~np.delete(begins, cuts + np.arange(len(cuts)))
    inside[1:] &= chinese[:-1]
    inside[0] = False
    return inside


def _joined(
    pretokens: NDArray[np.int32],
    starts: NDArray[np.integer],
    chinese: NDArray[np.bool_],
    spans: Sequence[tuple[int, int]],
) -> NDArray[np.int32]:
    """Join the Chinese characters among the tokenizer's words (-1: none) that lie in one span.

    starts: the character at which each token begins. chinese: whether it is such a character.
    """
    begins = np.array([begin for begin, _ in spans], np.int64)
    span = np.searchsorted(begins, starts, side="right")
    same = np.zeros(len(span), np.bool_)
    same[1:] = (pretokens[1:] == pretokens[:-1]) | (
        (span[1:] == span[:-1]) & chinese[1:] & chinese[:-1]
    )
    words = np.where(pretokens == _NONE, _NONE, np.cumsum(~same)).astype(np.int32)
    return _numbered(words)


def _numbered(words: NDArray[np.int32]) -> NDArray[np.int32]:
    """Numbers from 0 without gaps, in order; -1 stays."""
    found = np.full(len(words), _NONE, np.int32)
    inside = words != _NONE
    found[inside] = np.unique(words[inside], return_inverse=True)[1].reshape(-1)
    return found
