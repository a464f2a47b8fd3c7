"""One task learnt several times: what comes of it by chance, and the best of it by the dev set.

A single score of a fine-tuned BERT says little: with few examples seeds alone move it by points,
and now and then a run learns nothing at all (Dodge et al. 2020; Mosbach et al. 2021).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder, load
from filbert.checkpoint.find import SEEDS_FILE
from filbert.checkpoint.json_files import read_ours, write_ours
from filbert.device import pick_device
from filbert.disk import atomic_file
from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import Scores, answer_rows, numbered
from filbert.train.finetune import Examples, finetune
from filbert.train.run import RunFolder
from filbert.train.seeds_page import spread, write_pages

TRIES = 3
"""A start that fails is made again with another seed, so often in all."""
GIVE_UP_FRACTION = 0.5
SEEDS_APART = 1000
"""Between a seed and that of its second try."""


@dataclass(frozen=True)
class Try:
    """One run.

    run     its folder's name
    seed    of all its chance
    failed  whether it was given up because it had learnt nothing
    dev     the scores of the checkpoint that was kept
    test    the same on the test part; empty: there was none, or the run failed
    """

    run: str
    seed: int
    failed: bool
    dev: Scores
    test: Scores


@dataclass(frozen=True)
class Seeds:
    """Several runs of one task.

    score  the score by which they are compared
    tries  of each seed, the first ones first; the last of a seed is the one that counts
    best   the folder, within theirs, of the run that is best on the dev set
    """

    task: str
    score: str
    tries: tuple[tuple[Try, ...], ...]
    best: str

    def values(self, part: str, *, restarted: bool = True) -> list[float]:
        """The main score of each seed on "dev" or "test".

        restarted: of the last try; else of the first, whether it failed or not.
        """
        found = [tries[-1 if restarted else 0] for tries in self.tries]
        return [scores[self.score] for one in found if (scores := getattr(one, part))]

    def in_words(self) -> Iterator[str]:
        """A line a part of the data: mean ± standard deviation, and without restarts."""
        restarts = sum(len(tries) - 1 for tries in self.tries)
        for part in ("dev", "test"):
            values = self.values(part)
            if not values:
                continue
            line = f"{part}: {self.score} {spread(values)} over {len(values)} seeds"
            if restarts and part == "dev":
                without = spread(self.values(part, restarted=False))
                line += f" ({restarts} failed starts made again; without that {without})"
            yield line


def finetune_seeds(
    task: str,
    train: Examples,
    out: Path | str,
    seeds: int | Sequence[int],
    *,
    test: Examples | None = None,
    settings: Sequence[str] = (),
    device: str = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> Seeds:
    """Fine-tune once for each seed, in out/seed-1, out/seed-2, …, and keep count in out/seeds.json.

    At the end out/report.html shows all of them, with links to the pages of each.

    A run that has learnt nothing at half of its budget ends, and its seed is tried again, three
    times in all. What selects the best is the dev set alone; `test` is scored once for each seed
    and selects nothing. Stopped at any moment, the same call goes on.

    seeds    how many (1, 2, …), or which
    test     examples that nothing is chosen by
    options  what else `finetune` takes: start, dev, plan, fresh, card

    Raises what `finetune` raises; SettingsError for seeds that are none, or given twice.
    """
    listed = list(range(1, seeds + 1)) if isinstance(seeds, int) else list(seeds)
    if not listed or len(set(listed)) != len(listed) or min(listed) < 0:
        raise SettingsError(f"seeds: expected one or more, all different, from 0 on; got {listed}")
    if any(text.partition("=")[0].strip() == "train.seed" for text in settings):
        raise SettingsError("train.seed: the seeds say it; leave it out")
    place, progress = Path(out), progress or quiet()
    every: list[tuple[Try, ...]] = []
    for seed in listed:
        tries: list[Try] = []
        for number in range(TRIES):
            its = seed + number * SEEDS_APART
            name = f"seed-{seed}" if number == 0 else f"seed-{seed}-try-{number + 1}"
            progress.note(f"seed {seed}" + (f", try {number + 1}" if number else ""))
            folder = finetune(
                task,
                train,
                place / name,
                settings=[
                    f"train.give_up_fraction={GIVE_UP_FRACTION}",
                    *settings,
                    f"train.seed={its}",
                ],
                device=device,
                progress=progress,
                **options,
            )
            failed = _failed(place / name)
            scored = test is not None and not failed
            tests = score_folder(folder, test, device=device) if scored and test else {}
            tries.append(Try(name, its, failed, folder.scores(), tests))
            if not failed:
                break
        every.append(tuple(tries))
        summary = _summary(task, folder, every)
        _write(place / SEEDS_FILE, summary)
    write_pages(place, summary, progress)
    return summary


def read_seeds(path: Path | str) -> Seeds:
    """What `finetune_seeds` wrote. Raises CheckpointError, SettingsError naming the file."""
    file = Path(path) / SEEDS_FILE
    return from_mapping(read_ours(file, "seeds"), Seeds, str(file))


def score_folder(folder: Folder, examples: Examples, *, device: str = "auto") -> Scores:
    """A checkpoint's scores on examples, or a file of them, as its dev set was scored."""
    task = folder.task().with_tokenizer(folder.tokenizer())
    given = task.read(examples) if isinstance(examples, str | Path) else list(examples)
    if not given:
        raise DataError("expected examples to score, got none")
    task.check_labels(given)
    picked = pick_device(device)
    model = load(folder, task=task).to(picked.name)
    precision = str(folder.train().get("state", {}).get("precision") or "auto")
    run = partial(map, model.runner(picked, precision))
    return answer_rows(task, numbered(task.rows_of(given)), run, examples=given).scores


def _failed(run: Path) -> bool:
    newest = RunFolder(run).newest()
    state: Mapping[str, Any] = {} if newest is None else newest.train().get("state", {})
    return bool(state.get("failed"))


def _summary(task: str, folder: Folder, every: Sequence[tuple[Try, ...]]) -> Seeds:
    score = folder.task().main_score
    last = [tries[-1] for tries in every]
    best = max(last, key=lambda one: (not one.failed, one.dev.get(score, float("-inf"))))
    return Seeds(task, score, tuple(every), best.run)


def _write(file: Path, summary: Seeds) -> None:
    with atomic_file(file) as draft:
        write_ours(draft, "seeds", to_mapping(summary))
