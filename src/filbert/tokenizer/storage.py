"""Tokenizer folders: Hugging Face's tokenizer.json, or BERT's original vocab.txt, in and out.

What decides the casing, in this order: `do_lower_case` in tokenizer_config.json (as transformers
does it), the normalizer in tokenizer.json, and for a vocab.txt that comes without a word on it the
vocabulary itself: cased if any piece has an upper-case letter. Never the name of the folder.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.disk import atomic_file
from filbert.errors import CheckpointError
from filbert.tokenizer.rules import CONTINUING, LONGEST_WORD, Rules, SpecialTokens, looks_cased

VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
_IN_CONFIG = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_IN_NORMALIZER = ("lowercase", "strip_accents", "handle_chinese_chars")
_FLAGS = {"single_word", "lstrip", "rstrip", "normalized", "special"}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a tokenizer folder says.

    vocab  the pieces in the order of their ids
    added  further tokens, as they stand under `added_tokens` in a tokenizer.json
    where  the file that the vocabulary came from
    """

    vocab: Sequence[str]
    rules: Rules
    specials: SpecialTokens
    added: Sequence[Mapping[str, Any]]
    where: str


def read(folder: Path) -> Stored:
    """Read a tokenizer folder.

    Raises CheckpointError naming the file and the line, field or token that does not fit.
    """
    config_path = folder / CONFIG
    config = _read_json(config_path) if config_path.is_file() else {}
    specials = _specials(config, config_path)
    if (folder / TOKENIZER).is_file():
        return _from_json(folder / TOKENIZER, config, specials)
    if (folder / VOCABULARY).is_file():
        path = folder / VOCABULARY
        vocab = read_vocabulary(path)
        lowercase = not looks_cased(vocab, specials)
        default = Rules(lowercase=lowercase, strip_accents=lowercase)
        rules = _rules(config, config_path, default, _IN_CONFIG)
        return Stored(vocab, rules, specials, (), str(path))
    what = "no such folder" if not folder.is_dir() else f"no {TOKENIZER} and no {VOCABULARY} in it"
    raise CheckpointError(f"{folder}: expected a tokenizer; {what}")


def write(
    folder: Path, *, tokens: Sequence[str], rules: Rules, specials: SpecialTokens, model: str
) -> None:
    """Write the three files; each is there whole or not at all.

    tokens: all tokens in the order of their ids. model: the content of tokenizer.json.
    Raises CheckpointError for a token that a vocab.txt cannot hold.
    """
    for token in tokens:
        if not token or "\n" in token or "\r" in token:
            raise CheckpointError(
                f"{folder / VOCABULARY}: the token {token!r} does not fit on a line of its own"
            )
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": rules.lowercase,
        "strip_accents": rules.strip_accents,
        "tokenize_chinese_chars": rules.split_chinese,
        "pad_token": specials.pad,
        "unk_token": specials.unk,
        "cls_token": specials.cls,
        "sep_token": specials.sep,
        "mask_token": specials.mask,
    }
    contents = {
        VOCABULARY: "".join(f"{token}\n" for token in tokens),
        CONFIG: json.dumps(config, indent=2, ensure_ascii=False) + "\n",
        TOKENIZER: model + "\n",
    }
    for name, content in contents.items():
        with atomic_file(folder / name) as draft:
            draft.write_bytes(content.encode("utf-8"))


def read_vocabulary(path: Path) -> list[str]:
    """The tokens of a vocab.txt, one a line; the line number less one is the id.

    Raises CheckpointError naming the line for invalid UTF-8, an empty line or a duplicate.
    """
    # Not splitlines: real vocabularies hold U+2028 as a token.
    lines = _read_text(path).removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    first: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        token = line.removesuffix("\r")
        if not token:
            raise CheckpointError(f"{path}:{number}: an empty line; expected one token a line")
        if token in first:
            raise CheckpointError(
                f"{path}:{number}: the token {token!r} stands in line {first[token]} already"
            )
        first[token] = number
    return list(first)


