"""Texts → one shard."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError
from filbert.shards.index import MOST_LANGUAGES, MOST_TOKENS, LanguageCounts, Shard, Stretch
from filbert.shards.packing import Contents, pack
from filbert.tokenizer import Tokenizer


class Filling:
    """The tokens of a shard to be, gathered in memory: some 4 bytes a token."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._ids: list[NDArray[np.int32]] = []
        self._sentences: list[NDArray[np.int64]] = []
        self._documents: list[NDArray[np.int64]] = []
        self._languages: list[str] = []
        self.characters = 0
        self.tokens = 0

    def add(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None],
        sentence_ends: Sequence[Sequence[int]],
        where: Callable[[int], str],
    ) -> None:
        """Tokenise texts, each sentence by itself: a sentence end always is a token's end.

        Special tokens that are written out in a text are plain text here. `where` names the text of
        a number. Raises DataError for sentence ends that do not fit their text.
        """
        spans = [
            _sentences(text, ends, where, number)
            for number, (text, ends) in enumerate(zip(texts, sentence_ends, strict=True))
        ]
        ids, counts = self._tokenizer.ids_flat([part for span in spans for part in span])
        filled = counts > 0
        upto = np.concatenate(([0], np.cumsum(filled)))
        stops = np.cumsum([len(span) for span in spans], dtype=np.int64)
        self._ids.append(ids)
        self._sentences.append(counts[filled].astype(np.int64))
        self._documents.append(np.diff(upto[stops], prepend=0))
        self._languages += [language or "" for language in languages]
        self.characters += sum(map(len, texts))
        self.tokens += len(ids)
        if self.tokens > MOST_TOKENS:
            raise DataError(
                f"{where(len(texts) - 1)}: a shard holds at most {MOST_TOKENS:,} tokens; ask for "
                "smaller ones"
            )

    def write(self, path: Path, name: str, stretches: Sequence[Stretch]) -> Shard:
        """Write the shard's file; it holds a token at least."""
        contents, names = self._contents()
        vocab_size = self._tokenizer.vocab_size
        id_counts = np.bincount(contents.token_ids, minlength=vocab_size)
        packed = pack(contents, id_counts)
        sha256 = hashlib.sha256()
        with path.open("wb") as file:
            for section in packed.sections:
                data = section.tobytes()
                sha256.update(data)
                file.write(data)
        return Shard(
            name=name,
            tokens=len(contents.token_ids),
            documents=len(contents.document_sentences),
            sentences=len(contents.sentence_tokens),
            exceptions=packed.exceptions,
            long_sentences=packed.long_sentences,
            long_documents=packed.long_documents,
            left_out=len(contents.left_out),
            unknown=int(id_counts[self._tokenizer.special_ids.unk]),
            languages=_count_languages(contents, names),
            stretches=list(stretches),
            sha256=sha256.hexdigest(),
        )

    def _contents(self) -> tuple[Contents, list[str]]:
        """All that was added, and the names of its languages."""
        documents = np.concatenate(self._documents)
        kept = documents > 0
        said = [name for name, stays in zip(self._languages, kept, strict=True) if stays]
        names = sorted(set(said))
        if len(names) > MOST_LANGUAGES:
            raise DataError(
                f"a shard holds at most {MOST_LANGUAGES} languages, got {len(names)}: "
                f"{', '.join(names[:10])}…"
            )
        try:
            "".join(names).encode()
        except UnicodeEncodeError as error:
            raise DataError(f"languages: not valid Unicode: {error}") from error
        number = {name: place for place, name in enumerate(names)}
        contents = Contents(
            token_ids=np.concatenate(self._ids),
            sentence_tokens=np.concatenate(self._sentences),
            document_sentences=documents[kept],
            languages=np.array([number[name] for name in said], np.uint8),
            left_out=np.flatnonzero(~kept),
        )
        self._ids, self._sentences = [], []
        return contents, names


def _count_languages(contents: Contents, names: Sequence[str]) -> dict[str, LanguageCounts]:
    last = np.cumsum(contents.document_sentences) - 1
    tokens = np.diff(np.cumsum(contents.sentence_tokens)[last], prepend=0)
    each = np.bincount(contents.languages, weights=tokens, minlength=len(names))
    documents = np.bincount(contents.languages, minlength=len(names))
    return {
        name: LanguageCounts(int(documents[place]), int(each[place]))
        for place, name in enumerate(names)
    }


def _sentences(
    text: str, ends: Sequence[int], where: Callable[[int], str], number: int
) -> list[str]:
    """A text cut at its sentence ends; what stands after the last one is one more."""
    parts, start = [], 0
    for end in ends:
        if not start <= end <= len(text):
            raise DataError(
                f"{where(number)}: sentence_ends: expected rising places between {start} and "
                f"{len(text)}, got {end}"
            )
        parts.append(text[start:end])
        start = end
    if start < len(text):
        parts.append(text[start:])
    return parts
