"""A model → a folder that transformers and sentence-transformers open, too; whole or not at all.

numpy only: what is saved are arrays by our names, from whatever engine.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from filbert.checkpoint.card import Card, write_card
from filbert.checkpoint.config import config_of, family_for
from filbert.checkpoint.families import (
    KIND_OF,
    kind_of_task,
    labels_of_task,
    problem_of_task,
)
from filbert.checkpoint.folder import CHECKSUMS, Folder
from filbert.checkpoint.json_files import inside, write_bytes, write_json, write_ours
from filbert.checkpoint.rename import to_theirs
from filbert.checkpoint.sentence_folder import sentence_files
from filbert.checkpoint.tensors import write_tensors
from filbert.disk import atomic_folder, sha256_of
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, FilbertError, SettingsError
from filbert.settings import to_mapping
from filbert.tasks import Task
from filbert.tokenizer import Tokenizer

CARD = "README.md"
UNCHANGED = "; nothing was changed there"

Extra = bytes | Path | Mapping[str, np.ndarray]
"""The content of one more file: its bytes, a file to copy, or arrays for a .safetensors file."""


def save(
    path: Path | str,
    model_tensors: Mapping[str, np.ndarray],
    *,
    shape: Shape,
    task: Task,
    tokenizer: Tokenizer | None,
    train: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    card: Card | None = None,
    family: str | None = None,
    extra_files: Mapping[str, Extra] | None = None,
    replace: bool = False,
) -> Folder:
    """Write a model folder: everything, flushed to the disk, or nothing.

    model_tensors: arrays by our names (encoder.*, head.*), exactly those of the task's model.
    train, scores: plain JSON values, kept as train.json and scores.json.
    card: what README.md says beyond shape, task and scores (data, licences).
    family: the family's model_type, where the shape fits several ("xlm-roberta"); the first that
    fits if None.
    extra_files: more files by their path in the folder, e.g. "optimizer/state.safetensors".
    replace: put it in the place of a folder that filbert saved whole; never of anything else.

    Raises CheckpointError naming file or tensor where something does not fit or the disk refuses,
    SettingsError where a folder is there already; what was there stays as it was.
    """
    path = Path(path)
    check_start(path, shape, tokenizer, replace)
    kind = kind_of_task(task)
    if kind is None:
        raise CheckpointError(
            f"{path}: the task {task.name!r} has no form on disk; known: {', '.join(KIND_OF)}"
        )
    row = family_for(shape, str(path), family)
    if kind not in row.kinds:
        raise CheckpointError(
            f"{path}: a {row.model_type} has no form on disk for {row.class_of(kind)}: "
            f"it has {', '.join(row.classes)}"
        )
    labels = labels_of_task(task)
    tensors = to_theirs(model_tensors, shape, row, kind, len(labels), str(path))
    config = config_of(
        shape,
        row,
        kind,
        labels=labels,
        pooling=getattr(task, "pooling", "first") if kind == "classify" else "first",
        special_ids=special_ids(tokenizer),
    )
    if (problem := problem_of_task(task)) is not None:
        config["problem_type"] = problem
    with draft_of(path, replace=replace) as draft:
        write_json(draft / "config.json", config)
        write_tensors(draft / "model.safetensors", tensors)
        if tokenizer is not None:
            tokenizer.save(draft)
        _write_task(draft, task, shape)
        for name, content in (("train", train), ("scores", scores)):
            if content is not None:
                write_ours(draft / f"{name}.json", name, content)
        for name, extra in (extra_files or {}).items():
            _write_extra(inside(draft, name, "extra_files"), name, extra)
        text = write_card(
            card or Card(),
            shape=shape,
            task=task.name,
            settings=to_mapping(task),
            scores=scores,
            family=row.model_type,
        )
        write_bytes(draft / CARD, text.encode("utf-8"))
        write_checksums(draft)
    return Folder(path)


def check_start(path: Path, shape: Shape, tokenizer: Tokenizer | None, replace: bool) -> None:
    """Refuse, before any work, a place that must not be replaced and a tokenizer that is too large.

    Raises CheckpointError.
    """
    _check_place(path, replace)
    if tokenizer is not None and tokenizer.vocab_size > shape.vocab:
        raise CheckpointError(
            f"{path}: the tokenizer has {tokenizer.vocab_size:,} tokens, but the tensor "
            f"embeddings.tokens.weight (shape.vocab) has {shape.vocab:,} rows"
        )


@contextlib.contextmanager
def draft_of(path: Path, *, replace: bool) -> Iterator[Path]:
    """A draft of a model's folder, which becomes `path` once it is whole.

    Raises CheckpointError for a disk that refuses, SettingsError where a folder is there already;
    the messages name the folder that was asked for.
    """
    try:
        with atomic_folder(path, replace=replace) as draft, _as_goal(draft, path):
            yield draft
    except (CheckpointError, SettingsError):
        raise
    except FilbertError as error:
        raise CheckpointError(str(error)) from error


@contextlib.contextmanager
def _as_goal(draft: Path, goal: Path) -> Iterator[None]:
    """Messages name the folder that was asked for, not the draft, which is gone by then."""
    try:
        yield
    except FilbertError as error:
        message = str(error).replace(str(draft), str(goal))
        raise CheckpointError(f"{message.removesuffix(UNCHANGED)}{UNCHANGED}") from error


def special_ids(tokenizer: Tokenizer | None) -> dict[str, int]:
    """The ids that config.json names, by our words; none without a tokenizer."""
    if tokenizer is None:
        return {}
    ids = tokenizer.special_ids
    return {"pad": ids.pad, "cls": ids.cls, "sep": ids.sep}


def _check_place(path: Path, replace: bool) -> None:
    if not replace or not path.exists():
        return
    if not path.is_dir() or (any(path.iterdir()) and not Folder(path).is_complete()):
        raise CheckpointError(
            f"{path}: is not a whole folder that filbert saved, so it is not replaced; "
            "remove it, or name another place"
        )


def _write_task(draft: Path, task: Task, shape: Shape) -> None:
    settings = to_mapping(task)
    write_ours(draft / "task.json", "task", {"name": task.name, "settings": settings})
    if task.name == "embed":
        files = sentence_files(
            pooling=settings["pooling"],
            normalise=settings["normalise"],
            include_prompt=settings["include_prompt"],
            prompts=settings["prompts"],
            default_prompt=settings["default_prompt"],
            max_tokens=min(task.max_tokens, shape.max_positions),
            width=shape.width,
        )
        for name, value in files.items():
            write_json(draft / name, value)


def _write_extra(path: Path, name: str, content: Extra) -> None:
    if path.exists():
        raise CheckpointError(f"extra_files: {name!r} is a name that the folder itself uses")
    if isinstance(content, bytes):
        write_bytes(path, content)
        return
    if isinstance(content, Path):
        copy_file(content, path)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, content)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error


def copy_file(source: Path, target: Path) -> None:
    """Copy a file into a draft; a refusal of the disk names the new file."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise CheckpointError(
            f"{target} could not be written: {error.strerror or error}"
        ) from error


def write_checksums(draft: Path) -> None:
    """Write checksums.json for all files; the card is left out: people may write in it."""
    sums = {
        file.relative_to(draft).as_posix(): sha256_of(file)
        for file in sorted(draft.rglob("*"))
        if file.is_file() and file != draft / CARD
    }
    write_ours(draft / CHECKSUMS, "sha256", sums)
