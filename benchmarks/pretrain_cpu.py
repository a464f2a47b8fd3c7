"""Masked language modelling on a CPU: filbert beside transformers' Trainer and beside torch.mm.

    python benchmarks/pretrain_cpu.py [--tables lines groups objectives]

A BERT of depth 4 and width 256 with 30,522 tokens learns from paragraphs of English of mixed
lengths. All contestants get the same paragraphs, the same threads and float32, and are timed by the
clock between the ends of optimizer steps, data loading included. What counts is real tokens a
second: padding is work, not result. Each table is a race of its own, filbert in each.

lines: rows cut at 128 tokens.

- filbert: the loop of `filbert pretrain` (fused AdamW, clipping, its log on disk).
- Trainer, line by line: run_mlm.py --line_by_line, padded to the longest row of a batch, library
  defaults (attention dropout 0.1 among them); once with as many tokens a step as filbert, once with
  the 8 rows that are its default.
- Trainer, by length and chunks: the same tuned, with sdpa and fused AdamW by name and attention
  dropout 0 as in filbert; rows of like length together, or all text end to end in chunks of 128.
- torch.mm: the matrix products of one step and nothing else (race/roof.py has the formula), and
  large squares, the best that torch.mm reaches.

groups: packing beside grouping. run_mlm.py without --line_by_line lays all text end to end and cuts
it every 128 or 512 tokens (group_texts): no padding either, but each token also attends to what
stands before and after it by chance. Library defaults; as many tokens a step as filbert, whose rows
are cut at 128 and at 512 tokens.

objectives: filbert with next-sentence prediction and with whole words masked, beside filbert
without, all from shards; and Trainer with whole_word_mask, whose collator cannot pad, so that its
rows are padded to 128 beforehand. Here ten paragraphs make a document: rows hold several sentences
to make pairs of, and the peer has next to nothing to pad. transformers has no data set for
next-sentence prediction any more, so there filbert has no peer.

Hidden dropout is 0.1 for all. Trainer's logging, saving and evaluation are off.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from race import options
from race.rounds import Contestant, Results, race, show_ratio

from filbert.batch import Row
from filbert.encoder.shape import Shape
from filbert.errors import FilbertError

if TYPE_CHECKING:
    from race.filbert_training import FilbertTraining
    from race.roof import Step

    from filbert.shards import RowSource
    from filbert.tokenizer import Tokenizer

MAX_TOKENS, LONG = 128, 512
OURS = "filbert"
LINES = "Trainer, line by line"
LINES_8 = "Trainer, line by line, 8 rows a step"
GROUPED = "Trainer, by length"
CHUNKS = "Trainer, chunks of 128"
MM = "torch.mm, this network"
SQUARE = "torch.mm, large squares"
OURS_LONG = "filbert, rows up to 512"
GROUP_TEXTS = "Trainer, group_texts at 128"
GROUP_TEXTS_LONG = "Trainer, group_texts at 512"
OURS_PAIRS = "filbert, next-sentence prediction"
OURS_WORDS = "filbert, whole words"
WORDS = "Trainer, whole words"
DOCUMENT_PARAGRAPHS = 10
TABLES = ("lines", "groups", "objectives")
_PACKAGES = ("transformers", "accelerate", "tokenizers", "numpy")


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    from race import english, machine
    from race.rows import lengths_in_words

    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as folder:
        tokenizer = english.bert_tokenizer(Path(folder))
        texts, source = english.paragraphs()
        field = Field(asked, texts, tokenizer, Path(folder))
        print(f"# Pre-training on a CPU\n\n{machine.describe(asked.threads, _PACKAGES)}")
        print(f"- text: {source}; {lengths_in_words(field.rows(MAX_TOKENS), MAX_TOKENS)}")
        print(f"- {asked.rounds} rounds, {asked.seconds:g} s each; medians", flush=True)
        for table in asked.tables:
            try:
                {"lines": _lines, "groups": _groups, "objectives": _objectives}[table](field)
            except FilbertError as error:
                sys.exit(f"{table}: {error}")


def _options() -> argparse.Namespace:
    parser = options.parser("filbert beside transformers' Trainer, MLM on a CPU", seconds=20)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens of one step")
    parser.add_argument("--micro-tokens", type=int, help="filbert: tokens that go through at once")
    parser.add_argument("--accumulation", type=int, default=1, help="Trainer: pieces of a step")
    return parser.parse_args()


class Field:
    """The text, the shape and the options, and contestants made of them."""

    def __init__(
        self,
        asked: argparse.Namespace,
        texts: Sequence[str],
        tokenizer: "Tokenizer",
        scratch: Path,
    ):
        self.asked, self.texts, self.tokenizer, self.scratch = asked, texts, tokenizer, scratch
        self.shape = Shape(
            depth=4, width=256, attention_heads=4, mlp_width=1024, vocab=tokenizer.vocab_size
        )
        self.peer_is_here = _peer_is_here()
        if self.peer_is_here:
            tokenizer.save(scratch / "tokenizer")
        self._runs = 0

    def rows(self, max_tokens: int) -> list[Row]:
        """A row a paragraph."""
        from race.rows import lines

        return lines(self.texts, self.tokenizer, max_tokens)

    def ours(
        self,
        source: "RowSource | Sequence[Row]",
        max_tokens: int = MAX_TOKENS,
        **task: Any,
    ) -> "FilbertTraining":
        """filbert's loop on these rows."""
        from race.filbert_training import FilbertTraining

        self._runs += 1
        training = {
            "batch_tokens": self.asked.batch_tokens,
            "micro_tokens": self.asked.micro_tokens,
            "precision": "fp32",
        }
        return FilbertTraining(
            self.shape,
            source,
            self.tokenizer,
            self.scratch / f"run-{self._runs}",
            task={"max_tokens": max_tokens} | task,
            training=training,
        )

    def peers(
        self, rows: Sequence[Row], settings: Mapping[str, Mapping[str, Any]]
    ) -> list[Contestant]:
        """Trainer in these settings (race/trainer_setting.py); nobody where it is not installed."""
        if not self.peer_is_here:
            return []
        from race.trainer import TrainerPeer
        from race.trainer_setting import Setting

        folder = self.scratch / "tokenizer"
        return [
            Contestant(
                name,
                TrainerPeer(self.shape, rows, folder, self.scratch, Setting(**setting)).measure,
            )
            for name, setting in settings.items()
        ]

    def race(self, title: str, contestants: Sequence[Contestant]) -> Results:
        """Everybody in turns, and the table of it."""
        results = race(contestants, self.asked.rounds, self.asked.seconds)
        print(f"\n## {title}\n")
        print("| contestant | real tokens/s | rounds | tokens a step |\n|---|---:|---:|---:|")
        for name in results.names:
            if name not in (MM, SQUARE):
                a_step = results.median(name, "tokens") / results.median(name, "steps")
                print(f"| {name} | {results.row(name, 'tokens')} | {a_step:,.0f} |")
        print()
        return results


