"""A model with more words: new rows of the embedding that begin as the mean of their pieces.

What the network knows of a word is what it makes of the word's pieces; their mean is where further
pre-training begins (`filbert pretrain --start`), instead of with chance (as Gee et al. 2022, "Fast
Vocabulary Transfer", do for a whole vocabulary). Everything else stays bit by bit the same.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.checkpoint.converting import carry, own_config, values_as
from filbert.checkpoint.find import find_folder
from filbert.checkpoint.folder import TOKENIZERS, Folder
from filbert.checkpoint.json_files import write_json
from filbert.checkpoint.model import Opened, open_tensors, stored_as
from filbert.checkpoint.rename import AXES
from filbert.checkpoint.save import copy_file, draft_of, write_checksums
from filbert.checkpoint.stored import read_floats
from filbert.checkpoint.tensors import encode, stream_tensors
from filbert.errors import SettingsError
from filbert.tokenizer.extension import with_words
from filbert.tokenizer.rules import CONTINUING, UNUSED
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


def new_rows_of(model: Folder, tokenizer: Tokenizer) -> dict[int, NDArray[np.int32]]:
    """The tokens that are new to a model, by id, each with the ids of its pieces until now.

    New are the tokens behind the model's own vocabulary, and words in what was an unused slot there
    (`[unused7]`). All others must stand where they stood.

    Raises SettingsError naming the first token that does not: ids would mean other words.
    """
    if not any((model.home / name).is_file() for name in TOKENIZERS):
        return _none_new(model, tokenizer)
    own = model.tokenizer()
    if own.digest == tokenizer.digest:
        return {}
    old, new = own.tokens(range(own.vocab_size)), tokenizer.tokens(range(tokenizer.vocab_size))
    given = {number for number, (a, b) in enumerate(zip(old, new, strict=False)) if a != b}
    wrong = next((n for n in sorted(given) if not old[n].startswith(UNUSED)), None)
    if wrong is not None:
        raise SettingsError(
            f"{model}: token {wrong} is {old[wrong]!r:.60} there, in the other tokenizer it is "
            f"{new[wrong]!r:.60}; expected the same tokens, and new ones behind them: make the "
            "shards with that model's tokenizer, or with one that `filbert vocab --extend` made"
        )
    fresh = [*sorted(given), *range(len(old), len(new))]
    return dict(zip(fresh, _pieces(fresh, new, own, tokenizer), strict=True))


def _none_new(model: Folder, tokenizer: Tokenizer) -> dict[int, NDArray[np.int32]]:
    """Without a tokenizer nothing can be compared but the numbers of tokens."""
    rows = model.shape().vocab
    if tokenizer.vocab_size > rows:
        raise SettingsError(
            f"{model} has {rows:,} tokens, the other tokenizer {tokenizer.vocab_size:,}: expected "
            "the model's own tokenizer beside it, to know the new words' pieces"
        )
    return {}


def _pieces(
    fresh: Sequence[int], tokens: Sequence[str], old: Tokenizer, new: Tokenizer
) -> list[NDArray[np.int32]]:
    """What new tokens were cut into until now; [UNK] where one could not be spelt."""
    texts = [
        tokens[number] if new.is_wordpiece else new.decode([number], skip_specials=False)
        for number in fresh
    ]
    pieces = old.ids_batch(texts)
    if old.is_wordpiece:
        known = {token: at for at, token in enumerate(old.tokens(range(old.vocab_size)))}
        for place, text in enumerate(texts):
            if text.startswith(CONTINUING):
                pieces[place] = _continued(text.removeprefix(CONTINUING), known)
    unknown = np.array([old.special_ids.unk], np.int32)
    return [ids if ids.size else unknown for ids in pieces]


def _continued(letters: str, known: Mapping[str, int]) -> NDArray[np.int32]:
    """The longest continuation pieces that spell some letters; none if they cannot."""
    found: list[int] = []
    while letters:
        ends = (end for end in range(len(letters), 0, -1) if CONTINUING + letters[:end] in known)
        end = next(ends, 0)
        if not end:
            return np.zeros(0, np.int32)
        found.append(known[CONTINUING + letters[:end]])
        letters = letters[end:]
    return np.array(found, np.int32)


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
