"""Documents → a folder of shards: in parallel, resumable, the same bytes whoever makes them."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.disk import atomic_file, atomic_folder, sha256_of
from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet
from filbert.settings import from_mapping, to_mapping
from filbert.shards import index
from filbert.shards.filling import Filling
from filbert.shards.index import Shard, ShardSet, Stretch
from filbert.shards.page import write_page
from filbert.shards.work import Pool, claimed, finish, remember
from filbert.tokenizer import Tokenizer

if TYPE_CHECKING:  # reading shards must not load the corpus room's engine
    from filbert.corpus import Document
    from filbert.corpus.stored_columns import RowGroup

CHARACTERS_PER_SHARD = 2**25
_BATCH_CHARACTERS = 2**20


def write_shards(
    source: "Path | str | Iterable[Document]",
    tokenizer: Tokenizer,
    out_dir: Path | str,
    *,
    characters_per_shard: int = CHARACTERS_PER_SHARD,
    workers: int | None = None,
    restart: bool = False,
    progress: Progress | None = None,
) -> ShardSet:
    """Write the tokens of all documents, in their order; the folder is there whole or not at all.

    The shards are the same bytes whatever the number of workers, and whether the work was
    interrupted or not. From a corpus it goes on where it was stopped: finished shards wait in
    `.NAME.work` beside out_dir. Memory: some 10 bytes a character of a shard, for each worker.

    Args:
        source: a corpus's folder (filbert.corpus.build_corpus), or documents, which are tokenised
            in this process and in one go.
        tokenizer: a copy goes with the shards.
        out_dir: the new folder.
        characters_per_shard: about how much text a shard holds; it ends where a document ends.
        workers: processes; None: as many as there are cores.
        restart: begin anew what was stopped.
        progress: where to report to.

    Raises DataError for sentence ends that do not fit their text (naming source and place) and for
    documents without any token at all, SettingsError if out_dir holds something already, or if what
    was begun there is of another corpus or tokenizer.
    """
    if characters_per_shard < 1:
        raise SettingsError(f"characters_per_shard: expected 1 or more, got {characters_per_shard}")
    if workers is not None and workers < 1:
        raise SettingsError(f"workers: expected 1 or more, got {workers}")
    out, progress = Path(out_dir), progress or quiet()
    if isinstance(source, Path | str):
        made_of = _MadeOf(Path(source), tokenizer, characters_per_shard)
        return _write_corpus(made_of, out, workers, restart, progress)
    with atomic_folder(out) as draft:
        shards = list(_from_documents(source, tokenizer, draft, characters_per_shard, progress))
        return _complete(draft, shards, tokenizer, out)


def _from_documents(
    documents: "Iterable[Document]",
    tokenizer: Tokenizer,
    draft: Path,
    characters_per_shard: int,
    progress: Progress,
) -> Iterator[Shard]:
    written = number = first = documents_seen = 0
    filling = Filling(tokenizer)

    def shard() -> Shard:
        stretch = Stretch("", first, documents_seen - first)
        return filling.write(draft, index.name_of(number), [stretch])

    with progress.stage("writing shards", unit="tokens") as stage:
        for batch in _batches(documents, min(_BATCH_CHARACTERS, characters_per_shard)):
            filling.add(
                [document.text for document in batch],
                [document.language for document in batch],
                [document.sentence_ends for document in batch],
                lambda place, batch=batch: f"{batch[place].source}: {batch[place].place}",  # type: ignore[misc]
            )
            documents_seen += len(batch)
            stage.update(written + filling.tokens)
            if filling.characters >= characters_per_shard and filling.tokens:
                yield shard()
                written, number, first = written + filling.tokens, number + 1, documents_seen
                filling = Filling(tokenizer)
        if filling.tokens:
            yield shard()


def _batches(documents: "Iterable[Document]", characters: int) -> "Iterator[list[Document]]":
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _complete(folder: Path, shards: list[Shard], tokenizer: Tokenizer, out: Path) -> ShardSet:
    if not shards:
        raise DataError(
            f"{out}: shards are made from documents; expected at least one token, got none"
        )
    contents = index.index_of(shards, tokenizer.vocab_size, tokenizer.digest)
    tokenizer.save(folder / index.TOKENIZER)
    index.write_index(contents, folder)
    write_page(contents, folder, tokenizer, out.name)
    return contents


@dataclass(frozen=True)
class _MadeOf:
    """What shards are made of."""

    corpus: Path
    tokenizer: Tokenizer
    characters_per_shard: int

    def plan(self) -> dict[str, str | int]:
        """What must be the same for the work to go on."""
        return {
            "format": index.FORMAT,
            "corpus": sha256_of(self.corpus / "corpus.json"),
            "tokenizer": self.tokenizer.digest,
            "characters_per_shard": self.characters_per_shard,
        }


@dataclass(frozen=True)
class _Piece:
    """The row groups that become one shard; written under the number of the piece."""

    number: int
    corpus: Path
    groups: "tuple[RowGroup, ...]"
    sha256: dict[str, str]
    folder: Path

    @property
    def bytes(self) -> int:
        """Of text, for the progress."""
        return sum(group.text_bytes for group in self.groups)

    @property
    def record(self) -> Path:
        """Written last: the piece is finished."""
        return self.folder / f"{index.name_of(self.number)}.json"


def _write_corpus(
    made_of: _MadeOf, out: Path, workers: int | None, restart: bool, progress: Progress
) -> ShardSet:
    from filbert.corpus import load_report
    from filbert.corpus.stored_columns import row_groups

    report = load_report(made_of.corpus)
    groups = row_groups(made_of.corpus)
    with claimed(out) as work:
        remember(work, made_of.plan(), restart)
        made = work / "shards"
        made.mkdir(exist_ok=True)
        pieces = [
            _Piece(number, made_of.corpus, tuple(part), report.sha256, made)
            for number, part in enumerate(_gathered(groups, made_of.characters_per_shard))
        ]
        left = [piece for piece in pieces if not piece.record.exists()]
        if len(left) < len(pieces):
            done = len(pieces) - len(left)
            progress.note(f"{done:,} of {len(pieces):,} shards are there already")
        _make_all(pieces, left, made_of.tokenizer, workers, work, progress)
        contents = _complete(made, list(_finished(pieces)), made_of.tokenizer, out)
        for piece in pieces:
            piece.record.unlink()
        finish(work, made, out)
    return contents


def _make_all(
    pieces: Sequence[_Piece],
    left: Sequence[_Piece],
    tokenizer: Tokenizer,
    workers: int | None,
    work: Path,
    progress: Progress,
) -> None:
    total = sum(piece.bytes for piece in pieces)
    done = total - sum(piece.bytes for piece in left)
    pool = Pool(min(workers or os.cpu_count() or 1, len(left)), tokenizer, work)
    with progress.stage("writing shards", total, "bytes") as stage, pool:
        tokens = 0
        for piece, new in pool.run(_make, left):
            done += piece.bytes
            tokens += new
            stage.update(done, {"tokens": tokens})


def _gathered(groups: "Sequence[RowGroup]", characters: int) -> "Iterator[list[RowGroup]]":
    """Row groups that follow each other, as many as fill a shard."""
    waiting: list[RowGroup] = []
    size = 0
    for group in groups:
        waiting.append(group)
        size += group.text_bytes
        if size >= characters:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _make(piece: _Piece, tokenizer: Tokenizer) -> int:
    """Make one shard; its tokens. A piece without any token leaves a record alone."""
    from filbert.corpus.stored_columns import read_columns

    filling = Filling(tokenizer)
    stretches = []
    for file, same in groupby(piece.groups, key=lambda group: group.file):
        groups = list(same)
        stretches.append(Stretch(file, groups[0].first, sum(g.documents for g in groups)))
        numbers = [group.number for group in groups]
        for columns in read_columns(piece.corpus, file, numbers, sha256=piece.sha256[file]):
            filling.add(
                columns.texts,
                columns.languages,
                columns.ends(),
                lambda place, columns=columns: ": ".join(columns.where[place]),  # type: ignore[misc]
            )
    shard = None
    if filling.tokens:
        shard = filling.write(piece.folder, index.name_of(piece.number), stretches)
    with atomic_file(piece.record) as draft:
        draft.write_text(json.dumps(to_mapping(shard)), encoding="utf-8")
    return filling.tokens


def _finished(pieces: Sequence[_Piece]) -> Iterator[Shard]:
    """The shards of the pieces; one without any token leaves a gap in the numbers."""
    for piece in pieces:
        try:
            found = json.loads(piece.record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{piece.record}: expected what a finished shard is: {error}"
            ) from error
        if found is not None:
            yield from_mapping(found, Shard, str(piece.record))
