"""How sentence-transformers writes down pooling: modules.json and its folders, read and written.

Class paths in modules.json are compared by their last word only; nothing is ever imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.checkpoint.json_files import inside, read_json, read_table
from filbert.errors import CheckpointError

MODULES = "modules.json"
LENGTH = "sentence_bert_config.json"

POOLING: tuple[tuple[str, str, str], ...] = (
    ("mean", "mean", "pooling_mode_mean_tokens"),
    ("first", "cls", "pooling_mode_cls_token"),
)
"""Our word, theirs of today, their switch of old."""

_SWITCH = "pooling_mode_"


@dataclass(frozen=True)
class SentenceSettings:
    """What a sentence-transformers folder says: pooling, unit length or not, its longest text."""

    pooling: str
    normalise: bool
    max_tokens: int | None


def read_sentence_settings(folder: Path) -> SentenceSettings | None:
    """The pooling of a sentence-transformers folder; None where there is no modules.json.

    Raises CheckpointError naming file and field for modules or a pooling that filbert lacks.
    """
    path = folder / MODULES
    if not path.is_file():
        return None
    modules = read_json(path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise CheckpointError(f"{path}: expected a list of modules")
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"{path}: expected the modules Transformer, Pooling and perhaps Normalize, "
            f"got {', '.join(kinds)[:200] or 'none'}"
        )
    config = inside(folder, modules[1].get("path"), f"{path}: path") / "config.json"
    return SentenceSettings(_pooling(config), len(kinds) == 3, _max_tokens(folder / LENGTH))


def sentence_files(
    *, pooling: str, normalise: bool, max_tokens: int, width: int
) -> Mapping[str, Any]:
    """The files (name → JSON value) that make a model folder one of sentence-transformers, too."""
    modules = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    switches = {switch: ours == pooling for ours, _, switch in POOLING}
    switches |= {"pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}
    return {
        MODULES: [
            {
                "idx": i,
                "name": str(i),
                "path": f"{i}_{name}" if i else "",
                "type": f"sentence_transformers.models.{name}",
            }
            for i, name in enumerate(modules)
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": width, **switches},
        LENGTH: {"do_lower_case": False, "max_seq_length": max_tokens},
    }


def _pooling(path: Path) -> str:
    config = read_table(path)
    mode = config.get("pooling_mode")
    if mode is None:
        on = [name for name, value in config.items() if name.startswith(_SWITCH) and value is True]
        mode = on[0] if len(on) == 1 else on
    elif isinstance(mode, list) and len(mode) == 1:
        mode = mode[0]
    for ours, theirs, switch in POOLING:
        if mode in (theirs, switch):
            return ours
    raise CheckpointError(
        f"{path}: pooling_mode {mode!r:.120}: filbert pools by one of "
        f"{', '.join(ours for ours, *_ in POOLING)}"
    )


def _max_tokens(path: Path) -> int | None:
    if not path.is_file():
        return None
    value = read_table(path).get("max_seq_length")
    if value is not None and (type(value) is not int or not 3 <= value <= 1_000_000):
        raise CheckpointError(f"{path}: max_seq_length: expected 3 or more, got {value!r:.80}")
    return value
