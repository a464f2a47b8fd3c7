"""Sources → a corpus: the four steps, each of which goes on where it was interrupted."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from filbert.corpus.build.folder import claimed, clear, finish, is_begun, remember
from filbert.corpus.build.memory import DRIVER_BYTES, WORKER_BYTES, keep_small, workers_for
from filbert.corpus.build.page import PageFacts, ShownCluster, write_page
from filbert.corpus.build.parts import Part, cut, without_indexes, without_reports
from filbert.corpus.build.problems import write_problems
from filbert.corpus.build.processing import (
    PartFiles,
    PartWork,
    process_part,
    read_rows,
    strict_message,
)
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.build.spooling import spool_documents
from filbert.corpus.build.tally import SAMPLE_CHARACTERS, Tally, cut_text
from filbert.corpus.document import Document
from filbert.corpus.duplicates import FoundDuplicates, find_duplicates
from filbert.corpus.duplicates.plan import Run
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.rules import RULES
from filbert.corpus.stored import (
    PAGE_NAME,
    PROBLEMS_NAME,
    REPORT_NAME,
    CorpusReport,
    LanguageCounts,
)
from filbert.errors import DataError, FilbertError
from filbert.files import list_sources
from filbert.language import to_simplified
from filbert.progress import Progress, Stage, quiet
from filbert.settings import to_mapping

Sources = str | Path | Iterable[str | Path] | Iterable[Document]

MEMORY_BYTES = 2 << 30
_LEAST_SEARCH_BYTES = 64 << 20
_MANY_DOCUMENTS = 200_000
"""From here on the search for duplicates is worth the start of workers."""
_WORTH_BYTES = 4 << 20
"""From here on sources are worth the start of workers, which takes two seconds."""
_SHOWN_CLUSTERS = 10
_SHOWN_MEMBERS = 2


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
        if chosen == "native" and asked is None and _size(parts) < _WORTH_BYTES:
            workers = 1
        with Crew(chosen, workers, folder) as crew, _kept(folder):
            build = _Build(folder, settings, crew, memory_bytes, strict, progress)
            tally = _read(build, parts)
            found = _find_duplicates(build, parts, tally)
            report, facts = _write(build, parts, tally, found)
            if not report.documents:
                clear(folder)
                raise DataError(_nothing(tally, report))
            (build.made / REPORT_NAME).write_text(report.to_json(), encoding="utf-8")
            write_page(build.made / PAGE_NAME, out.name, report, tally, facts)
            names = {*report.files, REPORT_NAME, PAGE_NAME}
            if report.problems:
                write_problems(build.made / PROBLEMS_NAME, map(build.tally, parts))
                names.add(PROBLEMS_NAME)
        finish(folder, build.made, out, names)
    return report


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Say of a full disk and the like that the work is not lost."""
    try:
        yield
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror or error}"
        raise FilbertError(f"{said}{_what_is_kept(folder)}") from error
    except FilbertError as error:
        if isinstance(error.__cause__, OSError) and type(error) is FilbertError:
            raise FilbertError(f"{error}{_what_is_kept(folder)}") from error
        raise


def _what_is_kept(folder: Path) -> str:
    if not is_begun(folder):
        return "; nothing was finished yet"
    return f"; what is finished is kept in {folder}, and the same command goes on with it"


@contextmanager
def _repairable(build: _Build) -> Iterator[None]:
    """Say of a text that is lost where it must not be how to go on."""
    try:
        yield
    except DataError as error:
        if not build.strict or type(error) is not DataError:
            raise
        begun = " and give --restart, for parts are finished" if is_begun(build.folder) else ""
        raise DataError(
            f"{error}; without --strict it is passed over and counted. Where you repair the file, "
            f"ask for the same again{begun}"
        ) from error


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
    missing = [part for part in parts if not build.files(part).done.exists()]
    if finished := len(parts) - len(missing):
        build.progress.note(f"{finished:,} of {len(parts):,} parts are finished already")
    if build.strict:
        with _repairable(build):
            _look_for_lost(build, [part for part in parts if build.files(part).done.exists()])
    work = [PartWork(part, build.settings, build.folder, build.strict) for part in missing]
    if build.crew.workers == 1:
        keep_small()
    with (
        _repairable(build),
        build.progress.stage("reading", total=_size(missing), unit="bytes") as stage,
    ):
        rate = _Rate(stage)
        for part, documents in zip(missing, build.crew.run(process_part, work), strict=True):
            rate.show(part.size, documents)
    tally = Tally()
    for part in parts:
        tally.add(build.tally(part))
    return tally


