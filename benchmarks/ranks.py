"""What a second rank costs on this machine's CPU, beside what scaling_model.py says it should.

    python benchmarks/ranks.py [--shapes bert-mini bert-medium] [--batch-tokens 4096] [--steps 6]

Each rank has one thread and computes in float32. Four measurements of `filbert pretrain`'s loop, in
turns, a step's seconds each (the median over all rounds, the first steps left out):

- whole: one rank, the batch.
- half: one rank, half of the batch: what a rank of two has to compute.
- apart: two such runs at once that know nothing of each other: what they take from each other by
  sharing caches and memory. No network does that to two machines.
- together: two ranks, the batch. Over apart, this is what exchanging costs.

In the last one the wire itself is measured, too: the sum over both ranks of one tensor as large as
all gradients (gloo over loopback), and of a few plain numbers. The prediction is apart + these,
with the part that travels during backward taken off (overlap) or not. A CPU that copies bytes
cannot compute meanwhile, so what is to be expected lies between, near the latter.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from race import options
from scaling_model import AGREEMENTS, BACKWARD_SHARE, gradient_pieces, total_bytes, waited

from filbert.encoder import Shape
from filbert.train import PRESETS

MAX_TOKENS = 128
LEFT_OUT = 2
KINDS = ("whole", "half", "apart", "together")


def main() -> None:
    asked = _options()
    options.prepare(1)
    if asked.rank_of:
        _rank(json.loads(asked.rank_of))
        return
    if options.cores() < 2:
        options.skip("two ranks need two cores")
    from race import machine

    print(f"# Two ranks on one machine\n\n{machine.describe(1, ('numpy',))}")
    print(f"- {asked.batch_tokens:,} tokens a step; {asked.rounds} rounds of {asked.steps} steps\n")
    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as folder:
        for shape in asked.shapes:
            found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
            for number in range(asked.rounds):
                for kind in KINDS:
                    place = Path(folder) / f"{shape}-{kind}-{number}"
                    found[kind].append(_measure(kind, shape, asked, place))
            _show(shape, found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="one rank and two on a CPU, beside the scaling model",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    classic = [name for name in PRESETS if name.startswith("bert")]
    parser.add_argument(
        "--shapes", nargs="+", choices=classic, default=["bert-mini", "bert-medium"]
    )
    parser.add_argument("--batch-tokens", type=int, default=4096, help="of the whole batch")
    parser.add_argument("--steps", type=int, default=6, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rank-of", help=argparse.SUPPRESS)  # this process is one of the measured
    return parser.parse_args()


def _measure(kind: str, shape: str, asked: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Run one kind; what its first rank wrote."""
    from filbert.train.launch import launch

    place.mkdir()
    tokens = asked.batch_tokens // (2 if kind in ("half", "apart") else 1)
    what = {"shape": shape, "tokens": tokens, "steps": asked.steps}
    commands = [
        [sys.executable, __file__, "--rank-of", json.dumps(what | {"out": str(place / str(n))})]
        for n in range(2)
    ]
    if kind == "apart":
        both = [subprocess.Popen(command) for command in commands]
        if any([each.wait() for each in both]):  # the list: wait for both before judging
            sys.exit("a run ended with an error; its message is above")
    else:
        launch(commands[0], 2 if kind == "together" else 1)
    measured: dict[str, Any] = json.loads((place / "0.json").read_text())
    return measured


