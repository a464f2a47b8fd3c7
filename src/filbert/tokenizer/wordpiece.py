"""The tokenizer in use: text → token ids with offsets, and back; `tokenizers` does the work."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from filbert.errors import CheckpointError, DataError, did_you_mean
from filbert.tokenizer import storage
from filbert.tokenizer.joining import join_pieces
from filbert.tokenizer.parallel import settle_forks
from filbert.tokenizer.rules import CONTINUING, LONGEST_WORD, Rules, SpecialIds, SpecialTokens


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
    """WordPiece with its rules: everything needed to read text as the network was taught to.

    Immutable, and safe to use from several threads. Build one by `learn_wordpiece` or
    `Tokenizer.load`.
    """

    def __init__(
        self,
        vocab: Sequence[str],
        *,
        rules: Rules | None = None,
        specials: SpecialTokens | None = None,
        added: Sequence[Mapping[str, Any]] = (),
        where: str = "vocabulary",
    ):
        """Build from the pieces in the order of their ids.

        added: further tokens that are looked for in the text before it is cut into words, as they
        stand under `added_tokens` in a tokenizer.json; their ids go on where `vocab` ends.
        where: what messages name as the source.
        Raises CheckpointError for duplicates and missing special tokens.
        """
        settle_forks()
        self.rules = rules or Rules()
        self.specials = specials or SpecialTokens()
        self._pieces = tuple(vocab)
        further = sorted(
            (token["id"], token["content"]) for token in added if token["id"] >= len(vocab)
        )
        self._tokens = self._pieces + tuple(token for _, token in further)
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        if len(self._ids) != len(self._tokens):
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
        self._model = self._build()

    @classmethod
    def load(cls, folder: Path | str) -> "Tokenizer":
        """Read a folder with a tokenizer.json or a vocab.txt, and a tokenizer_config.json if any.

        Raises CheckpointError naming the file and the line, field or token that does not fit.
        """
        found = storage.read(Path(folder))
        return cls(
            found.vocab,
            rules=found.rules,
            specials=found.specials,
            added=found.added,
            where=found.where,
        )

    def save(self, folder: Path | str) -> None:
        """Write tokenizer.json, tokenizer_config.json and vocab.txt, which transformers opens.

        The folder may hold other files already; each of the three is replaced whole.
        """
        storage.write(
            Path(folder),
            tokens=self._tokens,
            rules=self.rules,
            specials=self.specials,
            model=self._model.to_str(pretty=True),
        )

    def _build(self, *, literal: bool = False) -> tokenizers.Tokenizer:
        """The `tokenizers` object; literal: special tokens written in a text are plain text."""
        specials, ids = self.specials, self.special_ids
        model = tokenizers.Tokenizer(
            models.WordPiece(
                {token: index for index, token in enumerate(self._pieces)},
                unk_token=specials.unk,
                max_input_chars_per_word=LONGEST_WORD,
                continuing_subword_prefix=CONTINUING,
            )
        )
        model.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.rules.split_chinese,
            strip_accents=self.rules.strip_accents,
            lowercase=self.rules.lowercase,
        )
        model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        model.post_processor = processors.TemplateProcessing(
            single=f"{specials.cls}:0 $A:0 {specials.sep}:0",
            pair=f"{specials.cls}:0 $A:0 {specials.sep}:0 $B:1 {specials.sep}:1",
            special_tokens=[(specials.cls, ids.cls), (specials.sep, ids.sep)],
        )
        model.decoder = decoders.WordPiece(prefix=CONTINUING)
        model.add_special_tokens(list(specials.all))
        for token in self._added:
            flags = {key: token[key] for key in token if key not in ("id", "content")}
            model.add_tokens([tokenizers.AddedToken(token["content"], **flags)])
        model.encode_special_tokens = literal
        return model

    @cached_property
    def _literal(self) -> tokenizers.Tokenizer:
        return self._build(literal=True)

    def __getstate__(self) -> dict[str, Any]:
        """All but `_literal`, whose setting `tokenizers` forgets when it is pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_literal"}

    @property
    def vocab_size(self) -> int:
        """The number of tokens, special and added ones included."""
        return len(self._tokens)

    @property
    def lowercase(self) -> bool:
        """Whether text is lower-cased."""
        return self.rules.lowercase

    @cached_property
    def continues(self) -> NDArray[np.bool_]:
        """Which tokens begin with ## and so go on with the word before them: bool [vocab]."""
        return np.array(
            [token.startswith(CONTINUING) and len(token) > 2 for token in self._tokens], np.bool_
        )

    @cached_property
    def is_special(self) -> NDArray[np.bool_]:
        """Which tokens are one of the five special ones: bool [vocab]."""
        special = np.zeros(self.vocab_size, np.bool_)
        special[list(astuple(self.special_ids))] = True
        return special

    @cached_property
    def ordinary_ids(self) -> NDArray[np.int32]:
        """The ids that stand for text: all but the special ones and BERT's [unused…] places."""
        unused = [token.startswith("[unused") for token in self._tokens]
        return np.flatnonzero(~self.is_special & ~np.array(unused)).astype(np.int32)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of vocabulary and rules: two tokenizers with one digest are equal."""
        content = {
            "tokens": self._tokens,
            "pieces": len(self._pieces),
            "specials": asdict(self.specials),
            "rules": asdict(self.rules),
            "added": self._added,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def tokens(self, ids: Iterable[int] | NDArray[Any]) -> list[str]:
        """The tokens of some ids. Raises DataError for an id outside the vocabulary."""
        indices = [int(index) for index in ids]
        for index in indices:
            if not 0 <= index < len(self._tokens):
                raise DataError(f"token id {index} is not in 0…{len(self._tokens) - 1}")
        return [self._tokens[index] for index in indices]

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
        try:
            return _encoded(self._model.encode(text, pair, add_special_tokens=specials))
        except TypeError as error:
            raise _refusal([text] if pair is None else [text, pair], error) from None

    def encode_batch(self, texts: Sequence[str], *, specials: bool = True) -> list[Encoded]:
        """`encode` for many texts at once, on all cores."""
        try:
            encodings = self._model.encode_batch(list(texts), add_special_tokens=specials)
        except TypeError as error:
            raise _refusal(texts, error) from None
        return [_encoded(encoding) for encoding in encodings]

    def ids_batch(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Many texts → their token ids alone (int32 [tokens] each), without [CLS] and [SEP].

        The fast way, for corpora. A special token that is written out in the text is text here,
        so that no web page can put a [SEP] into the training data.
        """
        try:
            encodings = self._literal.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError as error:
            raise _refusal(texts, error) from None
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def decode(self, ids: Iterable[int] | NDArray[Any], *, skip_specials: bool = True) -> str:
        """Token ids → text: pieces joined, Chinese without spaces, punctuation at its word.

        The text encodes to the same ids again if no special token ([UNK] is one) was left out, but
        spaces and, in a lower-cased vocabulary, capitals are not the original's: use offsets to
        quote the original.
        """
        tokens = self.tokens(ids)
        if skip_specials:
            aside = set(self.specials.all)
            tokens = [token for token in tokens if token not in aside]
        return join_pieces(tokens, CONTINUING)

    def __repr__(self) -> str:
        """Size, casing and the first digits of the digest."""
        casing = "lower-cased" if self.rules.lowercase else "cased"
        return f"Tokenizer({self.vocab_size:,} tokens, {casing}, {self.digest[:12]})"


def _encoded(encoding: tokenizers.Encoding) -> Encoded:
    size = len(encoding)
    return Encoded(
        token_ids=np.array(encoding.ids, np.int32),
        segments=np.array(encoding.type_ids, np.uint8),
        offsets=np.array(encoding.offsets, np.int32).reshape(size, 2),
        word_ids=np.array([-1 if word is None else word for word in encoding.word_ids], np.int32),
    )


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
