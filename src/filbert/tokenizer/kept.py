"""Tokenizers of other kinds than BERT's, kept as they came.

Byte-level BPE (RoBERTa, ModernBERT), Unigram (XLM-R) and whatever else `tokenizers` opens: the file
decides, and is written back byte for byte. What is asked of it is only that its rows look as an
encoder's do: one token before the first text, one or more of another after each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tokenizers
from tokenizers import models, processors

from filbert.errors import CheckpointError
from filbert.tokenizer.marks import Marks
from filbert.tokenizer.rules import Rules, SpecialTokens

PROBE = "a", "b"
_NAMES = {
    "pad": ("<pad>", "[PAD]", "<|pad|>", "<|padding|>"),
    "unk": ("<unk>", "[UNK]", "<|unk|>"),
    "mask": ("<mask>", "[MASK]", "<|mask|>"),
}
_SPARSEST = 1_024  # ids without a token


@dataclass(frozen=True)
class Kept:
    """A tokenizer.json and what its own rows look like.

    document         what `tokenizers` opens
    model            it opened
    files            the files that the folder had, by name, to be written back
    tokens           by their ids; "" where an id has none
    special          the ids of all tokens that the file calls special
    pair_separators  how many separators stand between the texts of a pair
    pair_segments    whether the second text of a pair has segment 1
    """

    document: str
    model: tokenizers.Tokenizer
    files: Mapping[str, bytes]
    tokens: Sequence[str]
    specials: SpecialTokens
    special: frozenset[int]
    rules: Rules
    marks: Marks
    pair_separators: int
    pair_segments: bool


def open_document(document: str, where: str) -> tokenizers.Tokenizer:
    """The `tokenizers` object; what the file says of padding and cutting is not followed.

    Raises CheckpointError with the reason of `tokenizers`.
    """
    try:
        model = tokenizers.Tokenizer.from_str(document)
    except Exception as error:
        raise CheckpointError(f"{where}: not a tokenizer: {error!s:.200}") from error
    model.no_padding()
    model.no_truncation()
    return model


def keep(
    content: dict[str, Any],
    files: Mapping[str, bytes],
    named: Mapping[str, str],
    where: str,
    document: str,
) -> Kept:
    """Look a tokenizer over.

    content: what stands in tokenizer.json, as JSON. named: the special tokens that other files of
    the folder name. Raises CheckpointError naming the field.
    """
    model = open_document(document, where)
    tokens = _ids(model, where)
    _check_added(content, tokens, where)
    cls, sep, separators, segments = _rows(model, tokens, where)
    found = {"cls": cls, "sep": sep}
    for name, usual in _NAMES.items():
        wanted = [named.get(name), _unknown(content) if name == "unk" else None, *usual]
        found[name] = next((token for token in wanted if token and token in tokens), "")
    if lacking := [name for name, token in found.items() if not token]:
        raise CheckpointError(
            f"{where}: the vocabulary of {len(tokens):,} tokens has none for "
            f"{' and '.join(lacking)}: no file of the folder names it, and none of "
            f"{', '.join(token for name in lacking for token in _NAMES[name])} is there"
        )
    by_id = [""] * (max(tokens.values()) + 1)
    for token, number in tokens.items():
        by_id[number] = token
    return Kept(
        document=document,
        model=model,
        files=files,
        tokens=by_id,
        specials=SpecialTokens(**found),
        special=frozenset(
            number for number, token in model.get_added_tokens_decoder().items() if token.special
        ),
        rules=_rules(content.get("normalizer")),
        marks=_marks(content),
        pair_separators=separators,
        pair_segments=segments,
    )


def from_merges(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    named: Mapping[str, str],
    more: Mapping[str, int],
    add_prefix_space: bool,
    where: str,
) -> str:
    """RoBERTa's old layout, vocab.json and merges.txt, as a tokenizer.json.

    more: the tokens of added_tokens.json.
    """
    usual = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
    names = usual | dict(named)
    try:
        model = tokenizers.Tokenizer(
            models.BPE(dict(vocab), list(merges), unk_token=None, fuse_unk=False)
        )
    except Exception as error:
        raise CheckpointError(f"{where}: not a vocabulary of merges: {error!s:.200}") from error
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    model.decoder = tokenizers.decoders.ByteLevel()
    known = {**vocab, **more}
    if lacking := [names[name] for name in ("cls", "sep") if names[name] not in known]:
        raise CheckpointError(
            f"{where}: the vocabulary of {len(known):,} tokens lacks the special "
            f"token{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
        )
    model.add_tokens(sorted((t for t in more if t not in vocab), key=lambda token: more[token]))
    model.add_special_tokens(
        [
            # RoBERTa's mask swallows the space before it, as a word would have it.
            tokenizers.AddedToken(names[name], lstrip=name == "mask", normalized=False)
            for name in usual
            if names[name] in known
        ]
    )
    model.post_processor = processors.RobertaProcessing(
        (names["sep"], known[names["sep"]]),
        (names["cls"], known[names["cls"]]),
        add_prefix_space=add_prefix_space,
    )
    document: str = model.to_str()
    return document


def _ids(model: tokenizers.Tokenizer, where: str) -> dict[str, int]:
    """The id of every token; ids may be left out, but not by the thousand, and none has two."""
    vocab: dict[str, int] = model.get_vocab(with_added_tokens=True)
    if not vocab:
        raise CheckpointError(f"{where}: model.vocab: expected tokens, got none")
    size = max(vocab.values()) + 1
    if size > len(vocab) + _SPARSEST:
        raise CheckpointError(
            f"{where}: model.vocab: an id is {size - 1:,}, but there are {len(vocab):,} tokens"
        )
    if len(set(vocab.values())) != len(vocab):
        raise CheckpointError(f"{where}: model.vocab: an id has more than one token")
    return vocab


def _check_added(content: Mapping[str, Any], tokens: Mapping[str, int], where: str) -> None:
    """`tokenizers` gives added tokens other ids than the file's where they do not fit."""
    added = content.get("added_tokens")
    for token in added if isinstance(added, list) else ():
        if tokens.get(token["content"]) != token["id"]:  # `tokenizers` has opened it: both exist
            raise CheckpointError(
                f"{where}: added_tokens: {token['content']!r:.80} has the id {token['id']}, "
                f"expected {tokens.get(token['content'])}"
            )


