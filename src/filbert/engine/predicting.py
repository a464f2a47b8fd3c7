"""A model's answers to a file of any size: as they come, or written to a file."""

import contextlib
import dataclasses
import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from filbert.disk import atomic_file
from filbert.engine.answer_forms import form_of, make_form, official_answers
from filbert.engine.chunks import (
    CHUNK_CHARACTERS,
    CHUNK_EXAMPLES,
    Source,
    cut_chunks,
    first_of,
    open_source,
)
from filbert.engine.drafts import Begun, Draft, refuse_existing
from filbert.engine.predictor import Predictor
from filbert.engine.requests import LongTexts, counted_in
from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, Stage, quiet
from filbert.settings import to_mapping
from filbert.tasks import Long, Task
from filbert.tasks.reading import Record, Records


@dataclass(frozen=True)
class PredictedFile:
    """What was written, and where.

    examples    how many are answered in it
    tokens_cut  how many tokens of their texts were left out
    resumed_at  how many of the examples an earlier call had answered
    """

    path: Path
    examples: int
    tokens_cut: int = 0
    resumed_at: int = 0


def stream_answers(
    model: Predictor,
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    long: Long = "windows",
    overlap_tokens: int = 0,
    chunk_examples: int = CHUNK_EXAMPLES,
    chunk_characters: int = CHUNK_CHARACTERS,
) -> Iterator[tuple[Record, Any]]:
    """Each record of a file and the model's answer to it, in order, at bounded memory.

    See `predict_file`. Raises DataError where the file has no example.
    """
    records = open_source(model.task, source, columns)
    counts = LongTexts()
    for chunk, _ in cut_chunks(first_of(records)[1], chunk_examples, chunk_characters):
        with counted_in(counts):
            answers = model.ask(
                [record.example for record in chunk], long=long, overlap_tokens=overlap_tokens
            )
        yield from zip(chunk, answers, strict=True)
    counts.say(model.task.max_tokens)


def predict_file(
    model: Predictor,
    source: Source,
    out: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    long: Long = "windows",
    overlap_tokens: int = 0,
    chunk_examples: int = CHUNK_EXAMPLES,
    chunk_characters: int = CHUNK_CHARACTERS,
    progress: Progress | None = None,
) -> PredictedFile:
    """Write a model's answers to a file's examples into a new file, at bounded memory.

    Chunk by chunk the examples are read, answered and appended to OUT.part, until all are there and
    it becomes OUT. Stopped or killed, nothing is lost but the chunk under way: the same call goes
    on, and OUT is in the end what it would have been. What was answered must still stand in the
    file as it did; behind that it may have changed or grown.

    source   .csv, .tsv, .jsonl, .txt (a text a line), each also with .gz; an open file with a text
             a line; for a model for questions SQuAD's .json, for a tagger files of tagged words
             (both are read whole)
    out      .csv or .tsv: the columns as they came, and the answer's behind them; a table without a
             head line stays so. .jsonl: the records as they came, with the whole "answer". Each
             also with .gz. .json, of questions in SQuAD's form: {id: answer}, as the official
             scripts read it, written when all are answered
    columns  the file's names for "text", "pair" and "choices"; see `read_examples`
    long, overlap_tokens  what becomes of texts that are longer than the model reads; see Predictor
    chunk_examples, chunk_characters  a chunk ends with either

    Raises SettingsError, before any work, where `out` is there already or OUT.part was begun in
    another way; DataError naming file, line and field; RequestError naming the place of a text that
    cannot be answered.
    """
    out = Path(out)
    check_out(source, out, model.task)
    suffix, packed = form_of(out, model.task)
    options = {
        "columns": dict(columns or {}),
        "long": long,
        "overlap_tokens": overlap_tokens,
        "chunk_examples": chunk_examples,
        "chunk_characters": chunk_characters,
    }
    records = open_source(model.task, source, columns)
    job = _Job(model, records, options, progress or quiet())
    return job.official(out) if suffix == ".json" else job.write(out, suffix, packed)


def check_out(source: Source, out: Path, task: Task) -> None:
    """Raise SettingsError where `out` cannot be written, before any work."""
    form_of(out, task)
    draft = Draft(out)
    if isinstance(source, Path | str):
        for place in (out, draft.path, draft.description):
            if Path(source).resolve() == place.resolve():
                raise SettingsError(f"{out}: would be written over {source}, which is read")
    refuse_existing(out)


def _digest_of(model: Predictor) -> str:
    """What answers: the weights and the tokenizer."""
    both = model.folder.digest() + model.task.tokenizer.digest
    return hashlib.blake2b(both.encode(), digest_size=32).hexdigest()


