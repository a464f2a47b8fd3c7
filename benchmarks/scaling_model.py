"""How training scales over GPUs, on paper: bytes, overlap, efficiency; nothing is measured here.

    python benchmarks/scaling_model.py [--shape bert-base] [--rates 111000 816000] [--hop-us 30]

docs/many-gpus.md says what is assumed, and benchmarks/ranks.py holds the formulas against two ranks
on this machine. Each step every GPU needs all gradients summed:

- a ring moves 2 (N-1)/N times the gradients' bytes through each of its N members;
- N GPUs in nodes of 8 do it in three parts: summing up inside of the node, over the nodes with an
  eighth for each GPU, and handing round inside again: 2·7/8 of the bytes on NVLink, and 2 (M-1)/M
  of the bytes on each of M nodes' wires together;
- a gradient can leave when backward has found it: a block's after so many blocks, the tied
  embeddings' at the very end, since their first use is the last to be reached. What has not arrived
  when backward ends is waited for;
- the ranks agree on a few plain numbers four times a step (filbert.train.ranks) over gloo: all tell
  the first one, which takes them in one after another, and a tree of log2 N hops tells all.
"""

import argparse
import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filbert.encoder import Shape
from filbert.train import PRESETS

VOCAB = 30_522
BUCKET_BYTES = 25 * 2**20
"""DistributedDataParallel's default: so many bytes travel at once."""
BACKWARD_SHARE = 2 / 3
"""Of a step's computing: two products for each one of forward."""
AGREEMENTS = 4
"""A step's counts, its losses, its time, whether to save or stop."""
TAKEN_IN_S = 5e-6
"""What the first rank needs for each message that comes in."""
SHARE_REACHED = 0.8
"""What part of a wire's nominal bandwidth a large all-reduce reaches."""


@dataclass(frozen=True)
class Wires:
    """What GPUs talk through.

    inside_bytes   a second and GPU, to the others of its node (each direction)
    between_bytes  a second and node, to other nodes (each direction)
    inside_s       a message's way inside of a node
    between_s      and between nodes
    """

    name: str
    between_bytes: float
    between_s: float
    inside_bytes: float = 300e9
    inside_s: float = 5e-6
    node: int = 8


NETWORKS = (
    Wires("8 × 400 Gb/s a node", 400e9, 5e-6),
    Wires("400 Gb/s a node", 50e9, 5e-6),
    Wires("100 GbE", 12.5e9, 30e-6),
    Wires("25 GbE", 3.125e9, 30e-6),
    Wires("10 GbE", 1.25e9, 30e-6),
)


@dataclass(frozen=True)
class Piece:
    """Gradients that become ready together: at which part of backward, and how many bytes."""

    ready: float
    bytes: int


def parameters(shape: Shape) -> dict[str, int]:
    """Weights of a classic BERT with its masked-LM head, by part: embeddings, block, head.

    The head's product with the vocabulary is the token embedding's and counts once.
    """
    width, inner = shape.width, shape.mlp_width
    return {
        "embeddings": (shape.vocab + shape.max_positions + shape.segments + 2) * width,
        "block": 4 * width * (width + 1) + 2 * width * inner + inner + width + 4 * width,
        "head": width * (width + 1) + 2 * width + shape.vocab,
    }


def gradient_pieces(shape: Shape) -> list[Piece]:
    """The gradients of a step in the order in which backward finds them, float32."""
    size = parameters(shape)
    blocks = [Piece((n + 1) / shape.depth, 4 * size["block"]) for n in range(shape.depth)]
    return [Piece(0.0, 4 * size["head"]), *blocks, Piece(1.0, 4 * size["embeddings"])]


def total_bytes(pieces: Sequence[Piece]) -> int:
    """Of all gradients."""
    return sum(piece.bytes for piece in pieces)


def ring_bytes(ranks: int, size: float) -> float:
    """What each member of a ring sends, and receives, to sum up `size` bytes."""
    return 2 * (ranks - 1) / ranks * size


def all_reduce_seconds(wires: Wires, ranks: int, size: float) -> float:
    """Summing up `size` bytes over ranks in full nodes, or over a part of one node."""
    inside = min(ranks, wires.node)
    nodes = math.ceil(ranks / wires.node)
    seconds = ring_bytes(inside, size) / (wires.inside_bytes * SHARE_REACHED)
    seconds += ring_bytes(nodes, size) / (wires.between_bytes * SHARE_REACHED)
    # Trees, which NCCL takes where a ring's many hops would cost more than its bytes.
    hops = math.ceil(math.log2(inside)) * wires.inside_s
    hops += math.ceil(math.log2(nodes)) * wires.between_s
    return seconds + 2 * hops * math.ceil(size / BUCKET_BYTES)


