"""The data of finetune.py's tasks; the tokens with which filbert makes as many steps as Trainer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from race.finetune_run import ANSWER_TOKENS, OVERLAP_TOKENS
from race.finetune_settings import Part, Setting

if TYPE_CHECKING:
    from filbert.batch import Row

Example = dict[str, Any]

DRAWN_BY = 1
"""What seeds the draw of rows."""


def write_data(
    setting: Setting, data: Path, file: Path, *, rows: int, score_rows: int | None
) -> dict[str, list[Example]]:
    """The examples of the three parts, written into one file for all contestants.

    rows, score_rows: at most so many to learn from; in each of dev and test. Raises DataError where
    a file is not there or is not what it was.
    """
    parts = {
        "train": _read(setting, setting.train, data, rows),
        "dev": _read(setting, setting.dev, data, score_rows),
        "test": _read(setting, setting.test, data, score_rows),
    }
    if setting.kind == "span":
        parts["train"] = [e for e in parts["train"] if any(a["start"] >= 0 for a in e["answers"])]
    text = json.dumps(parts, ensure_ascii=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        draft = file.with_name(f".tmp-{file.name}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    found: dict[str, list[Example]] = json.loads(text)
    return found


def _read(setting: Setting, part: Part, data: Path, most: int | None) -> list[Example]:
    import numpy as np

    from filbert.tasks import TASKS

    kind = TASKS[setting.kind]
    found = kind.read([data / name for name in part.files], columns=part.columns)
    order = np.arange(len(found))
    if part.shuffled:
        order = np.random.default_rng(DRAWN_BY).permutation(len(found))
    sizes = [size for size in (part.rows, most) if size is not None]
    stop = part.skip + min(sizes) if sizes else None
    return [_example(found[int(number)]) for number in order[part.skip : stop]]


def _example(found: Mapping[str, Any]) -> Example:
    """An example without its place; a tagged one with a tag a word, too, in its file's scheme."""
    example = {name: value for name, value in found.items() if name != "place"}
    if "words" in example:
        from filbert.tasks.schemes import tags_of

        words = example["words"]
        begins = {start: at for at, (start, _) in enumerate(words)}
        ends = {stop: at + 1 for at, (_, stop) in enumerate(words)}
        spans = [(begins[start], ends[stop], kind) for start, stop, kind in example["entities"]]
        example["tags"] = tags_of(spans, len(words), example["scheme"])
    return example


def digest_of(start: Path, data: Path) -> str:
    """What a run begins from and reads, in 16 digits."""
    digest = hashlib.blake2b(digest_size=8)
    for file in (start / "config.json", start / "model.safetensors", data):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def rows_of(setting: Setting, examples: Sequence[Example], start: Path) -> "list[Row]":
    """The rows that filbert makes of the examples to learn from."""
    from filbert.settings import from_mapping
    from filbert.tasks import TASKS
    from filbert.tokenizer import Tokenizer

    kind = TASKS[setting.kind]
    said: dict[str, Any] = {"max_tokens": setting.max_tokens}
    if setting.kind == "span":
        said |= {"overlap_tokens": OVERLAP_TOKENS, "answer_tokens": ANSWER_TOKENS}
    task = from_mapping(kind.settings_for(examples, said), kind, setting.name)
    groups = task.with_tokenizer(Tokenizer.load(start)).rows_of(examples)
    return [row for group in groups for row in group]


def trainer_steps(setting: Setting, rows: Sequence["Row"], examples: int, epochs: int) -> int:
    """The optimizer steps that Trainer makes: its rows are the examples or, of spans, windows."""
    count = len(rows) if setting.kind == "span" else examples
    return epochs * -(-count // setting.batch_rows)


def batch_tokens_for(rows: Sequence["Row"], seed: int, epochs: int, steps: int) -> int:
    """The tokens of a step with which filbert makes just so many steps, or as near as can be.

    Its steps take rows while they fit; so the steps are counted, as the loop will draw them.
    """
    from filbert.shards import read_batches
    from filbert.train.sources import RowList

    source = RowList(rows)

    def steps_with(batch_tokens: int) -> int:
        batches = read_batches(source, batch_tokens=batch_tokens, seed=seed)
        for number, (_, after) in enumerate(batches, 1):
            if after.epoch == epochs:
                return number
        raise AssertionError("batches have no end")

    low, high = 1, int(source.lengths.sum())
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if steps_with(middle) <= steps else (middle + 1, high)
    return min((low, max(1, low - 1)), key=lambda size: abs(steps_with(size) - steps))
