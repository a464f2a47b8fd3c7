"""A model that answers: texts in, answers out, in the order of the texts."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row, pack
from filbert.checkpoint import Folder, find_folder
from filbert.device import pick_device
from filbert.encoder import Shape
from filbert.engine.answers import Attention, FilledMask, HiddenStates, Inside
from filbert.engine.engine import Engine
from filbert.engine.filling import best_places, filled_masks, rows_asked, with_labels
from filbert.engine.requests import (
    Texts,
    examples_of,
    questions_of,
    say_what_is_long,
    texts_alone,
    texts_of_tokens,
    with_cuts,
)
from filbert.errors import RequestError
from filbert.tasks import (
    Answer,
    Chosen,
    Classified,
    Embed,
    Embedded,
    Example,
    Filled,
    Long,
    Measured,
    Pretrain,
    Ranked,
    Tagged,
    Task,
    answer_rows,
)

_log = logging.getLogger("filbert")

BATCH_TOKENS = 512
"""Small enough for a pack to stay in a core's cache on its way through a layer."""

MOST_WEIGHTS = 2**29
"""Attention weights that are kept at once: two gigabytes."""

_Progress = Callable[[int], None]


class Predictor:
    """Answers from a Folder; safe to use from several threads.

    Texts are sorted by length, packed by tokens, answered and put back in their order. The answer
    to a text does not depend on the texts beside it.

    What is longer than the task's max_tokens is read as `long` says: "windows" that share
    overlap_tokens and whose answers are joined, its beginning alone ("truncate"), or an "error", a
    RequestError with the text's number, its tokens and the limit. Each answer's `tokens_cut` says
    how many tokens were left out; windows and cuts are said in the log "filbert", too.
    """

    def __init__(self, folder: Folder, engine: Engine, task: Task, batch_tokens: int):
        """Join the parts; `open_model` does it for you."""
        self.folder = folder
        self.task = task
        self._batch_tokens = batch_tokens
        self._engines: dict[str, tuple[Engine, Task]] = {task.name: (engine, task)}
        self._lock = threading.Lock()

    def embed(
        self,
        texts: str | Sequence[str],
        progress: _Progress | None = None,
        *,
        prompt: str | None = None,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> NDArray[np.float32]:
        """float32 [texts, width]: a vector a text, pooled as the folder says (mean, if silent).

        prompt  the name of what is put before each text, such as "query"; None: the folder's
                default, if it has one
        """
        answers = self.embeddings(
            texts, progress, prompt=prompt, long=long, overlap_tokens=overlap_tokens
        )
        return np.stack([answer.vector for answer in answers])

    def embeddings(
        self,
        texts: str | Sequence[str],
        progress: _Progress | None = None,
        *,
        prompt: str | None = None,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Embedded]:
        """As `embed`, with the tokens that each vector stands for and those that were left out.

        The vectors of a text's windows are averaged, each weighted by its tokens; a token that two
        windows share counts half for each.
        """
        examples = examples_of(texts, pairs=False)
        if not examples:
            raise RequestError("embed needs at least one text; got none")
        return self._embeddings(examples, progress, prompt, long, overlap_tokens)

    def _embeddings(
        self,
        examples: Sequence[Example],
        progress: _Progress | None,
        prompt: str | None,
        long: Long,
        overlap_tokens: int,
    ) -> list[Embedded]:
        engine, task = self._for("embed")
        assert isinstance(task, Embed)
        groups = task.rows_of(examples, long=long, overlap_tokens=overlap_tokens, prompt=prompt)
        return self._answer(engine, task, examples, groups, progress)

    def fill_mask(
        self,
        texts: str | Sequence[str],
        *,
        long: Long = "windows",
        overlap_tokens: int | None = None,
    ) -> list[tuple[FilledMask, ...]]:
        """The five likeliest tokens for every [MASK] of each text.

        A [MASK] in several windows is answered by the one that has the most context around it.

        overlap_tokens  None: half of what the network reads, so that a [MASK] has at least a
                        quarter of it on either side, where the text goes on that far

        Raises RequestError for a text without a [MASK], and for a folder that was not pre-trained.
        """
        return self._fill(examples_of(texts, pairs=False), long, overlap_tokens)

    def _fill(
        self, examples: Sequence[Example], long: Long, overlap_tokens: int | None
    ) -> list[tuple[FilledMask, ...]]:
        engine, task = self._for("pretrain")
        assert isinstance(task, Pretrain)
        if overlap_tokens is None:
            overlap_tokens = task.max_tokens // 2 - 1 if long == "windows" else 0
        windows = task.rows_of(examples, long=long, overlap_tokens=overlap_tokens)
        say_what_is_long(task, windows)
        places = [
            best_places(
                rows,
                task.tokenizer,
                str(example.get("place", f"text {number + 1}")),
                example["text"],
            )
            for number, (example, rows) in enumerate(zip(examples, windows, strict=True))
        ]
        # Windows that answer nothing are not run.
        groups = [
            [rows[number] for number in rows_asked(wanted)]
            for rows, wanted in zip(windows, places, strict=True)
        ]
        answered = answer_rows(
            task,
            groups,
            engine.run_all,
            batch_tokens=self._batch_tokens,
            batch=task.query,
            labelled=False,
        )
        return [
            filled_masks(rows, wanted, answer, task.tokenizer)
            for rows, wanted, answer in zip(windows, places, answered.answers, strict=True)
        ]

    def fill_rows(self, rows: Sequence[Row]) -> list[tuple[Filled, ...]]:
        """What the network would put in every [MASK] of rows that were made by hand.

        Where the rows have labels (int32 [tokens], the right token ids), each answer has its loss.

        Raises RequestError for a folder that was not pre-trained.
        """
        engine, task = self._for("pretrain")
        assert isinstance(task, Pretrain)
        answered = answer_rows(
            task,
            [[row] for row in rows],
            engine.run_all,
            batch_tokens=self._batch_tokens,
            batch=partial(with_labels, task),
            labelled=False,
        )
        return answered.answers

    def classify(
        self,
        texts: Texts,
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Classified]:
        """The label of each text, or of each (text, pair), with the probabilities of all.

        The probabilities of a text's windows are averaged; each window has one voice.
        """
        return self._ask("classify", examples_of(texts, pairs=True), progress, long, overlap_tokens)

    def measure(
        self,
        texts: Texts,
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Measured]:
        """The number of each text, or of each (text, pair); of a text's windows the mean."""
        return self._ask("regress", examples_of(texts, pairs=True), progress, long, overlap_tokens)

    def tag(
        self,
        texts: str | Sequence[str],
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Tagged]:
        """The entities of each text, with their characters.

        Windows of a long text share at least the task's own overlap_tokens; each word is read in
        the window where it has most around it, and the best path goes over the whole text.
        """
        return self._ask("tag", examples_of(texts, pairs=False), progress, long, overlap_tokens)

    def answer(
        self,
        question: str | Sequence[str],
        passage: str | Sequence[str],
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Answer]:
        """The part of each passage that answers its question; one question may have many passages.

        A long passage is read as windows that share at least the task's own overlap_tokens.
        """
        examples = questions_of(question, passage)
        return self._ask("span", examples, progress, long, overlap_tokens)

    def rerank(
        self,
        query: str,
        passages: Sequence[str],
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Ranked]:
        """How well each passage answers a query, in the order of the passages."""
        examples = examples_of([(query, passage) for passage in passages], pairs=True)
        return self._ask("rerank", examples, progress, long, overlap_tokens)

    def choose(
        self, text: str, choices: Sequence[str], *, long: Literal["truncate", "error"] = "truncate"
    ) -> Chosen:
        """Which of several endings goes on best from a text."""
        (chosen,) = self._ask("choose", [{"text": text, "choices": list(choices)}], None, long, 0)
        return cast("Chosen", chosen)

    def ask(
        self,
        examples: Sequence[Example],
        progress: _Progress | None = None,
        *,
        long: Long = "windows",
        overlap_tokens: int = 0,
    ) -> list[Any]:
        """The answers of the folder's own task to examples as that task reads them.

        For a folder of pre-training what its [MASK]s may be, for one of vectors these.
        """
        name = self.task.name
        if name == "pretrain":
            return self._fill(texts_alone(examples), long, overlap_tokens or None)
        if name == "embed":
            return self._embeddings(texts_alone(examples), progress, None, long, overlap_tokens)
        return self._ask(name, examples, progress, long, overlap_tokens)

    def _ask(
        self,
        name: str,
        examples: Sequence[Example],
        progress: _Progress | None,
        long: Long,
        overlap_tokens: int,
    ) -> list[Any]:
        """The answers of a task to examples."""
        engine, task = self._for(name)
        groups = task.rows_of(examples, long=long, overlap_tokens=overlap_tokens)
        return self._answer(engine, task, examples, groups, progress)

    def attention(self, text: str, pair: str | None = None, *, long: Long = "error") -> Attention:
        """Where each token of a text, or a pair, looks, in every layer and attention head.

        All tokens look at one another, so there are no windows: what is too long is an error, or
        truncated on request.
        """
        row, words = self._one(text, pair, long)
        _check_attention(self.folder.shape(), len(row))
        engine, _ = self._engines[self.task.name]
        return Attention(weights=engine.attention(pack([row])), **words)

    def hidden_states(
        self, text: str, pair: str | None = None, *, long: Long = "error"
    ) -> HiddenStates:
        """The vectors of a text's tokens: the embeddings, then what each layer gives."""
        row, words = self._one(text, pair, long)
        engine, _ = self._engines[self.task.name]
        return HiddenStates(values=engine.hidden_states(pack([row])), **words)

    def inside(self, text: str, pair: str | None = None, *, long: Long = "error") -> Inside:
        """All that the network computes on the way of a text, or a pair, through it."""
        row, words = self._one(text, pair, long)
        _check_attention(self.folder.shape(), len(row))
        engine, _ = self._engines[self.task.name]
        return Inside(token_ids=row.token_ids, **words, **engine.inside(pack([row])))

    def _one(self, text: str, pair: str | None, long: Long) -> tuple[Row, dict[str, Any]]:
        """A text as one row, and what its answers say of its tokens."""
        if long == "windows":
            raise RequestError(
                "what goes on inside is shown for one sequence: long is 'error' or 'truncate', "
                "not 'windows'"
            )
        task = self.task
        ((row,),) = Task.rows_of(
            task, examples_of([text if pair is None else (text, pair)], pairs=True), long=long
        )
        say_what_is_long(task, [[row]])
        return row, {
            "tokens": tuple(task.tokenizer.shown(row.token_ids)),
            "offsets": row.offsets,
            "segments": texts_of_tokens(row, task.tokenizer, pair=pair is not None),
            "tokens_cut": row.tokens_cut,
        }

    def _for(self, name: str) -> tuple[Engine, Task]:
        """The engine and task for one kind of question."""
        with self._lock:
            if name not in self._engines:
                if name != "embed":
                    able = sorted({self.task.name, "embed"})
                    raise RequestError(
                        f"{self.folder} cannot {_VERBS.get(name, name)}: it was made for "
                        f"{self.task.name} (it can: {', '.join(_VERBS[a] for a in able)})"
                    )
                task = Embed(max_tokens=self.task.max_tokens).with_tokenizer(self.task.tokenizer)
                engine, _ = self._engines[self.task.name]
                self._engines[name] = engine.with_task(task), task
            return self._engines[name]

    def _answer(
        self,
        engine: Engine,
        task: Task,
        examples: Sequence[Example],
        groups: Sequence[Sequence[Row]],
        progress: _Progress | None = None,
    ) -> list[Any]:
        say_what_is_long(task, groups)
        answered = answer_rows(
            task,
            groups,
            engine.run_all,
            examples=examples,
            batch_tokens=self._batch_tokens,
            labelled=False,
            each=progress,
        )
        return with_cuts(answered.answers, groups)


_VERBS = {
    "pretrain": "fill_mask",
    "classify": "classify",
    "regress": "measure",
    "tag": "tag",
    "span": "answer",
    "rerank": "rerank",
    "choose": "choose",
    "embed": "embed",
}


def open_model(
    folder: Folder | Path | str,
    *,
    task: Task | None = None,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> Predictor:
    """Open a model's folder, or a run's (its newest checkpoint), to ask it.

    task       None: what the folder says it was made for
    device     "auto", "cpu", "cuda", "cuda:N"
    precision  "auto": bfloat16 on a GPU that does it well, float32 elsewhere; "fp32", "bf16"
    workers    packs answered at a time; None: one a core on a CPU

    Raises CheckpointError for a folder that is damaged or of another kind.
    """
    found = find_folder(folder)
    asked = (task or found.task()).with_tokenizer(found.tokenizer())
    picked = pick_device(device)
    from filbert.engine.torch_engine import TorchEngine

    engine = TorchEngine.open(found, asked, picked, precision=precision, workers=workers)
    if picked.kind == "cuda":
        batch_tokens = max(batch_tokens, 32 * BATCH_TOKENS)
    return Predictor(found, engine, asked, batch_tokens)


def _check_attention(shape: Shape, tokens: int) -> None:
    """Refuse what would fill the memory: all weights of all layers are kept."""
    weights = shape.depth * shape.attention_heads * tokens**2
    if weights > MOST_WEIGHTS:
        most = int((MOST_WEIGHTS / (shape.depth * shape.attention_heads)) ** 0.5)
        raise RequestError(
            f"attention of {tokens:,} tokens has {weights:,} weights; at most {MOST_WEIGHTS:,} are "
            f"shown, which is {most:,} tokens of this model: give a shorter text"
        )
