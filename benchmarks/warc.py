"""The main texts of a crawl's pages: filbert beside datatrove, one process each.

    python benchmarks/warc.py [--data FOLDER] [--copies 8]

Both read the same WARC: all crawls of the shared data (FILBERT_DATA/corpus/*.warc.gz), one behind
the other, several times over. Both go from stored bytes to the main text of every HTML page.

- filbert: `read_warc` (its own frames and damage control, fastwarc's headers, resiliparse's text).
- datatrove: its WarcReader (warcio, libmagic, cchardet) with its Trafilatura extractor, all
  settings left alone but the time limit (a process more, which would count against it). Where
  trafilatura is not installed, its reader alone, which extracts nothing: a lower bound of its time.

MB are stored (compressed) bytes. Pages differ a little: the two do not agree on what is HTML.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from race import options
from race.machine import describe
from race.rounds import Contestant, Measured, Results, race, show_ratio

OURS = "filbert"
READER_ALONE = "datatrove, reader alone"
GOAL = 3.0
_PACKAGES = ("fastwarc", "resiliparse", "datatrove", "warcio", "trafilatura")

Read = Callable[[Path], Iterator[str]]


def main() -> None:
    asked = _options()
    options.prepare(1)
    crawls = sorted((asked.data / "corpus").glob("*.warc.gz")) if asked.data else []
    if not crawls:
        options.skip("no corpus/*.warc.gz in the shared data: set FILBERT_DATA or --data")
    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as name:
        path = Path(name) / "crawl.warc.gz"
        path.write_bytes(b"".join(crawl.read_bytes() for crawl in crawls) * asked.copies)
        print("# A crawl to main texts\n")
        print(describe(1, _PACKAGES))
        size = path.stat().st_size / 1e6
        print(f"- crawl: {', '.join(crawl.name for crawl in crawls)}, {asked.copies} times")
        print(f"- {size:.1f} MB stored; {asked.rounds} rounds, one pass each\n", flush=True)
        contestants = [Contestant(n, _measure(path, read)) for n, read in _readers().items()]
        _show(race(contestants, asked.rounds, 0))


def _options() -> argparse.Namespace:
    parser = options.parser("filbert beside datatrove, WARC to text", seconds=0)
    data = os.environ.get("FILBERT_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--copies", type=int, default=8, help="of the crawls, to have enough")
    return parser.parse_args()


def _readers() -> dict[str, Read]:
    """Whoever is installed, by name."""
    readers: dict[str, Read] = {OURS: _filbert}
    try:
        import cchardet  # noqa: F401
        import magic  # noqa: F401
        import warcio  # noqa: F401
        from datatrove.pipeline.readers import WarcReader  # noqa: F401
    except ImportError as error:
        print(f"- skipped: datatrove: {error} (pip install 'filbert[bench]' and what it names)\n")
        return readers
    if find_spec("trafilatura") is None:
        print("- skipped: datatrove's extractor (pip install trafilatura lxml_html_clean)\n")
        return readers | {READER_ALONE: _datatrove}
    return readers | {"datatrove": _datatrove_extracted}


def _filbert(path: Path) -> Iterator[str]:
    from filbert.corpus.warc import read_warc
    from filbert.files import Found

    for item in read_warc(str(path)):
        if isinstance(item, Found):
            yield item.text


def _datatrove(path: Path) -> Iterator[str]:
    from datatrove.pipeline.readers import WarcReader
    from datatrove.utils.logging import logger

    logger.disable("datatrove")
    for document in WarcReader(str(path.parent), glob_pattern=path.name).run():
        yield document.text


def _datatrove_extracted(path: Path) -> Iterator[str]:
    from datatrove.pipeline.extractors import Trafilatura

    # The pages stand there several times over: without this, it leaves out all but the first copy.
    extractor = Trafilatura(deduplicate=False)
    for html in _datatrove(path):
        if text := extractor.extract(html):
            yield text


def _measure(path: Path, read: Read) -> Callable[[float, int], Measured]:
    def measure(seconds: float, number: int) -> Measured:
        start = time.perf_counter()
        texts = [len(text) for text in read(path)]
        spent = time.perf_counter() - start
        done = {"pages": len(texts), "bytes": path.stat().st_size, "characters": sum(texts)}
        return Measured(done, spent)

    return measure


def _show(results: Results) -> None:
    print("| reader | pages/s | MB/s | characters/s | rounds |\n|---|---:|---:|---:|---:|")
    for name in results.names:
        pages, size = results.median(name, "pages"), results.median(name, "bytes") / 1e6
        print(f"| {name} | {pages:,.1f} | {size:.2f} | {results.row(name, 'characters')} |")
    print()
    for name in results.names:
        if name != OURS:
            goal = GOAL if name != READER_ALONE else None
            print(show_ratio(results, OURS, name, "bytes", goal))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
