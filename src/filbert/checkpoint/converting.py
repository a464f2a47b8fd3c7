"""Any folder of a BERT → Hugging Face's form or Google's of TensorFlow 1, bit by bit the same.

Weights go from name to name, each in the kind of number that it is stored in. What stands beside
them (tokenizer, pooling, task, card) goes along as it is; nothing of it is run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from filbert.checkpoint.find import find_folder
from filbert.checkpoint.folder import CHECKSUMS, CONFIGS, Folder
from filbert.checkpoint.json_files import read_json, write_json
from filbert.checkpoint.model import Opened, open_tensors, stored_as
from filbert.checkpoint.save import copy_file, draft_of, write_checksums
from filbert.checkpoint.tensors import FLOATS, encode, stream_tensors
from filbert.checkpoint.tf1 import open_tf1, write_tf1
from filbert.errors import CheckpointError, SettingsError, did_you_mean

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""What numbers can be asked for, and safetensors' words for them."""

CONFIG_OF = {"hf": "config.json", "tf1": "bert_config.json"}
"""The forms, and how each calls its configuration."""

CARRIED = (".json", ".txt", ".md", ".model")
"""How the names of files end that go along; with LICENSE and NOTICE. No code, no other weights."""

CARRIED_NAMES = ("LICENSE", "NOTICE")
MAX_CARRIED_BYTES = 256_000_000

_MADE_ANEW = (*CONFIGS, CHECKSUMS)


@dataclass(frozen=True)
class Converted:
    """What came out of a conversion.

    folder    the new folder
    tensors   how many weights it has
    left_out  what the new folder has not, and why: files, second copies of tensors, code
    """

    folder: Folder
    tensors: int
    left_out: tuple[str, ...]


def convert(
    src: Folder | Path | str,
    dst: Path | str,
    *,
    form: Literal["hf", "tf1"] = "hf",
    dtype: str | None = None,
) -> Converted:
    """Write the model of `src`, any folder or name that find_folder knows, as a new folder `dst`.

    form   "hf": config.json and model.safetensors; "tf1": bert_config.json and bert_model.ckpt
    dtype  "float32", "float16" or "bfloat16" for all weights; as each is stored if None

    The new folder is there whole or not at all. Raises SettingsError where `dst` is there already
    or an argument is none of these, CheckpointError for a folder that does not fit and for what
    the form has no place for.
    """
    _check("form", form, CONFIG_OF)
    if dtype is not None:
        _check("dtype", dtype, DTYPES)
    folder, dst = find_folder(src), Path(dst)
    opened = open_tensors(folder)
    names = stored_as(opened)
    kinds = _kinds(opened, names, dtype)
    if form == "tf1":
        _check_tf1(opened, kinds)
    with draft_of(dst, replace=False) as draft:
        home = draft / folder.home.relative_to(folder.path)
        home.mkdir(parents=True, exist_ok=True)
        left_out = carry(folder, draft, home, form)
        config, dropped = own_config(opened, dtype)
        if config == folder.config():
            copy_file(folder.config_file, home / CONFIG_OF[form])
        else:
            write_json(home / CONFIG_OF[form], config)
        if form == "hf":
            stored = {new: old for old, new in names.items()}
            stream_tensors(
                home / "model.safetensors",
                {new: (kinds[old], opened.stored[old].sizes) for new, old in stored.items()},
                lambda new: values_as(opened, stored[new], kinds[stored[new]]),
            )
        else:
            values = {new: values_as(opened, old, kinds[old]) for old, new in names.items()}
            # Opened again: a data file that a full disk cut short must not pass for a whole one.
            open_tf1(write_tf1(home / "bert_model.ckpt", values))
        write_checksums(draft)
    return Converted(Folder(dst), len(names), (*_unused(opened, names), *dropped, *left_out))


def _unused(opened: Opened, names: Mapping[str, str]) -> list[str]:
    """The stored tensors that do not go along, and why."""
    said = [
        f"tensor {name}: no weight, or a second copy of one"
        for name in opened.stored
        if name not in names
    ]
    index = opened.folder.weights_file()
    training = open_tf1(index).dropped if index.suffix == ".index" else ()
    if training:
        said.append(f"{len(training):,} variables of TensorFlow that only training needs")
    return said


def _check(what: str, value: str, known: Mapping[str, str]) -> None:
    if value not in known:
        raise SettingsError(
            f"{what}: expected one of {', '.join(known)}, got {value!r:.80}"
            f"{did_you_mean(str(value), known)}"
        )


