"""What the system refuses comes as filbert's own error, with the file's name."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from filbert.corpus import CorpusSettings, Document, Duplicates, build_corpus, no_rules
from filbert.errors import DataError, FilbertError, SettingsError
from filbert.shards import ShardReader, opening, write_shards
from filbert.tokenizer import SpecialTokens, Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, "cat", "sat"])


@pytest.fixture
def folder(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    write_shards([Document("cat sat", "a.txt", "")], tokenizer, tmp_path / "shards")
    return tmp_path / "shards"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    documents = (Document(f"{n} " + "cat sat. " * 20_000, "made", "") for n in range(24))
    settings = CorpusSettings(
        quality=no_rules(), duplicates=Duplicates(exact=False, near=False), sentences=True
    )
    build_corpus(documents, folder, settings)
    return folder


def refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("name", ["shard-00000.bin", "shards.json"])
def test_a_folder_in_a_files_place_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(DataError, match=name):
        ShardReader(folder, max_tokens=8)


@pytest.mark.parametrize("name", ["shard-00000.bin", "shards.json"])
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="all rights for this user")
def test_a_file_without_rights_is_named(folder: Path, name: str) -> None:
    (folder / name).chmod(0)
    with pytest.raises(DataError, match=f"{name}: cannot be read: Permission denied"):
        ShardReader(folder, max_tokens=8)


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [
        (Path, "read_bytes", r"shards\.json"),
        (Path, "is_file", r"shards\.json"),
        (Tokenizer, "load", "tokenizer"),
    ],
)
def test_what_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, name: str
) -> None:
    monkeypatch.setattr(kind, method, refused)
    with pytest.raises(DataError, match=f"{name}: cannot be read: Permission denied"):
        ShardReader(folder, max_tokens=8)


def test_a_shard_that_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(opening, "sha256_of", refused)
        with pytest.raises(DataError, match=r"shard-00000\.bin: cannot be read: Permission denied"):
            ShardReader(folder, max_tokens=8)
    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", refused)
        with pytest.raises(DataError, match=r"shard-00000\.bin: cannot be read: Permission denied"):
            ShardReader(folder, max_tokens=8, verify=False)


def test_a_shard_that_vanishes_is_named(folder: Path) -> None:
    reader = ShardReader(folder, max_tokens=8)
    (folder / "shard-00000.bin").unlink()
    reader._shard.cache_clear()
    with pytest.raises(DataError, match=r"shard-00000\.bin: cannot be read: No such file"):
        reader.row(0)


def test_a_shard_that_shrinks_is_named(folder: Path) -> None:
    reader = ShardReader(folder, max_tokens=8)
    (folder / "shard-00000.bin").write_bytes(b"1")
    reader._shard.cache_clear()
    with pytest.raises(DataError, match=r"shard-00000\.bin: damaged: expected another size"):
        reader.row(0)


@pytest.mark.parametrize("below", ["shards", "deep/shards"])
def test_a_file_in_the_way_is_named(
    tokenizer: Tokenizer, corpus: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").write_text("")
    for source in ([Document("cat", "a.txt", "")], corpus):
        with pytest.raises(SettingsError, match=r"shards: expected a folder at .*file; a"):
            write_shards(source, tokenizer, tmp_path / "file" / below)


@pytest.mark.skipif(os.name == "nt", reason="names as POSIX has them")
@pytest.mark.parametrize(
    ("name", "why"),
    [("x" * 300, "could not be written: File name too long"), ("a\0b", "null char")],
)
def test_a_name_that_cannot_be_is_refused(
    tokenizer: Tokenizer, corpus: Path, tmp_path: Path, name: str, why: str
) -> None:
    for source in ([Document("cat", "a.txt", "")], corpus):
        with pytest.raises(FilbertError, match=why):
            write_shards(source, tokenizer, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_language_that_cannot_be_written_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    document = Document("cat", "a.txt", "", language="\ud800")
    with pytest.raises(DataError, match="languages: not valid Unicode"):
        write_shards([document], tokenizer, tmp_path / "shards")


def test_a_corpus_that_is_none_is_named(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: expected a corpus"):
        write_shards(tmp_path / "nowhere", tokenizer, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(mounted: Callable[[str], Path]) -> Path:
    return mounted("512k")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_gone_on_with_when_there_is_room(
    corpus: Path, tokenizer: Tokenizer, tmp_path: Path, small_disk: Path, workers: int
) -> None:
    small = 600_000
    out = small_disk / "shards"
    message = r"shard-\d+\.bin could not be written: No space left.*; what is finished waits in "
    with pytest.raises(FilbertError, match=message):
        write_shards(corpus, tokenizer, out, characters_per_shard=small, workers=workers)
    assert [path.name for path in small_disk.iterdir()] == [".shards.work"]
    assert not list(small_disk.rglob(".tmp-*"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    write_shards(corpus, tokenizer, out, characters_per_shard=small, workers=workers)
    write_shards(corpus, tokenizer, tmp_path / "whole", characters_per_shard=small, workers=1)
    for path in (tmp_path / "whole").glob("shard*"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(SettingsError, match="a whole disk is mounted there; name a folder in it"):
        write_shards(corpus, tokenizer, small_disk)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_an_empty_folder_is_filled(
    corpus: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "large")
    write_shards(corpus, tokenizer, tmp_path / "link", workers=1)
    assert (tmp_path / "link").is_symlink()
    assert np.asarray(ShardReader(tmp_path / "large", max_tokens=64).lengths).max() <= 64
