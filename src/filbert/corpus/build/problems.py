"""All that could not be read, source by source: what report.html shows a few of."""

import json
from collections.abc import Iterable
from pathlib import Path

from filbert.corpus.build.tally import Named, Tally
from filbert.disk import atomic_file


def write_problems(path: Path, tallies: Iterable[Tally]) -> None:
    """Write a JSON line for each kind of problem in each source, from the parts' tallies in order.

    A source that is cut into parts has a line of its own in each of them. Fields: source, kind,
    count, lost (how many of them cost a text), first (place and message of the first five).
    """
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8") as file:
        for tally in tallies:
            for kind, sources in tally.named.items():
                for source, named in sources.items():
                    file.write(_line(kind, source, named))


def _line(kind: str, source: str, named: Named) -> str:
    said = {
        "source": source,
        "kind": kind,
        "count": named.count,
        "lost": named.lost,
        "first": [{"place": place, "message": message} for place, message in named.first],
    }
    return json.dumps(said, ensure_ascii=False) + "\n"
