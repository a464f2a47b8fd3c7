"""The tokenizer in use: text → token ids with offsets, and back; `tokenizers` does the work."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from filbert.errors import CheckpointError, DataError, did_you_mean
from filbert.tokenizer import storage
from filbert.tokenizer.joining import join_pieces
from filbert.tokenizer.kept import Kept, open_document
from filbert.tokenizer.marks import Marks, goes_on, is_chinese, shown, without_spaces
from filbert.tokenizer.parallel import settle_forks
from filbert.tokenizer.rules import CONTINUING, UNUSED, Rules, SpecialIds, SpecialTokens
from filbert.tokenizer.wordpiece import build_wordpiece
from filbert.tokenizer.words_cache import WordsCache


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One text, or a pair of texts, as tokens.

    token_ids  int32 [tokens]
    segments   uint8 [tokens], 0 for the first text and its specials, 1 for the second
    offsets    int32 [tokens, 2], the characters (start, end) of the token's own text; (0, 0) for
               special tokens that were added
    word_ids   int32 [tokens], the word that the token is a piece of, counted from 0 in each text;
               -1 for special tokens that were added
    """

    token_ids: NDArray[np.int32]
    segments: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    word_ids: NDArray[np.int32]

    def __len__(self) -> int:
        """The number of tokens."""
        return int(self.token_ids.size)