def _rows(
    model: tokenizers.Tokenizer, tokens: Mapping[str, int], where: str
) -> tuple[str, str, int, bool]:
    """cls, sep, separators of a pair and whether it has segments, by what the file makes of one."""
    first, second = PROBE
    try:
        a, b = (model.encode(text, add_special_tokens=False).ids for text in PROBE)
        single, pair = model.encode(first), model.encode(first, second)
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"{where}: cannot encode {first!r}: {error!s:.200}") from error
    ids = single.ids
    separators = len(pair.ids) - len(a) - len(b) - 2
    cls, sep = (ids[0], ids[-1]) if ids else (-1, -1)
    second_segment = pair.type_ids[-1] if pair.type_ids else 0
    head = 1 + len(a) + separators
    if (
        not a
        or ids != [cls, *a, sep]
        or separators < 1
        or pair.ids != [cls, *a, *[sep] * separators, *b, sep]
        or any(single.type_ids)
        or pair.type_ids != [0] * head + [second_segment] * (len(b) + 1)
        or second_segment not in (0, 1)
    ):
        raise CheckpointError(
            f"{where}: post_processor: expected rows as an encoder has them, one token before the "
            f"first text and the same one or more after each; got {single.tokens!r:.80} for one "
            f"text and {pair.tokens!r:.80} for two"
        )
    names = {number: token for token, number in tokens.items()}
    return names[cls], names[sep], separators, second_segment == 1


def _unknown(content: Mapping[str, Any]) -> str | None:
    """The token for what the model does not know, as the model itself says."""
    model = content["model"]
    number, vocab = model.get("unk_id"), model.get("vocab")
    if isinstance(number, int) and isinstance(vocab, list) and 0 <= number < len(vocab):
        return str(vocab[number][0])
    return model.get("unk_token") if isinstance(model.get("unk_token"), str) else None


def _steps(table: Any) -> Iterator[dict[str, Any]]:
    """A part of tokenizer.json, or the parts of a Sequence, one after the other."""
    if not isinstance(table, dict):
        return
    yield table
    for inside in ("normalizers", "pretokenizers", "decoders"):
        steps = table.get(inside)
        for step in steps if isinstance(steps, list) else ():
            yield from _steps(step)


def set_prefix_space(content: Mapping[str, Any], wanted: object) -> bool:
    """Let byte-level steps put a space before a text, or not, as tokenizer_config.json says.

    transformers follows that file where the two differ. Returns whether anything was changed.
    """
    changed = False
    for step in _steps(content.get("pre_tokenizer")):
        if step.get("type") == "ByteLevel" and isinstance(wanted, bool):
            changed |= step.get("add_prefix_space") is not wanted
            step["add_prefix_space"] = wanted
    return changed


def _rules(normalizer: Any) -> Rules:
    """What the normalizer does, in our words."""
    lowercase = strip = chinese = False
    for step in _steps(normalizer):
        kind = step.get("type")
        lowercase |= kind == "Lowercase"
        strip |= kind == "StripAccents"
        if kind == "BertNormalizer":
            lowercase |= bool(step.get("lowercase"))
            own = step.get("strip_accents")
            strip |= bool(step.get("lowercase") if own is None else own)
            chinese |= bool(step.get("handle_chinese_chars"))
    return Rules(lowercase, strip, chinese)


def _marks(content: Mapping[str, Any]) -> Marks:
    kinds = {
        str(step.get("type"))
        for part in ("normalizer", "pre_tokenizer", "decoder")
        for step in _steps(content.get(part))
    }
    if "ByteLevel" in kinds:
        return "bytes"
    return "spaces" if "Metaspace" in kinds else "none"
