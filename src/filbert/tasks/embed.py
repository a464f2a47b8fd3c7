"""Texts → vectors: the mean of the tokens' vectors, or the first token's."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, joined, pack
from filbert.errors import DataError, RequestError, SettingsError, did_you_mean
from filbert.tasks import judging
from filbert.tasks.judging import Judged
from filbert.tasks.ranking import Ranking, mean_ndcg, mean_recall, mean_reciprocal_rank
from filbert.tasks.regress import number_of
from filbert.tasks.scores import pearson, spearman
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
class Compared:
    """The vectors of an example's texts: its own, its pair's, its negatives'.

    vectors  float32 [texts, width]
    """

    vectors: Array

    @property
    def cosine(self) -> float:
        """Of the first two texts."""
        first, second = _unit(self.vectors[:2])
        return float(first @ second)


@dataclass(frozen=True)
class Embed(Task):
    """One vector a text; learnt from texts that belong together.

    What an example has says how it is learnt: "text" and "pair" (and "negatives", a list) that the
    pair be nearer to the text than all other pairs and negatives of the step (in-batch negatives;
    van den Oord et al. 2018, Henderson et al. 2017); with a "label", a number, that likelier pairs
    be nearer (CoSENT); a "text" alone that it be near to itself under another dropout (SimCSE, Gao
    et al. 2021).

    pooling         "mean" over all tokens, special ones included, as sentence-transformers does
                    it; "first", the vector of [CLS]; "max", each number's largest over the tokens
    normalise       whether vectors get length 1
    prompts         what is put before a text, by name: {"query": "query: "}
    default_prompt  the name of the one that is used where none is asked for
    include_prompt  whether the prompt's own tokens are pooled, too
    scale           cosines are multiplied by it before the softmax
    both_ways       whether a pair must also find its text among all texts
    dims            in training the first so many numbers of a vector must do, too, for each of
                    these (Matryoshka, Kusupati et al. 2022); empty: the whole vector alone
    pair_prompt     the name of the prompt before pairs and negatives; the default one before texts
    retrieval       whether models are compared by ndcg@10; else by spearman, for which pairs need a
                    number
    """

    name: ClassVar[str] = "embed"
    judged_by: ClassVar[str] = "spearman"
    max_tokens: int = 512
    pooling: Literal["mean", "first", "max"] = "mean"
    normalise: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    include_prompt: bool = True
    scale: float = 20.0
    both_ways: bool = True
    dims: tuple[int, ...] = ()
    pair_prompt: str | None = None
    retrieval: bool = False

    def __post_init__(self) -> None:
        """Refuse a prompt that is none of the prompts, and numbers that mean nothing."""
        super().__post_init__()
        if not 0 < self.scale < 1e6:
            raise SettingsError(f"task.scale must be above 0; got {self.scale}")
        if any(dim < 1 for dim in self.dims):
            raise SettingsError(f"task.dims must be whole numbers from 1 on; got {list(self.dims)}")
        if self.pair_prompt is not None and self.pair_prompt not in self.prompts:
            raise SettingsError(
                f"task.pair_prompt {self.pair_prompt!r:.80} is not one of task.prompts"
                f"{did_you_mean(self.pair_prompt, self.prompts)}; they are: "
                f"{', '.join(self.prompts) or 'none'}"
            )
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise SettingsError(
                f"task.default_prompt {self.default_prompt!r:.80} is not one of task.prompts"
                f"{did_you_mean(self.default_prompt, self.prompts)}; they are: "
                f"{', '.join(self.prompts) or 'none'}"
            )

    @property
    def main_score(self) -> str:
        """ndcg@10 of finding pairs, or spearman of their numbers."""
        return "ndcg@10" if self.retrieval else self.judged_by

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """By what models are compared: by numbers where examples have some."""
        numbers = any(example.get("label") is not None for example in examples)
        return {"retrieval": not numbers} | dict(said)

    @classmethod
    def lesson(cls, example: Example) -> Example | None:
        """A text alone is learnt beside itself."""
        return example if _is_joined(example) else {**example, "alone": True}

    @classmethod
    def can_be_scored(cls, example: Example) -> bool:
        """Whether there is a second text to compare with."""
        return example.get("pair") is not None

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
        """The rows of each example, each with the prompt of that name before it; see Task.

        An example of several texts is one row, each text a part of it, cut to max_tokens; so is one
        with a label, or one that is to be learnt from alone ("alone": True), which is there twice.
        """
        if not any(_is_joined(example) for example in examples):
            return self._rows(examples, long, overlap_tokens, self.prompt(prompt))
        first, second = self.prompt(prompt), self.prompt(self.pair_prompt)
        groups = []
        for number, example in enumerate(examples):
            where = str(example.get("place", f"example {number + 1}"))
            texts = _texts_of(example, where)
            cut: Long = "error" if long == "error" else "truncate"
            places = [{"text": text, "place": where} for text in texts]
            rows = self._rows(places[:1], cut, 0, first) + self._rows(places[1:], cut, 0, second)
            groups.append([joined([row for (row,) in rows], self.labels_of(example))])
        return groups

    def labels_of(self, example: Example) -> Array | None:
        """How near an example's two texts are to be: float32 []."""
        value = number_of(example, None) if _is_joined(example) else None
        return None if value is None else np.array(value, np.float32)

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; there is nothing random.

        targets, where they are not 0 everywhere: first_pooled int32 [sequences], the place in each
        sequence where pooling begins; shared_tokens int32 [sequences], see Row. Of rows of several
        texts: of_row int32 [sequences], the row that each text is of; identity int64 [sequences],
        equal for equal texts; labels float32 [rows], NaN where a row has none.
        """
        firsts = [0 if self.include_prompt else _first_pooled(row) for row in rows]
        shared = [row.shared_tokens for row in rows]
        if all(row.parts is None for row in rows):
            targets = {"first_pooled": firsts, "shared_tokens": shared}
            return pack(rows, {n: np.array(v, np.int32) for n, v in targets.items() if any(v)})
        counts = [1 if row.parts is None else len(row.parts) for row in rows]
        packed = pack(rows)
        texts = np.split(packed.token_ids, packed.ends[:-1])
        return pack(
            rows,
            {
                "of_row": np.repeat(np.arange(len(rows), dtype=np.int32), counts),
                "identity": np.array([_identity(text) for text in texts], np.int64),
                "labels": np.array(
                    [np.nan if row.labels is None else row.labels for row in rows], np.float32
                ),
            },
        )

    def counts(self, packed: Packed) -> dict[str, int]:
        """Rows with a label, and rows without."""
        labels = packed.targets.get("labels", np.full(len(packed.ends), np.nan))
        scored = int((~np.isnan(labels)).sum())
        return {"pairs": len(labels) - scored, "scored": scored}

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """vectors [sequences, width] → Embedded, of length 1 where the task says so.

        Of rows of several texts → Compared.
        """
        vectors = outputs["vectors"].astype(np.float32, copy=False)
        if self.normalise:
            vectors = _unit(vectors)
        if "of_row" in packed.targets:
            starts = np.flatnonzero(np.diff(packed.targets["of_row"])) + 1
            return [Compared(of_row) for of_row in np.split(vectors, starts)]
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
        """How near each row's texts are to be; None where it is not said by a number."""
        if "of_row" not in packed.targets:
            raise DataError("a text alone has no right vector; scores need pairs")
        return [None if math.isnan(x) else float(x) for x in packed.targets["labels"]]

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """What the pairs with a number say, and what those without say.

        spearman, pearson           of the cosines and the numbers
        mrr@10, ndcg@10, recall@10  each text looks for its pair among all pairs and negatives
        """
        scored = [
            (p.cosine, r) for p, r in zip(predictions, references, strict=True) if r is not None
        ]
        paired = [p for p, r in zip(predictions, references, strict=True) if r is None]
        scores: Scores = {}
        if scored:
            cosines, numbers = [one for one, _ in scored], [number for _, number in scored]
            scores = {
                "spearman": spearman(cosines, numbers),
                "pearson": pearson(cosines, numbers),
            }
        if paired:
            rankings = _rankings(paired)
            scores |= {name: found(rankings, 10) for name, found in _RANKED.items()}
        return scores | {"examples": float(len(references))}

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """What `score` gives. A pair is drawn as a text that looks; all are looked through."""
        scored = [at for at, reference in enumerate(references) if reference is not None]
        paired = [at for at, reference in enumerate(references) if reference is None]
        measures: dict[str, judging.Measure] = {}
        if scored:
            both = [predictions[at].cosine for at in scored], [references[at] for at in scored]
            measures["spearman"] = judging.of_some(judging.spearman(*both), scored)
            measures["pearson"] = judging.of_some(judging.pearson(*both), scored)
        if paired:
            rankings = _rankings([predictions[at] for at in paired])
            for name, found in _RANKED.items():
                values = [found([ranking], 10) for ranking in rankings]
                measures[name] = judging.of_some(judging.mean(values), paired)
        return Judged(len(references), measures)


