"""What can be chosen about a corpus."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from filbert.corpus.duplicates import Duplicates
from filbert.corpus.rules import Quality
from filbert.errors import SettingsError
from filbert.files import Split

LEAST_PART_BYTES = 1 << 10
_PARTS = 64
_SMALL_PART, _LARGE_PART = 2 << 20, 32 << 20


@dataclass(frozen=True)
class CorpusSettings:
    """How sources become a corpus; every one of them is part of what the corpus is.

    Attributes:
        languages: the languages that are wanted (ISO 639-1, "en", "zh"); none: all. Short for
            quality.languages.
        simplified: traditional Chinese becomes simplified.
        split: what a document of a plain text file is: "file" (in parts of up to 8,000
            characters), "blank" (what blank lines part) or "line".
        text_field: the field of JSON lines, or the column of Parquet, that holds the text.
        sentences: whether sentences are found. Without them a document has no sentence_ends.
        part_bytes: how many stored bytes one piece of work holds, about; 0: a 64th of all sources,
            2 MiB to 32 MiB. Larger parts are fewer files; what is being worked on when the power
            fails is done anew, one part a worker.
        quality: the rules' thresholds.
        duplicates: what counts as a duplicate.
    """

    languages: tuple[str, ...] = ()
    simplified: bool = False
    split: Split = "file"
    text_field: str = "text"
    sentences: bool = True
    part_bytes: int = 0
    quality: Quality = field(default_factory=Quality)
    duplicates: Duplicates = field(default_factory=Duplicates)

    def __post_init__(self) -> None:
        """Raise SettingsError for what cannot be meant."""
        if self.part_bytes and self.part_bytes < LEAST_PART_BYTES:
            raise SettingsError(
                f"part_bytes: expected {LEAST_PART_BYTES:,} or more, or 0; got {self.part_bytes:,}"
            )
        if not self.text_field:
            raise SettingsError("text_field: expected the name of a field, got an empty one")
        for name in self.languages:
            if not (name.isalpha() and name.islower() and 2 <= len(name) <= 3):
                raise SettingsError(
                    f"languages: expected codes such as en or zh (ISO 639), got {name!r}"
                )

    def part_bytes_of(self, total_bytes: int) -> int:
        """How large a part is where all sources have so many bytes.

        The number of workers has no say in it: the cut decides about files and, in plain text,
        about where a document begins, and the same sources shall always give the same corpus.
        """
        return self.part_bytes or min(max(total_bytes // _PARTS, _SMALL_PART), _LARGE_PART)

    def thresholds(self) -> Quality:
        """The rules' thresholds, with the languages that are wanted."""
        if not self.languages:
            return self.quality
        return replace(self.quality, languages=self.languages)


def no_rules(min_characters: int = 16) -> Quality:
    """All rules off but the one for short texts."""
    off: dict[str, Any] = {
        each.name: () if each.name == "languages" else 0 for each in fields(Quality)
    }
    return Quality(
        **off | {"min_characters": min_characters, "min_chinese_characters": min_characters}
    )
