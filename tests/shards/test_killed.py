"""Killed at any moment, and gone on with: the same bytes, and nothing made twice that was whole."""

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filbert.errors import DataError
from filbert.shards import ShardReader, pieces, write_shards, writing
from filbert.shards.filling import Filling
from filbert.shards.pieces import make
from filbert.tokenizer import SpecialTokens, Tokenizer

WORDS = ["the", "cat", "sat", "on", "mat", "."]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, *WORDS])


def write(corpus: Path, tokenizer: Tokenizer, out: Path, workers: int = 1):
    return write_shards(corpus, tokenizer, out, workers=workers, characters_per_shard=1)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("rows-")
    }


@pytest.fixture(scope="module")
def whole(
    small_corpus: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert len(write(small_corpus, tokenizer, out).shards) == 4
    return files(out)


class Killed(BaseException):
    """In place of SIGKILL: nothing on the disk changes after it."""


def dying(monkeypatch: pytest.MonkeyPatch, steps: int) -> list[int]:
    """After so many changes of the disk all further ones are the death; how many there were."""
    done = [0]

    def limited(original: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **options: Any) -> Any:
            if done[0] >= steps:
                raise Killed
            done[0] += 1
            return original(*args, **options)

        return change

    for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"):
        monkeypatch.setattr(os, name, limited(getattr(os, name)))
    return done


def counted(patch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the pieces that are made from now on."""
    made: list[int] = []

    def noted(piece: pieces.Piece, tokenizer: Tokenizer) -> pieces.Record:
        made.append(piece.number)
        return make(piece, tokenizer)

    patch.setattr(writing, "make", noted)
    return made


def test_a_death_between_any_two_changes_of_the_disk(
    small_corpus: Path, tokenizer: Tokenizer, whole: dict[str, bytes], tmp_path: Path
) -> None:
    made: list[int] = []
    steps = 0
    while True:
        out = tmp_path / str(steps) / "out"
        out.parent.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            done = dying(patch, steps)
            try:
                write(small_corpus, tokenizer, out)
            except Killed:
                pass
            if done[0] < steps:
                break  # it came to its end
        if out.exists():
            assert files(out) == whole
        else:
            with pytest.MonkeyPatch.context() as patch:
                calls = counted(patch)
                write(small_corpus, tokenizer, out)
            made.append(len(calls))
            assert files(out) == whole
            assert [path.name for path in out.parent.iterdir()] == ["out"]
        shutil.rmtree(out.parent)
        steps += 1
    assert made == sorted(made, reverse=True)  # the later it died, the less was left to do
    assert set(made) == {0, 1, 2, 3, 4}
    assert made.count(0) > 20  # among them all of the time from the last shard to the rename


@pytest.fixture
def stopped(
    small_corpus: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The work folder of shards that are all made, but not put in their place."""

    def never(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(writing, "finish", never)
        with pytest.raises(Killed):
            write(small_corpus, tokenizer, tmp_path / "out")
    return tmp_path / ".out.work"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "harm",
    [
        lambda work: (work / "shards" / "shard-00001.bin").unlink(),
        lambda work: cut_short(work / "shards" / "shard-00001.bin"),
        lambda work: flip(work / "shards" / "shard-00001.bin"),
        lambda work: cut_short(work / "records" / "shard-00001.json"),
        lambda work: (work / "records" / "shard-00001.json").unlink(),
        lambda work: shutil.copy(
            work / "records" / "shard-00002.json", work / "records" / "shard-00001.json"
        ),
        lambda work: (work / "records" / "shard-00001.json").write_text('{"shard": {"name": 3}}'),
    ],
)
def test_a_record_without_its_whole_shard_is_not_trusted(
    stopped: Path,
    harm: Callable[[Path], object],
    small_corpus: Path,
    tokenizer: Tokenizer,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harm(stopped)
    made = counted(monkeypatch)
    write(small_corpus, tokenizer, stopped.parent / "out")
    assert made == [1]
    assert files(stopped.parent / "out") == whole


def test_what_a_killed_one_left_is_cleaned(
    stopped: Path, small_corpus: Path, tokenizer: Tokenizer, whole: dict[str, bytes]
) -> None:
    for name in (".tmp-1-shard-00001.bin", "shard-00077.bin", "rows-128.bin"):
        (stopped / "shards" / name).write_bytes(b"half")
    (stopped / "records" / ".tmp-1-shard-00001.json").write_text("{")
    (stopped / ".tmp-1-plan.json").write_text("{")
    write(small_corpus, tokenizer, stopped.parent / "out")
    assert files(stopped.parent / "out") == whole
    assert [path.name for path in stopped.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000])
def test_a_plan_that_cannot_be_read_is_begun_anew(
    stopped: Path, text: str, small_corpus: Path, tokenizer: Tokenizer, whole: dict[str, bytes]
) -> None:
    (stopped / "plan.json").write_text(text)
    write(small_corpus, tokenizer, stopped.parent / "out")
    assert files(stopped.parent / "out") == whole


def test_a_shard_is_on_the_disk_before_its_record(
    small_corpus: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        steps.append(f"flush {os.fstat(descriptor).st_ino}")
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        steps.append(f"name {Path(new).name} {Path(old).stat().st_ino}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    write(small_corpus, tokenizer, tmp_path / "out")
    for number in range(4):
        shard = next(step for step in steps if step.startswith(f"name shard-0000{number}.bin"))
        record = next(step for step in steps if step.startswith(f"name shard-0000{number}.json"))
        flush = f"flush {shard.split()[-1]}"
        assert steps.index(flush) < steps.index(shard) < steps.index(record)


def test_a_piece_knows_only_its_own_files(small_corpus: Path, tmp_path: Path) -> None:
    from filbert.corpus.stored_columns import row_groups

    groups = row_groups(small_corpus)
    sums = {group.file: "1" for group in groups} | {f"other-{n}": "0" * 64 for n in range(5000)}
    found = pieces.pieces_of(small_corpus, groups, sums, 1, (tmp_path, tmp_path))
    assert [set(piece.sha256) for piece in found] == [{groups[0].file}] * 4
    assert len(pickle.dumps(found[0])) < 2000


def test_no_token_at_all_leaves_nothing(small_corpus: Path, tmp_path: Path) -> None:
    strange = Tokenizer([*SpecialTokens().all, "x"])

    def none(piece: pieces.Piece, _: Tokenizer) -> pieces.Record:
        return pieces.Record(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "make", none)
        with pytest.raises(DataError, match="expected at least one token, got none"):
            write(small_corpus, strange, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_piece_without_tokens_leaves_a_gap(
    small_corpus: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Filling.add

    def emptied(self, texts, languages, ends, where) -> None:
        gone = any("mat 2" in text for text in texts)
        original(self, [" "] * len(texts) if gone else texts, languages,
                 [[]] * len(texts) if gone else ends, where)  # fmt: skip

    monkeypatch.setattr(Filling, "add", emptied)
    found = write(small_corpus, tokenizer, tmp_path / "out")
    assert [shard.name[-1] for shard in found.shards] == ["0", "2", "3"]
    assert ShardReader(tmp_path / "out", max_tokens=8).contents == found


SCRIPT = """
    import os, sys, time
    from filbert.shards import write_shards, writing
    from filbert.shards.pieces import make
    from filbert.tokenizer import Tokenizer

    def slow(piece, tokenizer):
        os.write(1, b"begun\\n")
        time.sleep(0.3)
        return make(piece, tokenizer)

    if __name__ == "__main__":
        writing.make = slow
        corpus, tokenizer, out = sys.argv[1:]
        write_shards(corpus, Tokenizer.load(tokenizer), out, workers=2, characters_per_shard=1)
"""


@pytest.fixture
def driver(
    small_corpus: Path, tokenizer: Tokenizer, tmp_path: Path
) -> Callable[[], subprocess.Popen[str]]:
    """Starts a process that writes shards with two workers, in a group of its own."""
    tokenizer.save(tmp_path / "tokenizer")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "place").mkdir()
    command = [sys.executable, str(script), str(small_corpus), str(tmp_path / "tokenizer"),
               str(tmp_path / "place" / "out")]  # fmt: skip
    return lambda: subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_kills_at_any_time_and_the_same_bytes(
    driver: Callable[[], subprocess.Popen[str]],
    tmp_path: Path,
    small_corpus: Path,
    tokenizer: Tokenizer,
    whole: dict[str, bytes],
) -> None:
    chance = random.Random(5)
    for _ in range(3):
        process = driver()
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.6)
        process.kill()
        # Its workers hold the same pipes: they end when these do.
        process.communicate(timeout=20)
    out = tmp_path / "place" / "out"
    if not out.exists():
        write(small_corpus, tokenizer, out, workers=2)
    assert files(out) == whole


@pytest.mark.skipif(os.name == "nt", reason="interrupts as POSIX does")
def test_ctrl_c_ends_all_and_can_be_gone_on_with(
    driver: Callable[[], subprocess.Popen[str]],
    tmp_path: Path,
    small_corpus: Path,
    tokenizer: Tokenizer,
    whole: dict[str, bytes],
) -> None:
    process = driver()
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # to all of them, as a terminal does
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    plan = json.loads((tmp_path / "place" / ".out.work" / "plan.json").read_text())
    assert plan["characters_per_shard"] == 1
    write(small_corpus, tokenizer, tmp_path / "place" / "out")
    assert files(tmp_path / "place" / "out") == whole