def waited(
    pieces: Sequence[Piece], backward_seconds: float, seconds_of: Callable[[float], float]
) -> float:
    """What of the pieces' way is left when backward ends; one travels at a time, in their order.

    seconds_of: bytes → the seconds that they take.
    """
    free = 0.0
    for piece in pieces:
        free = max(free, piece.ready * backward_seconds) + seconds_of(piece.bytes)
    return free - backward_seconds


def agreement_seconds(ranks: int, hop_seconds: float) -> float:
    """A step's plain numbers, over gloo: to the first rank, and by a tree from there."""
    if ranks == 1 or not hop_seconds:
        return 0.0
    hops = 1 + math.ceil(math.log2(ranks))
    return AGREEMENTS * (hops * hop_seconds + (ranks - 1) * TAKEN_IN_S)


@dataclass(frozen=True)
class Case:
    """One way of training.

    tokens         that go through a GPU at once
    accumulation   how often, before gradients travel
    rate           tokens a second of one GPU alone
    overlap        whether gradients travel while backward goes on
    hop_seconds    of a plain number's message over gloo; 0 leaves the agreements out
    """

    ranks: int
    tokens: int
    rate: float
    accumulation: int = 1
    overlap: bool = True
    hop_seconds: float = 0.0

    def efficiency(self, wires: Wires, pieces: Sequence[Piece]) -> float:
        """Computing's part of a step: tokens a second, over those of as many GPUs alone."""
        once = self.tokens / self.rate
        backward = BACKWARD_SHARE * once if self.overlap else 0.0
        wait = waited(pieces, backward, lambda size: all_reduce_seconds(wires, self.ranks, size))
        computing = self.accumulation * once
        return computing / (computing + wait + agreement_seconds(self.ranks, self.hop_seconds))


def main() -> None:
    asked = _options()
    table = PRESETS[asked.shape]["shape"]
    pieces = gradient_pieces(Shape(vocab=VOCAB, **table))
    size = total_bytes(pieces)
    last = 100 * pieces[-1].bytes / size
    print(f"# {asked.shape} on many GPUs, on paper\n")
    print(f"- {size // 4:,} weights: {size / 1e6:.0f} MB of gradients a step; the last piece to be")
    print(f"  found, the embeddings, has {last:.0f} % of them")
    print(f"- messages over gloo: {asked.hop_us:g} µs a hop; wires reach {SHARE_REACHED:.0%}\n")
    _bytes_table(size, asked.gpus, asked.hop_us * 1e-6)
    for rate in asked.rates:
        for wires in NETWORKS:
            _efficiency_table(asked, rate, wires, pieces)


def _options() -> argparse.Namespace:
    classic = [name for name in PRESETS if name.startswith("bert")]
    parser = argparse.ArgumentParser(
        description="all-reduce, overlap and efficiency of many GPUs, by formulas",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--shape", choices=classic, default="bert-base")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[111e3, 816e3], help="tokens/s of one GPU"
    )
    parser.add_argument("--tokens", type=int, nargs="+", default=[8192, 16384, 32768, 65536])
    parser.add_argument("--accumulation", type=int, default=4, help="of the last column")
    parser.add_argument("--hop-us", type=float, default=30.0, help="of a gloo message, in µs")
    return parser.parse_args()


def _bytes_table(size: int, gpus: Sequence[int], hop_seconds: float) -> None:
    names = " | ".join(f"{wires.name}, ms" for wires in NETWORKS)
    print(f"| GPUs | MB each GPU sends | {names} | agreements, ms |")
    print("|---:" * (len(NETWORKS) + 3) + "|")
    for ranks in gpus:
        times = [all_reduce_seconds(wires, ranks, size) for wires in NETWORKS]
        cells = " | ".join(f"{1e3 * seconds:,.1f}" for seconds in times)
        sent = ring_bytes(ranks, size) / 1e6
        agreed = 1e3 * agreement_seconds(ranks, hop_seconds)
        print(f"| {ranks} | {sent:.0f} | {cells} | {agreed:.1f} |")


def _efficiency_table(
    asked: argparse.Namespace, rate: float, wires: Wires, pieces: Sequence[Piece]
) -> None:
    print(f"\n## {rate:,.0f} tokens/s alone, {wires.name}\n")
    print(
        "No overlap | overlap | and the agreements | and", asked.accumulation, "pieces a step, %\n"
    )
    print("| tokens at once, a GPU | " + " | ".join(f"{n} GPUs" for n in asked.gpus) + " |")
    print("|---:" * (len(asked.gpus) + 1) + "|")
    hop = asked.hop_us * 1e-6
    for tokens in asked.tokens:
        cells = []
        for ranks in asked.gpus:
            case = Case(ranks, tokens, rate)
            cases = [
                dataclasses.replace(case, overlap=False),
                case,
                dataclasses.replace(case, hop_seconds=hop),
                dataclasses.replace(case, hop_seconds=hop, accumulation=asked.accumulation),
            ]
            cells.append(" · ".join(f"{100 * c.efficiency(wires, pieces):.0f}" for c in cases))
        print(f"| {tokens:,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
