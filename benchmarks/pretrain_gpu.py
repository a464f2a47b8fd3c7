"""Masked language modelling on a GPU in bfloat16: filbert beside transformers' Trainer.

    python benchmarks/pretrain_gpu.py [--lengths 128 512] [--limit-seconds 540] [--out FILE]
    python benchmarks/pretrain_gpu.py --smoke            a tiny shape on the CPU

bert-base (random weights, 30,522 tokens) learns from rows of random tokens, all of full length or
of mixed lengths (log-normal, half of them below a third of the longest). No text, no hub, no
network is needed. Timed by the clock between the ends of optimizer steps, data loading included,
after warming up; what counts is real tokens a second. All have as many tokens a step, hidden
dropout 0.1, no attention dropout, AdamW's fused kernel, bf16 autocast.

- filbert: the loop of `filbert pretrain`, with --compile as its plan says ("auto" is its default).
- filbert, the network alone: the same network on packs that lie ready; what the loop could reach.
- Trainer: sdpa; flash_attention_2 where that wheel can be imported; sdpa with torch_compile. Rows
  of like length together, 8 processes that make batches. A batch that does not fit into the memory
  is cut into pieces (gradient accumulation), twice as many each time.

Share of the roof: the matrix products of real tokens (race/roof.py has the formula; the head at
hidden places alone, though Trainer computes it everywhere) over what the card does by its data
sheet, and over what torch.mm reaches on large bf16 squares. Memory: the most that was allocated,
weights and optimizer included.

Cases come one after another, the most telling ones first, and each prints its table when it is
over; a case that no longer fits into --limit-seconds is left out, said so. The compiled peer, whose
compiling takes long, comes last.
"""

import argparse
import dataclasses
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from race import options
from race.rounds import Contestant, Measured, Results, race, show_ratio

from filbert.encoder.shape import BERT_BASE, Shape
from filbert.errors import FilbertError

if TYPE_CHECKING:
    from race.roof import Step

    from filbert.batch import Row
    from filbert.tokenizer import Tokenizer

OURS, ALONE = "filbert", "filbert, the network alone"
SDPA, FLASH = "Trainer, sdpa", "Trainer, flash_attention_2"
COMPILED = "Trainer, sdpa, compiled"
ROOF_GOAL, PEER_GOAL = 0.45, 1.5
SMOKE = Shape(depth=2, width=64, attention_heads=2, mlp_width=256, vocab=1000)
ROW_TOKENS, SMOKE_ROW_TOKENS = 3_000_000, 30_000
WARM_UP_STEPS, COMPILED_WARM_UP_STEPS = 3, 12
SECONDS_A_CONTESTANT, SECONDS_TO_COMPILE = 12, 75
_PACKAGES = ("transformers", "accelerate", "tokenizers", "numpy")


@dataclass(frozen=True)
class Case:
    """Rows of one kind, and who races on them."""

    length: int
    mixed: bool
    compiled: bool

    @property
    def name(self) -> str:
        """For the heading."""
        kind = "mixed lengths up to" if self.mixed else "all of"
        peer = ", the compiled peer" if self.compiled else ""
        return f"{kind} {self.length} tokens{peer}"


def main() -> None:
    begun = time.perf_counter()
    asked = _options()
    options.prepare(asked.threads)
    import torch

    if asked.device != "cpu" and not torch.cuda.is_available():
        options.skip("no CUDA device here (--smoke is a run on the CPU)")
    from race import gpu, machine

    print(f"# Pre-training on a GPU: {'a tiny shape' if asked.smoke else 'bert-base'}, bf16\n")
    print(machine.describe(asked.threads, _PACKAGES))
    print(gpu.describe_gpu(asked.device))
    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as folder:
        bench = Bench(asked, Path(folder))
        bench.measure_roof()
        print(f"- {asked.rounds} rounds, {asked.seconds:g} s each; medians", flush=True)
        for compiled in (False, True):
            for length in asked.lengths:
                for mixed in (False, True):
                    case = Case(length, mixed, compiled)
                    left = asked.limit_seconds - (time.perf_counter() - begun)
                    if bench.needs(case) > left:
                        print(f"\n- left out: {case.name}: {left:.0f} s are left", flush=True)
                        continue
                    try:
                        bench.run(case)
                    except FilbertError as error:
                        sys.exit(f"{case.name}: {error}")
    print(f"\n- {time.perf_counter() - begun:.0f} s in all")


