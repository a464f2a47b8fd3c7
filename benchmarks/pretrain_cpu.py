"""Masked language modelling on a CPU: filbert beside transformers' Trainer and beside torch.mm.

    python benchmarks/pretrain_cpu.py

A BERT of depth 4 and width 256 with 30,522 tokens learns from paragraphs of English of mixed
lengths, cut at 128 tokens. All contestants get the same rows of ids, the same threads and float32,
and are timed by the clock between the ends of optimizer steps, data loading included. What counts
is real tokens a second: padding is work, not result.

- filbert: the loop of `filbert pretrain` (fused AdamW, clipping, its log on disk).
- Trainer, line by line: run_mlm.py --line_by_line, padded to the longest row of a batch, library
  defaults (attention dropout 0.1 among them); once with as many tokens a step as filbert, once with
  the 8 rows that are its default.
- Trainer, by length and chunks: the same tuned, with sdpa and fused AdamW by name and attention
  dropout 0 as in filbert; rows of like length together, or all text end to end in chunks of 128.
- torch.mm: the matrix products of one step and nothing else (race/roof.py has the formula), and
  large squares, the best that torch.mm reaches.

Hidden dropout is 0.1 for all. Trainer's logging, saving and evaluation are off.
"""

import argparse
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from race import options
from race.rounds import Contestant, Results, race, show_ratio

from filbert.batch import Row
from filbert.encoder.shape import Shape

if TYPE_CHECKING:
    from race.roof import Step

    from filbert.tokenizer import Tokenizer

MAX_TOKENS = 128
OURS = "filbert"
LINES = "Trainer, line by line"
LINES_8 = "Trainer, line by line, 8 rows a step"
GROUPED = "Trainer, by length"
CHUNKS = "Trainer, chunks of 128"
MM = "torch.mm, this network"
SQUARE = "torch.mm, large squares"


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    from race import english, machine

    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as folder:
        scratch = Path(folder)
        tokenizer = english.bert_tokenizer(scratch)
        texts, source = english.paragraphs()
        rows = _rows(texts, tokenizer)
        print(f"# Pre-training on a CPU\n\n{machine.describe(asked.threads, _PACKAGES)}")
        print(f"- text: {source}; {_lengths(rows)}")
        _run(asked, rows, tokenizer, scratch)


_PACKAGES = ("transformers", "accelerate", "tokenizers", "numpy")


def _options() -> argparse.Namespace:
    parser = options.parser("filbert beside transformers' Trainer, MLM on a CPU", seconds=20)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens of one step")
    parser.add_argument("--micro-tokens", type=int, help="filbert: tokens that go through at once")
    parser.add_argument("--accumulation", type=int, default=1, help="Trainer: pieces of a step")
    return parser.parse_args()


def _run(
    asked: argparse.Namespace, rows: Sequence[Row], tokenizer: "Tokenizer", scratch: Path
) -> None:
    from race.filbert_training import FilbertTraining
    from race.roof import Roof, square

    shape = Shape(depth=4, width=256, attention_heads=4, mlp_width=1024, vocab=tokenizer.vocab_size)
    ours = FilbertTraining(
        shape,
        rows,
        tokenizer,
        scratch,
        max_tokens=MAX_TOKENS,
        batch_tokens=asked.batch_tokens,
        micro_tokens=asked.micro_tokens,
    )
    step = ours.typical_step()
    contestants = [
        Contestant(OURS, ours.measure),
        *_peers(asked, shape, rows, tokenizer, scratch, step),
        Contestant(MM, Roof(shape, step).measure),
        Contestant(SQUARE, square),
    ]
    print(f"- filbert's step: {step.tokens:,} tokens, {step.masked:,} of them to be named")
    print(f"- {asked.rounds} rounds, {asked.seconds:g} s each; medians\n", flush=True)
    _show(race(contestants, asked.rounds, asked.seconds), shape, step)


