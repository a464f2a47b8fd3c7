"""What a user names → the Folder that is meant."""

from pathlib import Path

from filbert.checkpoint.folder import Folder
from filbert.errors import CheckpointError

RUN_FILE = "run.json"


def find_folder(named: Folder | Path | str) -> Folder:
    """A model's folder as it is; of a run's folder the newest checkpoint.

    Raises CheckpointError where there is neither. Nothing is looked for on a network.
    """
    if isinstance(named, Folder):
        return named
    path = Path(named)
    if (path / RUN_FILE).is_file():
        steps = sorted(step for step in path.glob("step-*") if step.is_dir())
        if not steps:
            raise CheckpointError(f"{path}: this run has no checkpoint yet")
        return Folder(steps[-1])
    return Folder(path)
