"""The folder of a run: its recipe, its log, its checkpoints."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from filbert.checkpoint import Folder
from filbert.disk import atomic_file, flush, lock_file, remove_all_drafts, remove_folder
from filbert.errors import CheckpointError, FilbertError, SettingsError

FORMAT = 1
RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
COMPUTING_FILE = "computing.json"
ENVIRONMENT_FILE = "environment.json"
LOCK_FILE = ".lock"
BEST = "best"
FREE_TO_CHANGE = (
    "places",
    "plan.train.keep_best",
    "plan.train.keep_folders",
    "plan.train.keep_texts",
    "plan.train.save_every_seconds",
    "plan.train.tensorboard",
)
"""What may change between two calls of one run: none of it changes a weight."""


class RunFolder:
    """One run on disk: run.json, environment.json, log.jsonl and the checkpoints step-00001200/."""

    def __init__(self, path: Path | str):
        """Name the place; nothing is touched yet."""
        self.path = Path(path)
        self._lock: BinaryIO | None = None
        self._there: os.stat_result | None = None
        self._whole: set[str] = set()

    def claim(
        self,
        recipe: Mapping[str, Any],
        *,
        places: Mapping[str, Any] | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Make the folder this recipe's, or find that it is already, and put it in order.

        A recipe under which nothing was ever saved binds nobody: a mistyped start can be put right.
        What a killed process left half-done goes. A damaged checkpoint is set aside, and said, if
        there is a whole one before it to go on from.

        recipe  what makes the run this run
        places  where data, start and dev lie: noted in run.json, free to change

        Raises SettingsError, naming what differs, if another recipe's run lies there, or something
        that is no run at all; CheckpointError if no checkpoint is whole.
        """
        with self.alone() as sure:
            remove_all_drafts(self.path, alone=sure)
            self._claim(json.loads(json.dumps({**recipe, "places": places or {}})))
            self._set_damaged_aside(note)

    def _claim(self, recipe: dict[str, Any]) -> None:
        found = self.read() if self.steps() and (self.path / RUN_FILE).exists() else None
        if found is None:
            names = [LOG_FILE, ENVIRONMENT_FILE]
            # What the same run found out before it was killed, ahead of its first checkpoint.
            names += [] if self._is_the_same(recipe) else [COMPUTING_FILE]
            for name in names:
                (self.path / name).unlink(missing_ok=True)
        else:
            differences = [
                f"{name} is {ours!r:.60}, there it is {theirs!r:.60}"
                for name, ours, theirs in _differences(recipe, found)
                if not name.startswith(FREE_TO_CHANGE)
            ]
            if differences:
                raise SettingsError(
                    f"{self.path} belongs to another recipe: {'; '.join(differences[:5])}; "
                    "name another place for this run, or remove that one"
                )
            # What is handed over in memory this time may have a place from the time before.
            given = {key: place for key, place in recipe["places"].items() if place is not None}
            recipe = recipe | {"places": found.get("places", {}) | given}
        if found != recipe:
            with atomic_file(self.path / RUN_FILE) as draft:
                draft.write_text(
                    json.dumps({"format": FORMAT, **recipe}, indent=2, sort_keys=True) + "\n",
                    encoding="utf-8",
                )

    def _is_the_same(self, recipe: dict[str, Any]) -> bool:
        """Whether run.json says this recipe, wherever its data lie."""
        try:
            found = self.read()
        except CheckpointError:
            return False
        return {**found, "places": None} == {**recipe, "places": None}

    def computing(self) -> dict[str, Any]:
        """How the run computes, as `note_computing` wrote it; empty where nothing is known."""
        try:
            found = json.loads((self.path / COMPUTING_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def note_computing(self, precision: str, compiled: bool) -> None:
        """Write down what was measured at the start: measured again, it might come out otherwise.

        Raises FilbertError if the disk refuses.
        """
        file = self.path / COMPUTING_FILE
        try:
            with atomic_file(file) as draft:
                said = {"precision": precision, "compiled": compiled}
                draft.write_text(json.dumps(said) + "\n", encoding="utf-8")
        except OSError as error:
            raise self._refused(file, error) from error

    def read(self) -> dict[str, Any]:
        """What run.json says. Raises CheckpointError naming it where it says nothing."""
        file = self.path / RUN_FILE
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{self.path}: expected the folder of a run; there is no {RUN_FILE}"
            ) from error
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file}: cannot be read: {error}") from error
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise CheckpointError(f"{file}: expected format {FORMAT}")
        return found

    def _set_damaged_aside(self, note: Callable[[str], None]) -> None:
        damaged: list[tuple[Folder, CheckpointError]] = []
        for step in reversed(self.steps()):
            try:
                self._verify(step)
            except CheckpointError as error:
                damaged.append((step, error))
                continue
            break
        else:
            if damaged:
                raise CheckpointError(
                    f"{damaged[0][1]}; no checkpoint is whole: remove {self.path} to begin anew"
                )
            return
        for folder, problem in damaged:
            aside = self.path / f"damaged-{folder.path.name}"
            if aside.exists():
                remove_folder(aside)
            folder.path.rename(aside)
            note(f"{problem}; set aside as {aside}, going on from {step}")

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other processes out while this one works in the folder; may be nested.

        Yields whether the system has such locks: on some network disks and on Windows nobody is
        kept out. Raises SettingsError if another process is at work there, or if something lies
        there that is no run; FilbertError if the system refuses.
        """
        if self._lock is not None:
            yield True
            return
        self._refuse_other_things()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK_FILE).open("ab")
        except OSError as error:
            raise self._refused(self.path, error) from error
        with file:
            try:
                sure = lock_file(file.fileno())
            except (BlockingIOError, PermissionError) as error:
                raise SettingsError(
                    f"{self.path}: another process is training there; wait, or name another place"
                ) from error
            self._lock, self._there = file, self.path.stat()
            try:
                yield sure
            finally:
                self._lock = self._there = None

    def _refuse_other_things(self) -> None:
        others = [path for path in self.path.glob("*") if not path.name.startswith(".")]
        if not (self.path / RUN_FILE).exists() and (self.path.is_file() or others):
            raise SettingsError(
                f"{self.path} holds something that is no run of filbert; name another place"
            )

    def check_there(self) -> None:
        """Nothing, unless the folder was moved or replaced while it was held with `alone`.

        Then FilbertError: what is written from now on would lie apart from the rest.
        """
        if self._there is None:
            return
        try:
            same = os.path.samestat(self._there, self.path.stat())
            same = same and (self.path / RUN_FILE).exists()
        except OSError:
            same = False
        if not same:
            raise FilbertError(
                f"{self.path}: was moved or removed while the run was going on; nothing more was "
                "written: move it back, or call again with its new place, and it goes on from "
                "its newest checkpoint"
            )

    def steps(self) -> list[Folder]:
        """The checkpoints, the oldest first."""
        return [Folder(path) for path in sorted(self.path.glob("step-*")) if path.is_dir()]

    def newest(self) -> Folder | None:
        """The newest checkpoint, every byte of it verified; None if there is none.

        Raises CheckpointError naming a damaged file.
        """
        steps = self.steps()
        if not steps:
            return None
        self._verify(steps[-1])
        return steps[-1]

    def _verify(self, folder: Folder) -> None:
        """Once for each folder: a large one takes seconds."""
        if str(folder) in self._whole:
            return
        try:
            files = folder.verify()
        except OSError as error:
            raise CheckpointError(f"{folder}: cannot be read: {error.strerror or error}") from error
        if not files:
            raise CheckpointError(f"{folder}: damaged: its checksums.json is missing")
        self._whole.add(str(folder))

    def best(self, score: str) -> Folder | None:
        """The checkpoint with the highest `score` of its own; the newest of equals.

        None if no checkpoint was scored.
        """
        values = {folder.path: _score(folder.scores(), score) for folder in self.steps()}
        scored = [(value, path) for path, value in values.items() if value is not None]
        return Folder(max(scored)[1]) if scored else None

    def is_best(self, score: str, scores: Mapping[str, Any]) -> bool:
        """Whether no checkpoint has a `score` as high as these scores."""
        best, value = self.best(score), _score(scores, score)
        old = None if best is None else _score(best.scores(), score)
        return value is not None and (old is None or value > old)

    def place(self, step: int) -> Path:
        """Where the checkpoint of a step lies, or will lie: then the log is on the disk first.

        Raises FilbertError as `check_there` does, or if the disk refuses.
        """
        self.check_there()
        log = self.path / LOG_FILE
        try:
            if log.exists():
                flush(log)
        except OSError as error:
            raise self._refused(log, error) from error
        return self.path / f"step-{step:08}"

    def tidy(self, keep: int, *, score: str | None = None) -> None:
        """Remove all but the newest checkpoints and, by `score`, the best one: `best` leads to it.

        The link is relative, so that it moves with the run. Raises FilbertError if the disk
        refuses.
        """
        best = self.best(score) if score else None
        try:
            for old in self.steps()[:-keep]:
                if best is None or old.path != best.path:
                    remove_folder(old.path)
        except OSError as error:
            raise self._refused(self.path, error) from error
        self._lead_to(best)

    def _lead_to(self, best: Folder | None) -> None:
        link = self.path / BEST
        if link.exists() and not link.is_symlink():
            return  # something of the user's own
        # A disk without links loses nothing that the checkpoints' scores.json does not say, too.
        with contextlib.suppress(OSError):
            if best is not None:
                draft = link.with_name(f".tmp-{os.getpid()}-{BEST}")
                draft.symlink_to(best.path.name)
                draft.replace(link)
            elif not link.exists():
                link.unlink(missing_ok=True)

    def log(self, event: Any) -> None:
        """Append a line to the log: an event, which is a dataclass of plain values."""
        self.check_there()
        try:
            with (self.path / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(event)) + "\n")
        except OSError as error:
            raise self._refused(self.path / LOG_FILE, error) from error

    def _refused(self, place: Path, error: OSError) -> FilbertError:
        return FilbertError(f"{place} could not be written: {error.strerror or error}")

    def read_log(self) -> Iterator[dict[str, Any]]:
        """The log's lines; a last line that was cut off by a crash is left out.

        Raises CheckpointError naming any other line that is none.
        """
        file = self.path / LOG_FILE
        if not file.exists():
            return
        bad = 0
        try:
            # Line by line: the log of a long run is larger than one wants in memory.
            with file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
                for number, line in enumerate(stream, start=1):
                    if bad:
                        break
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        entry = None
                    if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                        yield entry
                    else:
                        bad = number
                else:
                    return
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read: {error.strerror or error}") from error
        raise CheckpointError(f"{file}:{bad}: expected a line of the log; remove it")

    def cut_log(self, step: int, *, unscored: bool = False) -> None:
        """Forget the lines after a step: the resumed run writes them again.

        unscored: the scores of that very step, too.
        """
        kept = [
            line
            for line in self.read_log()
            if line["step"] < step or (line["step"] == step and not (unscored and "scores" in line))
        ]
        with atomic_file(self.path / LOG_FILE) as draft:
            draft.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _score(scores: Mapping[str, Any], name: str) -> float | None:
    """One of the scores; None where it is no number."""
    value = scores.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(key), theirs.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from _differences(left, right, f"{prefix}{key}.")
        elif left != right:
            yield prefix + key, left, right
