"""The last step of a part: what no duplicate makes superfluous → documents-00012.parquet."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.corpus.build.memory import give_back_memory
from filbert.corpus.build.processing import PartFiles
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.tables import schema
from filbert.disk import atomic_file, sha256_of
from filbert.errors import DataError, ExtraError
from filbert.language import list_words

COUNTED = ("en", "zh")
"""The languages whose most frequent words are counted."""
ALL_COUNTED = 1 << 22
"""Characters of each language, shared out among the parts, of which all words are counted."""
_EVERY = 32
_WORD_CHARACTERS = 200_000
_MOST_WORDS = 100_000
_KEPT_WORDS = 50_000
_WRITTEN_WORDS = 1_000


@dataclass
class LanguageTally:
    """What is counted of one language.

    Attributes:
        documents: that stay.
        sentences: in them.
        characters: in them.
        counted_characters: in those of them whose words were counted.
        words: in those.
        lengths: documents by the power of two of their length in characters.
        frequent: words in lower case; the rare ones may be missing.
    """

    documents: int = 0
    sentences: int = 0
    characters: int = 0
    counted_characters: int = 0
    words: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    frequent: Counter[str] = field(default_factory=Counter)

    def add(self, other: "LanguageTally") -> None:
        """Put those of a later part to these."""
        self.documents += other.documents
        self.sentences += other.sentences
        self.characters += other.characters
        self.counted_characters += other.counted_characters
        self.words += other.words
        self.lengths.update(other.lengths)
        self.frequent.update(other.frequent)
        self.bound()

    def bound(self) -> None:
        """Forget the rarest words where there are too many."""
        if len(self.frequent) > _MOST_WORDS:
            self.frequent = Counter(dict(self.frequent.most_common(_KEPT_WORDS)))

    @property
    def all_words(self) -> int | None:
        """In all documents; scaled up where not all were counted; None where none could be."""
        if not self.counted_characters:
            return None if self.characters else 0
        return round(self.words * self.characters / self.counted_characters)


@dataclass(frozen=True)
class Written:
    """What came of a part in the end.

    Attributes:
        documents: in its file; 0: there is none.
        sha256: of the file.
        languages: by language.
    """

    documents: int
    sha256: str
    languages: dict[str, LanguageTally]

    @classmethod
    def from_file(cls, path: Path) -> "Written":
        """What write_part left; DataError where it cannot be read."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                values["documents"],
                values["sha256"],
                {name: _language_tally(counts) for name, counts in values["languages"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: expected the counts of a part ({error}); --restart begins anew"
            ) from error


def _language_tally(counts: dict[str, Any]) -> LanguageTally:
    lengths = Counter({int(power): number for power, number in counts.pop("lengths").items()})
    return LanguageTally(**counts | {"frequent": Counter(counts["frequent"])}, lengths=lengths)


@dataclass(frozen=True, slots=True)
class Finishing:
    """All that is needed to write a part; can be sent to another process.

    dropped  the .npy file of records of what duplicates make superfluous; None: nothing
    made     the folder that becomes the corpus
    counted  so many characters of each language have all their words counted
    """

    files: PartFiles
    dropped: Path | None
    made: Path
    counted: int

    @property
    def file(self) -> Path:
        """The part's file in the corpus."""
        return self.made / f"documents-{self.files.number:05d}.parquet"

    @property
    def done(self) -> Path:
        """Its counts; written last."""
        return self.files.folder / f"written-{self.files.number:05d}.json"


def write_part(work: Finishing) -> int:
    """Write the documents of a part that stay, row group by row group; returns how many.

    Words are counted in the first characters of each language (`counted`) and then in every 32nd
    document, and of a document in the first 200,000.
    """
    _, _, pq = arrow_libraries()
    gone = _gone(work.dropped)
    languages: dict[str, LanguageTally] = {}
    with atomic_file(work.file) as draft:
        with pq.ParquetFile(work.files.documents) as file:
            writer = pq.ParquetWriter(draft, schema(), compression="zstd")
            try:
                start = 0
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    stays = ~np.isin(np.arange(start, start + len(table)), gone)
                    start += len(table)
                    table = table.filter(stays)
                    if len(table):
                        writer.write_table(table)
                        _count(table, languages, work.counted)
            except BaseException:
                with suppress(Exception):
                    writer.close()
                raise
            writer.close()
        sha256 = sha256_of(draft)
    documents = sum(counts.documents for counts in languages.values())
    if not documents:
        work.file.unlink()
    for counts in languages.values():
        counts.frequent = Counter(dict(counts.frequent.most_common(_WRITTEN_WORDS)))
    said = {
        "documents": documents,
        "sha256": sha256,
        "languages": {name: vars(counts) for name, counts in languages.items()},
    }
    with atomic_file(work.done) as draft:
        draft.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    give_back_memory()
    return documents


def _gone(path: Path | None) -> npt.NDArray[np.int64]:
    if path is None:
        return np.empty(0, np.int64)
    rows: npt.NDArray[np.int64] = np.load(path)["row"]
    return rows


def _count(table: Any, languages: dict[str, LanguageTally], wanted: int) -> None:
    _, pc, _ = arrow_libraries()
    names = np.array(table["language"].to_pylist(), dtype=object)
    lengths = pc.utf8_length(table["text"]).to_numpy()
    sentences = pc.list_value_length(table["sentence_ends"]).to_numpy()
    for name in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == name)
        counts = languages.setdefault(name, LanguageTally())
        with suppress(ExtraError):  # filbert[zh] is not installed: no words in Chinese
            _count_words(table["text"], rows.tolist(), name, counts, wanted)
        counts.documents += len(rows)
        counts.sentences += int(sentences[rows].sum())
        counts.characters += int(lengths[rows].sum())
        powers = np.frexp(np.maximum(lengths[rows], 1))[1] - 1
        counts.lengths.update(powers.tolist())


def _count_words(
    texts: Any, rows: list[int], language: str, counts: LanguageTally, wanted: int
) -> None:
    for number, row in enumerate(rows, start=counts.documents):
        if counts.counted_characters >= wanted and number % _EVERY:
            continue
        text = texts[row].as_py()[:_WORD_CHARACTERS]
        words = list_words(text.lower(), language)
        counts.counted_characters += len(text)
        counts.words += len(words)
        if language in COUNTED:
            counts.frequent.update(words)
    counts.bound()
