"""A Folder's scores, computed just as training computes them for its dev set."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from filbert.batch import Row
from filbert.checkpoint import Folder, find_folder
from filbert.device import pick_device
from filbert.engine.torch_engine import TorchEngine
from filbert.errors import DataError
from filbert.tasks import Answered, Example, answer_rows, numbered


def evaluate(
    folder: Folder | Path | str,
    data: Path | str | Sequence[Example] | Sequence[Row],
    *,
    device: str = "auto",
    precision: str = "auto",
    say: Callable[[str], None] = lambda text: None,
    each: Callable[[int], None] | None = None,
) -> Answered:
    """Score a model on labelled examples, a file of them, or rows (of shards).

    The masks of a pre-training task are drawn by the seed that its run had. Equal, to the last bit
    on one machine, to what the run printed for the same data.
    """
    found = find_folder(folder)
    task = found.task().with_tokenizer(found.tokenizer())
    engine = TorchEngine.open(found, task, pick_device(device), precision=precision)
    given: list[Example | Row] = []
    given += task.read(data, say) if isinstance(data, str | Path) else data
    rows = [item for item in given if isinstance(item, Row)]
    examples: list[Example] = [item for item in given if not isinstance(item, Row)]
    if not given or (rows and examples):
        raise DataError(f"expected examples or rows, at least one; got {len(given)} of mixed kind")
    if rows:
        groups = [[row] for row in rows]
    else:
        task.check_labels(examples)
        groups = numbered(task.rows_of(examples))
    seed = int(found.train().get("settings", {}).get("seed", 1))
    return answer_rows(
        task, groups, partial(map, engine.run), examples=examples or None, seed=seed, each=each
    )
