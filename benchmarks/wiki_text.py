"""Wikipedia text: filbert beside gensim's extractor, on the shared dumps.

    FILBERT_DATA=… python benchmarks/wiki_text.py [--rounds 3]

Both read the same .xml.bz2 from the file to the text of its articles, in one process: filbert by
read_dump, gensim by extract_pages and filter_wiki (gensim reads namespace 0 too, and is not asked
for redirects). A third contestant is mwparserfromhell's own strip_code on filbert's pages, for what
a parser alone gives; it is timed once.

- leftover markers: {{ }} [[ ]] {| |} <ref thumb| File: Image: Category: &nbsp; == and their Chinese
  forms, for 10,000 words (a Chinese character is a word).
- prose kept: words of tests/corpus/wiki/prose_spans.json (prose chosen by eye from the wikitext of
  14 pages) that stand in the output between the same neighbours.
- MB/s: bytes of wikitext (UTF-8) for each second of processor time, decompression included.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from race import machine

DUMPS = ("enwiki-pages-articles-shortened.xml.bz2", "zhwiki-minidump.xml.bz2")
SPANS = Path(__file__).parent.parent / "tests" / "corpus" / "wiki" / "prose_spans.json"
MARKERS = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|</?ref\b|thumb\||(?:File|Image|Category|文件|檔案|图像|分类|分類):"
    r"|&nbsp;|=="
)
WORD = re.compile(r"[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])[^\W_])+")
Extract = Callable[[Path], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of an extractor, and how fast."""

    name: str
    markers: int
    words: int
    kept: int
    prose: int
    mb_a_second: float

    @property
    def leftover(self) -> float:
        """Markers for 10,000 words."""
        return 1e4 * self.markers / max(1, self.words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    folder = os.environ.get("FILBERT_DATA")
    if not folder:
        sys.exit("set FILBERT_DATA to the folder of the shared data")
    dumps = [Path(folder) / "corpus" / name for name in DUMPS]
    raw = dict(item for dump in dumps for item in wikitexts(dump))
    size = sum(len(text.encode()) for text in raw.values())
    print("# Wikipedia text\n")
    print(machine.describe(1, ("gensim", "mwparserfromhell", "lxml")))
    print(f"- {len(raw)} articles, {size / 1e6:.1f} MB of wikitext, {rounds} rounds, medians\n")
    print("| extractor | markers | for 10,000 words | words out | prose kept | MB/s |")
    print("|---|---|---|---|---|---|")
    outcomes = [
        measured("filbert", with_filbert, dumps, raw, size, rounds),
        measured("gensim", with_gensim, dumps, raw, size, rounds),
        measured("strip_code", with_strip_code, dumps, raw, size, 1),
    ]
    ours, theirs = outcomes[0], outcomes[1]
    print(
        f"\nfilbert / gensim: {ours.mb_a_second / theirs.mb_a_second:.2f} of the speed, "
        f"{ours.leftover:.2f} against {theirs.leftover:.2f} markers for 10,000 words, "
        f"{share(ours):.2%} against {share(theirs):.2%} of the prose"
    )


def measured(
    name: str, extract: Extract, dumps: list[Path], raw: dict[str, str], size: int, rounds: int
) -> Outcome:
    seconds, texts = [], dict[str, str]()
    for _ in range(rounds):
        start = time.process_time()
        texts = {title: text for dump in dumps for title, text in extract(dump)}
        seconds.append(time.process_time() - start)
    texts = {title: text for title, text in texts.items() if title in raw}
    markers = sum(len(MARKERS.findall(text)) for text in texts.values())
    words = sum(len(WORD.findall(text)) for text in texts.values())
    kept, prose = kept_prose(texts, raw)
    outcome = Outcome(name, markers, words, kept, prose, size / 1e6 / median(seconds))
    print(
        f"| {name} | {markers} | {outcome.leftover:.2f} | {words} | {share(outcome):.2%} "
        f"({kept} of {prose}) | {outcome.mb_a_second:.2f} |",
        flush=True,
    )
    return outcome


def share(outcome: Outcome) -> float:
    return outcome.kept / outcome.prose


def kept_prose(texts: dict[str, str], raw: dict[str, str]) -> tuple[int, int]:
    """(words kept, words) of the prose that was chosen by eye."""
    kept = total = 0
    for page in json.loads(SPANS.read_text(encoding="utf-8"))["pages"]:
        output = WORD.findall(texts.get(page["title"], ""))
        windows = {tuple(output[at : at + 3]) for at in range(len(output) - 2)}
        for start, end, _ in page["spans"]:
            prose = WORD.findall(raw[page["title"]][start:end])
            found = [False] * len(prose)
            for at in range(len(prose) - 2):
                if tuple(prose[at : at + 3]) in windows:
                    found[at : at + 3] = [True] * 3
            kept += sum(found)
            total += len(prose)
    return kept, total


def wikitexts(dump: Path) -> Iterator[tuple[str, str]]:
    """The articles of a dump as they are written, redirects left out."""
    from gensim.corpora.wikicorpus import extract_pages

    from filbert.files import open_plain

    with open_plain(str(dump)) as file:
        for title, text, _ in extract_pages(file, filter_namespaces=("0",)):
            if text and not text.lstrip().lower().startswith("#redirect"):
                yield title, text


def with_filbert(dump: Path) -> Iterator[tuple[str, str]]:
    from filbert.corpus.wiki import read_dump
    from filbert.files import Found

    for item in read_dump(str(dump)):
        if isinstance(item, Found):
            yield item.title or "", item.text


def with_gensim(dump: Path) -> Iterator[tuple[str, str]]:
    import bz2

    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(dump) as file:
        for title, text, _ in extract_pages(file, filter_namespaces=("0",)):
            yield title, filter_wiki(text or "")


def with_strip_code(dump: Path) -> Iterator[tuple[str, str]]:
    import mwparserfromhell

    for title, text in wikitexts(dump):
        yield title, str(mwparserfromhell.parse(text).strip_code())


if __name__ == "__main__":
    main()
