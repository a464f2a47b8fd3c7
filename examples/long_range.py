"""Why does BERT capture long-range dependence? An answer by measurement, in less than ten minutes.

    python examples/long_range.py [--out long_range.html] [--minutes 6] [--lang en|zh]

A small BERT and a bidirectional LSTM with as many weights learn to fill in hidden tokens of the
docstrings of Python's standard library: same tokens, same steps, same kind of embeddings and head.
Then the same held-out text answers four questions:

- How far does each attention head look?
- How far does the gradient reach: |d logit of the token at i / d input vector of token j|?
- How much worse is a hidden token guessed when the text is cut to d tokens on each side of it?
- Two fresh ones learn to copy a rare word: over how many tokens can they?

What is compared stands in reach/networks.py, the text in reach/text.py, the measures in
reach/measures.py and reach/copying.py, the page in reach/page.py.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from reach.copying import copied, copy_batches, copy_example
from reach.measures import HeadReach, gradient_reach, heads_reach, loss_when_cut
from reach.networks import Network, learn, make_networks
from reach.page import Findings, Run, write_page
from reach.text import (
    MAX_TOKENS,
    Text,
    batches,
    is_rare,
    long_rows,
    planted_words,
    read_text,
)

from filbert.batch import Row, pack
from filbert.checkpoint import find_folder, load
from filbert.corpus import Document
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer
from filbert.train import Training

COPY_ROWS = 32
COPY_WORDS = 16
CUTS = (2, 4, 8, 16, 32, 64)
DISTANCES = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100)
COPY_SHARE = 0.6
"""The part of the training time that goes into copying."""


@dataclass(frozen=True)
class Scale:
    """How large the whole is; the test makes it tiny.

    minutes    of training, both networks and both lessons together
    steps      of each lesson; None: as many as fit into the minutes, as many for both networks
    rows       held-out rows that are measured, and places asked of each
    copy_rows  held-out rows in which a word is planted, for each distance
    """

    minutes: float = 6.0
    steps: int | None = None
    depth: int = 2
    width: int = 64
    attention_heads: int = 4
    rows: int = 48
    places: int = 12
    copy_rows: int = 200


def main() -> None:
    """Read the options, do the work, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("long_range.html"))
    parser.add_argument("--minutes", type=float, default=Scale.minutes, help="of training")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="of the page")
    parser.add_argument("--model", help="a folder or name: a trained BERT, its heads beside ours")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are small: a second thread would only wait
    with TemporaryDirectory(prefix="filbert-long-range-") as scratch:
        findings = measure(Scale(minutes=asked.minutes), Path(scratch), model=asked.model)
    print(f"wrote {write_page(findings, asked.out, asked.lang)}")


