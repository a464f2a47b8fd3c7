"""Near duplicates: recall, false merges, speed and memory; datasketch on the same texts beside it.

    python benchmarks/duplicates.py [--documents 1000000] [--peer-texts 5000] [--memory-mb 256]

- pairs: real paragraphs ($FILBERT_DATA/corpus: English and Chinese Wikipedia), changed in random
  words or characters until the Jaccard index of their shingles, counted exactly, is 0.8 (or 0.7,
  0.6, 0.5) ± 0.01. How many pairs are found, filbert beside datasketch's MinHashLSH(0.8), which
  gets the same shingles as bytes and whose answers count unchecked, as its users take them.
- peer: from texts to the list of those that go, both.
- search: sketches of random numbers, a tenth of them near copies, 1 in 50 exact ones: documents a
  second, the peak of the process above what it had before, and the disk that was used.
"""

import argparse
import gzip
import json
import os
import random
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from filbert.corpus.duplicates import (
    Duplicates,
    FoundDuplicates,
    PartSketches,
    digest,
    find_duplicates,
    sketch,
)
from filbert.corpus.near import jaccard, shingles_of
from filbert.language import normalise

PARTS = 20


def paragraphs(data: Path, language: str) -> list[list[str]]:
    """Paragraphs of Wikipedia as lists of words or characters."""
    corpus = data / "corpus"
    if language == "en":
        with gzip.open(corpus / "enwiki-extracted-00.txt.gz", "rt", encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("<")]
        return [normalise(line).split() for line in lines if len(line) > 400]
    with gzip.open(corpus / "zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    lines = [line for text in texts for line in text.split("\n")]
    return [list(normalise(line)) for line in lines if len(line) > 150]


def changed(
    units: list[str], target: float, draw: random.Random, joint: str, pool: list[str]
) -> str | None:
    """The text in which random units were replaced until the index is the target."""
    left, units, index = shingles_of(joint.join(units)), list(units), 1.0
    places = draw.sample(range(len(units)), len(units))
    while places and index > target + 0.01:
        for _ in range(max(1, int((index - target - 0.05) * len(units) / 8))):
            if places:
                units[places.pop()] = draw.choice(pool)
        index = jaccard(left, shingles_of(joint.join(units)))
    return joint.join(units) if abs(index - target) <= 0.01 else None


def pairs(sources: list[list[str]], target: float, joint: str, count: int) -> list[str]:
    """Texts and their changed twins, one after the other."""
    draw = random.Random(round(1000 * target))
    pool = [unit for source in sources for unit in source]
    texts: list[str] = []
    for source in draw.sample(sources, len(sources)):
        twin = changed(source, target, draw, joint, pool)
        if twin is not None and len(texts) < 2 * count:
            texts += [joint.join(source), twin]
    return texts


def find(folder: Path, texts: list[str], memory: int) -> tuple[set[int], FoundDuplicates]:
    """The numbers of the texts that go."""
    part = PartSketches(folder / "d.npy", folder / "s.npy")
    np.save(part.digests, digest(texts))
    np.save(part.sketches, sketch(texts))
    found = find_duplicates([part], folder / "work", Duplicates(), memory_bytes=memory)
    return set(np.load(found.parts[0])["row"].tolist()), found


def peer_find(texts: list[str]) -> set[int]:
    """What datasketch makes of it: each text in order goes if the index knows one like it."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.8, num_perm=128)
    gone = set()
    shingles = ([number.tobytes() for number in shingles_of(text)] for text in texts)
    for number, own in enumerate(MinHash.generator(shingles, num_perm=128)):
        if index.query(own):
            gone.add(number)
        else:
            index.insert(number, own)
    return gone


def measure_pairs(data: Path, memory: int) -> None:
    """Recall at 0.8 and merges below."""
    for language, joint in (("en", " "), ("zh", "")):
        sources = paragraphs(data, language)
        for target in (0.8, 0.7, 0.6, 0.5):
            texts = pairs(sources, target, joint, 500)
            with tempfile.TemporaryDirectory() as folder:
                gone, _ = find(Path(folder), texts, memory)
            peer = peer_find(texts)
            count = len(texts) // 2
            ours, theirs = (sum(n % 2 for n in found) / count for found in (gone, peer))
            print(
                f"{language} Jaccard {target}: {count} pairs, merged by filbert {ours:.3f}, "
                f"by datasketch {theirs:.3f}"
            )


def measure_peer(data: Path, count: int, memory: int) -> None:
    """Seconds from texts to who goes, on the same texts."""
    draw = random.Random(1)
    texts = []
    for language, joint in (("en", " "), ("zh", "")):
        sources = paragraphs(data, language)
        pool = [unit for source in sources for unit in source]
        for _ in range(count // 2):
            units = list(draw.choice(sources))
            for _ in range(draw.choice([0, 1, 5, len(units)])):
                units[draw.randrange(len(units))] = draw.choice(pool)
            texts.append(joint.join(units))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        gone, _ = find(Path(folder), texts, memory)
        ours = time.perf_counter() - begin
    begin = time.perf_counter()
    peer = peer_find(texts)
    theirs = time.perf_counter() - begin
    print(
        f"{len(texts)} texts: filbert {ours:.2f} s ({len(gone)} go), datasketch {theirs:.2f} s "
        f"({len(peer)} go): {theirs / ours:.1f} times as fast"
    )


def store_sketches(folder: Path, documents: int) -> Iterator[PartSketches]:
    """Parts of random sketches, 1 in 10 like an earlier one in 119 of 128, 1 in 50 the same."""
    draw = np.random.default_rng(1)
    size = documents // PARTS
    for number in range(PARTS):
        sketches = draw.integers(0, 1 << 32, (size, 128), dtype=np.uint32)
        near = draw.integers(size // 2, size, size // 10)
        sketches[near] = sketches[draw.integers(0, size // 2, len(near))]
        sketches[near[:, None], draw.integers(0, 128, (len(near), 9))] = number
        same = draw.integers(size // 2, size, size // 50)
        digests = draw.integers(0, 1 << 64, (size, 2), dtype=np.uint64)
        twins = draw.integers(0, size // 2, len(same))
        sketches[same], digests[same] = sketches[twins], digests[twins]
        part = PartSketches(folder / f"{number}.d.npy", folder / f"{number}.s.npy")
        np.save(part.digests, digests)
        np.save(part.sketches, sketches)
        yield part


def peak_mb() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_search(documents: int, memory: int) -> None:
    """Documents a second and memory of the search alone."""
    with tempfile.TemporaryDirectory() as folder:
        parts = list(store_sketches(Path(folder), documents))
        disk = [0]
        before = peak_mb()

        def run(function: Any, steps: Any) -> Iterator[None]:
            for step in steps:
                yield function(step)
            files = (Path(folder) / "work").iterdir()
            disk.append(sum(file.stat().st_size for file in files))

        begin = time.perf_counter()
        found = find_duplicates(
            parts, Path(folder) / "work", Duplicates(), memory_bytes=memory, run=run
        )
        seconds = time.perf_counter() - begin
    print(
        f"{documents} sketches, {memory >> 20} MB a step: {seconds:.1f} s, "
        f"{documents / seconds:,.0f} documents/s on one core; {found.exact} exact, {found.near} "
        f"near; peak {peak_mb():.0f} MB of which {before:.0f} before; disk {max(disk) >> 20} MB"
    )


def main() -> None:
    """Measure all three."""
    parser = argparse.ArgumentParser(description=re.split("\n\n", __doc__ or "")[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--peer-texts", type=int, default=5000)
    parser.add_argument("--memory-mb", type=int, default=256)
    options = parser.parse_args()
    memory = options.memory_mb << 20
    measure_search(options.documents, memory)
    data = os.environ.get("FILBERT_DATA")
    if not data:
        print("pairs and peer need real texts: set FILBERT_DATA")
        return
    measure_pairs(Path(data), memory)
    measure_peer(Path(data), options.peer_texts, memory)


if __name__ == "__main__":
    main()