def _rank(what: Mapping[str, Any]) -> None:
    """One rank: train, then measure the wire if there is one."""
    import torch
    from race import english
    from race.filbert_training import ENDLESS, make_task, make_training
    from race.rows import lines, numbered

    from filbert.checkpoint import Card
    from filbert.device import pick_device
    from filbert.encoder import Encoder
    from filbert.heads import build_model
    from filbert.train import Job, RunFolder, Stepped, train
    from filbert.train.ranks import join
    from filbert.train.sources import RowList

    out = Path(what["out"])
    with join("cpu") as ranks:
        tokenizer = english.bert_tokenizer(out.with_name(f"tokenizer-{os.getpid()}"))
        rows = numbered(lines(english.paragraphs()[0], tokenizer, MAX_TOKENS))
        task = make_task({"max_tokens": MAX_TOKENS}, tokenizer)
        torch.manual_seed(1)
        shape = Shape(vocab=tokenizer.vocab_size, **PRESETS[what["shape"]]["shape"])
        run = RunFolder(out)
        if ranks.first:
            run.claim({"kind": "benchmark"})
        ranks.wait()
        settings = make_training(
            steps=ENDLESS, batch_tokens=what["tokens"], peak_lr=5e-5, precision="fp32"
        )
        job = Job(
            model=build_model(Encoder(shape), task),
            task=task,
            source=RowList(rows),
            dev=[],
            settings=settings,
            device=pick_device("cpu"),
            run=run,
            card=Card(),
            ranks=ranks,
        )
        steps = (event for event in train(job) if isinstance(event, Stepped))
        made = list(islice(steps, LEFT_OUT + what["steps"]))
        spans = [later.seconds - one.seconds for one, later in pairwise(made)]
        found = {
            "seconds": spans[LEFT_OUT - 1 :],
            "tokens": statistics.mean(event.batch_tokens for event in made[LEFT_OUT:]),
            "shape": {"depth": shape.depth, "width": shape.width, "mlp_width": shape.mlp_width},
            "vocab": shape.vocab,
        }
        if ranks.world > 1:
            found |= _wire(4 * sum(p.numel() for p in job.model.parameters()), ranks)
        if ranks.first:
            out.with_suffix(".json").write_text(json.dumps(found))


def _wire(size: int, ranks: Any) -> dict[str, float]:
    """Seconds of summing up so many bytes, and a few numbers, over the ranks."""
    import torch
    import torch.distributed as dist

    gradients = torch.ones(size // 4)
    numbers = [1.0] * 4
    return {
        "bytes": size,
        "all_reduce": _median(lambda: dist.all_reduce(gradients), 7),
        "agreement": _median(lambda: ranks.sum(numbers), 100),
    }


def _median(call: Callable[[], Any], times: int) -> float:
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _show(name: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    step = {
        kind: statistics.median(second for run in runs for second in run["seconds"])
        for kind, runs in found.items()
    }
    first = found["together"][0]
    table = PRESETS[name]["shape"]
    pieces = gradient_pieces(Shape(vocab=first["vocab"], **table))
    size = total_bytes(pieces)
    if size != first["bytes"]:
        raise ValueError(f"{name}: the model says {size:,} bytes, there are {first['bytes']:,}")
    wire, agreement = (
        statistics.median(run[key] for run in found["together"])
        for key in ("all_reduce", "agreement")
    )
    words = AGREEMENTS * agreement
    left = waited(pieces, BACKWARD_SHARE * step["apart"], lambda part: wire * part / size)
    slow, fast = step["apart"] + wire + words, step["apart"] + left + words
    print(f"## {name}: {size / 1e6:.0f} MB of gradients\n")
    print("| | s a step | tokens/s |\n|---|---:|---:|")
    for kind in KINDS:
        ranks = 2 if kind == "apart" else 1
        rate = ranks * found[kind][0]["tokens"] / step[kind]
        print(f"| {kind} | {step[kind]:.3f} | {rate:,.0f} |")
    print(f"| predicted, overlap | {fast:.3f} | {first['tokens'] / fast:,.0f} |")
    print(f"| predicted, no overlap | {slow:.3f} | {first['tokens'] / slow:,.0f} |\n")
    print(f"- all-reduce of all gradients: {wire:.3f} s, {size / wire / 1e9:.2f} GB/s each way")
    print(f"- one agreement: {1e6 * agreement:.0f} µs, {AGREEMENTS} a step")
    print(f"- exchanging costs {step['together'] - step['apart']:.3f} s a step (together - apart)")
    print(f"- 2 ranks / 1: {step['whole'] / step['together']:.2f} times the tokens/s")
    print(f"- measured / predicted without overlap: {step['together'] / slow:.2f}", end="")
    print(f"; with: {step['together'] / fast:.2f}\n", flush=True)


if __name__ == "__main__":
    main()
