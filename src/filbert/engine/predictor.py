"""A model that answers: texts in, answers out, in the order of the texts."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Packed, Row, pack
from filbert.checkpoint import Folder, find_folder
from filbert.device import pick_device
from filbert.engine.answers import Attention, FilledMask, Guess
from filbert.engine.engine import Engine
from filbert.errors import RequestError
from filbert.tasks import Classified, Embed, Example, Pretrain, Task, answer_rows

BATCH_TOKENS = 512
"""Small enough for a pack to stay in a core's cache on its way through a layer."""

Texts = str | Sequence[str | tuple[str, str]]

_log = logging.getLogger("filbert")


class Predictor:
    """Answers from a Folder; safe to use from several threads.

    Texts are sorted by length, packed by tokens, answered and put back in their order. The answer
    to a text does not depend on the texts beside it. What is longer than the task's max_tokens is
    read as windows whose answers are joined, and said so in the log "filbert".
    """

    def __init__(self, folder: Folder, engine: Engine, task: Task, batch_tokens: int):
        """Join the parts; `open_model` does it for you."""
        self.folder = folder
        self.task = task
        self._batch_tokens = batch_tokens
        self._engines: dict[str, tuple[Engine, Task]] = {task.name: (engine, task)}
        self._lock = threading.Lock()

    def embed(
        self, texts: str | Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """float32 [texts, width]: a vector a text, pooled as the folder says (mean, if silent)."""
        engine, task = self._for("embed")
        answers = self._answer(engine, task, _examples(texts, pairs=False), each=progress)
        if not answers:
            raise RequestError("embed needs at least one text; got none")
        return np.stack([answer.vector for answer in answers])

    def fill_mask(self, texts: str | Sequence[str]) -> list[tuple[FilledMask, ...]]:
        """The five likeliest tokens for every [MASK] of each text.

        Raises RequestError for a text without a [MASK], and for a folder that was not pre-trained.
        """
        engine, task = self._for("pretrain")
        assert isinstance(task, Pretrain)
        examples = _examples(texts, pairs=False)
        tokenizer = task.tokenizer
        mask, groups = tokenizer.specials.mask, []
        windows = task.rows_of(examples)
        _say_what_is_long(task, windows)
        for number, (example, group) in enumerate(zip(examples, windows, strict=True)):
            rows = [row for row in group if (row.token_ids == tokenizer.special_ids.mask).any()]
            if not rows:
                raise RequestError(f"text {number + 1} has no {mask}: {example['text']!r:.80}")
            groups.append(rows)
        answered = answer_rows(
            task,
            groups,
            engine.run_all,
            batch_tokens=self._batch_tokens,
            batch=task.query,
            labelled=False,
        )
        return [
            self._filled(task, rows, answer)
            for rows, answer in zip(groups, answered.answers, strict=True)
        ]

    def _filled(self, task: Pretrain, rows: list[Row], answer: Any) -> tuple[FilledMask, ...]:
        places = [
            row.offsets[position]
            for row in rows
            for position in np.flatnonzero(row.token_ids == task.tokenizer.special_ids.mask)
            if row.offsets is not None
        ]
        return tuple(
            FilledMask(
                int(start),
                int(end),
                tuple(
                    Guess(token, token_id, probability)
                    for token, token_id, probability in zip(
                        task.tokenizer.tokens(filled.token_ids),
                        filled.token_ids,
                        filled.probabilities,
                        strict=True,
                    )
                ),
            )
            for (start, end), filled in zip(places, answer, strict=True)
        )

    def classify(
        self, texts: Texts, progress: Callable[[int], None] | None = None
    ) -> list[Classified]:
        """The label of each text, or of each (text, pair), with the probabilities of all."""
        engine, task = self._for("classify")
        return self._answer(engine, task, _examples(texts, pairs=True), each=progress)

    def attention(self, text: str) -> Attention:
        """Where each token of a text looks; a text longer than max_tokens is a RequestError."""
        engine, task = self._engines[self.task.name]
        rows = task.rows({"text": text})
        if len(rows) != 1:
            raise RequestError(
                f"attention is shown for texts of at most {task.max_tokens} tokens; this one has "
                f"{sum(len(row) for row in rows):,}"
            )
        tokens = tuple(task.tokenizer.tokens(rows[0].token_ids))
        return Attention(tokens, engine.attention(pack(rows)))

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
        batch: Callable[[Sequence[Row]], Packed] | None = None,
        each: Callable[[int], None] | None = None,
    ) -> list[Any]:
        groups = task.rows_of(examples)
        _say_what_is_long(task, groups)
        return answer_rows(
            task,
            groups,
            engine.run_all,
            batch_tokens=self._batch_tokens,
            batch=batch,
            labelled=False,
            each=each,
        ).answers


def _say_what_is_long(task: Task, groups: Sequence[Sequence[Row]]) -> None:
    long = sum(len(group) > 1 for group in groups)
    cut = sum(group[0].tokens_cut for group in groups)
    if long:
        _log.warning(
            "%d of %d texts are longer than %d tokens: each is read as several windows",
            long,
            len(groups),
            task.max_tokens,
        )
    if cut:
        _log.warning("%d tokens of over-long pairs were cut", cut)


_VERBS = {"pretrain": "fill_mask", "classify": "classify", "embed": "embed"}


def _examples(texts: Texts, *, pairs: bool) -> list[dict[str, Any]]:
    listed = [texts] if isinstance(texts, str) else list(texts)
    examples: list[dict[str, Any]] = []
    for number, text in enumerate(listed):
        if isinstance(text, str):
            examples.append({"text": text})
        elif (
            pairs and isinstance(text, tuple | list) and [type(part) for part in text] == [str] * 2
        ):
            examples.append({"text": text[0], "pair": text[1]})
        else:
            wanted = "a text or a pair of texts" if pairs else "a text"
            raise RequestError(f"text {number + 1}: expected {wanted}, got {text!r:.80}")
    return examples


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
