"""Reranking: how well a passage answers a query, read together (Nogueira and Cho 2019)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, pack, row_labels
from filbert.errors import DataError
from filbert.tasks import judging
from filbert.tasks.judging import Judged
from filbert.tasks.ranking import Ranking, mean_ndcg, mean_reciprocal_rank
from filbert.tasks.regress import number_of
from filbert.tasks.task import Example, Outputs, Scores, Task


@dataclass(frozen=True)
class Ranked:
    """How well a passage answers a query.

    score       the network's logit: only the order of scores means something
    tokens_cut  how many tokens of the two were left out
    """

    score: float
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The score."""
        return f"{self.score:.4f}"


@dataclass(frozen=True)
class Asked:
    """What a score is held against: the query that it is for, and how relevant the passage is."""

    query: str
    relevance: float


@dataclass(frozen=True)
class Rerank(Task):
    """One score for a query ("text") and a passage ("pair"); label: how relevant it is, 0 to 1.

    pooling  what the head reads: the vector of the "first" token, or the "mean" of all

    Grades above 1 are scored as they are and learnt as 1. A long passage is read as windows, each
    beside the whole query; the best window speaks for the passage.
    """

    name: ClassVar[str] = "rerank"
    judged_by: ClassVar[str] = "ndcg@10"
    max_tokens: int = 512
    pooling: Literal["first", "mean"] = "first"

    def labels_of(self, example: Example) -> Array | None:
        """The relevance of the passage: float32 []."""
        value = number_of(example, None)
        return None if value is None else np.array(value, np.float32)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for an example without passage or label, or with one below 0."""
        for number, example in enumerate(examples):
            where = example.get("place", f"example {number + 1}")
            value = number_of(example, number + 1)
            if example.get("pair") is None:
                raise DataError(f"{where}: expected a query and a passage, got one text")
            if value is None or value < 0:
                raise DataError(f"{where}: expected a label from 0 on, got {value}")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets, where the rows have them: labels float32 [sequences], 0 to 1."""
        grades = row_labels(rows, np.float32)
        return pack(rows, None if grades is None else {"labels": np.minimum(grades, 1)})

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [sequences, 1] → Ranked."""
        return [Ranked(float(logit)) for logit in outputs["logits"][:, 0]]

    def references(self, packed: Packed) -> list[Any]:
        """Rows do not know their query: `right_answer` does."""
        return list(packed.targets["labels"].tolist())

    def right_answer(self, example: Example, reference: Any) -> Any:
        """The query of an example and the passage's relevance."""
        return Asked(example["text"], number_of(example, None) or 0.0)

    def merge(self, answers: Sequence[Any]) -> Any:
        """The best window's score (MaxP, Dai and Callan 2019)."""
        return max(answers, key=lambda answer: answer.score)

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether all passages get nearly the same score, and should not."""
        apart = float(np.std([answer.score for answer in predictions]))
        return apart < 1e-3 and len({asked.relevance for asked in references}) > 1

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """mrr@10 and ndcg@10 over queries that have a relevant passage; accuracy at logit 0."""
        queries = _queries(predictions, references)
        return {
            "mrr@10": mean_reciprocal_rank(queries, 10),
            "ndcg@10": mean_ndcg(queries, 10),
            "accuracy": sum(map(_right, queries)) / len(references),
            "queries": float(len(queries)),
            "examples": float(len(references)),
        }

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """mrr@10, ndcg@10 and accuracy. What is drawn is a query, with all its passages."""
        queries = _queries(predictions, references)
        some = [any(relevance > 0 for _, relevance in query) for query in queries]
        of = some if any(some) else None
        measures = {
            "mrr@10": judging.mean([mean_reciprocal_rank([query], 10) for query in queries], of),
            "ndcg@10": judging.mean([mean_ndcg([query], 10) for query in queries], of),
            "accuracy": judging.ratio(
                [_right(query) for query in queries], list(map(len, queries))
            ),
        }
        return Judged(len(queries), measures)


def _queries(predictions: Sequence[Any], references: Sequence[Any]) -> list[Ranking]:
    """The passages of each query, in the order in which the queries first occur."""
    queries: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for answer, asked in zip(predictions, references, strict=True):
        queries[asked.query].append((answer.score, asked.relevance))
    return list(queries.values())


def _right(query: Ranking) -> int:
    """Of how many passages the sign of the score says whether they are relevant."""
    return sum((score > 0) == (relevance > 0) for score, relevance in query)