def _peer_is_here() -> bool:
    missing = [name for name in ("transformers", "accelerate") if find_spec(name) is None]
    if missing:
        print(f"- skipped: transformers' Trainer: no {missing[0]} (pip install 'filbert[bench]')")
    return not missing


def _lines(field: Field) -> None:
    from race.roof import Roof, square

    rows = field.rows(MAX_TOKENS)
    ours = field.ours(rows)
    step = ours.typical_step()
    mean = sum(len(row) for row in rows) / len(rows)
    equal, pieces = max(1, round(step.tokens / mean)), field.asked.accumulation
    chunks = max(1, round(step.tokens / MAX_TOKENS))
    settings: dict[str, dict[str, Any]] = {
        LINES: {"order": "random", "batch_rows": equal, "accumulation": pieces},
        LINES_8: {"order": "random", "batch_rows": 8},
        GROUPED: {"order": "grouped", "batch_rows": equal, "accumulation": pieces, "tuned": True},
        CHUNKS: {"order": "chunks", "batch_rows": chunks, "accumulation": pieces, "tuned": True},
    }
    contestants = [
        Contestant(OURS, ours.measure),
        *field.peers(rows, settings),
        Contestant(MM, Roof(field.shape, step).measure),
        Contestant(SQUARE, square),
    ]
    results = field.race("Line by line", contestants)
    _show_roof(results, field.shape, step)
    if LINES in results:
        tuned = max((GROUPED, CHUNKS), key=lambda name: results.median(name, "tokens"))
        print(show_ratio(results, OURS, LINES, "tokens", goal=3))
        print(show_ratio(results, OURS, LINES_8, "tokens"))
        print(show_ratio(results, OURS, tuned, "tokens", goal=2) + " (the faster of the tuned two)")


