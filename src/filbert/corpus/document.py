"""The noun of this room."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """A text that belongs together, and where it came from.

    Attributes:
        text: the text itself.
        source: the file it stands in.
        line: the line of that file at which it begins, from 1.
        label: what it is an example of, where that is known.
        sentence_ends: the offset behind the last character of each sentence, in characters; empty
            until the document has been cleaned.
    """

    text: str
    source: str
    line: int
    label: str | None = None
    sentence_ends: list[int] = field(default_factory=list)
