"""Sources → a corpus: the four steps, each of which goes on where it was interrupted."""

import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from filbert.corpus.build.crew import Crew, runner_of
from filbert.corpus.build.finishing import (
    ALL_COUNTED,
    Finishing,
    LanguageTally,
    Written,
    write_part,
)
from filbert.corpus.build.folder import claimed, clear, finish, remember
from filbert.corpus.build.going_on import keeping, repairable
from filbert.corpus.build.memory import DRIVER_BYTES, WORKER_BYTES, keep_small, workers_for
from filbert.corpus.build.page import PageFacts, write_page
from filbert.corpus.build.parts import Part, cut, total_size, without_indexes, without_reports
from filbert.corpus.build.problems import write_problems
from filbert.corpus.build.processing import (
    PartFiles,
    PartWork,
    process_part,
    strict_message,
)
from filbert.corpus.build.rate import Rate
from filbert.corpus.build.reporting import report_of, shown_clusters, why_nothing_stays
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.build.spooling import spool_documents
from filbert.corpus.build.tally import Tally
from filbert.corpus.document import Document
from filbert.corpus.duplicates import FoundDuplicates, find_duplicates
from filbert.corpus.duplicates.plan import Run
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.stored import (
    PAGE_NAME,
    PROBLEMS_NAME,
    REPORT_NAME,
    CorpusReport,
)
from filbert.errors import DataError
from filbert.files import list_sources
from filbert.language import to_simplified
from filbert.progress import Progress, quiet

Sources = str | Path | Iterable[str | Path] | Iterable[Document]

MEMORY_BYTES = 2 << 30
_LEAST_SEARCH_BYTES = 64 << 20
_MANY_DOCUMENTS = 200_000
"""From here on the search for duplicates is worth the start of workers."""
_WORTH_BYTES = 4 << 20
"""From here on sources are worth the start of workers, which takes two seconds."""


@dataclass(frozen=True)
class _Build:
    """What all steps need."""

    folder: Path
    settings: CorpusSettings
    crew: Crew
    memory_bytes: int
    strict: bool
    progress: Progress

    def files(self, part: Part) -> PartFiles:
        return PartFiles(self.folder, part.number)

    def tally(self, part: Part) -> Tally:
        return self.files(part).tally()

    @property
    def made(self) -> Path:
        return self.folder / "made"


def build_corpus(
    sources: Sources,
    out_dir: Path | str,
    settings: CorpusSettings | None = None,
    *,
    runner: str = "native",
    memory_bytes: int = MEMORY_BYTES,
    workers: int | None = None,
    strict: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
) -> CorpusReport:
    """Read sources, clean their texts, leave out duplicates, write a corpus and its report page.

    Interrupted, by Ctrl-C, a kill or a full disk, the same call goes on with what is finished; the
    corpus is then the same, byte for byte, as without the interruption, and as with any other
    number of workers or another runner. The work lies in a hidden folder beside `out_dir` until
    then.

    Args:
        sources: paths, globs and addresses (see filbert.files.list_sources): dumps, crawls, JSON
            lines, Parquet, HTML, plain text, told apart by their content. Or documents; those are
            put aside first, and an interrupted call begins with them anew.
        out_dir: the new folder.
        settings: what to keep; the defaults of CorpusSettings if None.
        runner: "native" (worker processes of this machine) or "ray" (RAY_ADDRESS names the cluster;
            without it a local one is started). On a cluster `out_dir` and the sources must be
            visible to all machines.
        memory_bytes: for this process and its workers together, 512 MB at least; on Ray for the
            search for duplicates of each worker.
        workers: how many at most; None: as many as there are cores (of the cluster) and, native,
            as fit in the memory, but one for sources of less than 4 MiB. One works in this process.
        strict: raise for the first text that cannot be read, where it is otherwise counted.
        restart: begin anew where a corpus was begun.
        progress: where to report to.

    Raises:
        SettingsError: `out_dir` is taken or being worked on, or other sources or settings were
            begun there.
        DataError: no source, no document that stays, or with `strict` the first problem.
        FilbertError: the disk is full, or a worker died.
        ExtraError: a library is missing.
    """
    settings = settings or CorpusSettings()
    progress = progress or quiet()
    chosen, asked = runner_of(runner), workers
    if chosen == "native" or workers is not None:
        workers = workers_for(memory_bytes, workers, bounded=chosen == "native")
    arrow_libraries()
    if settings.simplified:
        to_simplified("漢")  # ExtraError now, not behind hours of English
    out = Path(os.path.abspath(out_dir))  # noqa: PTH100 (a link to nothing stays what it is)
    if out.is_symlink():
        out = out.resolve()
    with claimed(out) as folder:
        if restart:
            clear(folder)
        parts = _parts(sources, folder, settings, progress)
        if chosen == "native" and asked is None and total_size(parts) < _WORTH_BYTES:
            workers = 1
        with Crew(chosen, workers, folder) as crew, keeping(folder):
            build = _Build(folder, settings, crew, memory_bytes, strict, progress)
            tally = _read(build, parts)
            found = _find_duplicates(build, parts, tally)
            report, facts = _write(build, parts, tally, found)
            if not report.documents:
                clear(folder)
                raise DataError(why_nothing_stays(tally, report))
            (build.made / REPORT_NAME).write_text(report.to_json(), encoding="utf-8")
            write_page(build.made / PAGE_NAME, out.name, report, tally, facts)
            names = {*report.files, REPORT_NAME, PAGE_NAME}
            if report.problems:
                write_problems(build.made / PROBLEMS_NAME, map(build.tally, parts))
                names.add(PROBLEMS_NAME)
        finish(folder, build.made, out, names)
    return report


