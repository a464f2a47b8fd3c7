"""The folder of a run: its recipe, its log, its checkpoints."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder
from filbert.disk import atomic_file, remove_drafts
from filbert.errors import CheckpointError, FilbertError, SettingsError
from filbert.train.events import Evaluated, Stepped

try:
    import fcntl
except ImportError:  # Windows has no such locks: there nobody is kept out
    fcntl = None  # type: ignore[assignment, unused-ignore]

FORMAT = 1
RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
LOCK_FILE = ".lock"
FREE_TO_CHANGE = frozenset({"plan.train.keep_folders", "plan.train.save_every_seconds"})


class RunFolder:
    """One run on disk: run.json, log.jsonl and the checkpoints step-00001200/."""

    def __init__(self, path: Path | str):
        """Name the place; nothing is touched yet."""
        self.path = Path(path)

    def claim(self, recipe: Mapping[str, Any]) -> None:
        """Make the folder this recipe's, or find that it is already.

        A recipe under which nothing was ever saved binds nobody: a mistyped start can be put right.
        Raises SettingsError, naming what differs, if another recipe's run lies there, or something
        that is no run at all.
        """
        others = [path for path in self.path.glob("*") if not path.name.startswith(".")]
        if not (self.path / RUN_FILE).exists() and (self.path.is_file() or others):
            raise SettingsError(
                f"{self.path} holds something that is no run of filbert; name another place"
            )
        with self.alone():
            self._claim(json.loads(json.dumps(recipe)))

    def _claim(self, recipe: Mapping[str, Any]) -> None:
        file = self.path / RUN_FILE
        if file.exists() and not self.steps():
            file.unlink()
            (self.path / LOG_FILE).unlink(missing_ok=True)
        if not file.exists():
            with atomic_file(file) as draft:
                draft.write_text(
                    json.dumps({"format": FORMAT, **recipe}, indent=2, sort_keys=True) + "\n"
                )
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file}: cannot be read: {error}") from error
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise CheckpointError(f"{file}: expected format {FORMAT}")
        differences = [
            f"{name} is {ours!r:.60}, there it is {theirs!r:.60}"
            for name, ours, theirs in _differences(recipe, found)
            if name not in FREE_TO_CHANGE
        ]
        if differences:
            raise SettingsError(
                f"{self.path} belongs to another recipe: {'; '.join(differences[:5])}; "
                "name another place for this run, or remove that one"
            )

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out while this one works in the folder.

        Raises SettingsError if another one is at work there.
        """
        if fcntl is None or not self.path.is_dir():
            yield
            return
        with (self.path / LOCK_FILE).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SettingsError(
                    f"{self.path}: another process is training there; wait, or name another place"
                ) from error
            yield

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
        try:
            steps[-1].verify()
        except CheckpointError as error:
            hint = f"; remove {steps[-1]} to go on from {steps[-2]}" if len(steps) > 1 else ""
            raise CheckpointError(f"{error}{hint}") from error
        return steps[-1]

    def place(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.path / f"step-{step:08}"

    def tidy(self, keep: int) -> None:
        """Remove all but the newest checkpoints, and what a killed writer left."""
        for old in self.steps()[:-keep]:
            shutil.rmtree(old.path)
        for draft in self.path.glob(".tmp-*-step-*"):
            remove_drafts(self.path / draft.name[draft.name.index("step-") :])

    def log(self, event: Stepped | Evaluated) -> None:
        """Append a line to the log."""
        try:
            with (self.path / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(event)) + "\n")
        except OSError as error:
            raise FilbertError(
                f"{self.path / LOG_FILE} could not be written: {error.strerror or error}"
            ) from error

    def read_log(self) -> Iterator[dict[str, Any]]:
        """The log's lines; a last line that was cut off by a crash is left out.

        Raises CheckpointError naming any other line that is none.
        """
        file = self.path / LOG_FILE
        if not file.exists():
            return
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                yield entry
            elif number < len(lines):
                raise CheckpointError(f"{file}:{number}: expected a line of the log; remove it")

    def cut_log(self, step: int) -> None:
        """Forget the lines after a step: the resumed run writes them again."""
        kept = [line for line in self.read_log() if line["step"] <= step]
        with atomic_file(self.path / LOG_FILE) as draft:
            draft.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(key), theirs.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from _differences(left, right, f"{prefix}{key}.")
        elif left != right:
            yield prefix + key, left, right
