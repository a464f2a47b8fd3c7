"""Texts → vectors: the mean of the tokens' vectors, or the first token's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, pack
from filbert.errors import DataError
from filbert.tasks.task import Outputs, Scores, Task


@dataclass(frozen=True)
class Embedded:
    """A text's vector.

    vector  float32 [width]
    tokens  how many tokens it stands for
    """

    vector: Array
    tokens: int


@dataclass(frozen=True)
class Embed(Task):
    """One vector a text.

    pooling    "mean" over all tokens, special ones included, as sentence-transformers does it, or
               "first", the vector of [CLS]
    normalise  whether vectors get length 1
    """

    name: ClassVar[str] = "embed"
    main_score: ClassVar[str] = "cosine"
    max_tokens: int = 512
    pooling: Literal["mean", "first"] = "mean"
    normalise: bool = True

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; there is nothing random."""
        return pack(rows)

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """vectors [sequences, width] → Embedded, of length 1 where the task says so."""
        vectors = outputs["vectors"].astype(np.float32, copy=False)
        if self.normalise:
            vectors = _unit(vectors)
        return [
            Embedded(vector, int(length))
            for vector, length in zip(vectors, packed.lengths, strict=True)
        ]

    def merge(self, answers: Sequence[Any]) -> Any:
        """The mean of the windows' vectors, each weighted by its tokens."""
        if len(answers) == 1:
            return answers[0]
        tokens = np.array([answer.tokens for answer in answers])
        vector = np.average([answer.vector for answer in answers], axis=0, weights=tokens)
        vector = vector.astype(np.float32)
        return Embedded(_unit(vector[None])[0] if self.normalise else vector, int(tokens.sum()))

    def references(self, packed: Packed) -> list[Any]:
        """A text alone has no right vector."""
        raise DataError("embed has no references to score against; scores need labelled pairs")

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """cosine: the mean cosine between vectors and reference vectors."""
        ours = _unit(np.stack([answer.vector for answer in predictions]))
        theirs = _unit(np.stack([answer.vector for answer in references]))
        return {"cosine": float((ours * theirs).sum(axis=1).mean())}


def _unit(vectors: Array) -> Array:
    """Vectors of length 1; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(lengths, 1e-12)
    return unit
