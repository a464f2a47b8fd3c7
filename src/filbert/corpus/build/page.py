"""The report page of a corpus."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from os.path import commonprefix
from pathlib import Path
from typing import Any

from filbert.corpus.build.finishing import COUNTED, LanguageTally
from filbert.corpus.build.page_words import FUNCTION_WORDS, page_words
from filbert.corpus.build.tally import Tally
from filbert.corpus.duplicates import FoundDuplicates
from filbert.corpus.rules import RULES, Quality, Rule
from filbert.corpus.stored import CorpusReport
from filbert.report import Report

_WORDS = 40
_LANGUAGES = 20
_LEAST_POWER, _MOST_POWER = 4, 20
_CLUSTER_SIZES = 12

Words = dict[str, str]


@dataclass(frozen=True)
class ShownCluster:
    """A cluster of duplicates: its size, and (text, source, place) of the keeper and of others."""

    size: int
    texts: list[tuple[str, str, str]]


@dataclass(frozen=True)
class PageFacts:
    """What the page shows beside the report: by language, and of duplicates (None: no search)."""

    languages: dict[str, LanguageTally]
    duplicates: FoundDuplicates | None
    clusters: list[ShownCluster]


def write_page(path: Path, name: str, report: CorpusReport, tally: Tally, facts: PageFacts) -> None:
    """Write the page: Chinese where most characters are, else English."""
    first = next(iter(report.languages), "en")
    language = "zh" if first == "zh" else "en"
    words = page_words(language)
    page = Report(_title(name, words), language=language)
    page.text(words["lead"])
    places = _Places(tally, facts)
    if places.folder:
        page.text(words["below"].format(folder=places.folder))
    _overview(page, report, words)
    _languages(page, report, words)
    _lengths(page, facts, words)
    _sources(page, tally, words)
    _rules(page, report, words, language)
    _samples(page, report, tally, places, words)
    _problems(page, tally, places, words)
    _duplicates(page, report, facts, places, words)
    _frequent(page, facts, words)
    page.write(path)


def _title(name: str, words: Words) -> str:
    """With the folder's name, unless that says it all: no "Corpus corpus"."""
    alone = words["title"].format(name="").strip()
    return alone if name.lower() == alone.lower() else words["title"].format(name=name)


def _overview(page: Report, report: CorpusReport, words: Words) -> None:
    page.heading(words["overview"])
    about = "" if report.words_counted_share == 1 else "≈ "
    page.facts(
        {
            words["documents"]: f"{report.documents:,}",
            words["sentences"]: f"{report.sentences:,}",
            words["characters"]: f"{report.characters:,}",
            words["words"]: f"{about}{report.words:,}",
            words["read"]: f"{report.read_documents:,}",
            words["dropped"]: f"{report.dropped_documents:,}",
            words["duplicate_texts"]: f"{report.duplicate_documents:,}",
            words["problem_count"]: f"{sum(report.problems.values()):,}",
        }
    )
    if about:
        page.text(words["estimated"].format(share=f"{report.words_counted_share:.1%}"))


def _languages(page: Report, report: CorpusReport, words: Words) -> None:
    page.heading(words["languages"])
    columns = ["language", "documents", "sentences", "characters", "share", "words"]
    rows = [
        (
            name,
            counts.documents,
            counts.sentences,
            counts.characters,
            f"{counts.characters / max(1, report.characters):.1%}",
            counts.words,
        )
        for name, counts in list(report.languages.items())[:_LANGUAGES]
    ]
    page.table([words[name] for name in columns], rows)


def _lengths(page: Report, facts: PageFacts, words: Words) -> None:
    page.heading(words["lengths"])
    powers: dict[int, int] = {}
    for counts in facts.languages.values():
        for power, number in counts.lengths.items():
            inside = min(max(power, _LEAST_POWER), _MOST_POWER)
            powers[inside] = powers.get(inside, 0) + number
    bars = {
        _range(power, words): powers.get(power, 0)
        for power in range(min(powers, default=0), max(powers, default=-1) + 1)
    }
    page.bars(bars, title=words["lengths_title"], value=words["lengths_value"])


def _range(power: int, words: Words) -> str:
    low = 0 if power == _LEAST_POWER else 2**power
    if power == _MOST_POWER:
        return words["and_more"].format(low=f"{low:,}")
    return f"{low:,}–{2 ** (power + 1) - 1:,}"


def _sources(page: Report, tally: Tally, words: Words) -> None:
    page.heading(words["sources"])
    rows = [
        (
            words.get(f"kind_{kind}", kind),
            counts["files"],
            counts["bytes"],
            counts["read_documents"],
            counts["kept_documents"],
        )
        for kind, counts in sorted(tally.kinds.items())
    ]
    page.table([words[name] for name in ("kind", "files", "bytes", "read", "kept")], rows)


