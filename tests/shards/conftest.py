"""A corpus of many small row groups, each of which becomes a shard."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filbert.corpus import CorpusSettings, Document, Duplicates, build_corpus, no_rules
from filbert.disk import sha256_of


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four row groups of two documents."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("small") / "corpus"
    texts = [f"the cat sat on mat {number}. " * (1 + number) for number in range(8)]
    settings = CorpusSettings(
        quality=no_rules(), duplicates=Duplicates(exact=False, near=False), sentences=True
    )
    documents = (Document(text, "a.txt", f"line {n}") for n, text in enumerate(texts))
    build_corpus(documents, folder, settings)
    report = json.loads((folder / "corpus.json").read_text())
    (name,) = report["files"]
    pq.write_table(pq.read_table(folder / name), folder / name, row_group_size=2)
    report["sha256"][name] = sha256_of(folder / name)
    (folder / "corpus.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of its own, of a size such as 4m; skips where that is not allowed."""
    disk = tmp_path / "disk"

    def mount(size: str) -> Path:
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            disk.rmdir()
            pytest.skip("no right to mount a disk here")
        return disk

    yield mount
    if disk.exists():
        subprocess.run(["umount", "-l", str(disk)], check=True)