def _options() -> argparse.Namespace:
    parser = options.parser("filbert beside transformers' Trainer, MLM on a GPU", seconds=4)
    parser.set_defaults(rounds=2)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--batch-tokens", type=int, default=65_536, help="of a step")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto", help="filbert")
    parser.add_argument("--limit-seconds", type=float, default=540, help="for everything")
    parser.add_argument("--workers", type=int, default=8, help="Trainer: processes for batches")
    parser.add_argument(
        "--out", type=Path, help="a JSON file for the figures, written as they come"
    )
    parser.add_argument("--smoke", action="store_true", help="a tiny shape on the CPU")
    asked = parser.parse_args()
    if asked.smoke:
        asked.device, asked.batch_tokens, asked.workers = "cpu", 1024, 0
        asked.lengths, asked.seconds, asked.rounds = [32, 64], 0.3, 1
    return asked


class Bench:
    """The card, the rows and the contestants."""

    def __init__(self, asked: argparse.Namespace, scratch: Path):
        """Make a tokenizer; nothing is on the device yet."""
        self._asked, self._scratch, self._runs = asked, scratch, 0
        self._shape = SMOKE if asked.smoke else BERT_BASE
        self._tokenizer = _tokenizer(self._shape.vocab, scratch)
        self._memory: dict[str, float] = {}
        self._found: list[dict[str, Any]] = []
        self._roofs: dict[str, float] = {}
        missing = [name for name in ("transformers", "accelerate") if find_spec(name) is None]
        self._peer = not missing
        if missing:
            print(f"- skipped: Trainer: no {missing[0]}")
        if self._peer:
            self._tokenizer.save(scratch / "tokenizer")
        if find_spec("flash_attn") is None:
            print("- skipped: flash_attention_2: flash_attn cannot be imported")

    def measure_roof(self) -> None:
        """The card's roof, by its data sheet and by torch.mm."""
        import torch
        from race import gpu

        if found := gpu.data_sheet(self._asked.device):
            self._roofs[f"data sheet of {found[0]}"] = found[1]
        roof = gpu.Roof(self._asked.device, torch.bfloat16)
        rates = [
            measured.done["flop"] / measured.seconds
            for measured in (roof.measure(self._asked.seconds, n) for n in range(3))
        ]
        self._roofs["torch.mm"] = sorted(rates)[1]
        for name, flops in self._roofs.items():
            print(f"- roof, {name}: {flops / 1e12:,.1f} TFLOP/s")

    def needs(self, case: Case) -> float:
        """About how many seconds a case takes."""
        a_turn: float = self._asked.seconds + 2
        contestants = 2 if case.compiled else 4
        compiling = SECONDS_TO_COMPILE if case.compiled else 0
        turns: int = self._asked.rounds
        return contestants * (SECONDS_A_CONTESTANT + turns * a_turn) + compiling

    def run(self, case: Case) -> None:
        """Race, print, keep."""
        from race.filbert_training import make_task, typical

        if case.compiled and not self._peer:
            return
        rows = self._rows(case)
        task = make_task({"max_tokens": case.length}, self._tokenizer)
        packs = [task.batch(step, 1, 0) for step in _steps(rows, self._asked.batch_tokens)]
        step = typical(packs)
        self._memory.clear()
        makers: dict[str, Callable[[], Callable[[float, int], Measured]]] = {
            OURS: lambda: self._ours(case, rows)
        }
        if not case.compiled:
            makers[ALONE] = lambda: self._alone(packs)
        names = [COMPILED] if case.compiled else [SDPA]
        if not case.compiled and find_spec("flash_attn") is not None:
            names.append(FLASH)
        if self._peer:
            for name in names:
                makers[name] = lambda name=name: self._trainer(case, rows, name)  # type: ignore[misc]
        contestants = []
        for name, make in makers.items():
            print(f"<!-- {case.name}: {name} -->", file=sys.stderr, flush=True)
            contestants.append(Contestant(name, self._warmed(name, make)))
        results = race(contestants, self._asked.rounds, self._asked.seconds)
        self._show(case, results, step)
        del contestants, makers
        self._clear()

    def _warmed(
        self, name: str, make: Callable[[], Callable[[float, int], Measured]]
    ) -> Callable[[float, int], Measured]:
        """Build a contestant, let it run for a moment and note the memory that it takes."""
        import torch

        self._clear()
        on_gpu = self._asked.device != "cpu"
        before = torch.cuda.memory_allocated() if on_gpu else 0
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        measure = make()
        measure(0.5 if on_gpu else 0.05, 0)
        if on_gpu:
            self._memory[name] = (torch.cuda.max_memory_allocated() - before) / 2**30
        return measure

    def _clear(self) -> None:
        import torch

        gc.collect()
        if self._asked.device != "cpu":
            torch.cuda.empty_cache()

    def _rows(self, case: Case) -> "list[Row]":
        import numpy as np
        from race.rows import drawn

        tokens = SMOKE_ROW_TOKENS if self._asked.smoke else ROW_TOKENS
        count = tokens // case.length
        lengths = np.full(count, case.length)
        if case.mixed:
            many = np.random.default_rng(1).lognormal(np.log(case.length / 3), 0.75, 4 * count)
            lengths = np.clip(many, 8, case.length).astype(np.int64)
            lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), tokens)) + 1]
        return drawn(lengths, self._shape.vocab, self._tokenizer)

    def _ours(self, case: Case, rows: "Sequence[Row]") -> Callable[[float, int], Measured]:
        from race.filbert_training import FilbertTraining

        self._runs += 1
        training = {
            "batch_tokens": self._asked.batch_tokens,
            "precision": "bf16",
            "compile": self._asked.compile,
        }
        run = self._scratch / f"run-{self._runs}"
        return FilbertTraining(
            self._shape,
            rows,
            self._tokenizer,
            run,
            task={"max_tokens": case.length},
            training=training,
            device=self._asked.device,
        ).measure

    def _alone(self, packs: Sequence[Any]) -> Callable[[float, int], Measured]:
        from race.filbert_training import make_task
        from race.network_alone import NetworkAlone

        task = make_task({}, self._tokenizer)
        asked = self._asked
        return NetworkAlone(self._shape, task, packs, asked.device, asked.compile).measure

    def _trainer(
        self, case: Case, rows: "Sequence[Row]", name: str
    ) -> Callable[[float, int], Measured]:
        """Trainer in as few pieces as fit into the memory."""
        import torch
        from race.trainer import TrainerPeer
        from race.trainer_setting import Setting

        mean = sum(map(len, rows)) / len(rows)
        pieces = 1
        while True:
            setting = Setting(
                order="grouped" if case.mixed else "random",
                batch_rows=max(pieces, round(self._asked.batch_tokens / mean)),
                accumulation=pieces,
                tuned=True,
                attention="flash_attention_2" if name == FLASH else "sdpa",
                compile=name == COMPILED,
                bf16=True,
                workers=self._asked.workers,
                pad_multiple=max(8, case.length // 8) if name == COMPILED else 8,
            )
            peer = TrainerPeer(
                self._shape,
                rows,
                self._scratch / "tokenizer",
                self._scratch,
                setting,
                device=self._asked.device,
                warm_up_steps=COMPILED_WARM_UP_STEPS if name == COMPILED else WARM_UP_STEPS,
            )
            try:
                peer.measure(2.0 if self._asked.device != "cpu" else 0.05, 0)
            except torch.OutOfMemoryError:
                pieces *= 2
                print(f"- {case.name}: {name}: out of memory, now in {pieces} pieces", flush=True)
            else:
                return peer.measure
            del peer
            self._clear()
            torch.cuda.reset_peak_memory_stats()

    def _show(self, case: Case, results: Results, step: "Step") -> None:
        from race.roof import training_flops

        a_token = training_flops(self._shape, step) / step.tokens
        print(f"\n## {case.name}\n")
        print(
            f"{step.tokens:,} tokens a step in sequences of {step.attended:.0f} (mean over "
            f"tokens), {step.masked:,} to be named; {a_token / 1e6:.0f} MFLOP a token\n"
        )
        heads = "".join(f" of {name} |" for name in self._roofs)
        print(f"| contestant | real tokens/s | rounds | TFLOP/s |{heads} GiB |")
        print("|---|---:|---:|---:|" + "---:|" * (len(self._roofs) + 1))
        for name in results.names:
            flops = results.median(name, "tokens") * a_token
            shares = {roof: flops / best for roof, best in self._roofs.items()}
            memory = f"{self._memory[name]:.1f}" if name in self._memory else "–"
            cells = "".join(f" {share:.1%} |" for share in shares.values())
            done = f"{results.row(name, 'tokens')} | {flops / 1e12:,.2f}"
            print(f"| {name} | {done} |{cells} {memory} |")
            self._keep(case, name, results.rates(name, "tokens"), shares)
        print()
        for line in self._verdicts(case, results, a_token):
            print(line, flush=True)

    def _verdicts(self, case: Case, results: Results, a_token: float) -> list[str]:
        peers = [name for name in (SDPA, FLASH, COMPILED) if name in results]
        goal = PEER_GOAL if case.mixed else None
        lines = [show_ratio(results, OURS, name, "tokens", goal) for name in peers]
        if case.length == min(self._asked.lengths) and not case.mixed and not case.compiled:
            reached = results.median(OURS, "tokens") * a_token
            for roof, best in self._roofs.items():
                verdict = "reached" if reached / best >= ROOF_GOAL else "missed"
                lines.append(
                    f"- {OURS}: **{reached / best:.0%}** of the roof ({roof}), "
                    f"goal ≥ {ROOF_GOAL:.0%}: {verdict}"
                )
        return lines

    def _keep(
        self, case: Case, name: str, rates: Sequence[float], shares: Mapping[str, float]
    ) -> None:
        if self._asked.out is None:
            return
        self._found.append(
            dataclasses.asdict(case)
            | {"contestant": name, "tokens_per_second": list(rates), "roof_shares": dict(shares)}
            | {"memory_gib": self._memory.get(name)}
        )
        self._asked.out.parent.mkdir(parents=True, exist_ok=True)
        self._asked.out.write_text(json.dumps(self._found, indent=1), encoding="utf-8")


def _steps(rows: "Sequence[Row]", batch_tokens: int, steps: int = 16) -> "list[list[Row]]":
    """The rows of some steps, as filbert's reader would take them, the longest first in each."""
    from filbert.shards import read_batches
    from filbert.train.sources import RowList

    batches = read_batches(RowList(rows), batch_tokens=batch_tokens, seed=1)
    return [sorted(next(batches)[0], key=len, reverse=True) for _ in range(steps)]


def _tokenizer(vocab: int, scratch: Path) -> "Tokenizer":
    """A vocabulary of made-up words of the true size."""
    from filbert.tokenizer import Tokenizer

    folder = scratch / "vocabulary"
    folder.mkdir()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"w{number}" for number in range(vocab - len(specials))]
    (folder / "vocab.txt").write_text("\n".join(specials + words) + "\n", encoding="utf-8")
    return Tokenizer.load(folder)


if __name__ == "__main__":
    main()
