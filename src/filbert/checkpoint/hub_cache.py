"""One model's place in Hugging Face's own cache, which filbert shares with transformers.

CACHE/models--ORG--NAME/refs/REVISION            the commit that a branch or tag means
                       /blobs/CHECKSUM           the files, named by what is in them
                       /snapshots/COMMIT/FILE    → a link to the blob
                       /trees/COMMIT.json        all files of the commit, fetched or not

A blob gets its name when it is whole and checked; until then it is CHECKSUM.incomplete.
"""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from filbert.checkpoint.folder import Folder
from filbert.checkpoint.hub_listing import HubFile, Listing, from_tree
from filbert.checkpoint.json_files import read_table, write_json
from filbert.disk import atomic_file
from filbert.errors import CheckpointError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Found:
    """A snapshot in the cache.

    missing  what it lacks as far as can be told, in words; empty for a whole one
    sure     whether the hub's own listing stands behind that, or the files speak for themselves
    """

    path: Path
    missing: str
    sure: bool

    @property
    def is_whole(self) -> bool:
        """Whether it can be opened without a question to the hub."""
        return self.sure and not self.missing


@dataclass(frozen=True)
class Cache:
    """The place of the model `name` in the cache folder `root`."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """models--ORG--NAME."""
        return self.root / f"models--{self.name.replace('/', '--')}"

    def find(self, revision: str) -> Found | None:
        """What there is of a revision (branch, tag or commit); None where there is nothing."""
        commit = self._commit_of(revision)
        if commit is None or not self.snapshot(commit).is_dir():
            return None
        path = self.snapshot(commit)
        files = self._needed(commit)
        if files:
            names = [file.name for file in files if not _is_there(path / file.name, file.size)]
            return Found(path, ", ".join(names), sure=True)
        return Found(path, *_judge(path, self.folder / ".no_exist" / commit))

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit's files."""
        return self.folder / "snapshots" / commit

    def blob(self, file: HubFile) -> Path:
        """Where the bytes of a file lie."""
        return self.folder / "blobs" / file.checksum

    @property
    def lock(self) -> Path:
        """The file that whoever fetches the model holds locked."""
        return self.root / ".locks" / self.folder.name / "filbert.lock"

    def is_placed(self, commit: str, file: HubFile) -> bool:
        """Whether the snapshot has the file already."""
        return _is_there(self.snapshot(commit) / file.name, file.size)

    def place(self, commit: str, file: HubFile) -> None:
        """Give a blob its name in the snapshot: a link, or a copy where links cannot be."""
        pointer = self.snapshot(commit) / file.name
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = pointer.with_name(f".tmp-{os.getpid()}-{pointer.name}")
        draft.unlink(missing_ok=True)
        try:
            draft.symlink_to(os.path.relpath(self.blob(file), pointer.parent))
        except OSError:  # Windows without the right to make links
            shutil.copyfile(self.blob(file), draft)
        draft.replace(pointer)

    def remember(self, listing: Listing) -> None:
        """Keep what the repository holds, so that the next question needs no network."""
        with atomic_file(self.folder / "trees" / f"{listing.commit}.json") as draft:
            write_json(draft, listing.to_tree())

    def point(self, revision: str, commit: str) -> None:
        """Say what a branch or tag means now. Done last: until then the old snapshot is found."""
        path = self.folder / "refs" / revision
        if revision == commit or (path.is_file() and path.read_text().strip() == commit):
            return
        with atomic_file(path) as draft:
            draft.write_text(commit, encoding="ascii")

    def _commit_of(self, revision: str) -> str | None:
        if _COMMIT.fullmatch(revision):
            return revision
        with contextlib.suppress(OSError, UnicodeDecodeError):
            commit = (self.folder / "refs" / revision).read_text(encoding="ascii").strip()
            return commit if _COMMIT.fullmatch(commit) else None
        return None

    def _needed(self, commit: str) -> list[HubFile]:
        """What the commit needs, if its listing was kept."""
        path = self.folder / "trees" / f"{commit}.json"
        with contextlib.suppress(CheckpointError):
            if path.is_file():
                return from_tree(commit, read_table(path), str(path)).needed()
        return []


def names_in(root: Path) -> list[str]:
    """The models that the cache holds something of."""
    if not root.is_dir():
        return []
    folders = [path.name.removeprefix("models--") for path in root.glob("models--*")]
    return sorted(name.replace("--", "/") for name in folders)


def _is_there(path: Path, size: int) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == size
    return False


def _judge(path: Path, known_missing: Path) -> tuple[str, bool]:
    """What a snapshot lacks that other libraries filled, which fetch only what they want.

    Its own files answer, but for one question: a bare encoder may be an embedding model whose
    modules.json nobody asked for. Then it is usable, but not sure.
    """
    folder = Folder(path)
    try:
        config = folder.config()
        folder.weight_files()
    except CheckpointError as error:
        return str(error), False
    if not any((path / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
        return "a tokenizer (tokenizer.json or vocab.txt)", False
    if (path / "modules.json").is_file():
        pooled = any(path.glob("*_Pooling/config.json"))
        return ("", True) if pooled else ("1_Pooling/config.json", False)
    names = config.get("architectures") or [""]
    bare = not isinstance(names, list) or str(names[0]).endswith("Model") or not names[0]
    return "", not bare or (known_missing / "modules.json").is_file()
