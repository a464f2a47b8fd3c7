"""A folder is saved whole or not at all: full disks, kill -9 at every step, and what is there."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from filbert.checkpoint import Folder, read_tensors, save
from filbert.errors import CheckpointError, SettingsError
from filbert.tasks import Classify, Embed

OURS = ("task", "train", "scores", "checksums")


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_model_gives_the_same_bytes(save_tiny):
    extra = {"optimizer/state.safetensors": {"b": np.ones(2), "a": np.zeros(1)}}
    some = {"train": {"z": 1, "a": [0.1]}, "scores": {"f1": 1.0}, "extra_files": extra}
    first, second = (files_of(save_tiny("classify", place=p, **some).path) for p in ("a", "b"))
    assert first == second
    assert not [name for name in first if name.endswith((".pkl", ".bin", ".pt"))]
    for name in OURS:
        assert json.loads(first[f"{name}.json"])["format"] == 1
    for name, raw in first.items():
        if name.endswith(".json") and not name.startswith("tokenizer"):
            value = json.loads(raw)
            text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
            assert raw.decode() == text + "\n"
    assert "三".encode() in first["config.json"]


def test_extra_files_of_every_kind(save_tiny, tmp_path):
    (tmp_path / "source").write_bytes(b"\0\1")
    state = {"step": np.array(7, np.int64), "mean": np.arange(4.0)}
    folder = save_tiny(
        extra_files={
            "a/b/c.txt": b"bytes",
            "copied.dat": tmp_path / "source",
            "optimizer/state.safetensors": state,
        }
    )
    assert (folder.path / "a/b/c.txt").read_bytes() == b"bytes"
    assert (folder.path / "copied.dat").read_bytes() == b"\0\1"
    found = read_tensors(folder.path / "optimizer/state.safetensors")
    assert found["step"].shape == ()
    assert int(found["step"]) == 7
    np.testing.assert_array_equal(found["mean"], state["mean"])
    assert folder.verify() == len(files_of(folder.path)) - 2


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../x", "a\\b", "", "config.json", "task.json", "model.safetensors"]
)
def test_extra_files_stay_in_their_place(save_tiny, tmp_path, name):
    with pytest.raises(CheckpointError, match=r"extra_files"):
        save_tiny(extra_files={name: b"x"})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_source_of_an_extra_file(save_tiny, tmp_path):
    with pytest.raises(CheckpointError, match=r"model/x could not be written: No such file"):
        save_tiny(extra_files={"x": tmp_path / "nothing"})
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(save_tiny, tmp_path):
    first = files_of(save_tiny(seed=1).path)
    with pytest.raises(SettingsError, match="is there already"):
        save_tiny(seed=2)
    assert files_of(tmp_path / "model") == first
    assert files_of(save_tiny(seed=2, replace=True).path) != first
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_only_a_whole_folder_of_ours_is_replaced(save_tiny, tmp_path):
    folder = save_tiny()
    (folder.path / "task.json").unlink()
    before = files_of(folder.path)
    with pytest.raises(CheckpointError, match="is not a whole folder that filbert saved"):
        save_tiny(replace=True)
    assert files_of(folder.path) == before
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(CheckpointError, match="is not a whole folder that filbert saved"):
        save_tiny(place="photos", replace=True)
    assert files_of(other) == {"cat.jpg": b"cat"}
    (tmp_path / "empty").mkdir()
    assert save_tiny(place="empty", replace=True).verify()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is not a whole folder"):
        save_tiny(place="file", replace=True)


def test_wrong_input_leaves_nothing(save_tiny, tmp_path, shape, arrays, tasks, tokenizer):
    small = type(shape)(2, 8, 2, 12, vocab=7, max_positions=16)
    with pytest.raises(CheckpointError, match=r"has 8 tokens, but .*embeddings\.tokens\.weight"):
        save_tiny(shape=small)
    with pytest.raises(
        CheckpointError, match=r"head\.output\.weight': expected the sizes 2×8 .* 3×8"
    ):
        save_tiny("classify", task=Classify(labels=("a", "b")))
    with pytest.raises(CheckpointError, match=r"train\.json cannot hold this value"):
        save_tiny(train={"x": float("nan")})
    with pytest.raises(CheckpointError, match=r"scores\.json cannot hold this value"):
        save_tiny(scores={"x": object()})

    class Odd(Embed):
        name = "odd"

    with pytest.raises(CheckpointError, match="the task 'odd' has no form on disk; known: pret"):
        save_tiny(task=Odd())
    assert list(tmp_path.iterdir()) == []


def test_odd_labels_come_back(save_tiny, arrays, shape):
    labels = ("<script>", "\u202eabc", "a\nb", "\ud800", "'\"`|", "")
    task = Classify(labels=labels, max_tokens=16)
    folder = save_tiny("classify", task=Classify(labels=labels[:3], max_tokens=16))
    assert folder.labels() == labels[:3]
    saved = save(
        folder.path.with_name("six"), arrays(shape, task), shape=shape, task=task, tokenizer=None
    )
    assert saved.task() == task
    assert saved.labels() == labels


# A full disk


@pytest.mark.parametrize("replace", [False, True])
def test_a_disk_that_is_full_at_any_file(save_tiny, tmp_path, monkeypatch, replace):
    """The first file that is written fails, then the second, …: the old folder, or nothing."""
    before = files_of(save_tiny(seed=1).path) if replace else {}
    fails_at, calls = 0, 0

    def full(real):
        def write(*arguments, **more):
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **more)

        return write

    monkeypatch.setattr(Path, "write_bytes", full(Path.write_bytes))
    monkeypatch.setattr("safetensors.numpy.save_file", full(safetensors.numpy.save_file))
    while fails_at < 99:
        fails_at, calls = fails_at + 1, 0
        try:
            save_tiny(seed=2, train={}, scores={}, replace=replace)
        except CheckpointError as error:
            message = str(error)
        else:
            break
        named = r"model/[\w./]+ could not be written: .*No space left.*; nothing was changed there$"
        assert re.search(named, message)
        assert ".tmp" not in message
        assert (files_of(tmp_path / "model") if replace else {}) == before
        assert [path.name for path in tmp_path.iterdir()] == (["model"] if replace else [])
    assert fails_at > 10


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 kB; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system (root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full(save_tiny, small_disk, arrays, tasks, shape):
    wide = type(shape)(2, 64, 2, 128, vocab=10, max_positions=16)
    with pytest.raises(CheckpointError, match=r"model\.safetensors could not be written: .*space"):
        save(
            small_disk / "model",
            arrays(wide, tasks["embed"]),
            shape=wide,
            task=tasks["embed"],
            tokenizer=None,
        )
    assert list(small_disk.iterdir()) == []
    save_tiny(place="disk/model", seed=1)
    before = files_of(small_disk / "model")
    (small_disk / "ballast").write_bytes(b"x" * 1024)
    with pytest.raises(CheckpointError, match=r"could not be written: .*[Nn]o space left"):
        save_tiny(place="disk/model", seed=2, replace=True, extra_files={"x": b"x" * 60_000})
    assert files_of(small_disk / "model") == before
    assert len(list(small_disk.iterdir())) == 2


# kill -9


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
import conftest as tiny
from filbert.checkpoint import save
import safetensors.numpy
os.fsync = lambda descriptor: None  # a kill, unlike a power cut, loses nothing that was written

def once(place, seed, replace, kill_at):
    steps = 0
    def watch(event, arguments):
        nonlocal steps
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir"):
            return
        if not any(str(place.parent) in str(argument) for argument in arguments[:2]):
            return
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    task = tiny.TASKS["classify"]
    save(place, tiny.arrays_of(tiny.SHAPE, task, seed=seed), shape=tiny.SHAPE, task=task,
         tokenizer=tiny.Tokenizer(tiny.TOKENS), train={"seed": seed}, replace=replace)

for kill_at in range(1, 500):
    for replace in (False, True):
        place = Path(sys.argv[2]) / f"{kill_at}-{replace}" / "model"
        if replace:
            once(place, 1, False, 0)
        child = os.fork()
        if child == 0:
            once(place, 2, replace, kill_at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    if status == 0:
        print(kill_at)
        break
"""


