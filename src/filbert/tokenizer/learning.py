"""Learning a WordPiece vocabulary, the same one every time.

The trainer of `tokenizers` numbers the continuation pieces (##x) in the order of a hash table and
breaks ties by number, so that its vocabularies differ from run to run. Here words are counted
first, and the trainer gets the alphabet and all ##x beforehand, sorted: nothing is left to chance.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet
from filbert.tokenizer.parallel import settle_forks
from filbert.tokenizer.rules import CONTINUING, LONGEST_WORD, Rules, SpecialTokens
from filbert.tokenizer.tokenizer import Tokenizer

# The trainer counts pairs in 32 bits and loses the most frequent pair above that (tokenizers
# #2058); no pair can occur more often than there are characters.
_MOST_CHARACTERS = 2**31 - 1
_WORDS_A_LINE = 10_000


def learn_wordpiece(
    texts: Iterable[str],
    vocab_size: int,
    *,
    lowercase: bool = True,
    min_frequency: int = 2,
    alphabet_limit: int | None = None,
    specials: SpecialTokens | None = None,
    progress: Progress | None = None,
) -> Tokenizer:
    """Learn a vocabulary of at most vocab_size tokens, special tokens included.

    The result depends on the texts alone: not on their order, the number of cores or chance.
    Ids: the special tokens, the alphabet, the ##x (each sorted), then the merges as they were made.
    Memory grows with the number of different words, not with the length of the texts.

    lowercase: lower-case the text and strip accents; the tokenizer keeps both rules.
    min_frequency: how often a merged pair of pieces must occur.
    alphabet_limit: how many different characters at most, the most frequent ones; words with
    others are [UNK]. None: as many as fill half of the vocabulary.
    Raises DataError if there is no word in the texts, SettingsError for sizes that cannot be.
    """
    specials = specials or SpecialTokens()
    progress = progress or quiet()
    if vocab_size <= len(specials.all) + 1:
        raise SettingsError(
            f"vocab_size: expected more than {len(specials.all) + 1}, got {vocab_size}"
        )
    if min_frequency < 1:
        raise SettingsError(f"min_frequency: expected 1 or more, got {min_frequency}")
    rules = Rules(lowercase=lowercase, strip_accents=lowercase)
    words = _count_words(texts, rules, progress)
    if not words:
        raise DataError("a vocabulary is learnt from text; expected words, got none")
    alphabet = _alphabet(words, vocab_size - len(specials.all), alphabet_limit)
    known = set(alphabet)
    words = {word: count for word, count in words.items() if known.issuperset(word)}
    following = sorted({CONTINUING + character for word in words for character in word[1:]})
    first = [*specials.all, *alphabet, *following]
    if len(first) > vocab_size:
        raise SettingsError(
            f"vocab_size {vocab_size} does not hold the {len(specials.all)} special tokens and "
            f"{len(first) - len(specials.all)} pieces of single characters; "
            f"enlarge it or lower alphabet_limit"
        )
    total = sum(count * len(word) for word, count in words.items())
    share = -(-total // _MOST_CHARACTERS) or 1
    with progress.stage("learning pieces", unit="pieces") as stage:
        vocab = _train(
            {word: count // share for word, count in words.items()},
            vocab_size,
            -(-min_frequency // share),
            following,
            alphabet,
            specials,
        )
        merged = sorted(vocab.keys() - set(first), key=vocab.__getitem__)
        stage.update(len(first) + len(merged))
    return Tokenizer(first + merged, rules=rules, specials=specials)


def _count_words(texts: Iterable[str], rules: Rules, progress: Progress) -> dict[str, int]:
    """Every word, normalised and cut as the tokenizer will cut it, with its number."""
    settle_forks()
    normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=rules.split_chinese,
        strip_accents=rules.strip_accents,
        lowercase=rules.lowercase,
    )
    cut = pre_tokenizers.BertPreTokenizer()
    chunks: Counter[str] = Counter()
    characters = 0
    with progress.stage("counting words", unit="characters") as stage:
        for number, text in enumerate(texts, start=1):
            try:
                chunks.update(normalizer.normalize_str(text).split(" "))
            except UnicodeEncodeError as error:
                raise DataError(
                    f"text {number}: character {error.start} is half of a pair: not valid Unicode"
                ) from error
            characters += len(text)
            stage.update(characters)
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        # Letters and digits alone hold no punctuation to cut at; most chunks are such.
        pieces = [chunk] if chunk.isalnum() else [word for word, _ in cut.pre_tokenize_str(chunk)]
        for word in pieces:
            if len(word) <= LONGEST_WORD:
                words[word] += count
    return words


def _alphabet(words: dict[str, int], room: int, limit: int | None) -> list[str]:
    """The characters to keep, sorted: the most frequent ones, ties by code point."""
    counts: Counter[str] = Counter()
    following: set[str] = set()
    for word, count in words.items():
        for character in word:
            counts[character] += count
        following.update(word[1:])
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    if limit is not None:
        if limit < 1:
            raise SettingsError(f"alphabet_limit: expected 1 or more, got {limit}")
        return sorted(ranked[:limit])
    kept, left = [], max(2, room // 2)
    for character in ranked:
        left -= 2 if character in following else 1  # x and ##x
        if left < 0:
            break
        kept.append(character)
    return sorted(kept)


def _train(
    words: dict[str, int],
    vocab_size: int,
    min_frequency: int,
    following: list[str],
    alphabet: list[str],
    specials: SpecialTokens,
) -> dict[str, int]:
    """Piece → number, as the trainer of `tokenizers` makes them."""
    model = tokenizers.Tokenizer(models.WordPiece(unk_token=specials.unk))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=[*specials.all, *following],
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        continuing_subword_prefix=CONTINUING,
    )
    model.train_from_iterator(_lines(words), trainer)
    return model.get_vocab()


def _lines(words: dict[str, int]) -> Iterator[str]:
    """Each word as often as it was counted, for a trainer that takes nothing but text."""
    for word, count in words.items():
        whole, rest = divmod(count, _WORDS_A_LINE)
        for size in [_WORDS_A_LINE] * whole + [rest] * (rest > 0):
            yield " ".join([word] * size)