class _Job:
    """One file's answers on their way."""

    def __init__(
        self, model: Predictor, records: Records, options: dict[str, Any], progress: Progress
    ):
        self._model, self._records, self._options = model, records, options
        self._progress = progress
        self._counts = LongTexts()
        self._digest = hashlib.blake2b(digest_size=32)
        head = [records.table, records.head]
        self._digest.update(json.dumps(head).encode("utf-8") + b"\n")
        self._examples = self._resumed = 0
        self._begun_at = 0.0

    def write(self, out: Path, suffix: str, packed: bool) -> PredictedFile:
        """Into .csv, .tsv or .jsonl, going on where that was begun."""
        task = self._model.task
        begun = Begun(
            model=_digest_of(self._model),
            task={"name": task.name, "settings": to_mapping(task)},
            options=self._options,
            found=dict(self._records.found),
        )
        first, items = first_of(self._records)
        form = make_form(suffix, task, self._records, first)
        with Draft(out) as draft:
            if draft.begun is not None:
                draft.check(begun)
                self._read_over(items, draft.begun, draft.path)
                draft.go_on()
                begun = draft.begun
            self._resumed = self._examples = begun.examples
            cut_before = begun.tokens_cut
            with self._stage() as stage:
                for chunk, full, answers in self._answered(items, stage):
                    lines = [] if self._examples else [form.begin()]
                    lines += map(form.write, chunk, answers)
                    data = "".join(lines).encode("utf-8")
                    if not self._examples:
                        draft.start(begun)
                    size = draft.append(gzip.compress(data, mtime=0) if packed else data)
                    self._examples += len(chunk)
                    # A chunk that the end of the file cut short is not counted: should the file
                    # grow, it is made anew, so that chunks always end at the same places.
                    if full:
                        begun = dataclasses.replace(
                            begun,
                            examples=self._examples,
                            bytes=size,
                            tokens_cut=cut_before + self._counts.tokens_cut,
                            digest=self._digest.hexdigest(),
                        )
                        draft.describe(begun)
            draft.finish()
        return self._done(out, cut_before)

    def official(self, out: Path) -> PredictedFile:
        """Into .json, of questions in SQuAD's form."""
        items = list(first_of(self._records)[1])
        if self._records.unit != "examples":
            raise SettingsError(
                f"{out}: .json is for questions in SQuAD's form, which {self._records.path} is "
                "not; expected .csv, .tsv or .jsonl"
            )
        seen: set[str] = set()
        for record in items:
            if record.example["id"] in seen:
                raise DataError(
                    f"{record.example['place']}: a second question with the id "
                    f"{record.example['id']!r:.60}; .json has room for one, .jsonl for both"
                )
            seen.add(record.example["id"])
        found: dict[str, str] = {}
        with self._stage() as stage:
            for chunk, _, answers in self._answered(items, stage):
                for record, answer in zip(chunk, answers, strict=True):
                    found[record.example["id"]] = answer.text
                self._examples += len(chunk)
        refuse_existing(out)  # again: somebody may have put something there meanwhile
        with atomic_file(out) as draft:
            draft.write_text(official_answers(found), encoding="utf-8")
        return self._done(out)

    def _read_over(self, items: Iterator[Record], begun: Begun, draft: Path) -> None:
        """Pass over what is answered, if it is what was answered."""
        read = sum(1 for _ in islice(self._digested(items), begun.examples))
        if read < begun.examples or self._digest.hexdigest() != begun.digest:
            less = f" (there are {read:,} now)" if read < begun.examples else ""
            raise DataError(
                f"{self._records.path}: its first {begun.examples:,} examples are not those that "
                f"{draft} answers{less}; only what stands behind them may change. Bring them back, "
                f"or remove {draft} to begin anew"
            )

    def _digested(self, items: Iterable[Record]) -> Iterator[Record]:
        for record in items:
            self._digest.update(record.raw)
            yield record

    def _answered(
        self, items: Iterable[Record], stage: Stage
    ) -> Iterator[tuple[list[Record], bool, list[Any]]]:
        """Chunks of records, whether each is full, and the answers."""
        options = self._options
        most = options["chunk_examples"], options["chunk_characters"]
        before = self._at() if self._resumed else 0
        for chunk, full in cut_chunks(self._digested(items), *most):
            behind = self._at(len(chunk))
            with counted_in(self._counts):
                answers = self._model.ask(
                    [record.example for record in chunk],
                    self._shown(stage, before, behind, len(chunk)),
                    long=options["long"],
                    overlap_tokens=options["overlap_tokens"],
                )
            yield chunk, full, answers
            stage.update(behind, self._figures(0))
            before = behind

    def _at(self, under_way: int = 0) -> int:
        """How far the file is answered, with this many examples more, in its own unit."""
        by_examples = self._records.unit == "examples"
        return self._examples + under_way if by_examples else self._records.at

    @contextlib.contextmanager
    def _stage(self) -> Iterator[Stage]:
        records = self._records
        if records.found:
            read = ", ".join(f"{part} from {where}" for part, where in records.found.items())
            head = "" if records.head else "; there is no head line that names them"
            self._progress.note(f"{records.path}: {read}{head}")
        what = f"answering {records.path.name}"
        with self._progress.stage(what, records.total, records.unit) as stage:
            self._begun_at = time.monotonic()
            stage.update(self._at() if self._resumed else 0)
            yield stage

    def _shown(
        self, stage: Stage, before: int, behind: int, examples: int
    ) -> Callable[[int], None]:
        """What hears of each batch of a chunk; a text of several windows is several of its rows."""
        rows = 0

        def show(done: int) -> None:
            nonlocal rows
            rows += done
            share = min(1.0, rows / examples)
            stage.update(before + share * (behind - before), self._figures(share * examples))

        return show

    def _figures(self, under_way: float) -> dict[str, float | int | str]:
        seconds = max(1e-6, time.monotonic() - self._begun_at)
        done = self._examples + under_way
        return {"examples": int(done), "examples/s": (done - self._resumed) / seconds}

    def _done(self, out: Path, cut_before: int = 0) -> PredictedFile:
        self._counts.say(self._model.task.max_tokens)
        cut = cut_before + self._counts.tokens_cut
        return PredictedFile(out, self._examples, cut, self._resumed)
