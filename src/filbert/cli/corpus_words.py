"""The words of a corpus, counted in several processes, file by file."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filbert.corpus import open_documents
from filbert.corpus.stored import load_report
from filbert.language import is_chinese
from filbert.progress import Progress
from filbert.tokenizer import Rules, WordCounter
from filbert.tokenizer.measuring import Sampled, join_samples, language_of, sample


@dataclass
class CorpusWords:
    """The counter of all words, and a sample of the documents."""

    counter: WordCounter
    sampled: list[Sampled]


@dataclass(frozen=True)
class _Part:
    """One file of a corpus, for one process.

    spills: where each process has a folder of its own for what it counts.
    """

    corpus: Path
    file: str
    rules: Rules
    memory_bytes: int
    spills: Path
    documents: int


@dataclass(frozen=True)
class _Found:
    """What came of a part, but for the words, which lie in the folder."""

    folder: Path
    texts: int
    characters: int
    passed_over: int
    sampled: list[Sampled]


@contextmanager
def count_corpus(
    corpus: Path,
    rules: Rules,
    *,
    workers: int,
    memory_bytes: int,
    documents: int,
    progress: Progress,
) -> Iterator[CorpusWords]:
    """Count the words of a corpus; the counts go when the context ends.

    workers: processes; memory_bytes: for the counts of all of them together. documents: how large
    a sample to take. The result is the same for any number of workers and any memory.
    """
    files = load_report(corpus).files
    share = memory_bytes // (workers + 1)
    with (
        tempfile.TemporaryDirectory(prefix="filbert-words-") as folder,
        WordCounter(rules, memory_bytes=share) as counter,
    ):
        parts = [_Part(corpus, name, rules, share, Path(folder), documents) for name in files]
        samples, folders, done = [], set(), 0
        with progress.stage("counting words", sum(files.values()), "documents") as stage:
            for part, found in _done(parts, workers):
                counter.texts += found.texts
                counter.characters += found.characters
                counter.passed_over += found.passed_over
                samples.append(found.sampled)
                folders.add(found.folder)
                done += files[part.file]
                stage.update(done)
        for one in sorted(folders):
            counter.absorb(one)
        yield CorpusWords(counter, join_samples(samples, documents))


def _done(parts: list[_Part], workers: int) -> Iterator[tuple[_Part, _Found]]:
    """The parts in the order in which they get ready."""
    if workers == 1 or len(parts) <= 1:
        for part in parts:
            yield part, _count(part)
        return
    # Not forked: libraries here have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(parts)), mp_context=context) as pool:
        waiting = {pool.submit(_count, part): part for part in parts}
        try:
            for one in as_completed(waiting):
                yield waiting[one], one.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _count(part: _Part) -> _Found:
    """Count one file into the folder of this process."""
    folder = part.spills / str(os.getpid())
    counter = WordCounter(part.rules, memory_bytes=part.memory_bytes, folder=folder)

    def texts() -> Iterator[tuple[str, str]]:
        for document in open_documents(part.corpus, files=[part.file]):
            counter.add_text(document.text)
            yield document.text, language_of(document.language, is_chinese(document.text[:2000]))

    sampled = sample(texts(), part.documents)
    counter.spill()
    return _Found(folder, counter.texts, counter.characters, counter.passed_over, sampled)
