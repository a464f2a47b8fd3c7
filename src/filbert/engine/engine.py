"""The one verb of every back end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

from filbert.batch import Array, Packed
from filbert.tasks import Outputs, Task


class Engine(Protocol):
    """A pack in, the head's outputs out; numpy on both sides."""

    def run(self, packed: Packed) -> Outputs:
        """Answer one pack, with all threads."""

    def run_all(self, packs: Iterable[Packed]) -> Iterator[Outputs]:
        """Answer many packs, in their order, several at a time where that is faster."""

    def with_task(self, task: Task) -> Self:
        """The same encoder under another task that needs no weights of its own."""

    def attention(self, packed: Packed) -> Array:
        """Where each token of one sequence looks: [depth, attention_heads, tokens, tokens]."""

    def hidden_states(self, packed: Packed) -> Array:
        """The embeddings, then what each layer gives: [depth + 1, tokens, width]."""

    def inside(self, packed: Packed) -> Mapping[str, Any]:
        """All that is computed for one sequence, by the names of `Inside`'s arrays."""
