"""The form of a shard folder, and its list of contents, shards.json.

    shards.json                     this module's ShardSet
    shard-00000.tokens.bin          token ids, uint16 or uint32, without special tokens
    shard-00000.documents.bin       int64 [documents], the exclusive end of each, in tokens
    shard-00000.sentences.bin       int64 [sentences], likewise; a document's end is also one
    tokenizer/                      the tokenizer that made the ids

All numbers are little-endian. A shard ends where a document ends.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filbert.disk import sha256_of
from filbert.errors import DataError, SettingsError
from filbert.settings import load_settings, to_mapping

FORMAT = 1
INDEX = "shards.json"
TOKENIZER = "tokenizer"
ENDS = np.dtype("<i8")
TOKENS: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard: its name, how much is in it, and the checksum of each of its files."""

    name: str
    tokens: int
    documents: int
    sentences: int
    sha256: dict[str, str]

    def sizes(self, dtype: str) -> dict[str, int]:
        """The bytes that each of its files must have."""
        return {
            f"{self.name}.tokens.bin": self.tokens * TOKENS[dtype].itemsize,
            f"{self.name}.documents.bin": self.documents * ENDS.itemsize,
            f"{self.name}.sentences.bin": self.sentences * ENDS.itemsize,
        }


@dataclass(frozen=True, slots=True)
class ShardSet:
    """All that shards.json says.

    dtype: "uint16" or "uint32". tokenizer: the digest of the tokenizer that made the ids.
    """

    format: int
    dtype: str
    vocab_size: int
    tokenizer: str
    tokens: int
    documents: int
    sentences: int
    shards: list[Shard]


def dtype_for(vocab_size: int) -> str:
    """The smallest of the two types that holds every id."""
    return "uint16" if vocab_size <= 2**16 else "uint32"


def write_index(contents: ShardSet, folder: Path) -> None:
    """Write shards.json into a folder that is being filled."""
    text = json.dumps(to_mapping(contents), indent=2) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8")


def read_index(folder: Path) -> ShardSet:
    """Read shards.json and see that every file is there and as long as it says.

    Raises DataError naming the file, and the field where there is one.
    """
    path = folder / INDEX
    if not path.is_file():
        what = "no such folder" if not folder.is_dir() else f"no {INDEX} in it"
        raise DataError(f"{folder}: expected a folder of shards; {what}")
    try:
        contents = load_settings(path, ShardSet)
    except SettingsError as error:
        raise DataError(str(error)) from error
    if contents.format != FORMAT:
        raise DataError(f"{path}: format: expected {FORMAT}, got {contents.format}")
    if contents.dtype != dtype_for(contents.vocab_size):
        raise DataError(
            f"{path}: dtype: expected {dtype_for(contents.vocab_size)!r} for a vocabulary of "
            f"{contents.vocab_size}, got {contents.dtype!r}"
        )
    if not contents.shards:
        raise DataError(f"{path}: shards: expected at least one, got none")
    for number, shard in enumerate(contents.shards):
        _check_shard(shard, name_of(number), contents.dtype, folder)
    for field in ("tokens", "documents", "sentences"):
        total = sum(getattr(shard, field) for shard in contents.shards)
        if total != getattr(contents, field):
            raise DataError(
                f"{path}: {field}: expected {total}, the sum over the shards, "
                f"got {getattr(contents, field)}"
            )
    return contents


def name_of(number: int) -> str:
    """The name of a shard by its number."""
    return f"shard-{number:05d}"


def _check_shard(shard: Shard, name: str, dtype: str, folder: Path) -> None:
    """Names are given, never free: a path in shards.json must not lead out of the folder."""
    path = folder / INDEX
    if shard.name != name:
        raise DataError(f"{path}: shards: expected the name {name!r}, got {shard.name!r}")
    if not 0 < shard.documents <= shard.sentences <= shard.tokens:
        raise DataError(
            f"{path}: {name}: expected 0 < documents ≤ sentences ≤ tokens, got "
            f"{shard.documents}, {shard.sentences}, {shard.tokens}"
        )
    sizes = shard.sizes(dtype)
    if shard.sha256.keys() != sizes.keys():
        raise DataError(
            f"{path}: {name}: sha256: expected the files {', '.join(sizes)}; "
            f"got {', '.join(shard.sha256) or 'none'}"
        )
    for file, size in sizes.items():
        if not (folder / file).is_file():
            raise DataError(f"{folder / file}: missing; {INDEX} lists it")
        if (got := (folder / file).stat().st_size) != size:
            raise DataError(f"{folder / file}: expected {size:,} bytes by {INDEX}, got {got:,}")


def verify(contents: ShardSet, folder: Path) -> None:
    """Compare every file with its checksum. Raises DataError naming the first that differs."""
    for shard in contents.shards:
        for file, expected in shard.sha256.items():
            if (got := sha256_of(folder / file)) != expected:
                raise DataError(
                    f"{folder / file}: damaged: expected the SHA-256 {expected[:12]}… by {INDEX}, "
                    f"got {got[:12]}…; write the shards again"
                )