class _Places:
    """Sources and places as they are shown: without the folder that all of them lie in."""

    def __init__(self, tally: Tally, facts: PageFacts) -> None:
        shown = [each.source for all_ in tally.samples.values() for each in all_]
        shown += [each.source for all_ in tally.examples.values() for each in all_]
        shown += [source for cluster in facts.clusters for _, source, _ in cluster.texts]
        # By characters, and then back to a folder: addresses and paths may be mixed.
        self.folder = commonprefix(shown).rpartition("/")[0]  # noqa: RUF071
        self._skip = len(self.folder) + 1 if self.folder else 0

    def show(self, source: str, place: str) -> str:
        """Both in one line."""
        return " · ".join(filter(None, (source[self._skip :], place)))


def _rules(page: Report, report: CorpusReport, words: Words, language: str) -> None:
    page.heading(words["rules"])
    page.text(words["rules_text"])
    quality = report.settings["quality"] | (
        {"languages": report.settings["languages"]} if report.settings["languages"] else {}
    )
    rows = [
        (
            name.replace("_", " "),
            rule.chinese if language == "zh" else rule.english,
            _thresholds(rule, quality, words),
            report.dropped.get(name, 0),
        )
        for name, rule in RULES.items()
    ]
    page.table([words[name] for name in ("rule", "drops", "threshold", "count")], rows)
    if not report.dropped:
        page.text(words["no_drops"])


def _samples(
    page: Report, report: CorpusReport, tally: Tally, places: _Places, words: Words
) -> None:
    for name, count in report.dropped.items():
        samples = tally.samples.get(name, [])
        page.table(
            [words["text"], words["place"]],
            [(sample.text, places.show(sample.source, sample.place)) for sample in samples],
            words["samples"].format(
                rule=name.replace("_", " "), shown=len(samples), count=f"{count:,}"
            ),
        )


def _thresholds(rule: Rule, quality: dict[str, Any], words: Words) -> str:
    known = {each.name for each in fields(Quality)}
    return "; ".join(
        f"{name} = {_shown(quality[name], words)}" for name in rule.settings if name in known
    )


def _shown(value: Any, words: Words) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(value) or words["none"]
    return f"{value:,}"


def _problems(page: Report, tally: Tally, places: _Places, words: Words) -> None:
    page.heading(words["problems"])
    kinds = tally.problems()
    if not kinds:
        page.text(words["no_problems"])
        return
    page.text(words["problems_text"])
    page.table(
        [words["problem"], words["is_lost"], words["is_kept"]],
        [(kind, tally.lost[kind], tally.noted[kind]) for kind in kinds],
    )
    for kind, count in kinds.items():
        examples = tally.examples.get(kind, [])
        page.table(
            [words["place"], words["message"]],
            [(places.show(each.source, each.place), each.message) for each in examples],
            words["samples"].format(rule=kind, shown=len(examples), count=f"{count:,}"),
        )


def _duplicates(
    page: Report, report: CorpusReport, facts: PageFacts, places: _Places, words: Words
) -> None:
    page.heading(words["duplicates"])
    if facts.duplicates is None:
        page.text(words["no_search"])
        return
    threshold = report.settings["duplicates"]["threshold"]
    page.text(words["duplicates_text"].format(threshold=f"{threshold:.0%}"))
    if not facts.clusters:
        page.text(words["no_duplicates"])
        return
    sizes = sorted(facts.duplicates.sizes.items())
    shown = sizes[:_CLUSTER_SIZES]
    if rest := sum(number for _, number in sizes[_CLUSTER_SIZES:]):
        low = sizes[_CLUSTER_SIZES][0]
        bars = {f"{size:,}": number for size, number in shown}
        bars[words["and_more"].format(low=f"{low:,}")] = rest
    else:
        bars = {f"{size:,}": number for size, number in shown}
    page.text(
        words["duplicate_counts"].format(
            exact=f"{report.exact_duplicates:,}", near=f"{report.near_duplicates:,}"
        )
    )
    page.bars(bars, title=words["cluster_size"], value=words["clusters"])
    for cluster in facts.clusters:
        page.table(
            [words["text"], words["place"]],
            [(text, places.show(source, where)) for text, source, where in cluster.texts],
            words["alike"].format(size=f"{cluster.size:,}", shown=len(cluster.texts) - 1),
        )


def _frequent(page: Report, facts: PageFacts, words: Words) -> None:
    counted = [name for name in COUNTED if facts.languages.get(name, LanguageTally()).frequent]
    if not counted:
        return
    page.heading(words["frequent"])
    page.text(words["frequent_text"])
    columns = ["rank", "all_words", "times", "content_words", "times"]
    for name in counted:
        rows = list(_ranked(facts.languages[name], FUNCTION_WORDS[name]))
        page.table([words[column] for column in columns], rows, words[f"frequent_{name}"])


def _ranked(
    counts: LanguageTally, function_words: frozenset[str]
) -> Iterator[tuple[int, str | None, int | None, str | None, int | None]]:
    ordered = sorted(counts.frequent.items(), key=lambda item: (-item[1], item[0]))
    content = [item for item in ordered if item[0] not in function_words and _has_letter(item[0])]
    for rank in range(1, min(_WORDS, len(ordered)) + 1):
        word, times = ordered[rank - 1]
        other = content[rank - 1] if rank <= len(content) else (None, None)
        yield rank, word, times, *other


def _has_letter(word: str) -> bool:
    return any(character.isalpha() for character in word) and len(word) > int(word.isascii())
