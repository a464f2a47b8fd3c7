"""A model with more words: new rows of the embedding that begin as the mean of their pieces.

What the network knows of a word is what it makes of the word's pieces; their mean is where further
pre-training begins (`filbert pretrain --start`), instead of with chance (as Gee et al. 2022, "Fast
Vocabulary Transfer", do for a whole vocabulary). Everything else stays bit by bit the same.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filbert.checkpoint.converting import carry, own_config, values_as
from filbert.checkpoint.find import find_folder
from filbert.checkpoint.folder import Folder
from filbert.checkpoint.json_files import write_json
from filbert.checkpoint.model import Opened, open_tensors, stored_as
from filbert.checkpoint.rename import AXES
from filbert.checkpoint.save import copy_file, draft_of, write_checksums
from filbert.checkpoint.stored import read_floats
from filbert.checkpoint.tensors import encode, stream_tensors
from filbert.tokenizer.extension import with_words
from filbert.tokenizer.tokenizer import Tokenizer

OUTDATED = ("train.json", "scores.json", "optimizer")
"""What a folder says of the model as it was trained, which the new one is no longer."""

_NEW_FILES = ("vocab.txt", "tokenizer.json")


@dataclass(frozen=True)
class Extended:
    """What came out of an extension.

    folder     the new folder
    first_id   the id of the first new word; the others follow
    rows       of the embedding, new ones included
    left_out   files that the new folder has not, and why
    """

    folder: Folder
    first_id: int
    rows: int
    left_out: tuple[str, ...]


def extend(model: Folder | Path | str, dst: Path | str, words: Sequence[str]) -> Extended:
    """Write the model with more whole words in its vocabulary as a new folder `dst`.

    The ids of all tokens stay; the new words follow behind them. The row of a new word, in the
    embedding and in the bias of the masked words, is the mean of those of the pieces that it was
    cut into, in the kind of number that they are stored in. Where the embedding has more rows than
    the vocabulary has tokens, those are filled first. All other tensors, and what the files beside
    them say, stay as they are.

    model: any folder or name that find_folder knows, with a WordPiece vocabulary. words: in their
    normal form, as `filbert.tokenizer.extension.choose_words` gives them.

    The new folder is there whole or not at all. Raises SettingsError where `dst` is there already
    or a word does not fit, CheckpointError for a folder that does not.
    """
    folder, dst = find_folder(model), Path(dst)
    old = folder.tokenizer()
    grown = with_words(old, words)
    opened = open_tensors(folder)
    pieces = old.ids_batch(words)
    rows = max(opened.shape.vocab, grown.vocab_size)
    by_token = _by_token(opened)
    names = stored_as(opened)
    stored = {new: name for name, new in names.items()}

    def sizes_of(name: str) -> tuple[int, ...]:
        sizes = opened.stored[name].sizes
        return (rows, *sizes[1:]) if name in by_token else sizes

    def read(new: str) -> np.ndarray:
        name = stored[new]
        kind = opened.stored[name].kind
        if name not in by_token:
            return values_as(opened, name, kind)
        values = _with_means(read_floats(folder, name, opened.stored[name]), rows, old, pieces)
        return encode(values, kind, f"{folder}: tensor {name!r}")

    with draft_of(dst, replace=False) as draft:
        home = draft / folder.home.relative_to(folder.path)
        home.mkdir(parents=True, exist_ok=True)
        left_out = [
            *carry(folder, draft, home, "hf", without=OUTDATED),
            *(f"{name}: says of the model what it was" for name in OUTDATED
              if (folder.path / name).exists()),
        ]  # fmt: skip
        _write_tokenizer(grown, home)
        config, _ = own_config(opened, None)
        write_json(home / "config.json", config | {"vocab_size": rows})
        stream_tensors(
            home / "model.safetensors",
            {new: (opened.stored[name].kind, sizes_of(name)) for new, name in stored.items()},
            read,
        )
        write_checksums(draft)
    return Extended(Folder(dst), old.vocab_size, rows, tuple(left_out))


def _by_token(opened: Opened) -> frozenset[str]:
    """The stored tensors that have a row, or a number, for each token."""
    return frozenset(
        names[0]
        for sources in opened.matched.sources.values()
        for ours, names in sources.items()
        if AXES.get(ours.partition(".")[2], ("",))[0] == "vocab"
    )


def _with_means(
    values: np.ndarray, rows: int, old: Tokenizer, pieces: Sequence[np.ndarray]
) -> np.ndarray:
    """The rows with those of the new words behind the old vocabulary's."""
    grown = np.zeros((rows, *values.shape[1:]), np.float32)
    grown[: len(values)] = values
    for number, ids in enumerate(pieces, start=old.vocab_size):
        grown[number] = values[ids].mean(axis=0, dtype=np.float64)
    return grown


def _write_tokenizer(tokenizer: Tokenizer, home: Path) -> None:
    """The new vocabulary; what the folder's own files say beside it stays."""
    with tempfile.TemporaryDirectory(prefix="filbert-words-") as made:
        tokenizer.save(made)
        for file in sorted(Path(made).iterdir()):
            if file.name in _NEW_FILES or not (home / file.name).is_file():
                copy_file(file, home / file.name)
