"""Which optimizer, and how much to hide: runs of some minutes, three seeds, the spread beside them.

    python benchmarks/optimizers.py [--what optimizers masking] [--minutes 4] [--seeds 1 2 3]
    python benchmarks/optimizers.py --sweep              rates first, one seed
    python benchmarks/optimizers.py --steps 1500         the same number of steps for all

Each run is `filbert pretrain` with the recipe quickstart (depth 4, width 256, 8,000 tokens learnt
from the text, rows of 128) on paragraphs of English, scored on held-out ones of which nobody
learns, 15 % of their tokens hidden whatever a run learns with; a seed draws the weights, the order
and the masks, of the held-out rows, too, so that one seed's runs are compared on the same places.
The machine should have nothing else to do: one run at a time, all cores for it.

Equal time is what a user pays, so the budget is a clock by default, and the rate follows it: an
optimizer that computes more (Muon) makes fewer steps and is annealed all the same. Cutting such
runs at an equal step would compare schedules that are not at their end; so equal steps are a study
of its own, --steps. With the steps that AdamW makes in the minutes (they are printed) the pair of
studies says how much of a difference is the steps' and how much the clock's.

Rates, unless a --sweep in the same --out found a better one:
- adamw 1e-3: the recipe's, found for it (docs/log.md, 2026-11-24).
- stable_adamw 1e-3; muon 4e-3 for its matrices, AdamW's 1e-3 for the rest: what a sweep found
  (docs/log.md, 2026-11-27). Muon's steps are scaled to AdamW's size (Liu et al. 2025, section 2.2),
  but stand four times its rate.
- lamb 5e-3: layers' steps are a part of their weights' norm (You et al. 2020), larger than Adam's.

Results are kept in --out after each run: the same command goes on with what is left.
"""

import argparse
import hashlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from race import options

from filbert.errors import FilbertError

if TYPE_CHECKING:
    from race.study import Ended, Study

    from filbert.batch import Row
    from filbert.tokenizer import Tokenizer

RECIPE, MAX_TOKENS, VOCAB, DEV_ROWS = "quickstart", 128, 8000, 600


@dataclass(frozen=True)
class Variant:
    """What one line of a table is.

    settings  of the plan
    swept     the setting that --sweep tries, in which range; its default first
    """

    settings: tuple[str, ...]
    swept: str = ""
    rates: tuple[float, ...] = ()


OPTIMIZERS = {
    "adamw": Variant(("train.optimizer=adamw",), "train.peak_lr", (1e-3, 5e-4, 2e-3)),
    "stable_adamw": Variant(
        ("train.optimizer=stable_adamw",), "train.peak_lr", (1e-3, 5e-4, 2e-3, 4e-3)
    ),
    "muon": Variant(
        ("train.optimizer=muon", "train.peak_lr=1e-3"),
        "train.matrix_lr",
        (4e-3, 5e-4, 1e-3, 2e-3, 8e-3),
    ),
    "lamb": Variant(("train.optimizer=lamb",), "train.peak_lr", (5e-3, 2e-3, 1e-2, 2e-2)),
}
MASKING = {
    "15 %": Variant(("task.mask_fraction=0.15",)),
    "30 %": Variant(("task.mask_fraction=0.3",)),
    "40 %": Variant(("task.mask_fraction=0.4",)),
    "30, then 15 %": Variant(("task.mask_fraction=[0.3, 0.15]",)),
}
STUDIES = {"optimizers": OPTIMIZERS, "masking": MASKING}
USUAL = ("adamw", "stable_adamw", "muon", "15 %", "30 %", "40 %")


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    from race import machine

    print(f"# Optimizers and masking\n\n{machine.describe(asked.threads, ('numpy',))}")
    try:
        bench = Bench(asked)
        for what in asked.what:
            if asked.sweep:
                bench.sweep(what)
            else:
                bench.compare(what)
    except FilbertError as error:
        sys.exit(str(error))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="optimizers and masked fractions, three seeds each",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--what", nargs="+", choices=STUDIES, default=["optimizers"])
    parser.add_argument(
        "--variants", nargs="+", choices=[*OPTIMIZERS, *MASKING], default=USUAL, help="of them"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, default=4, help="of each run")
    parser.add_argument("--steps", type=int, help="of each run, instead of minutes")
    parser.add_argument("--sweep", action="store_true", help="try rates, with the first seed alone")
    parser.add_argument("--every-steps", type=int, default=250, help="between two scores")
    parser.add_argument("--threads", type=int, default=options.cores())
    parser.add_argument("--out", type=Path, default=Path("runs/optimizers"))
    return parser.parse_args()