def _peers(
    asked: argparse.Namespace,
    shape: Shape,
    rows: Sequence[Row],
    tokenizer: "Tokenizer",
    scratch: Path,
    step: "Step",
) -> list[Contestant]:
    """Trainer in its settings; none where it is not installed."""
    try:
        if find_spec("accelerate") is None:
            raise ImportError("No module named 'accelerate', which Trainer needs")
        from race.trainer import Setting, TrainerPeer
    except ImportError as error:
        print(f"- skipped: transformers' Trainer: {error} (pip install 'filbert[bench]')")
        return []
    tokenizer.save(scratch / "tokenizer")
    mean = sum(len(row) for row in rows) / len(rows)
    equal, pieces = max(1, round(step.tokens / mean)), asked.accumulation
    chunks = max(1, round(step.tokens / MAX_TOKENS))
    settings = {
        LINES: Setting("random", equal, pieces),
        LINES_8: Setting("random", 8),
        GROUPED: Setting("grouped", equal, pieces, tuned=True),
        CHUNKS: Setting("chunks", chunks, pieces, tuned=True),
    }
    return [
        Contestant(
            name,
            TrainerPeer(
                shape,
                rows,
                scratch / "tokenizer",
                scratch,
                max_tokens=MAX_TOKENS,
                setting=setting,
            ).measure,
        )
        for name, setting in settings.items()
    ]


def _show(results: Results, shape: Shape, step: "Step") -> None:
    from race.roof import training_flops

    print("| contestant | real tokens/s | rounds | tokens a step |\n|---|---:|---:|---:|")
    trained = [n for n in (OURS, LINES, LINES_8, GROUPED, CHUNKS) if n in results]
    for name in trained:
        a_step = results.median(name, "tokens") / results.median(name, "steps")
        print(f"| {name} | {results.row(name, 'tokens')} | {a_step:,.0f} |")
    print("\n| matrix products | GFLOP/s | rounds |\n|---|---:|---:|")
    for name in (MM, SQUARE):
        print(f"| {name} | {results.row(name, 'gflop')} |")
    print()
    if LINES in results:
        tuned = max((GROUPED, CHUNKS), key=lambda name: results.median(name, "tokens"))
        print(show_ratio(results, OURS, LINES, "tokens", goal=3))
        print(show_ratio(results, OURS, LINES_8, "tokens"))
        print(show_ratio(results, OURS, tuned, "tokens", goal=2) + " (the faster of the tuned two)")
    a_token = training_flops(shape, step) / step.tokens
    reached = results.median(OURS, "tokens") * a_token / 1e9
    print(f"- filbert: {a_token / 1e6:.1f} MFLOP a token, {reached:.0f} GFLOP/s")
    for name, goal in ((MM, 0.5), (SQUARE, None)):
        share = reached / results.median(name, "gflop")
        verdict = f", goal ≥ {goal:.0%}: {'reached' if share >= goal else 'missed'}" if goal else ""
        print(f"- filbert / {name}: **{share:.0%}**{verdict}")


def _rows(texts: Sequence[str], tokenizer: "Tokenizer") -> list[Row]:
    """A row a paragraph, what is over MAX_TOKENS cut off, as run_mlm.py --line_by_line does."""
    cls, sep = tokenizer.special_ids.cls, tokenizer.special_ids.sep
    made = []
    for ids in tokenizer.ids_batch(texts):
        if ids.size:
            token_ids = np.concatenate(([cls], ids[: MAX_TOKENS - 2], [sep])).astype(np.int32)
            made.append(Row(token_ids, np.zeros(token_ids.size, np.uint8)))
    return made


def _lengths(rows: Sequence[Row]) -> str:
    lengths = np.array([len(row) for row in rows])
    low, middle, high = np.percentile(lengths, [10, 50, 90])
    return (
        f"{len(rows):,} rows, {lengths.sum():,} tokens; {lengths.mean():.0f} tokens a row "
        f"(10 % have ≤ {low:.0f}, half ≤ {middle:.0f}, 90 % ≤ {high:.0f}; none > {MAX_TOKENS})"
    )


if __name__ == "__main__":
    main()
