"""Documents → a folder of shards: in parallel, resumable, the same bytes whoever makes them."""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.disk import atomic_folder, keep_only, sha256_of
from filbert.errors import DataError, FilbertError, SettingsError
from filbert.progress import Progress, quiet
from filbert.shards import index
from filbert.shards.filling import Filling
from filbert.shards.index import Shard, ShardSet, Stretch
from filbert.shards.opening import readable
from filbert.shards.page import write_page
from filbert.shards.pieces import CHARACTERS_PER_SHARD, Piece, Record, make, pieces_of, size_for
from filbert.shards.pool import Pool
from filbert.shards.work import claimed, finish, remember, waits_in
from filbert.tokenizer import Tokenizer

if TYPE_CHECKING:  # reading shards must not load the corpus room's engine
    from filbert.corpus import Document

_BATCH_CHARACTERS = 2**20


def write_shards(
    source: "Path | str | Iterable[Document]",
    tokenizer: Tokenizer,
    out_dir: Path | str,
    *,
    characters_per_shard: int | None = None,
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
        characters_per_shard: about how much text a shard holds; of a corpus whole row groups, of
            up to 4 million characters each, of documents whole documents. None: 32 million
            characters, or an eighth of a small corpus.
        workers: processes; None: as many as there are cores.
        restart: begin anew what was stopped.
        progress: where to report to.

    Raises DataError for sentence ends that do not fit their text (naming source and place) and for
    documents without any token at all, SettingsError if out_dir holds something already, or if what
    was begun there is of another corpus or tokenizer.
    """
    if characters_per_shard is not None and characters_per_shard < 1:
        raise SettingsError(f"characters_per_shard: expected 1 or more, got {characters_per_shard}")
    if workers is not None and workers < 1:
        raise SettingsError(f"workers: expected 1 or more, got {workers}")
    out, progress = _goal(out_dir), progress or quiet()
    if isinstance(source, Path | str):
        made_of = _MadeOf(Path(source), tokenizer, characters_per_shard)
        return _write_corpus(made_of, out, workers, restart, progress)
    with atomic_folder(out) as draft:
        size = characters_per_shard or CHARACTERS_PER_SHARD
        shards = list(_from_documents(source, tokenizer, draft, size, progress))
        return _complete(draft, shards, tokenizer, out)


def _goal(out_dir: Path | str) -> Path:
    """Where the folder is to be; what could not be put there in the end is refused now."""
    out = Path(out_dir)
    if "\0" in str(out):
        raise SettingsError(f"out_dir: expected a name without null characters, got {str(out)!r}")
    try:
        if out.is_symlink() or out.name in ("", ".."):
            out = Path(os.path.realpath(out))
        above = next(parent for parent in out.parents if parent.exists())
        if not above.is_dir():
            raise SettingsError(f"{out}: expected a folder at {above}; a file is there")
    except OSError as error:
        raise FilbertError(f"{out} could not be written: {error.strerror or error}") from error
    if os.path.ismount(out):
        raise SettingsError(f"{out}: a whole disk is mounted there; name a folder in it")
    return out


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
        name = index.name_of(number)
        return filling.write(draft / f"{name}.bin", name, [stretch])

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
    characters_per_shard: int | None

    def plan(self, characters_per_shard: int) -> dict[str, str | int]:
        """What must be the same for the work to go on."""
        report = self.corpus / "corpus.json"
        with readable(report):
            sha256 = sha256_of(report)
        return {
            "format": index.FORMAT,
            "corpus": sha256,
            "tokenizer": self.tokenizer.digest,
            "characters_per_shard": characters_per_shard,
        }


def _write_corpus(
    made_of: _MadeOf, out: Path, workers: int | None, restart: bool, progress: Progress
) -> ShardSet:
    from filbert.corpus import load_report
    from filbert.corpus.stored_columns import row_groups

    report = load_report(made_of.corpus)
    groups = row_groups(made_of.corpus)
    size = made_of.characters_per_shard or size_for(groups)
    with claimed(out) as work:
        remember(work, made_of.plan(size), restart)
        folders = shards, records = work / "shards", work / "records"
        for folder in folders:
            folder.mkdir(exist_ok=True)
        pieces = pieces_of(made_of.corpus, groups, report.sha256, size, folders)
        found = _finished(pieces, made_of.tokenizer)
        keep_only(shards, {f"{pieces[number].name}.bin" for number in found})
        keep_only(records, {pieces[number].record.name for number in found})
        if found:
            progress.note(f"{len(found):,} of {len(pieces):,} shards are there already")
        found |= _make_left(pieces, found, made_of.tokenizer, workers, work, progress)
        made = [found[piece.number].shard for piece in pieces]
        full = [shard for shard in made if shard is not None]
        if not full:
            shutil.rmtree(work)
        contents = _complete(shards, full, made_of.tokenizer, out)
        finish(work, shards, out)
    return contents


def _finished(pieces: Sequence[Piece], tokenizer: Tokenizer) -> dict[int, Record]:
    """The records of the pieces that were finished before, by number."""
    found = ((piece.number, piece.finished(tokenizer.vocab_size)) for piece in pieces)
    return {number: record for number, record in found if record is not None}


def _make_left(
    pieces: Sequence[Piece],
    found: Collection[int],
    tokenizer: Tokenizer,
    workers: int | None,
    work: Path,
    progress: Progress,
) -> dict[int, Record]:
    """Make all pieces that are not found; their records by number."""
    left = [piece for piece in pieces if piece.number not in found]
    total = sum(piece.bytes for piece in pieces)
    done = total - sum(piece.bytes for piece in left)
    pool = Pool(min(workers or os.cpu_count() or 1, len(left)), tokenizer, work)
    records, tokens = {}, 0
    try:
        with progress.stage("writing shards", total, "bytes") as stage, pool:
            for piece, record in pool.run(make, left):
                records[piece.number] = record
                done += piece.bytes
                tokens += record.shard.tokens if record.shard else 0
                stage.update(done, {"tokens": tokens})
    except FilbertError as error:
        if type(error) is not FilbertError:  # of the data or the settings: no use in going on
            raise
        raise FilbertError(f"{error}; {waits_in(work)}") from error
    return records
