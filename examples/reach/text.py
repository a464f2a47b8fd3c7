"""What both networks read: real text, as a vocabulary and as rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Packed, Row
from filbert.corpus import (
    CorpusSettings,
    Document,
    Duplicates,
    build_corpus,
    no_rules,
    open_documents,
)
from filbert.quickstart.texts import gather
from filbert.shards import ReadState, ShardReader, read_batches, write_shards
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer, learn_wordpiece

VOCAB_SIZE = 2000
MAX_TOKENS = 128
BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Text:
    """The rows to learn from, the held-out ones, and how frequent each token is."""

    train: ShardReader
    held_out: ShardReader
    counts: NDArray[np.int64]

    @property
    def tokenizer(self) -> Tokenizer:
        """What made the rows."""
        return self.train.tokenizer


def read_text(scratch: Path, documents: Sequence[Sequence[Document]]) -> Text:
    """Clean documents, a vocabulary learnt from the training ones, and both as shards."""
    if not documents:
        found = gather(())
        documents = (found.train, found.held_out)
    settings = CorpusSettings(quality=no_rules(), duplicates=Duplicates(near=False))
    for name, part in zip(("train", "held_out"), documents, strict=True):
        build_corpus(part, scratch / name, settings, workers=1)
    train = scratch / "train"
    tokenizer = learn_wordpiece((one.text for one in open_documents(train)), VOCAB_SIZE)
    train_rows, held_out_rows = (
        _rows(scratch / name, tokenizer, scratch / f"{name}-shards")
        for name in ("train", "held_out")
    )
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for index in range(len(train_rows)):
        counts += np.bincount(train_rows.row(index).token_ids, minlength=len(counts))
    return Text(train_rows, held_out_rows, counts)


def _rows(corpus: Path, tokenizer: Tokenizer, shards: Path) -> ShardReader:
    write_shards(open_documents(corpus), tokenizer, shards)
    return ShardReader(shards, max_tokens=MAX_TOKENS)


def batches(reader: ShardReader, task: Pretrain) -> Iterator[Packed]:
    """Batches of masked language modelling, the longest row of each first."""
    state = ReadState()
    for rows, after in read_batches(reader, batch_tokens=BATCH_TOKENS, seed=1):
        yield task.batch(sorted(rows, key=len, reverse=True), 1, state.epoch)
        state = after


def long_rows(reader: ShardReader, most: int) -> list[Row]:
    """Rows that are nearly full, evenly spread over the text."""
    found = np.flatnonzero(np.asarray(reader.lengths) >= 0.9 * MAX_TOKENS)
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))
    return [reader.row(int(index)) for index in found[chosen]]


def is_rare(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tokens of which there are fewer than one in a thousand."""
    rare: NDArray[np.bool_] = counts < counts.sum() / 1000
    return rare


def planted_words(text: Text, wanted: int) -> NDArray[np.int32]:
    """The least frequent tokens that are whole words."""
    tokens = text.tokenizer.tokens(range(text.tokenizer.vocab_size))
    order = np.argsort(text.counts, kind="stable")
    words = [i for i in order if tokens[i].isalpha() and len(tokens[i]) > 3]
    return np.array(words[:wanted], np.int32)