_RANKED = {"mrr@10": mean_reciprocal_rank, "ndcg@10": mean_ndcg, "recall@10": mean_recall}


def _rankings(paired: Sequence[Compared]) -> list[Ranking]:
    """For each text all pairs and negatives, with their cosines; its own pair is what it wants."""
    texts = _unit(np.stack([answer.vectors[0] for answer in paired]))
    passages = _unit(np.concatenate([answer.vectors[1:] for answer in paired]))
    right = np.cumsum([0, *(len(answer.vectors) - 1 for answer in paired[:-1])])
    return [
        [(float(s), float(place == own)) for place, s in enumerate(passages @ text)]
        for text, own in zip(texts, right, strict=True)
    ]


def _is_joined(example: Example) -> bool:
    """Whether an example is several texts that are compared, not one that is asked for."""
    return isinstance(example, Mapping) and (
        example.get("pair") is not None or bool(example.get("alone"))
    )


def _texts_of(example: Example, where: str) -> list[str]:
    """An example's text, its pair and its negatives; one that stands alone twice."""
    if example.get("pair") is None:
        given = [example.get("text")] * 2
    else:
        given = [example.get("text"), example["pair"], *(example.get("negatives") or ())]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        wrong = next(text for text in given if not isinstance(text, str))
        raise DataError(f"{where}: expected texts, got {wrong!r:.80}")
    return texts


def _identity(token_ids: Array) -> int:
    """A number for a text: equal for equal ones, else different but for one chance in 2⁶³."""
    digest = hashlib.blake2b(token_ids.tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _first_pooled(row: Row) -> int:
    """Where pooling begins if the prompt is left out; one token is pooled in any case."""
    return min(row.prompt_tokens, len(row) - 1)


def _unit(vectors: Array) -> Array:
    """Vectors of length 1; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(lengths, 1e-12)
    return unit