def _show_roof(results: Results, shape: Shape, step: "Step") -> None:
    from race.roof import training_flops

    print("| matrix products | GFLOP/s | rounds |\n|---|---:|---:|")
    for name in (MM, SQUARE):
        print(f"| {name} | {results.row(name, 'gflop')} |")
    a_token = training_flops(shape, step) / step.tokens
    reached = results.median(OURS, "tokens") * a_token / 1e9
    print(f"\n- filbert's step: {step.tokens:,} tokens, {step.masked:,} of them to be named")
    print(f"- filbert: {a_token / 1e6:.1f} MFLOP a token, {reached:.0f} GFLOP/s")
    for name, goal in ((MM, 0.5), (SQUARE, None)):
        share = reached / results.median(name, "gflop")
        verdict = f", goal ≥ {goal:.0%}: {'reached' if share >= goal else 'missed'}" if goal else ""
        print(f"- filbert / {name}: **{share:.0%}**{verdict}")


def _groups(field: Field) -> None:
    tokens = field.asked.batch_tokens
    whole = field.rows(max(map(len, field.texts)) + 2)  # group_texts cuts nothing off

    def grouping(size: int) -> dict[str, Any]:
        rows = max(1, tokens // size)
        return {"order": "chunks", "chunk_tokens": size, "batch_rows": rows}

    contestants = [
        Contestant(OURS, field.ours(field.rows(MAX_TOKENS)).measure),
        Contestant(OURS_LONG, field.ours(field.rows(LONG), LONG).measure),
        *field.peers(whole, {GROUP_TEXTS: grouping(MAX_TOKENS), GROUP_TEXTS_LONG: grouping(LONG)}),
    ]
    results = field.race("Packing beside grouping", contestants)
    if GROUP_TEXTS in results:
        print(show_ratio(results, OURS, GROUP_TEXTS, "tokens"))
        print(show_ratio(results, OURS, GROUP_TEXTS_LONG, "tokens"))
        print(show_ratio(results, OURS_LONG, GROUP_TEXTS_LONG, "tokens"))


def _objectives(field: Field) -> None:
    from race.held_out import shards_of
    from race.rows import lines_with_offsets

    from filbert.shards import Paired

    tokenizer = field.tokenizer
    starts = range(0, len(field.texts), DOCUMENT_PARAGRAPHS)
    texts = [" ".join(field.texts[at : at + DOCUMENT_PARAGRAPHS]) for at in starts]
    shards = shards_of(texts, tokenizer, field.scratch / "shards", MAX_TOKENS)
    pairs = field.ours(Paired(shards), pairs="next")
    contestants = [
        Contestant(OURS, field.ours(shards).measure),
        Contestant(OURS_PAIRS, pairs.measure),
        Contestant(OURS_WORDS, field.ours(shards, masked_unit="word").measure),
    ]
    if field.peer_is_here:
        with_offsets = lines_with_offsets(texts, tokenizer, MAX_TOKENS)
        mean = sum(map(len, with_offsets)) / len(with_offsets)
        equal = max(1, round(field.asked.batch_tokens / mean))
        settings = {WORDS: {"order": "random", "batch_rows": equal, "whole_words": True}}
        contestants += field.peers(with_offsets, settings)
    results = field.race("Objectives", contestants)
    print(show_ratio(results, OURS_PAIRS, OURS, "tokens"))
    print(f"- {pairs.share_of_pairs():.0%} of the rows are pairs, the others have one sentence")
    print(show_ratio(results, OURS_WORDS, OURS, "tokens"))
    if WORDS in results:
        print(show_ratio(results, OURS_WORDS, WORDS, "tokens"))


if __name__ == "__main__":
    main()