def _size(parts: list[Part]) -> int:
    return sum(part.size for part in parts)


class _Rate:
    """Documents and megabytes a second, of this run alone."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bytes = self._documents = 0
        self._start = time.monotonic()

    def show(self, size: int, documents: int) -> None:
        self._bytes += size
        self._documents += documents
        seconds = max(1e-6, time.monotonic() - self._start)
        figures = {
            "documents": self._documents,
            "documents/s": self._documents / seconds,
            "MB/s": self._bytes / 1e6 / seconds,
        }
        self._stage.update(self._bytes, figures)


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
    report = _report(build.settings, tally, found, ordered, files, sums)
    return report, PageFacts(ordered, found, list(_clusters(build, parts, found)))


def _report(
    settings: CorpusSettings,
    tally: Tally,
    found: FoundDuplicates | None,
    languages: dict[str, LanguageTally],
    files: dict[str, int],
    sums: dict[str, str],
) -> CorpusReport:
    counts = {
        name: LanguageCounts(each.documents, each.sentences, each.characters, each.all_words)
        for name, each in languages.items()
    }
    characters = sum(each.characters for each in counts.values())
    counted = sum(each.counted_characters for each in languages.values())
    return CorpusReport(
        read_documents=tally.read_documents,
        dropped={rule: tally.dropped[rule] for rule in RULES if tally.dropped[rule]},
        exact_duplicates=found.exact if found else 0,
        near_duplicates=found.near if found else 0,
        documents=sum(each.documents for each in counts.values()),
        sentences=sum(each.sentences for each in counts.values()),
        characters=characters,
        words=sum(each.words or 0 for each in counts.values()),
        words_counted_share=round(counted / characters, 4) if characters else 1.0,
        languages=counts,
        problems=tally.problems(),
        sources={kind: dict(numbers) for kind, numbers in sorted(tally.kinds.items())},
        files=files,
        sha256=sums,
        settings=to_mapping(settings),
    )


def _clusters(
    build: _Build, parts: list[Part], found: FoundDuplicates | None
) -> Iterator[ShownCluster]:
    """The largest clusters with their texts."""
    clusters = found.largest[:_SHOWN_CLUSTERS] if found else ()
    shown = [
        [cluster.keeper, *((part, row) for part, row, _ in cluster.members[:_SHOWN_MEMBERS])]
        for cluster in clusters
    ]
    wanted: dict[int, set[int]] = {}
    for part, row in chain.from_iterable(shown):
        wanted.setdefault(part, set()).add(row)
    texts = {}
    for part, rows in wanted.items():
        ordered = sorted(rows)
        documents = read_rows(build.files(parts[part]).documents, ordered)
        for row, document in zip(ordered, documents, strict=True):
            short = cut_text(document.text, SAMPLE_CHARACTERS)
            texts[part, row] = (short, document.source, document.place)
    for cluster, places in zip(clusters, shown, strict=True):
        yield ShownCluster(cluster.size, [texts[place] for place in places])


def _nothing(tally: Tally, report: CorpusReport) -> str:
    """Why there is no corpus."""
    said = [f"no document stays: {tally.read_documents:,} read"]
    said += [f"{count:,} dropped by the rule {rule!r}" for rule, count in report.dropped.items()]
    if report.duplicate_documents:
        said.append(f"{report.duplicate_documents:,} duplicates")
    problems = [each for examples in tally.examples.values() for each in examples][:3]
    for each in problems:
        said.append(strict_message(each.source, each.place, each.message))
    return "; ".join(said)
