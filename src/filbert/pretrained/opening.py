"""A name or a folder → the folder of a BERT, and the settings that may be changed on opening."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder, find_folder
from filbert.errors import CheckpointError, SettingsError, did_you_mean

FAMILY = "bert"


def find(named: Any, revision: str | None) -> Folder:
    """The folder that is meant: one on this disk, a run's newest, or a model of the hub.

    Raises CheckpointError where there is none.
    """
    if not isinstance(named, str | Path | Folder) or named == "":
        raise CheckpointError(f"expected a folder or the name of a model, got {named!r:.60}")
    if revision is None or isinstance(named, Folder) or Path(named).exists():
        return find_folder(named)
    return find_folder(f"{named}@{revision}")


def check_family(folder: Folder, opener: str) -> None:
    """Refuse a folder whose config.json says that it holds no BERT; opener: who asks."""
    try:
        path = folder.config_file
    except CheckpointError:
        return  # a tokenizer's folder has none; a model's is missed where it is needed
    family = folder.config().get("model_type", FAMILY)
    if family != FAMILY:
        raise CheckpointError(
            f"{path}: model_type {family!r:.60}: {opener} opens BERT alone ({FAMILY!r}); "
            f"filbert.open_model({str(folder.path)!r}) opens the other families that filbert knows"
        )


def check_options(opener: str, options: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse options of from_pretrained that would do nothing."""
    for name in options:
        if name not in known:
            raise SettingsError(
                f"{opener}.from_pretrained: {name} is not known here{did_you_mean(name, known)}; "
                f"known: revision, {', '.join(known)}"
            )
