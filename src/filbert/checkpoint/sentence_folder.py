"""How sentence-transformers writes down pooling and prompts, read and written.

modules.json names the modules and their folders: Transformer (the model itself, at the root or in
0_Transformer), 1_Pooling and perhaps 2_Normalize; config_sentence_transformers.json has the
prompts. Class paths in modules.json are compared by their last word only; nothing is ever imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filbert.checkpoint.json_files import inside, read_json, read_table
from filbert.errors import CheckpointError

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
LENGTHS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_xlm-roberta_config.json",
)
"""Where the longest text stands; all but the first are of old."""

MAX_PROMPTS = 1_000
LONGEST_PROMPT = 100_000

POOLING: tuple[tuple[str, str, str], ...] = (
    ("mean", "mean", "pooling_mode_mean_tokens"),
    ("first", "cls", "pooling_mode_cls_token"),
    ("max", "max", "pooling_mode_max_tokens"),
)
"""Our word, theirs of today, their switch of old."""

_SWITCH = "pooling_mode_"


@dataclass(frozen=True)
class SentenceSettings:
    """What a sentence-transformers folder says; the words are those of tasks.Embed."""

    pooling: str
    normalise: bool
    max_tokens: int | None
    include_prompt: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


def lowercases(folder: Path) -> bool:
    """Whether texts are made lower case before the tokenizer sees them (do_lower_case there)."""
    home = transformer_folder(folder)
    paths = [home / name for name in LENGTHS if (home / name).is_file()]
    return any(read_table(path).get("do_lower_case") is True for path in paths[:1])


def transformer_folder(folder: Path) -> Path:
    """Where the model itself lies in a sentence-transformers folder; else the folder itself.

    Raises CheckpointError where modules.json leads out of the folder.
    """
    path = folder / MODULES
    if not path.is_file():
        return folder
    modules = _modules(path)
    name = modules[0].get("path") if modules else ""
    return inside(folder, name, f"{path}: path") if name else folder


def read_sentence_settings(folder: Path) -> SentenceSettings | None:
    """Pooling and prompts of a sentence-transformers folder; None where there is no modules.json.

    Raises CheckpointError naming file and field for modules or a pooling that filbert lacks.
    """
    path = folder / MODULES
    if not path.is_file():
        return None
    modules = _modules(path)
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"{path}: expected the modules Transformer, Pooling and perhaps Normalize, "
            f"got {', '.join(kinds)[:200] or 'none'}"
        )
    config = inside(folder, modules[1].get("path"), f"{path}: path") / "config.json"
    prompts, default = _prompts(folder / PROMPTS)
    pooling = read_table(config)
    return SentenceSettings(
        pooling=_pooling(pooling, config),
        normalise=len(kinds) == 3,
        max_tokens=_max_tokens(transformer_folder(folder)),
        include_prompt=_truth(pooling, "include_prompt", config),
        prompts=prompts,
        default_prompt=default,
    )


def sentence_files(
    *,
    pooling: str,
    normalise: bool,
    max_tokens: int,
    width: int,
    include_prompt: bool = True,
    prompts: Mapping[str, str] | None = None,
    default_prompt: str | None = None,
) -> Mapping[str, Any]:
    """The files (name → JSON value) that make a model folder one of sentence-transformers, too."""
    modules = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    switches = {switch: ours == pooling for ours, _, switch in POOLING}
    switches |= {"pooling_mode_mean_sqrt_len_tokens": False, "include_prompt": include_prompt}
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
        LENGTHS[0]: {"do_lower_case": False, "max_seq_length": max_tokens},
        PROMPTS: {
            "default_prompt_name": default_prompt,
            "model_type": "SentenceTransformer",
            "prompts": dict(prompts or {}),
            "similarity_fn_name": "cosine",
        },
    }


def _modules(path: Path) -> list[dict[str, Any]]:
    modules = read_json(path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise CheckpointError(f"{path}: expected a list of modules")
    return modules


def _pooling(config: Mapping[str, Any], path: Path) -> str:
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


def _truth(config: Mapping[str, Any], name: str, path: Path) -> bool:
    value = config.get(name, True)
    if not isinstance(value, bool):
        raise CheckpointError(f"{path}: {name}: expected true or false, got {value!r:.80}")
    return value


def _max_tokens(folder: Path) -> int | None:
    """The longest text, by the model's own file, else by its tokenizer's; None if neither says."""
    for name in LENGTHS:
        path = folder / name
        if not path.is_file():
            continue
        config = read_table(path)
        _check_output(config, path)
        value = config.get("max_seq_length")
        if value is not None:
            if type(value) is not int or not 3 <= value <= 1_000_000:
                raise CheckpointError(
                    f"{path}: max_seq_length: expected 3 or more, got {value!r:.80}"
                )
            return value
    path = folder / "tokenizer_config.json"
    value = read_table(path).get("model_max_length") if path.is_file() else None
    # An absurd number there means "no limit".
    return value if type(value) is int and 3 <= value <= 1_000_000 else None


def _check_output(config: Mapping[str, Any], path: Path) -> None:
    """Newer folders say which of the network's outputs is pooled: only the last layer's is ours."""
    value, name = config.get("modality_config"), ""
    for name in ("text", "method_output_name"):
        if value is None:
            return
        value = value.get(name) if isinstance(value, dict) else value
    if value not in (None, "last_hidden_state"):
        raise CheckpointError(
            f"{path}: modality_config: {name} {value!r:.80}: filbert pools 'last_hidden_state'"
        )


def _prompts(path: Path) -> tuple[dict[str, str], str | None]:
    if not path.is_file():
        return {}, None
    config = read_table(path)
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if (
        not isinstance(prompts, dict)
        or len(prompts) > MAX_PROMPTS
        or any(not isinstance(text, str) or len(text) > LONGEST_PROMPT for text in prompts.values())
    ):
        raise CheckpointError(f"{path}: prompts: expected an object of names and short texts")
    if default is not None and default not in prompts:
        raise CheckpointError(
            f"{path}: default_prompt_name {default!r:.80} is not one of the prompts: "
            f"{', '.join(prompts)[:200] or 'none'}"
        )
    return prompts, default
