"""What a model's repository on the hub holds, as its API says it, and which of that a model needs.

Nothing that the hub answers is trusted: names that lead out of the folder, commits and checksums
that are none and sizes that are no numbers are refused before anything is written.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.checkpoint.json_files import inside
from filbert.errors import CheckpointError

TREE_FORMAT = 1
MAX_BYTES = 200_000_000_000

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")

SMALL = re.compile(
    r"config\.json|README\.md"
    r"|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.txt|vocab\.json|merges\.txt"
    r"|modules\.json|config_sentence_transformers\.json|sentence_[a-z-]+_config\.json"
    r"|[0-9]+_[A-Za-z]+/config\.json"
    r"|task\.json|train\.json|scores\.json|checksums\.json"
)
"""All that a model needs beside its weights: ours, Hugging Face's, sentence-transformers'."""

WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model\.safetensors\.index\.json|model-[0-9]{5}-of-[0-9]{5}\.safetensors"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(r"pytorch_model\.bin\.index\.json|pytorch_model-[0-9]{5}-of-[0-9]{5}\.bin"),
)
"""The forms of weights; the first that is there is fetched, and no other."""


@dataclass(frozen=True)
class HubFile:
    """One file of a repository.

    checksum: of a large file (Git LFS) its SHA-256, of a small one git's SHA-1 of the blob; the
    cache names the file's blob by it.
    """

    name: str
    size: int
    checksum: str
    pointer: str = ""


@dataclass(frozen=True)
class Listing:
    """All files of a repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]

    def needed(self) -> list[HubFile]:
        """What a model needs of it; empty where the repository holds no model that filbert reads.

        Never code, never another library's format, one form of weights only.
        """
        names = needed(file.name for file in self.files)
        return [file for file in self.files if file.name in names]

    def to_tree(self) -> dict[str, Any]:
        """The listing as huggingface_hub keeps it in the cache: trees/COMMIT.json."""
        return {
            "format_version": TREE_FORMAT,
            "files": {file.name: _tree_entry(file) for file in self.files},
        }


def needed(names: Iterable[str]) -> set[str]:
    """Of a repository's names those that a model needs; none without a config.json and weights."""
    names = set(names)
    small = {name for name in names if SMALL.fullmatch(name)}
    for form in WEIGHTS:
        weights = {name for name in names if form.fullmatch(name)}
        if weights and "config.json" in small:
            return small | weights
    return set()


def from_api(answer: Any, where: str) -> Listing:
    """Read the answer of /api/models/NAME/revision/REVISION?blobs=true.

    Raises CheckpointError naming what in it is no listing.
    """
    table = answer if isinstance(answer, dict) else {}
    siblings = table.get("siblings")
    if not isinstance(siblings, list) or not all(isinstance(one, dict) for one in siblings):
        raise CheckpointError(f"{where}: the answer is not a hub's: it lists no files (siblings)")
    files = []
    for one in siblings:
        lfs = one.get("lfs") if isinstance(one.get("lfs"), dict) else {}
        entry = {"size": one.get("size"), "blob_id": one.get("blobId")}
        if lfs:
            entry |= {"lfs_sha256": lfs.get("sha256"), "lfs_size": lfs.get("size")}
        files.append(_file(one.get("rfilename"), entry, where))
    return Listing(_commit(table.get("sha"), where), tuple(files))


def from_tree(commit: str, table: Mapping[str, Any], where: str) -> Listing:
    """Read what huggingface_hub or filbert kept in the cache; CheckpointError if it is not."""
    files = table.get("files")
    if table.get("format_version") != TREE_FORMAT or not isinstance(files, dict):
        raise CheckpointError(f"{where}: not a listing of format {TREE_FORMAT}")
    return Listing(commit, tuple(_file(name, entry, where) for name, entry in files.items()))


def _commit(value: object, where: str) -> str:
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise CheckpointError(f"{where}: sha: {value!r:.80} is not a commit")
    return value


def _file(name: object, entry: Any, where: str) -> HubFile:
    inside(Path(), name, f"{where}: a file's name")
    entry = entry if isinstance(entry, dict) else {}
    pointer = entry.get("blob_id")
    large = entry.get("lfs_sha256") is not None
    checksum, size = (
        (entry.get("lfs_sha256"), entry.get("lfs_size")) if large else (pointer, entry.get("size"))
    )
    form = _SHA256 if large else _GIT_SHA1
    if not isinstance(checksum, str) or not form.fullmatch(checksum):
        raise CheckpointError(f"{where}: {name}: {checksum!r:.80} is not a checksum")
    if type(size) is not int or not 0 <= size <= MAX_BYTES:
        raise CheckpointError(f"{where}: {name}: {size!r:.40} is not a file's size in bytes")
    return HubFile(str(name), size, checksum, pointer if large and isinstance(pointer, str) else "")


def _tree_entry(file: HubFile) -> dict[str, Any]:
    if len(file.checksum) == 40:
        return {"size": file.size, "blob_id": file.checksum}
    return {
        "size": file.size,
        "blob_id": file.pointer,
        "lfs_sha256": file.checksum,
        "lfs_size": file.size,
    }