def _parts(
    sources: Sources, folder: Path, settings: CorpusSettings, progress: Progress
) -> list[Part]:
    documents, addresses = _told_apart(sources)
    if documents is not None:
        clear(folder)
        try:
            return spool_documents(documents, folder / "spool", settings, progress)
        except BaseException:
            clear(folder)
            raise
    files = without_reports(without_indexes(list_sources(addresses)), progress.note)
    remember(folder, settings, files)
    return cut(files, settings, progress.note)


def _told_apart(
    sources: Sources,
) -> tuple[Iterable[Document] | None, list[str | Path]]:
    """Documents, or paths and addresses."""
    if isinstance(sources, str | Path):
        return None, [sources]
    if isinstance(sources, list | tuple) and not sources:
        return None, []
    each = iter(sources)
    first = next(each, None)
    if first is None:
        return (), []
    rest: Any = chain([first], each)
    return (rest, []) if isinstance(first, Document) else (None, list(rest))


def _read(build: _Build, parts: list[Part]) -> Tally:
    """Do the parts that are not done, and put the counts of all together."""
    there = {part.number for part in parts if build.files(part).done.exists()}
    missing = [part for part in parts if part.number not in there]
    if there:
        build.progress.note(f"{len(there):,} of {len(parts):,} parts are finished already")
    if build.crew.workers == 1:
        keep_small()
    with repairable(build.folder) if build.strict else nullcontext():
        if build.strict:
            _look_for_lost(build, [part for part in parts if part.number in there])
        _process(build, missing)
    tally = Tally()
    for part in parts:
        tally.add(build.tally(part))
    return tally


def _process(build: _Build, parts: list[Part]) -> None:
    work = [PartWork(part, build.settings, build.folder, build.strict) for part in parts]
    with build.progress.stage("reading", total=total_size(parts), unit="bytes") as stage:
        rate = Rate(stage)
        for part, documents in zip(parts, build.crew.run(process_part, work), strict=True):
            rate.show(part.size, documents)


def _look_for_lost(build: _Build, parts: list[Part]) -> None:
    """What was passed over when it was not strict yet is an error now."""
    for part in parts:
        lost = build.tally(part).first_lost()
        if lost is not None:
            raise DataError(strict_message(lost.source, lost.place, lost.message))


def _find_duplicates(build: _Build, parts: list[Part], tally: Tally) -> FoundDuplicates | None:
    wanted = build.settings.duplicates
    if not (wanted.exact or wanted.near) or not tally.kept_documents:
        return None
    left = build.memory_bytes - DRIVER_BYTES
    run: Run = map
    if build.crew.workers > 1 and tally.kept_documents >= _MANY_DOCUMENTS:
        run = lambda function, steps: build.crew.run(function, list(steps))  # noqa: E731
        if build.crew.runner == "native":
            left = left // build.crew.workers - WORKER_BYTES // 2
    return find_duplicates(
        [build.files(part).sketches for part in parts],
        build.folder / "duplicates",
        wanted,
        memory_bytes=max(left // 2, _LEAST_SEARCH_BYTES),
        run=run,
        progress=build.progress,
    )


def _write(
    build: _Build, parts: list[Part], tally: Tally, found: FoundDuplicates | None
) -> tuple[CorpusReport, PageFacts]:
    build.made.mkdir(exist_ok=True)
    work = [
        Finishing(
            build.files(part),
            found.parts[place] if found else None,
            build.made,
            ALL_COUNTED // len(parts),
        )
        for place, part in enumerate(parts)
    ]
    missing = [one for one in work if not (one.done.exists())]
    with build.progress.stage("writing", total=len(work), unit="parts") as stage:
        for number, _ in enumerate(build.crew.run(write_part, missing), start=1):
            stage.update(len(work) - len(missing) + number)
    languages: dict[str, LanguageTally] = {}
    files, sums = {}, {}
    for one in work:
        written = Written.from_file(one.done)
        if written.documents:
            files[one.file.name] = written.documents
            sums[one.file.name] = written.sha256
        for name, counts in written.languages.items():
            languages.setdefault(name, LanguageTally()).add(counts)
    ordered = dict(sorted(languages.items(), key=lambda item: (-item[1].characters, item[0])))
    report = report_of(build.settings, tally, found, ordered, files, sums)
    documents = [build.files(part).documents for part in parts]
    return report, PageFacts(ordered, found, list(shown_clusters(found, documents)))