class Bench:
    """The text in shards, the held-out rows, and the runs on them."""

    def __init__(self, asked: argparse.Namespace):
        """Make what is not there yet."""
        from race import english
        from race.held_out import held_out_rows, in_two, shards_of
        from race.study import Study

        from filbert.settings import to_mapping
        from filbert.shards import ShardReader
        from filbert.train import load_plan

        self._asked = asked
        paragraphs, source = english.paragraphs()
        learnt, held = in_two(paragraphs)
        digest = hashlib.sha256("\n".join(paragraphs).encode()).hexdigest()
        identity = {
            "text": digest,
            "recipe": to_mapping(load_plan(RECIPE)),
            "threads": asked.threads,
        }
        self._study = Study(asked.out, identity)
        tokenizer = _tokenizer(learnt, asked.out / "tokenizer")
        shards = asked.out / "shards"
        self._reader = (
            ShardReader(shards, max_tokens=MAX_TOKENS)
            if shards.exists()
            else shards_of(learnt, tokenizer, shards, MAX_TOKENS)
        )
        rows = held_out_rows(held, tokenizer, MAX_TOKENS)
        self._dev: list[Row] = rows[:: max(1, len(rows) // DEV_ROWS)][:DEV_ROWS]
        self._budget = f"steps={asked.steps}" if asked.steps else f"minutes={asked.minutes:g}"
        tokens = int(self._reader.lengths[:].sum())
        print(
            f"- text: {source}; {tokens:,} tokens to learn from, {len(self._dev):,} rows held out"
        )
        print(f"- recipe {RECIPE}, {self._budget} a run\n", flush=True)

    def compare(self, what: str) -> None:
        """Every seed of every variant, seed by seed, so that a bad hour of the machine hits all."""
        variants = self._variants(what)
        for seed in self._asked.seeds:
            for name, variant in variants.items():
                self._run(what, name, seed, [*variant.settings, *self._rate(name, variant)])
        _show(self._study, what, self._budget, list(variants), self._asked.seeds)

    def sweep(self, what: str) -> None:
        """Rates of those that have one."""
        for name, variant in self._variants(what).items():
            for rate in variant.rates:
                changes = [*variant.settings, f"{variant.swept}={rate:g}"]
                self._run(f"rates of {what}", name, self._asked.seeds[0], changes)
            if variant.rates:
                best = self._rate(name, variant)[0]
                at_rim = float(best.partition("=")[2]) in (min(variant.rates), max(variant.rates))
                rim = " (at the rim of what was tried: try further)" if at_rim else ""
                print(f"- {name}: {best} is the best{rim}")

    def _variants(self, what: str) -> dict[str, Variant]:
        found = {k: v for k, v in STUDIES[what].items() if k in self._asked.variants}
        if not found:
            sys.exit(f"none of --variants {' '.join(self._asked.variants)} belongs to {what}")
        return found

    def _rate(self, name: str, variant: Variant) -> list[str]:
        """The rate that a sweep found best, or the default."""
        if not variant.rates:
            return []
        tried = self._study.of("rates of optimizers", name)
        # Those of this budget, if there are any: a longer run may want another rate.
        tried = [run for run in tried if run.budget == self._budget] or tried
        if not tried:
            return [f"{variant.swept}={variant.rates[0]:g}"]
        best = min(tried, key=lambda run: run.loss)
        return [setting for setting in best.settings if setting.startswith(f"{variant.swept}=")]

    def _run(self, study: str, name: str, seed: int, settings: Sequence[str]) -> None:
        every = f"train.evaluate_every_steps={self._asked.every_steps}"
        ended = self._study.run(
            study,
            name,
            seed,
            self._budget,
            [*settings, every],
            recipe=RECIPE,
            reader=self._reader,
            dev=self._dev,
        )
        print(
            f"- {name}, seed {seed}, {' '.join(settings)}: loss {ended.loss:.3f}, "
            f"{ended.steps:,} steps, {ended.seconds:.0f} s",
            flush=True,
        )


def _tokenizer(texts: Sequence[str], folder: Path) -> "Tokenizer":
    from filbert.tokenizer import Tokenizer, learn_wordpiece

    if not folder.exists():
        learn_wordpiece(texts, VOCAB).save(folder)
    return Tokenizer.load(folder)


def _show(
    study: "Study", what: str, budget: str, variants: Sequence[str], seeds: Sequence[int]
) -> None:
    from race.study import spread

    # Of a variant's runs with other rates the last ones count.
    runs: dict[str, dict[int, Ended]] = {
        name: {run.seed: run for run in study.of(what, name, budget) if run.seed in seeds}
        for name in variants
    }
    first = runs[variants[0]]
    print(f"\n## {what}, {budget}, seeds {' '.join(map(str, seeds))}\n")
    columns = f"loss | to {variants[0]} | accuracy | steps | tokens/s | settings"
    print(f"| | {columns} |\n|---|---:|---:|---:|---:|---:|---|")
    for name, by_seed in runs.items():
        ended = list(by_seed.values())
        apart = [run.loss - first[seed].loss for seed, run in by_seed.items() if seed in first]
        steps = statistics.median(run.steps for run in ended)
        rate = statistics.median(run.tokens / run.seconds for run in ended)
        settings = " ".join(s for s in ended[-1].settings if "evaluate_every" not in s)
        print(
            f"| {name} | {spread([run.loss for run in ended])} | {spread(apart)} "
            f"| {spread([100 * run.accuracy for run in ended], 1)} % | {steps:,.0f} "
            f"| {rate:,.0f} | {settings} |"
        )
    print(
        f"\n- loss of held-out masked tokens, nats; mean ± standard deviation over "
        f"{len(seeds)} seeds; the second column is of differences seed by seed"
    )
    if budget.startswith("minutes") and what == "optimizers":
        steps = statistics.median(run.steps for run in first.values())
        print(f"- equal steps: the same command with --steps {steps:.0f}")


if __name__ == "__main__":
    main()