def test_kill_9_at_every_step_leaves_the_old_folder_or_nothing(tmp_path):
    """Killed before each file operation in turn, new and over an old folder."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40, "the watch saw too few steps"
    seen = set()
    for place in sorted(tmp_path.iterdir()):
        replace = place.name.endswith("True")
        if (place / "model").exists():
            folder = Folder(place / "model")
            assert folder.verify() >= 7
            seen.add((replace, folder.train()["seed"]))
        else:
            seen.add((replace, None))
            if replace:
                # Between two renames: the old folder stands aside, whole.
                (aside,) = place.glob(".tmp-old-*-model")
                assert Folder(aside).verify() >= 7
    assert {(False, None), (False, 2), (True, 1), (True, 2)} <= seen
    assert seen <= {(False, None), (False, 2), (True, 1), (True, 2), (True, None)}


FOREVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import conftest as tiny
from filbert.checkpoint import save
shape = tiny.Shape(4, 256, 4, 512, vocab=5000, max_positions=16)
task = tiny.TASKS["pretrain"]
arrays = [tiny.arrays_of(shape, task, seed=seed) for seed in range(2)]
step = 0
while True:
    print(step, flush=True)
    save(Path(sys.argv[2]) / f"step-{step}", arrays[step % 2], shape=shape, task=task,
         tokenizer=tiny.Tokenizer(tiny.TOKENS))
    step += 1
"""


def test_kill_9_at_random_moments_leaves_whole_folders(tmp_path):
    random = np.random.default_rng(0)
    for attempt in range(3):
        place = tmp_path / str(attempt)
        place.mkdir()
        child = subprocess.Popen(
            [sys.executable, "-c", FOREVER, str(Path(__file__).parent), str(place)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(random.uniform(0.05, 0.6)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        for folder in place.glob("step-*"):
            assert Folder(folder).verify() >= 6
