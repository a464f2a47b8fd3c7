"""Documents → a folder of shards, in one pass and with bounded memory."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from filbert.disk import atomic_folder
from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet
from filbert.shards import index
from filbert.shards.index import ENDS, TOKENS, Shard, ShardSet
from filbert.tokenizer import Tokenizer

if TYPE_CHECKING:  # reading shards must not load the corpus room's engine
    from filbert.corpus import Document

# How much text is tokenised at once: enough to keep all cores busy, some 20 MB of memory.
_BATCH_CHARACTERS = 2**20


def write_shards(
    documents: "Iterable[Document]",
    tokenizer: Tokenizer,
    out_dir: Path | str,
    *,
    tokens_per_shard: int = 2**27,
    progress: Progress | None = None,
) -> ShardSet:
    """Write the tokens of all documents, in their order; the folder is there whole or not at all.

    A shard is closed before the document with which it would exceed tokens_per_shard; a single
    longer document makes a shard of its own. Sentences are tokenised one by one, so a sentence end
    always is a token's end. Documents without any token are left out.
    Special tokens that are written out in a text are plain text here.
    Raises DataError for sentence ends that do not fit their text (naming source and place) and for
    documents without any token at all, SettingsError if out_dir holds something already.
    """
    if tokens_per_shard < 1:
        raise SettingsError(f"tokens_per_shard: expected 1 or more, got {tokens_per_shard}")
    dtype = index.dtype_for(tokenizer.vocab_size)
    shards: list[Shard] = []
    progress = progress or quiet()
    with atomic_folder(Path(out_dir)) as draft:
        with _Writer(draft, dtype, tokens_per_shard, shards) as writer:
            _write(documents, tokenizer, writer, progress)
        if not shards:
            raise DataError(
                f"{out_dir}: shards are made from documents; expected at least one token, got none"
            )
        tokenizer.save(draft / index.TOKENIZER)
        contents = ShardSet(
            format=index.FORMAT,
            dtype=dtype,
            vocab_size=tokenizer.vocab_size,
            tokenizer=tokenizer.digest,
            tokens=sum(shard.tokens for shard in shards),
            documents=sum(shard.documents for shard in shards),
            sentences=sum(shard.sentences for shard in shards),
            shards=shards,
        )
        index.write_index(contents, draft)
    return contents


def _write(
    documents: "Iterable[Document]", tokenizer: Tokenizer, writer: "_Writer", progress: Progress
) -> None:
    tokens, begin = 0, time.monotonic()
    with progress.stage("writing shards", unit="tokens") as stage:
        for batch in _batches(documents):
            spans = [_sentences(document) for document in batch]
            ids = tokenizer.ids_batch([sentence for span in spans for sentence in span])
            place = 0
            for span in spans:
                sentences = [part for part in ids[place : place + len(span)] if part.size]
                place += len(span)
                if sentences:
                    tokens += writer.add(sentences)
            rate = tokens / max(time.monotonic() - begin, 1e-9)
            stage.update(tokens, {"tokens/s": round(rate)})


def _batches(documents: "Iterable[Document]") -> "Iterator[list[Document]]":
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _sentences(document: "Document") -> list[str]:
    """A document's text cut at its sentence ends; what stands after the last one is one more."""
    text, parts, start = document.text, [], 0
    for end in document.sentence_ends:
        if not start <= end <= len(text):
            raise DataError(
                f"{document.source}: {document.place}: sentence_ends: expected rising places "
                f"between {start} and {len(text)}, got {end}"
            )
        parts.append(text[start:end])
        start = end
    if start < len(text):
        parts.append(text[start:])
    return parts


class _Writer:
    """The three files of the shard that is being written, and the shards that are finished."""

    def __init__(self, folder: Path, dtype: str, tokens_per_shard: int, done: list[Shard]):
        self._folder, self._dtype, self._limit, self._done = folder, dtype, tokens_per_shard, done
        self._shard: Shard | None = None
        self._open_files = ExitStack()
        self._files: list[Any] = []
        self._hashes: list[Any] = []

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def add(self, sentences: list[NDArray[np.int32]]) -> int:
        """Append one document; returns its tokens."""
        ends = np.cumsum([sentence.size for sentence in sentences], dtype=ENDS)
        size = int(ends[-1])
        if self._shard is not None and self._shard.tokens + size > self._limit:
            self._close()
        if self._shard is None:
            self._shard = self._open()
        shard = self._shard
        ends += shard.tokens
        for file, sha, data in zip(
            self._files,
            self._hashes,
            (np.concatenate(sentences).astype(TOKENS[self._dtype]), ends[-1:], ends),
            strict=True,
        ):
            raw = data.tobytes()
            file.write(raw)
            sha.update(raw)
        self._shard = replace(
            shard,
            tokens=shard.tokens + size,
            documents=shard.documents + 1,
            sentences=shard.sentences + len(ends),
        )
        return size

    def _open(self) -> Shard:
        shard = Shard(index.name_of(len(self._done)), 0, 0, 0, {})
        for name in shard.sizes(self._dtype):
            self._files.append(self._open_files.enter_context((self._folder / name).open("wb")))
            self._hashes.append(hashlib.sha256())
        return shard

    def _close(self) -> None:
        self._open_files.close()  # all of them, even if the disk is too full for one
        if self._shard is not None:
            names = self._shard.sizes(self._dtype)
            sums = (sha.hexdigest() for sha in self._hashes)
            self._done.append(replace(self._shard, sha256=dict(zip(names, sums, strict=True))))
        self._shard, self._files, self._hashes = None, [], []