def _kinds(opened: Opened, names: Iterable[str], dtype: str | None) -> dict[str, str]:
    """The kind of number of each stored tensor in the new folder."""
    kinds = {name: opened.stored[name].kind for name in names}
    for name, kind in kinds.items():
        if kind not in FLOATS:
            raise CheckpointError(
                f"{opened.folder}: tensor {name!r}: expected floats ({', '.join(FLOATS)}), "
                f"got {kind}"
            )
    return kinds if dtype is None else dict.fromkeys(kinds, DTYPES[dtype])


def _check_tf1(opened: Opened, kinds: Mapping[str, str]) -> None:
    if opened.family.model_type != "bert":
        raise CheckpointError(
            f"{opened.folder}: Google's checkpoints of TensorFlow 1 are BERTs; they have no place "
            f"for a {opened.family.model_type}; expected the form hf"
        )
    if "BF16" in kinds.values():
        raise CheckpointError(
            f"{opened.folder}: bfloat16 is not written in the form tf1; expected the dtype float32 "
            "(nothing is lost by it) or float16"
        )


def values_as(opened: Opened, name: str, kind: str) -> np.ndarray:
    """A stored tensor as numbers of a kind, in the form in which they are written."""
    return encode(opened.stored[name].read(), kind, f"{opened.folder}: tensor {name!r}")


def own_config(opened: Opened, dtype: str | None) -> tuple[dict[str, Any], list[str]]:
    """The folder's own configuration, and what in it cannot go along."""
    config = opened.folder.config()
    dropped = []
    if config.pop("auto_map", None) is not None:
        dropped.append("auto_map in config.json: it names code")
    config.setdefault("model_type", opened.family.model_type)
    if not config.get("architectures"):
        config["architectures"] = [opened.family.class_of(opened.kind)]
        if len(opened.labels) not in (0, 2):  # two is what Hugging Face takes for granted
            config["id2label"] = {str(i): label for i, label in enumerate(opened.labels)}
    if dtype is not None:
        config["dtype"] = dtype
        if "torch_dtype" in config:
            config["torch_dtype"] = dtype
    return config, dropped


def carry(
    folder: Folder, draft: Path, home: Path, form: str, *, without: Iterable[str] = ()
) -> list[str]:
    """Copy what stands beside the weights; the names of what is left behind, with the reason.

    without: what of the folder itself is not copied either, and not named.
    """
    left_out = []
    _complete_tokenizer(folder, home, form)
    weights = {path.name for path in [folder.weights_file(), *folder.weight_files()]}
    places = {folder.path, folder.home, *_module_folders(folder)}
    aside = set(without)
    for source in sorted(folder.path.rglob("*")):
        name = source.relative_to(folder.path).as_posix()
        hidden = any(piece.startswith(".") for piece in name.split("/"))
        made_anew = source.parent in (folder.path, folder.home) and (
            source.name in _MADE_ANEW or source.name in weights
        )
        if source.is_dir() or hidden or made_anew or name.split("/")[0] in aside:
            continue
        named = source.suffix in CARRIED or source.stem in CARRIED_NAMES
        if not source.is_file():
            left_out.append(f"{name}: no file, or a link to none")
        elif not named or source.parent not in places or name.endswith(".index.json"):
            left_out.append(f"{name}: no part of the model, its tokenizer or its card")
        elif source.stat().st_size > MAX_CARRIED_BYTES:
            left_out.append(f"{name}: over {MAX_CARRIED_BYTES:,} bytes")
        else:
            copy_file(source, draft / name)
    return left_out


def _module_folders(folder: Folder) -> list[Path]:
    """The folders that modules.json of sentence-transformers names."""
    path = folder.path / "modules.json"
    modules = read_json(path) if path.is_file() else []
    names = [module.get("path") for module in modules if isinstance(module, dict)]
    return [folder.path / str(name) for name in names if name]


def _complete_tokenizer(folder: Folder, home: Path, form: str) -> None:
    """Say what other readers would guess wrongly: casing beside a bare vocab.txt, and vice versa.

    What the folder itself has is copied over it afterwards.
    """
    there = {name for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json")
             if (folder.home / name).is_file()}  # fmt: skip
    bare = there == {"vocab.txt"}
    lacking = "tokenizer.json" in there and "vocab.txt" not in there
    if (form == "hf" and bare) or (form == "tf1" and lacking):
        folder.tokenizer().save(home)
