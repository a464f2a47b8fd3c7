"""Whether all ranks would train the same run: the same recipe and data, in one folder."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from filbert.errors import SettingsError
from filbert.train.ranks import Ranks
from filbert.train.run import RunFolder

PATIENCE_SECONDS = 60.0
"""A network disk may show what another machine has just written as late as that."""
_POLL_SECONDS = 0.2
_MARK = ".ranks"


def check_same_run(run: RunFolder, recipe: Mapping[str, Any], ranks: Ranks) -> None:
    """Find out before the first step what would else end in different weights, or in waiting.

    Each rank reads the checkpoints itself, when it begins and when it goes back: so all must see
    the folder that the first one writes.

    Raises SettingsError on every rank if one of them has another recipe, other data or another
    start than the first, or sees another folder under the run's name.
    """
    if ranks.world == 1:
        return
    mark = run.path / _MARK
    if ranks.first:
        mark.write_text(uuid.uuid4().hex, encoding="ascii")
    mine = [dict(recipe), mark.read_text(encoding="ascii") if ranks.first else "", _steps(run)]
    # Through JSON on both sides: a tuple comes back as a list.
    theirs, word, steps = json.loads(ranks.word_from_first(json.dumps(mine)))
    problem = _other_recipe(json.loads(json.dumps(mine[0])), theirs, ranks)
    if not problem and not _sees(run, word, steps):
        problem = (
            f"rank {ranks.rank} of {ranks.world} does not see in {run.path} what rank 0 has just "
            "written there: the run's folder must lie on a disk that all machines share"
        )
    refused = ranks.sum([bool(problem)])[0] > 0
    if ranks.first:
        mark.unlink(missing_ok=True)
    if refused:
        raise SettingsError(problem or "another rank cannot take part; its own message says why")


def _steps(run: RunFolder) -> list[str]:
    return [folder.path.name for folder in run.steps()]


def _other_recipe(mine: Mapping[str, Any], theirs: Mapping[str, Any], ranks: Ranks) -> str:
    keys = sorted({*mine, *theirs})
    other = [key for key in keys if mine.get(key) != theirs.get(key)]
    if not other:
        return ""
    return (
        f"rank {ranks.rank} of {ranks.world} differs from rank 0 in its {', '.join(other)}; "
        "expected the same recipe and the same bytes on every machine"
    )


def _sees(run: RunFolder, word: str, steps: list[str]) -> bool:
    """Whether the folder holds the word and the checkpoints, at once or soon."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if (run.path / _MARK).read_text(encoding="ascii") == word and _steps(run) == steps:
                return True
        except (OSError, ValueError):
            pass  # not there yet, or never; or half-written
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
