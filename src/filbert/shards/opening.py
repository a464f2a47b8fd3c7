"""shards.json → a ShardSet that fits its files; what does not is named, file and field."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from reprlib import repr as shortly

from filbert.disk import sha256_of
from filbert.errors import DataError, SettingsError
from filbert.settings import load_settings
from filbert.shards.index import (
    FORMAT,
    INDEX,
    MOST_LANGUAGES,
    MOST_TOKENS,
    SMALL_VOCABULARY,
    Shard,
    ShardSet,
)
from filbert.shards.packing import size_of

# Names are given, never free: a path in shards.json must not lead out of the folder.
_NAME = re.compile(r"shard-([0-9]{5}|[1-9][0-9]{5,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_VOCABULARY = 2**31 - 1


def read_index(folder: Path) -> ShardSet:
    """Read shards.json and see that every file is there and as long as it says.

    Raises DataError naming the file, and the field where there is one.
    """
    path = folder / INDEX
    with readable(path):
        if not path.is_file():
            what = "no such folder" if not folder.is_dir() else f"no {INDEX} in it"
            raise DataError(f"{folder}: expected a folder of shards; {what}")
        _check_format(path)
    try:
        contents = load_settings(path, ShardSet)
    except SettingsError as error:
        raise DataError(str(error)) from error
    if not contents.shards:
        raise DataError(f"{path}: shards: expected at least one, got none")
    _in_range(path, "vocab_size", contents.vocab_size, 1, _MOST_VOCABULARY)
    _check_names(path, contents)
    for shard in contents.shards:
        check_shard(shard, contents.vocab_size, path)
        _check_size(folder / shard.file, size_of(shard, contents.vocab_size))
    for field in ("tokens", "documents", "sentences"):
        total = sum(getattr(shard, field) for shard in contents.shards)
        _same(path, field, getattr(contents, field), total, "the sum over the shards")
    return contents


def verify(contents: ShardSet, folder: Path) -> None:
    """Compare every file with its checksum. Raises DataError naming the first that differs."""
    for shard in contents.shards:
        path = folder / shard.file
        with readable(path):
            got = sha256_of(path)
        if got != shard.sha256:
            raise DataError(
                f"{path}: damaged: expected the SHA-256 {shard.sha256[:12]}… by "
                f"{INDEX}, got {got[:12]}…; write the shards again"
            )


def check_shard(shard: Shard, vocab_size: int, path: Path) -> None:
    """What is said of a shard must be possible. Raises DataError naming path and field."""
    where = f"{path}: {shard.name}"
    if not 0 < shard.documents <= shard.sentences <= shard.tokens <= MOST_TOKENS:
        raise DataError(
            f"{where}: expected 0 < documents ≤ sentences ≤ tokens ≤ {MOST_TOKENS:,}, got "
            f"{shortly(shard.documents)}, {shortly(shard.sentences)}, {shortly(shard.tokens)}"
        )
    most = {
        "exceptions": shard.tokens if vocab_size > SMALL_VOCABULARY else 0,
        "long_sentences": (shard.tokens - shard.sentences) // 255,
        "long_documents": (shard.sentences - shard.documents) // 255,
        "left_out": MOST_TOKENS,
        "unknown": shard.tokens,
    }
    for field, high in most.items():
        _in_range(where, field, getattr(shard, field), 0, high)
    _check_languages(where, shard)
    _check_stretches(where, shard)
    if not _SHA256.fullmatch(shard.sha256):
        raise DataError(f"{where}: sha256: expected 64 digits, got {shortly(shard.sha256)}")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """The system's errors while a file is read, as a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_format(path: Path) -> None:
    """Before the fields, which differ from format to format."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    number = found.get("format") if isinstance(found, dict) else None
    if number != FORMAT:
        raise DataError(
            f"{path}: format: expected {FORMAT}, got {shortly(number)}; write the shards anew from "
            "the corpus (filbert shards CORPUS --tokenizer DIR --out DIR)"
        )


def _check_names(path: Path, contents: ShardSet) -> None:
    """They rise as numbers: as texts, shard-100000 comes before shard-99999."""
    numbers = []
    for shard in contents.shards:
        if (match := _NAME.fullmatch(shard.name)) is None:
            raise DataError(
                f"{path}: shards: expected a name as 'shard-00000', got {shortly(shard.name)}"
            )
        numbers.append(int(match[1]))
    for place, (number, following) in enumerate(pairwise(numbers)):
        if number >= following:
            first, second = (shard.name for shard in contents.shards[place : place + 2])
            raise DataError(f"{path}: shards: expected names that rise, got {second} after {first}")


def _check_size(file: Path, size: int) -> None:
    try:
        got = file.stat().st_size
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; {INDEX} lists it") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    if got != size:
        raise DataError(f"{file}: expected {size:,} bytes by {INDEX}, got {got:,}")


def _check_languages(where: str, shard: Shard) -> None:
    _in_range(where, "languages", len(shard.languages), 1, MOST_LANGUAGES)
    for name, counts in shard.languages.items():
        if not 0 < counts.documents <= counts.tokens:
            raise DataError(
                f"{where}: languages: {shortly(name)}: expected 0 < documents ≤ tokens, got "
                f"{shortly(counts.documents)}, {shortly(counts.tokens)}"
            )
    for field in ("documents", "tokens"):
        total = sum(getattr(counts, field) for counts in shard.languages.values())
        _same(where, f"languages: {field}", total, getattr(shard, field), f"the shard's {field}")


def _check_stretches(where: str, shard: Shard) -> None:
    for stretch in shard.stretches:
        _in_range(where, "stretches: first", stretch.first, 0, 2**63 - 1)
        _in_range(where, "stretches: documents", stretch.documents, 0, 2**63 - 1)
    total = sum(stretch.documents for stretch in shard.stretches)
    said = shard.documents + shard.left_out
    _same(where, "stretches: documents", total, said, "the shard's documents and left_out")


def _in_range(where: object, field: str, got: int, low: int, high: int) -> None:
    if not low <= got <= high:
        raise DataError(f"{where}: {field}: expected {low:,} to {high:,}, got {shortly(got)}")


def _same(where: object, field: str, got: int, expected: int, what: str) -> None:
    if got != expected:
        raise DataError(f"{where}: {field}: expected {expected}, {what}, got {shortly(got)}")
