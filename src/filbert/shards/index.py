"""The form of a shard folder, and its list of contents, shards.json.

    shards.json        this module's ShardSet
    shard-00000.bin    see packing.py
    tokenizer/         the tokenizer that made the ids
    report.html        what is in it, for people
    rows-128.bin       made when it is first read with max_tokens 128: see row_table.py

Why it is so: docs/decisions/0008-shard-format-2.md.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from filbert.settings import to_mapping

FORMAT = 2
INDEX = "shards.json"
TOKENIZER = "tokenizer"
PAGE = "report.html"
SMALL_VOCABULARY = 2**16
"""Up to so many tokens an id is its own code."""
MOST_TOKENS = 2**32 - 1
"""In a shard: places in it have 32 bits."""
MOST_LANGUAGES = 256
"""In a shard: their numbers have 8 bits."""


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
