"""BertTokenizer: the tutorial's calls, answered by filbert's own tokenizer."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from filbert.errors import RequestError
from filbert.pretrained.asked import ENDLESS, Asked, read_asked
from filbert.pretrained.columns import (
    END,
    ID,
    MASK,
    SPECIAL,
    START,
    TYPE,
    Table,
    added_token,
    padded,
)
from filbert.pretrained.cutting import cut
from filbert.pretrained.decoding import clean_up, join_tokens
from filbert.pretrained.encoding import BatchEncoding
from filbert.pretrained.padding import pad_batch
from filbert.pretrained.stored_tokenizer import Stored, read_stored, write_stored
from filbert.pretrained.tensors import as_kind, check_kind, plain
from filbert.pretrained.texts import read_texts, tokenise
from filbert.tokenizer import Tokenizer

_SPECIALS = ("unk", "sep", "pad", "cls", "mask")


def _special_token(name: str) -> property:
    return property(
        lambda front: getattr(front.tokenizer.specials, name), doc=f"The [{name.upper()}] token."
    )


def _special_id(name: str) -> property:
    return property(
        lambda front: getattr(front.tokenizer.special_ids, name), doc=f"The id of [{name.upper()}]."
    )


class BertTokenizer:
    """A BERT's tokenizer under the names that transformers gave to everything.

    tokenizer         what does the work
    model_max_length  the longest sequence that the model reads; truncation=True cuts there
    padding_side, truncation_side  "right" or "left": where padding is put, what is cut off
    more_specials     special tokens beside the five, left out of decoded texts with them
    """

    is_fast = True
    model_input_names = ("input_ids", "token_type_ids", "attention_mask")

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        model_max_length: int = ENDLESS,
        padding_side: str = "right",
        truncation_side: str = "right",
        clean_up_tokenization_spaces: bool = False,
        more_specials: Sequence[str] = (),
        name_or_path: str = "",
    ):
        """Wrap a tokenizer; `from_pretrained` reads one."""
        if not isinstance(tokenizer, Tokenizer):
            raise RequestError(
                f"expected a filbert.tokenizer.Tokenizer, got {tokenizer!r:.60}; "
                "BertTokenizer.from_pretrained reads a folder or a name"
            )
        self.tokenizer = tokenizer
        self.model_max_length = model_max_length
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.more_specials = tuple(more_specials)
        self.name_or_path = name_or_path
        self._warned_of_length = False

    @classmethod
    def from_pretrained(
        cls, name_or_folder: Any, *, revision: str | None = None, **options: Any
    ) -> "BertTokenizer":
        """The tokenizer of a folder, of a run of filbert's, or of a model on the hub.

        options: model_max_length, padding_side, truncation_side, clean_up_tokenization_spaces
        instead of the folder's own; do_lower_case must be the folder's.
        Raises CheckpointError where there is no tokenizer of a BERT, SettingsError for other
        options.
        """
        stored = read_stored(name_or_folder, revision, options)
        return cls(
            stored.tokenizer,
            model_max_length=stored.model_max_length,
            padding_side=stored.padding_side,
            truncation_side=stored.truncation_side,
            clean_up_tokenization_spaces=stored.clean_up_tokenization_spaces,
            more_specials=stored.more_specials,
            name_or_path=str(name_or_folder),
        )

    def save_pretrained(self, save_directory: Any) -> tuple[str, ...]:
        """Write tokenizer.json, tokenizer_config.json, vocab.txt; gives their paths."""
        return write_stored(
            save_directory,
            Stored(
                self.tokenizer,
                self.model_max_length,
                self.padding_side,
                self.truncation_side,
                self.clean_up_tokenization_spaces,
            ),
        )

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool = True,
        return_attention_mask: bool = True,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        **refused: Any,
    ) -> BatchEncoding:
        """A text, a list of texts, or pairs of them → what `model(**…)` takes.

        Nothing is cut unless truncation or max_length asks for it; a text that is longer than the
        model reads is warned of, once. With return_overflowing_tokens what was cut off follows as
        windows that share `stride` tokens.
        Raises RequestError for what is no text, for options that do not go together and for ones
        that are not known; DataError for text that is not valid Unicode.
        """
        _refuse(refused)
        check_kind(return_tensors)
        asked = read_asked(
            padding,
            truncation,
            max_length,
            multiple=pad_to_multiple_of,
            side=padding_side or self.padding_side,
            model_max_length=self.model_max_length,
            verbose=verbose,
        )
        if asked.truncation and stride and stride > (asked.max_length or 0) - 2:
            raise RequestError(
                f"stride {stride}: windows of {asked.max_length} tokens, [CLS] and [SEP] among "
                "them, cannot share that many; lower stride or raise max_length"
            )
        pairs, batched = read_texts(text, text_pair, is_split_into_words)
        sequences, samples = self._sequences(pairs, asked, stride, add_special_tokens)
        firsts = [sequences[index] for index in np.flatnonzero(np.diff(samples, prepend=-1))]
        longest = max(map(len, firsts), default=0)
        if not return_overflowing_tokens:
            sequences = firsts
        if asked.max_length is None and verbose:
            self._warn_of_length(longest)
        if asked.padding and sequences:
            length = asked.padded_length(longest)
            pad_id = self.tokenizer.special_ids.pad
            sequences = [padded(table, length, pad_id, asked.side) for table in sequences]
        wanted = {
            "input_ids": ID,
            "token_type_ids": TYPE if return_token_type_ids else None,
            "attention_mask": MASK if return_attention_mask else None,
            "special_tokens_mask": SPECIAL if return_special_tokens_mask else None,
        }
        data: dict[str, Any] = {
            name: [table[:, column].tolist() for table in sequences]
            for name, column in wanted.items()
            if column is not None
        }
        if return_offsets_mapping:
            data["offset_mapping"] = [
                list(map(tuple, table[:, START : END + 1].tolist())) for table in sequences
            ]
        if return_length:
            data["length"] = [len(table) for table in sequences]
        if return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = samples
        if not batched and return_tensors is None and not return_overflowing_tokens:
            data = {n: v[0] if isinstance(v[0], list) else v for n, v in data.items()}
        return BatchEncoding(as_kind(data, return_tensors), sequences, self.tokenizer.tokens)

    def _sequences(
        self, pairs: Sequence[tuple[Any, Any]], asked: Asked, stride: int, specials: bool
    ) -> tuple[list[Table], list[int]]:
        """All sequences, those that were cut off after the one that they belong to, and whose."""
        flat = [text for pair in pairs for text in pair if text is not None]
        seconds = [n == 1 for pair in pairs for n, text in enumerate(pair) if text is not None]
        tables = iter(tokenise(self.tokenizer, flat, seconds))
        found: list[Table] = []
        samples: list[int] = []
        for number, (_, second) in enumerate(pairs):
            texts = next(tables), None if second is None else next(tables)
            parts = [texts]
            if asked.truncation and asked.max_length is not None:
                room = (
                    asked.max_length - self.num_special_tokens_to_add(second is not None) * specials
                )
                if room < 0:
                    raise RequestError(
                        f"max_length {asked.max_length}: [CLS] and [SEP] alone need "
                        f"{asked.max_length - room}"
                    )
                parts = cut(*texts, room, asked.truncation, stride, self.truncation_side)
            found += [self._joined(*part, specials) for part in parts]
            samples += [number] * len(parts)
        return found, samples

    def _joined(self, first: Table, second: Table | None, specials: bool) -> Table:
        """[CLS] first [SEP], and second [SEP] where there is one."""
        ids = self.tokenizer.special_ids
        if not specials:
            return first if second is None else np.concatenate((first, second))
        parts = [added_token(ids.cls, 0), first, added_token(ids.sep, 0)]
        if second is not None:
            parts += [second, added_token(ids.sep, 1)]
        return np.concatenate(parts)

    def _warn_of_length(self, longest: int) -> None:
        if longest > self.model_max_length and not self._warned_of_length:
            self._warned_of_length = True
            warnings.warn(
                f"a text of {longest} tokens is longer than the {self.model_max_length} that the "
                "model reads, and it was not cut; the model will refuse it. Call with "
                "truncation=True, or cut it into windows: return_overflowing_tokens=True, stride=…",
                stacklevel=3,
            )

    def encode(self, text: Any, text_pair: Any = None, **options: Any) -> Any:
        """The token ids alone; options as of a call."""
        return self(text, text_pair, **options)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """The tokens of a text as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **options).tokens()

    def pad(self, encoded_inputs: Any, padding: bool | str = True, **options: Any) -> BatchEncoding:
        """Encodings (a list of them, or one of lists) padded to one length: a collate function.

        options: max_length, pad_to_multiple_of, padding_side, return_attention_mask,
        return_tensors.
        """
        return pad_batch(self, encoded_inputs, padding, **options)

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """Token ids → text; a batch of them → a list of texts."""
        ids = plain(token_ids)
        if isinstance(ids, list) and ids and isinstance(ids[0], list):
            return [
                self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids
            ]
        tokens = self.tokenizer.tokens([ids] if isinstance(ids, int) else ids)
        aside = {*self.all_special_tokens, *self.more_specials} if skip_special_tokens else ()
        text = join_tokens([token for token in tokens if token not in aside])
        tidy = clean_up_tokenization_spaces
        tidy = self.clean_up_tokenization_spaces if tidy is None else tidy
        return clean_up(text) if tidy else text

    def batch_decode(self, sequences: Any, **options: Any) -> list[str]:
        """A batch of token ids → a list of texts."""
        return [self.decode(ids, **options) for ids in plain(sequences)]

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """A token or a list of them → ids; one that is not in the vocabulary is [UNK]'s."""
        if isinstance(tokens, str):
            return self.get_vocab().get(tokens, self.unk_token_id)
        vocab = self.get_vocab()
        return [vocab.get(token, self.unk_token_id) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """An id or a list of them → tokens. Raises DataError for an id outside the vocabulary."""
        ids = plain(ids)
        if isinstance(ids, int):
            return self.tokenizer.tokens([ids])[0]
        aside = set(self.all_special_ids) if skip_special_tokens else set()
        return self.tokenizer.tokens([index for index in ids if index not in aside])

    def convert_tokens_to_string(self, tokens: Iterable[str]) -> str:
        """Tokens → text."""
        return join_tokens(tokens)

    def get_vocab(self) -> dict[str, int]:
        """Token → id."""
        if "_vocab" not in self.__dict__:
            tokens = self.tokenizer.tokens(range(self.tokenizer.vocab_size))
            self._vocab = {token: index for index, token in enumerate(tokens)}
        return self._vocab

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens stand around a text or a pair."""
        return 3 if pair else 2

    def translate(self, text: Any, src_lang: str | None = None, tgt_lang: str | None = None) -> Any:
        """Not to be had from a BERT: always raises RequestError that says why and what can."""
        raise RequestError(
            f"translate: {self.name_or_path or 'this tokenizer'} belongs to a BERT, and a BERT "
            "reads text but cannot write any: it has an encoder and no decoder, and a tokenizer "
            "alone has no network at all. Translation needs the folder of a translator, a model "
            "with a decoder that was trained on pairs of sentences; filbert opens none yet. What "
            "a BERT can do here: BertModel (vectors), BertForMaskedLM (fill in [MASK])"
        )

    @property
    def vocab_size(self) -> int:
        """The number of tokens, added ones included (transformers leaves those out here)."""
        return self.tokenizer.vocab_size

    def __len__(self) -> int:
        """The number of tokens."""
        return self.tokenizer.vocab_size

    def __bool__(self) -> bool:
        """True."""
        return True

    @property
    def do_lower_case(self) -> bool:
        """Whether capitals are folded."""
        return self.tokenizer.lowercase

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """cls_token, sep_token, … as they are written."""
        return {f"{name}_token": getattr(self, f"{name}_token") for name in _SPECIALS}

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens."""
        return list(self.special_tokens_map.values())

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the special tokens."""
        return [getattr(self, f"{name}_token_id") for name in _SPECIALS]

    pad_token_type_id = 0
    unk_token, unk_token_id = _special_token("unk"), _special_id("unk")
    sep_token, sep_token_id = _special_token("sep"), _special_id("sep")
    pad_token, pad_token_id = _special_token("pad"), _special_id("pad")
    cls_token, cls_token_id = _special_token("cls"), _special_id("cls")
    mask_token, mask_token_id = _special_token("mask"), _special_id("mask")

    def __repr__(self) -> str:
        """Size, casing, longest sequence."""
        casing = "lower-cased" if self.do_lower_case else "cased"
        return (
            f"BertTokenizer({self.name_or_path!r}, {len(self):,} tokens, {casing}, "
            f"model_max_length={self.model_max_length})"
        )


def _refuse(refused: Mapping[str, Any]) -> None:
    named = [name for name, value in refused.items() if value is not None]
    if named:
        raise RequestError(f"{', '.join(named)}: not known to filbert's BertTokenizer")
