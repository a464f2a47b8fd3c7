"""Texts → vectors: the mean of the tokens' vectors, or the first token's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, pack
from filbert.errors import DataError, RequestError, SettingsError, did_you_mean
from filbert.tasks.task import Example, Outputs, Scores, Task
from filbert.tasks.windows import Long


@dataclass(frozen=True)
class Embedded:
    """A text's vector.

    vector      float32 [width]
    tokens      how many tokens it stands for; one that two windows share counts once
    tokens_cut  how many tokens of the text were left out
    """

    vector: Array
    tokens: int
    tokens_cut: int = 0


@dataclass(frozen=True)
class Embed(Task):
    """One vector a text.

    pooling         "mean" over all tokens, special ones included, as sentence-transformers does
                    it; "first", the vector of [CLS]; "max", each number's largest over the tokens
    normalise       whether vectors get length 1
    prompts         what is put before a text, by name: {"query": "query: "}
    default_prompt  the name of the one that is used where none is asked for
    include_prompt  whether the prompt's own tokens are pooled, too
    """

    name: ClassVar[str] = "embed"
    main_score: ClassVar[str] = "cosine"
    max_tokens: int = 512
    pooling: Literal["mean", "first", "max"] = "mean"
    normalise: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    include_prompt: bool = True

    def __post_init__(self) -> None:
        """Refuse a default prompt that is none of the prompts."""
        super().__post_init__()
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise SettingsError(
                f"task.default_prompt {self.default_prompt!r:.80} is not one of task.prompts"
                f"{did_you_mean(self.default_prompt, self.prompts)}; they are: "
                f"{', '.join(self.prompts) or 'none'}"
            )

    def prompt(self, name: str | None) -> str:
        """The prompt of a name; None is the default one, which may be none: "".

        Raises RequestError for a name that the task does not know.
        """
        name = self.default_prompt if name is None else name
        if name is None:
            return ""
        if not isinstance(name, str):
            raise RequestError(f"prompt: expected the name of a prompt, got {name!r:.80}")
        if name not in self.prompts:
            raise RequestError(
                f"prompt {name!r:.80} is not one of this model's: "
                f"{', '.join(self.prompts) or 'it has none'}{did_you_mean(name, self.prompts)}"
            )
        return self.prompts[name]

    def rows_of(
        self,
        examples: Sequence[Example],
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
        prompt: str | None = None,
    ) -> list[list[Row]]:
        """The rows of each example, each with the prompt of that name before it; see Task."""
        return self._rows(examples, long, overlap_tokens, self.prompt(prompt))

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; there is nothing random.

        targets, where they are not 0 everywhere: first_pooled int32 [sequences], the place in each
        sequence where pooling begins; shared_tokens int32 [sequences], see Row.
        """
        firsts = [0 if self.include_prompt else _first_pooled(row) for row in rows]
        shared = [row.shared_tokens for row in rows]
        targets = {"first_pooled": firsts, "shared_tokens": shared}
        return pack(rows, {n: np.array(v, np.int32) for n, v in targets.items() if any(v)})

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """vectors [sequences, width] → Embedded, of length 1 where the task says so."""
        vectors = outputs["vectors"].astype(np.float32, copy=False)
        if self.normalise:
            vectors = _unit(vectors)
        tokens = packed.lengths
        for name in ("first_pooled", "shared_tokens"):
            tokens = tokens - packed.targets.get(name, 0)
        return [Embedded(v, max(1, int(n))) for v, n in zip(vectors, tokens, strict=True)]

    def merge(self, answers: Sequence[Any]) -> Any:
        """The mean of the windows' vectors, each weighted by its tokens.

        A token that two windows share counts half for each, so an overlap has no greater say.
        """
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


def _first_pooled(row: Row) -> int:
    """Where pooling begins if the prompt is left out; one token is pooled in any case."""
    return min(row.prompt_tokens, len(row) - 1)


def _unit(vectors: Array) -> Array:
    """Vectors of length 1; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(lengths, 1e-12)
    return unit
