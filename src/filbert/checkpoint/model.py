"""A folder ↔ its tensors by our names, for every kind of model, whether filbert has a task or not.

numpy only, but that a pytorch_model.bin needs torch to be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from filbert.checkpoint.config import config_of, family_for, pooling_of
from filbert.checkpoint.families import LABELLED, Family
from filbert.checkpoint.folder import Folder
from filbert.checkpoint.json_files import write_json
from filbert.checkpoint.rename import Match, expected_tensors, match, to_theirs
from filbert.checkpoint.save import check_start, draft_of, special_ids, write_checksums
from filbert.checkpoint.stored import Stored, check_copies, read_joined, stored_tensors
from filbert.checkpoint.tensors import write_tensors
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError
from filbert.tokenizer import Tokenizer


@dataclass(frozen=True)
class Weights:
    """A model as arrays.

    shape    of the encoder
    kind     what stands on it: "encoder", "masked", "pretraining", "classify", "tag" or "span"
    tensors  float32 by our names: "encoder.*", "head.*"
    labels   of a classifier or tagger, in the order of its outputs
    family   its model_type; None: the first family that has this shape
    pooling  what a classifier reads: the "first" token, or the "mean" of all
    """

    shape: Shape
    kind: str
    tensors: Mapping[str, np.ndarray]
    labels: tuple[str, ...] = ()
    family: str | None = None
    pooling: str = "first"


@dataclass(frozen=True)
class Opened:
    """A folder whose names and sizes fit; no values are read yet.

    labels   as its config.json names them, for kinds that have some
    """

    folder: Folder
    family: Family
    shape: Shape
    kind: str
    labels: tuple[str, ...]
    stored: Mapping[str, Stored]
    matched: Match = field(repr=False)


def open_tensors(folder: Folder, *, verify: bool = True) -> Opened:
    """Match the stored tensors with the names and sizes that config.json asks for.

    Where it names no class, the tensors say what kind of model it is.
    """
    family, shape = folder.family(), folder.shape()
    if verify:
        folder.verify()
    kind = folder.kind()
    labels = folder.labels() if kind in LABELLED else ()
    stored = stored_tensors(folder)
    matched = match(
        {name: tensor.sizes for name, tensor in stored.items()},
        shape,
        family,
        required=family.kinds[kind].parts,
        labels=len(labels) or None,
        where=str(folder),
    )
    check_copies(folder, stored, matched)
    return Opened(folder, family, shape, kind, labels, stored, matched)


def read_model(folder: Folder | Path | str, *, verify: bool = True) -> Weights:
    """The tensors of a folder of any kind and form, float32, by our names.

    All that the file holds is there, whether the kind has a use for it or not: a pooler and a
    next-sentence part beside the masked words, say.
    verify: compare the files with checksums.json where there is one.
    Raises CheckpointError naming file, field or tensor for whatever does not fit.
    """
    folder = folder if isinstance(folder, Folder) else Folder(Path(folder))
    opened = open_tensors(folder, verify=verify)
    return Weights(
        shape=opened.shape,
        kind=opened.kind,
        tensors={
            ours: read_joined(folder, sources, opened.stored)
            for ours, sources in _all_once(opened).items()
        },
        labels=opened.labels,
        family=opened.family.model_type,
        pooling=pooling_of(folder.config(), str(folder.config_file)),
    )


def write_model(
    path: Path | str,
    weights: Weights,
    *,
    tokenizer: Tokenizer | None = None,
    replace: bool = False,
) -> Folder:
    """Write a folder of Hugging Face's form without a task: everything, or nothing.

    replace: put it in the place of a folder that filbert saved whole; never of anything else.
    Raises CheckpointError naming the tensor or field that does not fit, SettingsError where a
    folder is there already.
    """
    path = Path(path)
    check_start(path, weights.shape, tokenizer, replace)
    family = family_for(weights.shape, str(path), weights.family)
    if weights.kind not in family.kinds:
        raise CheckpointError(
            f"{path}: kind {weights.kind!r:.40}: {family.model_type} has {', '.join(family.kinds)}"
        )
    config = config_of(
        weights.shape,
        family,
        weights.kind,
        labels=weights.labels,
        pooling=weights.pooling,
        special_ids=special_ids(tokenizer),
    )
    tensors = to_theirs(
        weights.tensors,
        weights.shape,
        family,
        weights.kind,
        len(weights.labels),
        str(path),
        every=True,
    )
    with draft_of(path, replace=replace) as draft:
        write_json(draft / "config.json", config)
        write_tensors(draft / "model.safetensors", tensors)
        if tokenizer is not None:
            tokenizer.save(draft)
        write_checksums(draft)
    return Folder(path)


def stored_as(opened: Opened) -> dict[str, str]:
    """Every stored weight, copies left out → its name of today in Hugging Face's form."""
    found: dict[str, str] = {}
    for part, sources in opened.matched.sources.items():
        rows = expected_tensors(
            part, opened.family, opened.shape, None, prefixed=opened.kind != "encoder"
        )
        for row in rows:
            found.update(zip(sources[row.ours], row.theirs, strict=True))
    return found


def _all_once(opened: Opened) -> dict[str, tuple[str, ...]]:
    """Our name → the stored ones; of parts that share tensors only the kind's own."""
    row, found = opened.family.kinds[opened.kind], opened.matched
    sources = found.of(row.parts)
    taken = {name for names in sources.values() for name in names}
    for part in found.parts:
        more: dict[str, tuple[str, ...]] = found.sources[part]
        used: Sequence[str] = [name for names in more.values() for name in names]
        if not taken.intersection(used) and not set(more) & set(sources):
            sources |= more
            taken.update(used)
    return sources
