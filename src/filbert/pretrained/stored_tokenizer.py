"""A tokenizer's folder, read and written with what transformers keeps beside the vocabulary."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder
from filbert.disk import atomic_file
from filbert.errors import CheckpointError, SettingsError
from filbert.pretrained.asked import ENDLESS, LARGE, SIDES
from filbert.pretrained.opening import check_family, check_options, find
from filbert.pretrained.saving import make_place
from filbert.tokenizer import Tokenizer

CONFIG = "tokenizer_config.json"
TOKENIZER = "tokenizer.json"
OPTIONS = (
    "model_max_length",
    "padding_side",
    "truncation_side",
    "clean_up_tokenization_spaces",
    "do_lower_case",
)


@dataclass(frozen=True)
class Stored:
    """What a folder says of its tokenizer.

    more_specials  special tokens beside the five; they are left out of decoded texts, too
    """

    tokenizer: Tokenizer
    model_max_length: int
    padding_side: str
    truncation_side: str
    clean_up_tokenization_spaces: bool
    more_specials: tuple[str, ...] = ()


def read_stored(named: Any, revision: str | None, options: Mapping[str, Any]) -> Stored:
    """The tokenizer of a folder or hub name; options stand before what the folder says.

    Where tokenizer_config.json has no model_max_length, the number of the model's positions is it.
    """
    check_options("BertTokenizer", options, OPTIONS)
    folder = find(named, revision)
    check_family(folder, "BertTokenizer")
    tokenizer = Tokenizer.load(folder.path)
    if tokenizer.pair_separators != 1 or not tokenizer.pair_segments:
        raise CheckpointError(
            f"{folder}: this tokenizer joins two texts in another way than a BERT's does; "
            f"filbert.open_model({str(folder.path)!r}) opens other families"
        )
    lower = options.get("do_lower_case")
    if lower is not None and lower != tokenizer.lowercase:
        raise SettingsError(
            f"{folder}: do_lower_case={lower}, but this vocabulary is "
            f"{'lower-cased' if tokenizer.lowercase else 'cased'}: other rules would give the "
            "network tokens that it was not taught with"
        )
    path = folder.path / CONFIG
    config = {**_read(path), **{name: options[name] for name in options}}
    for name in ("padding_side", "truncation_side"):
        if config.get(name, "right") not in SIDES:
            raise CheckpointError(f"{path}: {name}: expected right or left, got {config[name]!r}")
    return Stored(
        tokenizer,
        _length(config.get("model_max_length"), folder, path),
        config.get("padding_side", "right"),
        config.get("truncation_side", "right"),
        config.get("clean_up_tokenization_spaces") is True,
        _more_specials(folder.path / TOKENIZER, tokenizer),
    )


def write_stored(save_directory: Any, stored: Stored) -> tuple[str, ...]:
    """Write the tokenizer's files; gives their paths."""
    folder = make_place(save_directory)
    stored.tokenizer.save(folder)
    path = folder / CONFIG
    config = _read(path)
    config["padding_side"] = stored.padding_side
    config["truncation_side"] = stored.truncation_side
    config["clean_up_tokenization_spaces"] = stored.clean_up_tokenization_spaces
    if stored.model_max_length <= LARGE:
        config["model_max_length"] = stored.model_max_length
    with atomic_file(path) as draft:
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        draft.write_bytes(text.encode("utf-8"))
    names = (TOKENIZER, CONFIG, "vocab.txt")
    return tuple(str(folder / name) for name in names if (folder / name).is_file())


def _more_specials(path: Path, tokenizer: Tokenizer) -> tuple[str, ...]:
    """The added tokens of a tokenizer.json (which Tokenizer.load has checked) that are special."""
    added = _read(path).get("added_tokens") or []
    named = {token["content"] for token in added if token.get("special")}
    return tuple(sorted(named - set(tokenizer.specials.all)))


def _length(value: Any, folder: Folder, path: Path) -> int:
    if value is None or (isinstance(value, int | float) and value > LARGE):
        return _positions(folder)
    if type(value) is not int or value < 1:
        raise CheckpointError(f"{path}: model_max_length: expected a number, got {value!r:.40}")
    return value


def _positions(folder: Folder) -> int:
    try:
        return folder.shape().max_positions
    except CheckpointError:
        return ENDLESS  # a folder of a tokenizer alone


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected an object, got {type(value).__name__}")
    return value