def measure(
    scale: Scale,
    scratch: Path,
    documents: Sequence[Sequence[Document]] = (),
    model: str | None = None,
) -> Findings:
    """Train both networks and measure them.

    documents  (train, held-out) ones; none: the standard library's
    model      a trained model whose attention heads are measured too
    """
    begin = time.perf_counter()
    text = read_text(scratch, documents)
    say(f"{text.train.contents.tokens:,} tokens to learn from")
    task = Pretrain(MAX_TOKENS).with_tokenizer(text.tokenizer)
    mask = text.tokenizer.special_ids.mask
    shape = Shape(
        depth=scale.depth,
        width=scale.width,
        attention_heads=scale.attention_heads,
        mlp_width=4 * scale.width,
        vocab=text.tokenizer.vocab_size,
        max_positions=MAX_TOKENS,
        dropout_fraction=0.0,
    )
    steps, copy_steps = count_steps(scale, shape, text, task)
    networks, runs = make_networks(shape), {}
    for name, network in networks.items():
        start = time.perf_counter()
        losses = learn(network, batches(text.train, task), lesson(steps))
        runs[name] = Run(network.weights_inside, time.perf_counter() - start, losses)
        say(
            f"{name}: {steps} steps in {runs[name].seconds:.0f} s, loss {np.mean(losses[-50:]):.2f}"
        )

    rows = long_rows(text.held_out, scale.rows)
    fresh = {f"{name}, untrained": network for name, network in make_networks(shape).items()}
    gradients = {
        name: gradient_reach(network, rows, mask, scale.places)
        for name, network in {**networks, **fresh}.items()
    }
    cuts = {
        name: loss_when_cut(network, rows, mask, scale.places, CUTS)
        for name, network in networks.items()
    }
    heads = {"BERT": heads_reach(encoder_of(networks["BERT"]), rows, is_rare(text.counts))}
    if model is not None:
        heads[Path(model).name] = heads_of(model, text, rows)
    say("gradients, cut texts and attention heads measured")

    words = planted_words(text, COPY_WORDS)
    learners = long_rows(text.train, len(text.train))
    testers = long_rows(text.held_out, scale.copy_rows)
    copies, lessons = {}, {}
    copiers = make_networks(shape)
    for name, network in copiers.items():
        examples = copy_batches(learners, words, mask, COPY_ROWS, seed=1)
        lessons[name] = learn(network, examples, lesson(copy_steps))
        copies[name] = copied(network, testers, words, mask, DISTANCES)
        say(f"{name} copies over {DISTANCES} tokens: {[round(s, 2) for s in copies[name]]}")
    example = copy_example(testers[0], words[0], mask)
    copier = encoder_of(copiers["BERT"])
    return Findings(
        runs=runs,
        steps=steps,
        copy_steps=copy_steps,
        heads=heads,
        example=text.tokenizer.tokens(example.token_ids),
        attention=copier.attention(to_tensors(pack([example]), shape)).numpy(),
        gradients=gradients,
        cuts=cuts,
        distances=DISTANCES,
        copies=copies,
        lessons=lessons,
        seconds=time.perf_counter() - begin,
    )


def encoder_of(network: Network) -> Encoder:
    """The encoder of a network that is a BERT."""
    assert isinstance(network.encoder, Encoder)
    return network.encoder


def lesson(steps: int) -> Training:
    """How both networks learn both things."""
    return Training(steps=steps, peak_lr=3e-3, warmup_fraction=0.1, beta2=0.98)


def count_steps(scale: Scale, shape: Shape, text: Text, task: Pretrain) -> tuple[int, int]:
    """The steps of both lessons: minutes by what a step of each network takes on this machine.

    Counted in this process's own time, so that a busy machine does not shorten the lessons.
    """
    if scale.steps is not None:
        return scale.steps, scale.steps
    seconds = 0.0
    for network in make_networks(shape).values():
        learn(network, batches(text.train, task), lesson(2))
        start = time.process_time()
        learn(network, batches(text.train, task), lesson(10))
        seconds += (time.process_time() - start) / 10
    steps = 60 * scale.minutes / seconds
    return max(1, round((1 - COPY_SHARE) * steps)), max(1, round(COPY_SHARE * steps))


def say(text: str) -> None:
    """One line about what has been done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def heads_of(model: str, text: Text, rows: Sequence[Row]) -> list[HeadReach]:
    """The attention heads of a trained model on the same text, read by its own tokenizer."""
    folder = find_folder(model)
    encoder = load(folder).encoder
    tokenizer = Tokenizer.load(folder.path)
    texts = [text.tokenizer.decode(row.token_ids) for row in rows]
    own = []
    for encoded in tokenizer.encode_batch(texts):
        ids = np.concatenate((encoded.token_ids[: MAX_TOKENS - 1], encoded.token_ids[-1:])).astype(
            np.int32
        )
        own.append(Row(ids, np.zeros(len(ids), np.uint8)))
    counts = np.bincount(
        np.concatenate([row.token_ids for row in own]), minlength=encoder.shape.vocab
    )
    return heads_reach(encoder, own, is_rare(counts))


if __name__ == "__main__":
    main()
