"""save_pretrained: files in a folder, beside what stands there, as transformers does."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filbert.checkpoint import Weights, write_model
from filbert.errors import CheckpointError, SettingsError

OURS = ("task.json", "checksums.json")


def make_place(save_directory: Any) -> Path:
    """The folder, made where it is not there.

    Raises SettingsError for one that filbert saved whole, whose files belong together, and
    CheckpointError where the disk refuses.
    """
    folder = Path(save_directory)
    for name in OURS:
        if (folder / name).exists():
            raise SettingsError(
                f"{folder}: is a model's folder that filbert saved whole ({name}), and its files "
                "belong together; save to another place"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be made: {error.strerror or error}") from error
    return folder


def save_weights(save_directory: Any, weights: Weights, settings: Mapping[str, Any]) -> None:
    """Write model.safetensors and config.json; settings: fields of config.json beside the sizes.

    Each file is there whole or not at all.
    """
    folder = make_place(save_directory)
    try:
        with tempfile.TemporaryDirectory(prefix=".filbert-", dir=folder) as draft:
            written = write_model(Path(draft) / "model", weights).path
            config = json.loads((written / "config.json").read_text(encoding="utf-8"))
            text = json.dumps({**config, **settings}, indent=2, ensure_ascii=False, sort_keys=True)
            (written / "config.json").write_text(text + "\n", encoding="utf-8")
            for name in ("model.safetensors", "config.json"):
                (written / name).replace(folder / name)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
