"""The noun of this room."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """A text that belongs together, and where it came from.

    Attributes:
        text: the text itself.
        source: the file or the address it stands in.
        place: where in it: "line 12", "page 7 at byte 5120", "row 3".
        label: what it is an example of, where that is known.
        title: its title, where it has one.
        url: the page it is from, where that is known.
        language: ISO 639-1 ("en", "zh"); None until the document has been cleaned.
        sentence_ends: the offset behind the last character of each sentence, in characters; empty
            until the document has been cleaned.
    """

    text: str
    source: str
    place: str = ""
    label: str | None = None
    title: str | None = None
    url: str | None = None
    language: str | None = None
    sentence_ends: list[int] = field(default_factory=list)
