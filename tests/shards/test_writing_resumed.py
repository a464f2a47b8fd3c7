"""Shards of a corpus: the same bytes by any number of workers, killed and gone on with or not."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from filbert.corpus import CorpusSettings, Document, Duplicates, build_corpus, no_rules
from filbert.errors import FilbertError, SettingsError
from filbert.shards import ShardReader, write_shards, writing
from filbert.tokenizer import SpecialTokens, Tokenizer

WORDS = ["the", "cat", "sat", "on", "mat", ".", "我", "喜", "欢", "猫", "。"]
SMALL = 400_000


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, *WORDS])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three row groups of English and Chinese."""
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    english, chinese = "The cat sat on the mat. ", "我喜欢猫。"
    documents = (
        Document(f"{number} " + (english * 8000 if number % 2 else chinese * 30_000), "made", "")
        for number in range(60)
    )
    settings = CorpusSettings(
        quality=no_rules(), duplicates=Duplicates(exact=False, near=False), sentences=True
    )
    build_corpus(documents, folder, settings)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name.startswith("shard")
    }


@pytest.fixture(scope="module")
def whole(corpus: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "shards"
    written = write_shards(corpus, tokenizer, folder, workers=1, characters_per_shard=SMALL)
    assert len(written.shards) > 1
    return folder


def test_two_workers_write_the_same_bytes(
    corpus: Path, tokenizer: Tokenizer, whole: Path, tmp_path: Path
) -> None:
    write_shards(corpus, tokenizer, tmp_path / "two", workers=2, characters_per_shard=SMALL)
    assert files(tmp_path / "two") == files(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_the_way_back_leads_to_the_corpus(whole: Path, corpus: Path) -> None:
    reader = ShardReader(whole, max_tokens=128)
    last = reader.place(len(reader) - 1)
    assert last.file.startswith("documents-")
    assert last.language == "en"
    assert reader.place(0).file_row == 0


def test_a_killed_driver_is_gone_on_with(
    corpus: Path, tokenizer: Tokenizer, whole: Path, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    script = textwrap.dedent(
        f"""
        import os, signal
        from filbert.shards import write_shards, writing
        from filbert.tokenizer import Tokenizer
        made, original = [], writing.make
        def stopping(piece, tokenizer):
            if made:
                os.kill(os.getpid(), signal.SIGKILL)
            made.append(original(piece, tokenizer))
            return made[0]
        writing.make = stopping
        write_shards({str(corpus)!r}, Tokenizer.load({str(tmp_path / "tokenizer")!r}),
                     {str(tmp_path / "out")!r}, workers=1, characters_per_shard={SMALL})
        """
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    first = tmp_path / ".out.work" / "shards" / "shard-00000.bin"
    before = first.stat().st_mtime_ns
    other = Tokenizer([*SpecialTokens().all, *WORDS, "dog"])
    with pytest.raises(SettingsError, match=r"tokenizer was \w{12}… and is \w{12}… now"):
        write_shards(corpus, other, tmp_path / "out", workers=1, characters_per_shard=SMALL)
    write_shards(corpus, tokenizer, tmp_path / "out", workers=1, characters_per_shard=SMALL)
    assert (tmp_path / "out" / "shard-00000.bin").stat().st_mtime_ns == before
    assert files(tmp_path / "out") == files(whole)
    assert not (tmp_path / ".out.work").exists()


def test_what_was_begun_otherwise_can_be_begun_anew(
    corpus: Path, tokenizer: Tokenizer, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "make", full)
        with pytest.raises(FilbertError, match=r"No space left on device; what is finished waits"):
            write_shards(corpus, tokenizer, tmp_path / "out", workers=1)
    with pytest.raises(SettingsError, match=r"characters_per_shard was \d+ and is 400000 now"):
        write_shards(corpus, tokenizer, tmp_path / "out", characters_per_shard=SMALL)
    write_shards(
        corpus, tokenizer, tmp_path / "out", workers=1, characters_per_shard=SMALL, restart=True
    )
    assert files(tmp_path / "out") == files(whole)


@pytest.mark.skipif(os.name == "nt", reason="locks are a matter of POSIX here")
def test_two_writers_do_not_meet(corpus: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    from filbert.shards.work import claimed

    with (
        claimed(tmp_path / "out"),
        pytest.raises(SettingsError, match="another filbert is working on it"),
    ):
        write_shards(corpus, tokenizer, tmp_path / "out")
