"""What the story reads: which documents, which of them are held out, what their labels are."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filbert.corpus import Document, near_duplicates, standard_library
from filbert.errors import DataError
from filbert.files import read_texts

MOST_CHARACTERS = 40_000_000
HELD_OUT_FRACTION = 0.15
FEWEST_EXAMPLES = 80
FEWEST_FILES = 3
MOST_LABELS = 20


@dataclass(frozen=True)
class Texts:
    """The story's texts.

    train, held_out  documents; no file has documents in both, and no held-out document has a near
                     duplicate in train, unless `by_document`
    labels           of the classifier, the most frequent first; fewer than two: no classifier
    by_document      whether single documents were held out, because there are too few files
    near             documents that left train as near duplicates of held-out ones
    licence          (what it is, its licence)
    paths            what the user gave; nothing: Python's own text was read
    """

    train: list[Document]
    held_out: list[Document]
    labels: list[str]
    by_document: bool
    near: int
    licence: tuple[str, str]
    paths: tuple[Path, ...]

    def digest(self) -> str:
        """What these texts are, in one number."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_out):
            for document in part:
                digest.update(repr((document.source, document.label, document.text)).encode())
            digest.update(b"held out")
        return digest.hexdigest()

    @property
    def standard_library(self) -> bool:
        """Whether nobody gave a text."""
        return not self.paths


def gather(paths: Sequence[Path]) -> Texts:
    """The user's texts, or the standard library's where no path is given.

    Raises DataError where there is too little to hold anything out.
    """
    if paths:
        documents = _of_user(paths)
        licence = (", ".join(map(str, paths)), "the user's own text; its licence is not known")
    else:
        documents = list(standard_library())
        licence = ("docstrings and pydoc topics of Python's standard library", "PSF-2.0")
    files = {document.source for document in documents}
    by_document = len(files) < 5
    chosen = _held_out_documents(documents) if by_document else _held_out_files(documents)
    train = [document for document, out in zip(documents, chosen, strict=True) if not out]
    held_out = [document for document, out in zip(documents, chosen, strict=True) if out]
    if not train or not held_out:
        raise DataError(f"{len(documents)} documents are too few to hold any out: give more text")
    near = near_duplicates([d.text for d in train], of=[d.text for d in held_out])
    train = [document for document, same in zip(train, near, strict=True) if not same]
    if not train:
        raise DataError("all documents are near duplicates of the held-out ones: give more text")
    labels = _labels(train, held_out, min_files=1 if by_document or paths else FEWEST_FILES)
    return Texts(train, held_out, labels, by_document, int(near.sum()), licence, tuple(paths))


def _of_user(paths: Sequence[Path]) -> list[Document]:
    """Their texts; a text without a label gets the folder below the given one as its label."""
    documents, characters = [], 0
    for text in read_texts(paths):
        characters += len(text.text)
        if characters > MOST_CHARACTERS:
            raise DataError(
                f"{text.place}: more than {MOST_CHARACTERS:,} characters are too much for a "
                "quickstart; give fewer files, or go step by step: corpus, vocab, shards, pretrain"
            )
        file = text.place.path
        label = text.label if text.label is not None else _folder_of(file, paths)
        documents.append(Document(text.text, file.as_posix(), f"line {text.place.line}", label))
    return documents


def _folder_of(file: Path, paths: Sequence[Path]) -> str | None:
    for path in paths:
        if path.is_dir() and file.is_relative_to(path):
            parts = file.relative_to(path).parts
            return parts[0] if len(parts) > 1 else None
    return None


def _draw(name: str) -> str:
    """A number of the name's own, the same on every machine, to put names in a random order."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def _held_out_files(documents: Sequence[Document]) -> list[bool]:
    """Whole files, of each label about HELD_OUT_FRACTION of its documents."""
    sizes: dict[str | None, Counter[str]] = defaultdict(Counter)
    for document in documents:
        sizes[document.label][document.source] += 1
    chosen: set[str] = set()
    for files in sizes.values():
        total, taken = files.total(), 0
        for file in sorted(files, key=_draw):
            if taken >= HELD_OUT_FRACTION * total:
                break
            if taken + files[file] <= 2 * HELD_OUT_FRACTION * total:
                chosen.add(file)
                taken += files[file]
        if not taken and len(files) > 1:
            # A few large files: better one of them than a label without any score.
            chosen.add(min(files, key=lambda file: (files[file], _draw(file))))
    if not chosen:
        chosen = set(sorted({document.source for document in documents}, key=_draw)[:1])
    return [document.source in chosen for document in documents]


def _held_out_documents(documents: Sequence[Document]) -> list[bool]:
    """Single documents: with few files there is no other way."""
    places = [f"{document.source}:{document.place}" for document in documents]
    count = round(HELD_OUT_FRACTION * len(documents))
    chosen = set(sorted(places, key=_draw)[:count])
    return [place in chosen for place in places]


def _labels(train: Iterable[Document], held_out: Iterable[Document], min_files: int) -> list[str]:
    """The labels that have enough of everything to be learnt and scored."""
    counts = Counter(document.label for document in train if document.label is not None)
    scored = Counter(document.label for document in held_out if document.label is not None)
    files: dict[str | None, set[str]] = defaultdict(set)
    for document in train:
        files[document.label].add(document.source)
    enough = [
        label
        for label, count in counts.most_common()
        if count >= FEWEST_EXAMPLES
        and scored[label] >= FEWEST_EXAMPLES // 20
        and len(files[label]) >= min_files - 1
    ]
    return enough[:MOST_LABELS] if len(enough) > 1 else []


def examples(
    documents: Iterable[Document], labels: Sequence[str], strip: bool
) -> list[dict[str, str]]:
    """The documents with one of the labels as examples.

    strip: take the label's own name, and the file's, out of the text, so that they cannot be read
    off it.
    """
    known = set(labels)
    return [
        {"text": strip_names(document) if strip else document.text, "label": document.label}
        for document in documents
        if document.label in known and document.label is not None
    ]


def strip_names(document: Document) -> str:
    """A docstring without any word that holds the name of its package or of its module."""
    names = [re.escape(name) for name in (document.label or "", Path(document.source).stem) if name]
    words = re.compile(rf"[\w.]*(?:{'|'.join(names)})[\w.]*", re.IGNORECASE)
    return " ".join(words.sub(" ", document.text).split())