def _from_json(path: Path, config: Mapping[str, Any], specials: SpecialTokens) -> Stored:
    content = _read_json(path)
    model = _table(content, "model", path)
    # tokenizer.json of before 2020 leave the model's type out; their "##" tells it.
    if model.get("type", "WordPiece") != "WordPiece":
        raise CheckpointError(f"{path}: expected a WordPiece model, got {model['type']!r}")
    _expect(path, "model.continuing_subword_prefix", model, CONTINUING)
    _expect(path, "model.unk_token", model, specials.unk)
    _expect(path, "model.max_input_chars_per_word", model, LONGEST_WORD)
    normalizer = _table(content, "normalizer", path)
    _expect(path, "normalizer.type", normalizer, "BertNormalizer")
    _expect(path, "normalizer.clean_text", normalizer, True)
    _expect(path, "pre_tokenizer.type", _table(content, "pre_tokenizer", path), "BertPreTokenizer")
    rules = _rules(normalizer, path, Rules(), _IN_NORMALIZER)
    added = content.get("added_tokens", [])
    if not isinstance(added, list) or not all(_is_added_token(token) for token in added):
        raise CheckpointError(
            f"{path}: added_tokens: expected a list of tables with id, content, "
            f"{', '.join(sorted(_FLAGS))}"
        )
    return Stored(
        _in_order(_table(model, "vocab", path, "model."), path),
        rules=_rules(config, path.with_name(CONFIG), rules, _IN_CONFIG),
        specials=specials,
        added=added,
        where=str(path),
    )


def _is_added_token(token: Any) -> bool:
    return (
        isinstance(token, dict)
        and isinstance(token.get("content"), str)
        and type(token.get("id")) is int
        and set(token) == _FLAGS | {"id", "content"}
        and all(isinstance(token[flag], bool) for flag in _FLAGS)
    )


def _in_order(vocab: Mapping[str, Any], path: Path) -> list[str]:
    """The pieces in the order of their ids, which must be 0, 1, 2 and so on."""
    tokens = sorted(vocab, key=lambda token: vocab[token] if type(vocab[token]) is int else -1)
    for index, token in enumerate(tokens):
        if vocab[token] != index or type(vocab[token]) is not int:
            raise CheckpointError(
                f"{path}: model.vocab: expected the ids 0 to {len(vocab) - 1}, each once; "
                f"the token {token!r} has {vocab[token]!r} where {index} is missing"
            )
    return tokens


def _rules(
    table: Mapping[str, Any], path: Path, default: Rules, names: tuple[str, str, str]
) -> Rules:
    """Rules out of a table that calls them `names`; what it leaves open is the default's."""
    for name in names:
        if not isinstance(table.get(name), bool | None):
            raise CheckpointError(f"{path}: {name}: expected true or false, got {table[name]!r}")
    lowercase, strip, chinese = (table.get(name) for name in names)
    lowercase = default.lowercase if lowercase is None else lowercase
    if strip is None:
        # BERT's own rule: accents go where capitals go, unless the folder says otherwise.
        strip = default.strip_accents if lowercase == default.lowercase else lowercase
    return Rules(lowercase, strip, default.split_chinese if chinese is None else chinese)


def _specials(config: Mapping[str, Any], path: Path) -> SpecialTokens:
    """Special tokens out of a tokenizer_config.json, where each is a text or a table."""
    found = {}
    for name in ("pad", "unk", "cls", "sep", "mask"):
        value = config.get(f"{name}_token")
        if isinstance(value, dict):
            value = value.get("content")
        if value is None:
            continue
        if not isinstance(value, str):
            raise CheckpointError(f"{path}: {name}_token: expected a text, got {value!r}")
        found[name] = value
    return SpecialTokens(**found)


def _expect(path: Path, field: str, table: Mapping[str, Any], expected: Any) -> None:
    """Refuse what no BERT has: reading it by other rules would give wrong ids silently."""
    got = table.get(field.rpartition(".")[2], expected)
    if got != expected:
        raise CheckpointError(f"{path}: {field}: expected {expected!r}, got {got!r}")


def _table(content: Mapping[str, Any], name: str, path: Path, within: str = "") -> dict[str, Any]:
    value = content.get(name)
    if not isinstance(value, dict):
        got = type(value).__name__ if name in content else "nothing"
        raise CheckpointError(f"{path}: {within}{name}: expected a table, got {got}")
    return value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{path}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})"
        ) from error
    except RecursionError:
        raise CheckpointError(f"{path}: nested too deeply to be read") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a table, got {type(content).__name__}")
    return content


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CheckpointError(f"{path}:{line}: not valid UTF-8: {error.reason}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
