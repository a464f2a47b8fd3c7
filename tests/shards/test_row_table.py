"""The table of rows: its name, where it lies, what becomes of a damaged one."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from filbert.corpus import Document
from filbert.errors import DataError, FilbertError
from filbert.shards import ShardReader, row_table, write_shards
from filbert.tokenizer import SpecialTokens, Tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = Tokenizer([*SpecialTokens().all, "cat", "sat"])
    documents = [Document("cat sat cat " * (1 + n), "a.txt", f"{n}") for n in range(9)]
    write_shards(documents, tokenizer, tmp_path / "shards", characters_per_shard=150)
    return tmp_path / "shards"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "filbert" / "rows"


def rows(reader: ShardReader) -> list[list[int]]:
    return [reader.row(index).token_ids.tolist() for index in range(len(reader))]


def tables(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*rows-*"))


@pytest.mark.parametrize("max_tokens", [8, 128])
def test_the_table_is_named_after_max_tokens(folder: Path, max_tokens: int) -> None:
    ShardReader(folder, max_tokens=max_tokens)
    assert tables(folder) == [f"rows-{max_tokens}.bin", f"rows-{max_tokens}.json"]


def test_a_table_of_another_max_tokens_is_not_taken(folder: Path, tmp_path: Path) -> None:
    before = rows(ShardReader(folder, max_tokens=8))
    ShardReader(folder, max_tokens=10)
    for kind in ("bin", "json"):
        (folder / f"rows-10.{kind}").replace(folder / f"rows-8.{kind}")
    assert rows(ShardReader(folder, max_tokens=8)) == before


def test_the_digest_tells_max_tokens_apart(tmp_path: Path) -> None:
    """Three rows each way, but not the same ones."""
    tokenizer = Tokenizer([*SpecialTokens().all, "cat"])
    write_shards([Document("cat " * 15, "a.txt", "")], tokenizer, tmp_path / "shards")
    seven, eight = (ShardReader(tmp_path / "shards", max_tokens=most) for most in (8, 9))
    assert len(seven) == len(eight) == 3
    assert seven.digest != eight.digest


@pytest.fixture
def read_only(folder: Path, mounted: Callable[[str], Path]) -> Path:
    """The folder on a disk that is mounted for reading only."""
    disk = mounted("4m")
    shutil.copytree(folder, disk / "shards")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    return disk / "shards"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
@pytest.mark.parametrize("cached", [True, False])
def test_a_read_only_disk_is_read(
    folder: Path,
    read_only: Path,
    cache: Path,
    cached: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not cached:
        monkeypatch.setenv("XDG_CACHE_HOME", str(read_only))
    reader = ShardReader(read_only, max_tokens=8)
    assert rows(reader) == rows(ShardReader(folder, max_tokens=8))
    assert tables(read_only) == []
    assert cache.is_dir() == cached


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
def test_where_nothing_can_be_written_the_table_is_held(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    expected = rows(ShardReader(folder, max_tokens=8))
    for file in folder.glob("rows-*"):
        file.unlink()

    def refusing(path: Path):
        raise FilbertError("no") from OSError(number, "no", str(path))

    monkeypatch.setattr(row_table, "atomic_file", refusing)
    reader = ShardReader(folder, max_tokens=8)
    assert rows(reader) == expected
    assert np.asarray(reader.lengths).tolist() == [len(row) for row in expected]
    assert reader.number_of(*reader.row(len(reader) - 1).origin) == len(reader) - 1
    assert not tables(folder)
    assert not cache.exists()


def test_a_user_without_a_home_reads_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", none)
    assert len(ShardReader(folder, max_tokens=8)) > 9


def test_a_folder_in_the_tables_place_does_no_harm(folder: Path, cache: Path) -> None:
    (folder / "rows-8.bin").mkdir()
    assert len(ShardReader(folder, max_tokens=8)) > 9
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("place", [0, 5, 13, 100, -1])
def test_a_damaged_table_loses_no_row_silently(folder: Path, place: int) -> None:
    before = rows(ShardReader(folder, max_tokens=8))
    path = folder / "rows-8.bin"
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"rows-8\.bin: damaged: row \d+: .* remove the file"):
        rows(ShardReader(folder, max_tokens=8))
    assert rows(ShardReader(folder, max_tokens=8, verify=True)) == before
    assert rows(ShardReader(folder, max_tokens=8)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(rows=[*said["rows"], 0]),
        lambda said: said["rows"].append(said["rows"].pop() + 1),
        lambda said: said.update(rows="many"),
        lambda said: said.pop("rows"),
        lambda said: said.update(stamp=None),
    ],
)
def test_a_wrong_record_of_the_table_is_made_anew(folder: Path, change) -> None:
    before = rows(ShardReader(folder, max_tokens=8))
    path = folder / "rows-8.json"
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))
    assert rows(ShardReader(folder, max_tokens=8)) == before
