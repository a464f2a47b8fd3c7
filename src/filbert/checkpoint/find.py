"""What a user names → the Folder that is meant."""

import json
import re
from pathlib import Path

from filbert.checkpoint.folder import Folder
from filbert.checkpoint.hub_names import parse
from filbert.checkpoint.json_files import inside, read_ours
from filbert.errors import CheckpointError, did_you_mean
from filbert.progress import Progress

RUN_FILE = "run.json"
SEEDS_FILE = "seeds.json"
BEST = "best"

_SURELY_A_PATH = re.compile(r"[./~]|.*[\\:]|.*/(.*/|$)", re.DOTALL)


def find_folder(named: Folder | Path | str, *, progress: Progress | None = None) -> Folder:
    """A model's folder as it is; of a run's folder the newest checkpoint; else a name on the hub.

    Of a run that kept its best checkpoint for a task, that one; of several runs with seeds of their
    own, the best of them.

    named     a Folder or a Path is never looked for on a network. A text that is no folder here is
              a name on the hub: "bert-base-uncased", "ORG/NAME", "NAME@REVISION"; the cache first,
              then the hub (filbert.checkpoint.fetch)
    progress  shows a download; None: a live line on a terminal, else nothing

    Raises CheckpointError saying where it was looked for where there is no such model.
    """
    if isinstance(named, Folder):
        return named
    if not isinstance(named, str | Path) or named == "":
        raise CheckpointError(
            f"expected a model's folder or its name on the hub, got {named!r:.80}"
        )
    path = Path(named)
    if (path / SEEDS_FILE).is_file():
        best = read_ours(path / SEEDS_FILE, "seeds").get("best")
        return find_folder(inside(path, best, f"{path / SEEDS_FILE}: best"))
    if (path / RUN_FILE).is_file():
        link = path / BEST
        if link.is_dir() and _is_for_a_task(path / RUN_FILE):
            return Folder(link.resolve())
        steps = sorted(step for step in path.glob("step-*") if step.is_dir())
        if not steps:
            raise CheckpointError(f"{path}: this run has no checkpoint yet")
        return Folder(steps[-1])
    if isinstance(named, Path) or path.exists():
        return Folder(path)
    return _by_name(named, progress)


def _is_for_a_task(path: Path) -> bool:
    """Whether a run was fine-tuned: then its best checkpoint is what it was made for."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(recipe, dict) and str(recipe.get("kind", "")).startswith("finetune")


def _by_name(named: str, progress: Progress | None) -> Folder:
    near = did_you_mean(Path(named).name, _neighbours(Path(named)))
    if _SURELY_A_PATH.match(named.partition("@")[0]):
        raise CheckpointError(f"{named}: expected the folder of a model, there is nothing{near}")
    try:
        parse(named)
    except CheckpointError as error:
        raise CheckpointError(f"{named}: expected a model's folder{near}; and {error}") from error
    # From here on huggingface_hub is needed.
    from filbert.checkpoint.hub import fetch, is_cached

    if "/" in named and Path(named).parent.is_dir() and not is_cached(named):
        # A slip in a path of one's own is nothing that the hub should hear of.
        raise CheckpointError(
            f"{named}: {Path(named).parent} is a folder here, but nothing of this name is in it"
            f"{near}; if the hub's model is meant: filbert fetch {named}"
        )
    try:
        return fetch(named, progress=progress)
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{named}: ")
        raise CheckpointError(f"{named}: no folder here{near}; by name: {reason}") from error


def _neighbours(path: Path) -> list[str]:
    """The folders beside a path that is not there."""
    try:
        return [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    except OSError:
        return []
