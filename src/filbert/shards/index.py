"""The form of a shard folder, and its list of contents, shards.json.

    shards.json        this module's ShardSet
    shard-00000.bin    see packing.py
    tokenizer/         the tokenizer that made the ids
    report.html        what is in it, for people
    rows-128.bin       made when it is first read: see row_table.py

Why it is so: docs/decisions/0008-shard-format-2.md.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from filbert.disk import sha256_of
from filbert.errors import DataError, SettingsError
from filbert.settings import load_settings, to_mapping

FORMAT = 2
INDEX = "shards.json"
TOKENIZER = "tokenizer"
PAGE = "report.html"
SMALL_VOCABULARY = 2**16
"""Up to so many tokens an id is its own code."""


@dataclass(frozen=True, slots=True)
class LanguageCounts:
    """What of a shard, or of a set, is in one language."""

    documents: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Documents of the corpus that follow each other: its file, the first one's row, how many.

    file is "" where the documents did not come from a corpus folder.
    """

    file: str
    first: int
    documents: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard: how much is in it, where it came from, its checksum.

    exceptions: tokens whose ids are not among the kept ones. long_sentences, long_documents: those
    with more than 255 tokens or sentences. left_out: documents without any token. unknown: tokens
    that are [UNK]. languages: in the order of their numbers; "" is unknown.
    """

    name: str
    tokens: int
    documents: int
    sentences: int
    exceptions: int
    long_sentences: int
    long_documents: int
    left_out: int
    unknown: int
    languages: dict[str, LanguageCounts]
    stretches: list[Stretch]
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.bin"


@dataclass(frozen=True, slots=True)
class ShardSet:
    """All that shards.json says. tokenizer: the digest of the tokenizer that made the ids."""

    format: int
    vocab_size: int
    tokenizer: str
    tokens: int
    documents: int
    sentences: int
    shards: list[Shard]

    @property
    def digest(self) -> str:
        """What this set is, in one number: hexadecimal SHA-256 over all that is said here."""
        return hashlib.sha256(json.dumps(to_mapping(self), sort_keys=True).encode()).hexdigest()

    @property
    def languages(self) -> dict[str, LanguageCounts]:
        """The counts of all shards by language, the most tokens first."""
        found: dict[str, LanguageCounts] = {}
        for shard in self.shards:
            for name, counts in shard.languages.items():
                before = found.get(name, LanguageCounts(0, 0))
                found[name] = LanguageCounts(
                    before.documents + counts.documents, before.tokens + counts.tokens
                )
        return dict(sorted(found.items(), key=lambda item: (-item[1].tokens, item[0])))


def index_of(shards: list[Shard], vocab_size: int, tokenizer: str) -> ShardSet:
    """The contents of a set of shards."""
    return ShardSet(
        format=FORMAT,
        vocab_size=vocab_size,
        tokenizer=tokenizer,
        tokens=sum(shard.tokens for shard in shards),
        documents=sum(shard.documents for shard in shards),
        sentences=sum(shard.sentences for shard in shards),
        shards=shards,
    )


def write_index(contents: ShardSet, folder: Path) -> None:
    """Write shards.json into a folder that is being filled."""
    text = json.dumps(to_mapping(contents), indent=1, ensure_ascii=False) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8")


def name_of(number: int) -> str:
    """The name of a shard by its number."""
    return f"shard-{number:05d}"


def read_index(folder: Path) -> ShardSet:
    """Read shards.json and see that every file is there and as long as it says.

    Raises DataError naming the file, and the field where there is one.
    """
    path = folder / INDEX
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
    for shard in contents.shards:
        _check_shard(shard, contents.vocab_size, folder)
    names = [shard.name for shard in contents.shards]
    if names != sorted(set(names)):
        raise DataError(f"{path}: shards: expected names that rise, got {', '.join(names[:9])}")
    for field in ("tokens", "documents", "sentences"):
        total = sum(getattr(shard, field) for shard in contents.shards)
        if total != getattr(contents, field):
            raise DataError(
                f"{path}: {field}: expected {total}, the sum over the shards, "
                f"got {getattr(contents, field)}"
            )
    return contents


def _check_format(path: Path) -> None:
    """Before the fields, which differ from format to format."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    number = found.get("format") if isinstance(found, dict) else None
    if number != FORMAT:
        raise DataError(
            f"{path}: format: expected {FORMAT}, got {number!r}; write the shards anew from the "
            "corpus (filbert shards CORPUS --tokenizer DIR --out DIR)"
        )


def _check_shard(shard: Shard, vocab_size: int, folder: Path) -> None:
    """Names are given, never free: a path in shards.json must not lead out of the folder."""
    from filbert.shards.packing import size_of

    path, name = folder / INDEX, shard.name
    number = name.removeprefix("shard-")
    if not (number.isascii() and number.isdecimal() and name == name_of(int(number))):
        raise DataError(f"{path}: shards: expected a name as 'shard-00000', got {name!r}")
    if not 0 < shard.documents <= shard.sentences <= shard.tokens:
        raise DataError(
            f"{path}: {name}: expected 0 < documents ≤ sentences ≤ tokens, got "
            f"{shard.documents}, {shard.sentences}, {shard.tokens}"
        )
    parts = {
        "exceptions": shard.tokens,
        "long_sentences": shard.sentences,
        "long_documents": shard.documents,
        "left_out": 2**32,
        "unknown": shard.tokens,
    }
    for field, most in parts.items():
        if not 0 <= getattr(shard, field) <= most:
            raise DataError(
                f"{path}: {name}: {field}: expected 0 to {most:,}, got {getattr(shard, field):,}"
            )
    size = size_of(shard, vocab_size)
    file = folder / shard.file
    try:
        got = file.stat().st_size
    except OSError as error:
        raise DataError(f"{file}: missing; {INDEX} lists it") from error
    if got != size:
        raise DataError(f"{file}: expected {size:,} bytes by {INDEX}, got {got:,}")


def verify(contents: ShardSet, folder: Path) -> None:
    """Compare every file with its checksum. Raises DataError naming the first that differs."""
    for shard in contents.shards:
        if (got := sha256_of(folder / shard.file)) != shard.sha256:
            raise DataError(
                f"{folder / shard.file}: damaged: expected the SHA-256 {shard.sha256[:12]}… by "
                f"{INDEX}, got {got[:12]}…; write the shards again"
            )