class Tokenizer:
    """A vocabulary with its rules: everything needed to read text as the network was taught to.

    Immutable, and safe to use from several threads. Build one by `learn_wordpiece` or
    `Tokenizer.load`. WordPiece follows rules that are checked one by one; other kinds (byte-level
    BPE, Unigram) are kept just as their tokenizer.json says.

    rules            how a text is changed before it is looked up
    specials         how the five special tokens are written
    special_ids      their token ids
    pair_separators  how many [SEP] stand between the texts of a pair: BERT 1, RoBERTa 2
    pair_segments    whether the second text of a pair has segment 1: BERT does, RoBERTa does not
    """

    def __init__(
        self,
        vocab: Sequence[str],
        *,
        rules: Rules | None = None,
        specials: SpecialTokens | None = None,
        added: Sequence[Mapping[str, Any]] = (),
        where: str = "vocabulary",
        kept: Kept | None = None,
    ):
        """Build from the pieces in the order of their ids.

        added: further tokens that are looked for in the text before it is cut into words, as they
        stand under `added_tokens` in a tokenizer.json; their ids go on where `vocab` ends.
        where: what messages name as the source.
        kept: a tokenizer.json of another kind than WordPiece, which then does all the work.
        Raises CheckpointError for duplicates and missing special tokens.
        """
        settle_forks()
        self.rules = rules or Rules()
        self.specials = specials or SpecialTokens()
        self._kept = kept
        self.pair_separators = 1 if kept is None else kept.pair_separators
        self.pair_segments = True if kept is None else kept.pair_segments
        self._marks: Marks = "pieces" if kept is None else kept.marks
        self._pieces = tuple(vocab)
        further = sorted(
            (token["id"], token["content"]) for token in added if token["id"] >= len(vocab)
        )
        self._tokens = self._pieces + tuple(token for _, token in further)
        self._ids = {token: index for index, token in enumerate(self._tokens) if token or not kept}
        if kept is None and len(self._ids) != len(self._tokens):
            twice = next(t for index, t in enumerate(self._tokens) if self._ids[t] != index)
            raise CheckpointError(f"{where}: the token {twice!r} occurs more than once")
        for token in added:
            expected = self._ids.get(token["content"], len(self._tokens))
            if expected != token["id"]:
                raise CheckpointError(
                    f"{where}: the added token {token['content']!r} has the id {token['id']}, "
                    f"expected {expected}: the vocabulary has {len(self._pieces):,} pieces"
                )
        self._added = tuple(
            dict(token)
            for token in sorted(added, key=lambda token: int(token["id"]))
            if token["content"] not in self.specials.all
        )
        self.special_ids = SpecialIds.find(self.specials, self._ids, where)
        self._model = self._build() if kept is None else kept.model

    @classmethod
    def load(cls, folder: Path | str) -> "Tokenizer":
        """Read a folder with a tokenizer.json, a vocab.txt, or a vocab.json and a merges.txt.

        tokenizer_config.json and special_tokens_map.json are heeded where they are.

        Raises CheckpointError naming the file and the line, field or token that does not fit.
        """
        found = storage.read(Path(folder))
        return cls(
            found.vocab,
            rules=found.rules,
            specials=found.specials,
            added=found.added,
            where=found.where,
            kept=found.kept,
        )

    def save(self, folder: Path | str) -> None:
        """Write tokenizer.json and tokenizer_config.json, which transformers opens.

        WordPiece has its vocab.txt beside them; another kind has the files that it came with, byte
        for byte. The folder may hold other files already; each is replaced whole.
        """
        if self._kept is not None:
            storage.write_kept(Path(folder), self._kept)
            return
        storage.write(
            Path(folder),
            tokens=self._tokens,
            rules=self.rules,
            specials=self.specials,
            model=self._model.to_str(pretty=True),
        )

    def _build(self) -> tokenizers.Tokenizer:
        return build_wordpiece(
            self._pieces, self.rules, self.specials, self.special_ids, self._added
        )

    @cached_property
    def _literal(self) -> tokenizers.Tokenizer:
        """The same, to which special tokens written in a text are plain text."""
        kept = self._kept
        model = self._build() if kept is None else open_document(kept.document, "tokenizer")
        model.encode_special_tokens = True
        return model

    @cached_property
    def _words(self) -> WordsCache | None:
        """Known words, where the ids of a word do not depend on what stands beside it."""
        if self._kept is not None or self._added:
            return None
        return WordsCache(self._literal_ids, self.rules)

    def _literal_ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for each in self._literal.encode_batch_fast(list(texts), add_special_tokens=False):
            yield each.ids

    def __getstate__(self) -> dict[str, Any]:
        """All but `_literal`, whose setting `tokenizers` forgets when it is pickled, and words."""
        aside = ("_literal", "_words")
        return {name: value for name, value in self.__dict__.items() if name not in aside}

    @property
    def vocab_size(self) -> int:
        """The number of tokens, special and added ones included."""
        return len(self._tokens)

    @property
    def is_wordpiece(self) -> bool:
        """Whether it is BERT's own kind, not one that is kept as its tokenizer.json says."""
        return self._kept is None

    @property
    def added(self) -> tuple[Mapping[str, Any], ...]:
        """The tokens that are looked for before a text is cut into words, special ones aside."""
        return self._added

    @property
    def lowercase(self) -> bool:
        """Whether text is lower-cased."""
        return self.rules.lowercase

    @cached_property
    def continues(self) -> NDArray[np.bool_]:
        """Which tokens go on with the word before them, judged by themselves: bool [vocab].

        Exact for WordPiece (##ing). In byte-level BPE and SentencePiece a token without a space
        before it does, unless it is punctuation; `Encoded.word_ids` is exact for all.
        """
        return np.array(goes_on(self._tokens, self._marks), np.bool_)

    @cached_property
    def chinese(self) -> NDArray[np.uint32]:
        """The code point of each token that is a Chinese character, 0 of others: uint32 [vocab]."""
        return np.array([ord(t) if is_chinese(t) else 0 for t in self._tokens], np.uint32)

    @cached_property
    def is_special(self) -> NDArray[np.bool_]:
        """Which tokens are one of the five special ones: bool [vocab]."""
        special = np.zeros(self.vocab_size, np.bool_)
        special[list(astuple(self.special_ids))] = True
        return special

    @cached_property
    def ordinary_ids(self) -> NDArray[np.int32]:
        """The ids that stand for text: all but special ones and places that nothing uses."""
        aside = self._kept.special if self._kept else frozenset()
        unused = [
            index in aside or not token or token.startswith(UNUSED)
            for index, token in enumerate(self._tokens)
        ]
        return np.flatnonzero(~self.is_special & ~np.array(unused)).astype(np.int32)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of vocabulary and rules: two tokenizers with one digest are equal."""
        content: dict[str, Any] = {
            "tokens": self._tokens,
            "pieces": len(self._pieces),
            "specials": asdict(self.specials),
            "rules": asdict(self.rules),
            "added": self._added,
        }
        if self._kept is not None:
            content["document"] = self._kept.document
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def tokens(self, ids: Iterable[int] | NDArray[Any]) -> list[str]:
        """The tokens of some ids. Raises DataError for an id outside the vocabulary."""
        indices = [int(index) for index in ids]
        for index in indices:
            if not 0 <= index < len(self._tokens):
                raise DataError(f"token id {index} is not in 0…{len(self._tokens) - 1}")
        return [self._tokens[index] for index in indices]

    def shown(self, ids: Iterable[int] | NDArray[Any]) -> list[str]:
        """The tokens of some ids as a person reads them: bytes as text, a space before it as ▁.

        The same as `tokens`, but for byte-level BPE.
        """
        return [shown(token, self._marks) for token in self.tokens(ids)]

    def id(self, token: str) -> int:
        """The id of a token. Raises DataError, with the nearest known token, if there is none."""
        try:
            return self._ids[token]
        except KeyError:
            # Comparing with all of 100,000 tokens would take seconds.
            near = [
                known
                for known in self._tokens
                if known[:1] == token[:1] and abs(len(known) - len(token)) <= 2
            ]
            raise DataError(
                f"{token!r} is not one of the {len(self._tokens):,} tokens"
                f"{did_you_mean(token, near)}"
            ) from None

    def encode(self, text: str, pair: str | None = None, *, specials: bool = True) -> Encoded:
        """Text → tokens, never truncated.

        specials: add [CLS] and [SEP]. A special token that is written out in the text, such as
        [MASK], is that token (as in transformers).
        Raises DataError for text that is not valid Unicode.
        """
        texts = [text] if pair is None else [text, pair]
        with _refusing(texts):
            return self._encoded(
                self._model.encode(text, pair, add_special_tokens=specials), *texts
            )

    def encode_batch(self, texts: Sequence[str], *, specials: bool = True) -> list[Encoded]:
        """`encode` for many texts at once, on all cores."""
        with _refusing(texts):
            encodings = self._model.encode_batch(list(texts), add_special_tokens=specials)
        return [self._encoded(e, text) for e, text in zip(encodings, texts, strict=True)]

    def ids_batch(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Many texts → their token ids alone (int32 [tokens] each), without [CLS] and [SEP].

        The fast way, for corpora. A special token that is written out in the text is text here,
        so that no web page can put a [SEP] into the training data.
        """
        with _refusing(texts):
            if self._words is not None:
                ids, counts = self._words.ids(texts)
                return np.split(ids, np.cumsum(counts)[:-1]) if counts.size else []
            return [np.array(ids, np.int32) for ids in self._literal_ids(texts)]

    def ids_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """`ids_batch` in one row: the ids of all texts, int32 [tokens], and counts, int32 [texts].

        The fastest way where texts are short, as sentences are.
        """
        with _refusing(texts):
            if self._words is not None:
                return self._words.ids(texts)
            found = [np.array(ids, np.int32) for ids in self._literal_ids(texts)]
        counts = np.array([len(ids) for ids in found], np.int32)
        return np.concatenate([np.zeros(0, np.int32), *found]), counts

    def decode(self, ids: Iterable[int] | NDArray[Any], *, skip_specials: bool = True) -> str:
        """Token ids → text: pieces joined, Chinese without spaces, punctuation at its word.

        The text encodes to the same ids again if no special token ([UNK] is one) was left out, but
        spaces and, in a lower-cased vocabulary, capitals are not the original's: use offsets to
        quote the original.
        """
        ids = [int(index) for index in ids]
        tokens = self.tokens(ids)
        if skip_specials:
            aside = set(self.specials.all)
            ids = [index for index, token in zip(ids, tokens, strict=True) if token not in aside]
        if self._kept is None:
            return join_pieces(self.tokens(ids), CONTINUING)
        text: str = self._model.decode(ids, skip_special_tokens=False)
        return text

    def _encoded(self, encoding: tokenizers.Encoding, *texts: str) -> Encoded:
        size = len(encoding)
        word_ids = [-1 if word is None else word for word in encoding.word_ids]
        offsets = np.array(encoding.offsets, np.int32).reshape(size, 2)
        if self._kept is not None:
            which = np.array([sequence or 0 for sequence in encoding.sequence_ids], np.int32)
            offsets = without_spaces(offsets, which, texts)
        return Encoded(
            token_ids=np.array(encoding.ids, np.int32),
            segments=np.array(encoding.type_ids, np.uint8),
            offsets=offsets,
            word_ids=np.array(word_ids, np.int32),
        )

    def __repr__(self) -> str:
        """Size, casing and the first digits of the digest."""
        casing = "lower-cased" if self.rules.lowercase else "cased"
        return f"Tokenizer({self.vocab_size:,} tokens, {casing}, {self.digest[:12]})"


@contextmanager
def _refusing(texts: Sequence[object]) -> Iterator[None]:
    """What `tokenizers` says of texts that it cannot encode, in our words."""
    try:
        yield
    except TypeError as error:
        raise _refusal(texts, error) from None
    except BaseException as error:
        # Its regular expressions panic where they would run for ever; that is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise DataError(f"these {len(texts)} texts cannot be encoded: {error!s:.200}") from None
        raise


def _refusal(texts: Sequence[object], error: TypeError) -> DataError | TypeError:
    """`tokenizers` calls half of a surrogate pair a TypeError: say which text, and where."""
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            return error
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as found:
            return DataError(
                f"text {number} of {len(texts)}: character {found.start} is "
                f"U+{ord(text[found.start]):04X}, half of a pair: not valid Unicode"
            )
    return error
