"""Tokenizer folders: Hugging Face's tokenizer.json, BERT's vocab.txt, RoBERTa's merges.txt.

A WordPiece tokenizer.json is read strictly, field by field, and written anew; one of another kind
is kept as it came.

What decides the casing, in this order: `do_lower_case` in tokenizer_config.json (as transformers
does it), the normalizer in tokenizer.json, and for a vocab.txt that comes without a word on it the
vocabulary itself: cased if any piece has an upper-case letter. Never the name of the folder.
"""

import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filbert.disk import atomic_file
from filbert.errors import CheckpointError
from filbert.tokenizer.hostile import LARGEST_FILE, check_work
from filbert.tokenizer.kept import Kept, from_merges, keep, set_prefix_space
from filbert.tokenizer.rules import CONTINUING, LONGEST_WORD, Rules, SpecialTokens, looks_cased

VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIALS = "special_tokens_map.json"
ADDED = "added_tokens.json"
BYTE_VOCABULARY = "vocab.json"
MERGES = "merges.txt"
_KEPT = (TOKENIZER, CONFIG, SPECIALS, ADDED, BYTE_VOCABULARY, MERGES)
_IN_CONFIG = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_IN_NORMALIZER = ("lowercase", "strip_accents", "handle_chinese_chars")
_GZIP = b"\x1f\x8b"
_FLAGS = {"single_word", "lstrip", "rstrip", "normalized", "special"}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a tokenizer folder says.

    vocab  the pieces in the order of their ids
    added  further tokens, as they stand under `added_tokens` in a tokenizer.json
    where  the file that the vocabulary came from
    kept   a tokenizer of another kind than WordPiece, which then says all of it once more
    """

    vocab: Sequence[str]
    rules: Rules
    specials: SpecialTokens
    added: Sequence[Mapping[str, Any]]
    where: str
    kept: Kept | None = None


def read(folder: Path) -> Stored:
    """Read a tokenizer folder.

    Raises CheckpointError naming the file and the line, field or token that does not fit.
    """
    config_path = folder / CONFIG
    config = _read_json(config_path) if config_path.is_file() else {}
    if (folder / TOKENIZER).is_file():
        return _from_json(folder / TOKENIZER, config)
    specials = _specials(_named(config, config_path))
    if (folder / VOCABULARY).is_file():
        path = folder / VOCABULARY
        vocab = read_vocabulary(path)
        lowercase = not looks_cased(vocab, specials)
        default = Rules(lowercase=lowercase, strip_accents=lowercase)
        rules = _rules(config, config_path, default, _IN_CONFIG)
        return Stored(vocab, rules, specials, (), str(path))
    if (folder / BYTE_VOCABULARY).is_file() and (folder / MERGES).is_file():
        return _from_merges(folder, config)
    what = "no such folder"
    if folder.is_dir():
        alone = next((f.name for f in folder.glob("*.model")), None)
        what = f"no {TOKENIZER}, no {VOCABULARY}, no {BYTE_VOCABULARY} with {MERGES} in it"
        what += f"; {alone} alone is not read" if alone else ""
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


def read_vocabulary_file(path: Path) -> Stored:
    """A vocab.txt, or one that gzip packed, wherever it lies and whatever it is called.

    The vocabulary itself says whether it is cased. Raises CheckpointError as read_vocabulary.
    """
    specials = SpecialTokens()
    vocab = read_vocabulary(path)
    lowercase = not looks_cased(vocab, specials)
    rules = Rules(lowercase=lowercase, strip_accents=lowercase)
    return Stored(vocab, rules, specials, (), str(path))


def write_kept(folder: Path, kept: Kept) -> None:
    """Write a kept tokenizer's files as they came, and the two that every folder has."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    config |= {f"{name}_token": token for name, token in asdict(kept.specials).items()}
    contents = {
        TOKENIZER: kept.document.encode("utf-8"),
        CONFIG: (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode("utf-8"),
    }
    for name, content in (contents | dict(kept.files)).items():
        with atomic_file(folder / name) as draft:
            draft.write_bytes(content)


def _from_json(path: Path, config: Mapping[str, Any]) -> Stored:
    content = _read_json(path)
    model = _table(content, "model", path)
    named = _named(config, path.with_name(CONFIG))
    # tokenizer.json of before 2020 leave the model's type out; their merges tell it.
    if model.get("type", "BPE" if "merges" in model else "WordPiece") != "WordPiece":
        return _kept(path, content, config, named, None)
    return _wordpiece(path, content, config, _specials(named))


def _from_merges(folder: Path, config: Mapping[str, Any]) -> Stored:
    """RoBERTa's old layout."""
    path = folder / BYTE_VOCABULARY
    vocab = _read_ids(path)
    more = _read_ids(folder / ADDED) if (folder / ADDED).is_file() else {}
    named = _named(config, folder / CONFIG)
    named |= {n: t for n, t in _more_named(folder / SPECIALS).items() if n not in named}
    document = from_merges(
        vocab,
        read_merges(folder / MERGES),
        named,
        more,
        config.get("add_prefix_space") is True,
        str(path),
    )
    return _kept(path, json.loads(document), config, named, document)


def _kept(
    path: Path,
    content: dict[str, Any],
    config: Mapping[str, Any],
    named: dict[str, str],
    document: str | None,
) -> Stored:
    """A tokenizer of another kind, with all files that belong to it."""
    check_work(content, path)
    folder = path.parent
    files = {name: _read_bytes(folder / name) for name in _KEPT if (folder / name).is_file()}
    named |= {n: t for n, t in _more_named(folder / SPECIALS).items() if n not in named}
    if document is None:
        document = files[TOKENIZER].decode("utf-8")
        if set_prefix_space(content, config.get("add_prefix_space")):
            document = json.dumps(content)
    kept = keep(content, files, named, str(path), document)
    return Stored(kept.tokens, kept.rules, kept.specials, (), str(path), kept)


def _more_named(path: Path) -> dict[str, str]:
    return _named(_read_json(path), path) if path.is_file() else {}


def _read_ids(path: Path) -> dict[str, int]:
    """A JSON file of tokens and their ids."""
    vocab = _read_json(path)
    for token, index in vocab.items():
        if type(index) is not int or not 0 <= index < 2**31:
            raise CheckpointError(f"{path}: {token!r:.80}: expected a token id, got {index!r:.80}")
    return vocab


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The merges of a merges.txt, the first ones first.

    Raises CheckpointError naming the line that is not two pieces with a space between them.
    """
    merges = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pieces = line.removesuffix("\r").split(" ")
        if len(pieces) != 2 or not all(pieces):
            raise CheckpointError(f"{path}:{number}: expected two pieces, got {line!r:.80}")
        merges.append((pieces[0], pieces[1]))
    return merges


def _wordpiece(
    path: Path, content: Mapping[str, Any], config: Mapping[str, Any], specials: SpecialTokens
) -> Stored:
    model = _table(content, "model", path)
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


def _specials(named: Mapping[str, str]) -> SpecialTokens:
    return SpecialTokens(**named)


def _named(config: Mapping[str, Any], path: Path) -> dict[str, str]:
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
    return found


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
    raw = _unpacked(path, _read_bytes(path))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CheckpointError(f"{path}:{line}: not valid UTF-8: {error.reason}") from error


def _unpacked(path: Path, raw: bytes) -> bytes:
    """What gzip packed, unpacked; never more than the largest file that is read."""
    if not raw.startswith(_GZIP):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            raw = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CheckpointError(f"{path}: not whole gzip: {error}") from error
    if len(raw) > LARGEST_FILE:
        raise CheckpointError(f"{path}: unpacks to more than {LARGEST_FILE:,} bytes")
    return raw


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CheckpointError(
                f"{path}: {path.stat().st_size:,} bytes; expected at most {LARGEST_FILE:,}"
            )
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
