"""What is said of a corpus when it is made: its numbers, its clusters, why there is none."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from filbert.corpus.build.finishing import LanguageTally
from filbert.corpus.build.page import ShownCluster
from filbert.corpus.build.processing import read_rows, strict_message
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.build.tally import SAMPLE_CHARACTERS, Tally, cut_text
from filbert.corpus.duplicates import FoundDuplicates
from filbert.corpus.rules import RULES
from filbert.corpus.stored import CorpusReport, LanguageCounts
from filbert.settings import to_mapping

_SHOWN_CLUSTERS = 10
_SHOWN_MEMBERS = 2


def report_of(
    settings: CorpusSettings,
    tally: Tally,
    found: FoundDuplicates | None,
    languages: dict[str, LanguageTally],
    files: dict[str, int],
    sums: dict[str, str],
) -> CorpusReport:
    """The numbers of a corpus.

    languages: the most frequent first. files, sums: documents and checksum of each file.
    """
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


def shown_clusters(
    found: FoundDuplicates | None, documents: Sequence[Path]
) -> Iterator[ShownCluster]:
    """The largest clusters with their texts. documents: the file of each part."""
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
        for row, document in zip(ordered, read_rows(documents[part], ordered), strict=True):
            short = cut_text(document.text, SAMPLE_CHARACTERS)
            texts[part, row] = (short, document.source, document.place)
    for cluster, places in zip(clusters, shown, strict=True):
        yield ShownCluster(cluster.size, [texts[place] for place in places])


def why_nothing_stays(tally: Tally, report: CorpusReport) -> str:
    """Why there is no corpus."""
    said = [f"no document stays: {tally.read_documents:,} read"]
    said += [f"{count:,} dropped by the rule {rule!r}" for rule, count in report.dropped.items()]
    if report.duplicate_documents:
        said.append(f"{report.duplicate_documents:,} duplicates")
    problems = [each for examples in tally.examples.values() for each in examples][:3]
    for each in problems:
        said.append(strict_message(each.source, each.place, each.message))
    return "; ".join(said)
