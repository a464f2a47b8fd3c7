"""What the sources of a corpus are, and what comes out of them: texts and problems."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "plain", "jsonl", "parquet", "html", "extracted", "mediawiki", "warc", "empty", "binary"
]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a corpus, here or in an object store.

    Attributes:
        address: its path with forward slashes, or s3://…, gs://…, az://…, https://…
        size: its bytes, as they are stored.
        stamp: what changes when the file changes: its time of change in nanoseconds, or the
            object store's etag.
    """

    address: str
    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Found:
    """A raw text that was found in a source.

    Attributes:
        text: the text itself, not cleaned.
        place: where it begins: "line 12", "byte 5120", "row 3"; in the decompressed data where
            nothing else is said.
        label: what it is an example of, where the source says it.
        title: its title, where it has one.
        url: the page it is from, where the source says it.
        language: its language, where the source says it (ISO 639-1).
    """

    text: str
    place: str
    label: str | None = None
    title: str | None = None
    url: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read and was passed over.

    Attributes:
        kind: a short name that stays the same, by which problems are counted: "truncated",
            "encoding", "too large", "empty", "binary", "not JSON", "field missing", …
        place: where it is, as in Found; "" is the whole file.
        message: what was expected and what came, in one sentence.
        lost: whether a text was lost. False: it was kept, and this is only noted.
    """

    kind: str
    place: str
    message: str
    lost: bool = True


Item = Found | Problem
