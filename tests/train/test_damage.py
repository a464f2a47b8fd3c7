"""What a disk, a user or another process does to a run's folder: an error by name, or recovery."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.errors import CheckpointError, FilbertError, SettingsError
from filbert.progress import plain
from filbert.train import Plan, RunFolder


@pytest.fixture
def saving(plan: Plan) -> Plan:
    """A checkpoint after every step."""
    return replace(plan, train=replace(plan.train, steps=4, save_every_seconds=0.0))


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(run).read_log() if "loss" in line]


def weights(run: Path) -> bytes:
    folder = RunFolder(run).newest()
    assert folder is not None
    return (folder.path / "model.safetensors").read_bytes()


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def forget_last_step(run: Path) -> None:
    """As if the process had been killed before its last checkpoint."""
    shutil.rmtree(RunFolder(run).steps()[-1].path)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer/state.safetensors", "train.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_goes_on(
    world: Any, saving: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=saving)
    wanted = losses(run), weights(run)
    damage(RunFolder(run).steps()[-1].path / file)
    filbert.pretrain(world.shards, run, plan=saving, progress=plain(sys.stdout))
    said = capsys.readouterr().out
    assert f"step-00000004/{file}: damaged" in said
    assert f"set aside as {run / 'damaged-step-00000004'}" in said
    assert f"going on from {run / 'step-00000003'}" in said
    assert (losses(run), weights(run)) == wanted
    assert (run / "damaged-step-00000004" / file).exists()


def test_a_checkpoint_without_its_checksums_is_damaged(
    world: Any, saving: Plan, tmp_path: Path
) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    wanted = weights(tmp_path / "run")
    (RunFolder(tmp_path / "run").steps()[-1].path / "checksums.json").unlink()
    with pytest.raises(CheckpointError, match=r"step-00000004: damaged: its checksums\.json"):
        RunFolder(tmp_path / "run").newest()
    filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    assert weights(tmp_path / "run") == wanted


def test_where_no_checkpoint_is_whole_nothing_is_thrown_away(
    world: Any, saving: Plan, tmp_path: Path
) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    for step in RunFolder(tmp_path / "run").steps():
        damage(step.path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"00004/model.*no checkpoint is whole: remove .*run"):
        filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    assert len(RunFolder(tmp_path / "run").steps()) == 2


@pytest.mark.parametrize("tail", [b'{"step": 5, "lo', b"\0" * 300, b"\xff\xfe"])
def test_a_log_cut_within_a_line_goes_on(
    world: Any, saving: Plan, tmp_path: Path, tail: bytes
) -> None:
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=saving)
    wanted = losses(run)
    forget_last_step(run)
    with (run / "log.jsonl").open("ab") as log:
        log.write(tail)
    filbert.pretrain(world.shards, run, plan=saving)
    assert losses(run) == wanted


def test_a_run_may_be_moved_and_renamed_between_two_calls(
    world: Any, saving: Plan, tmp_path: Path
) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    wanted = losses(tmp_path / "run"), weights(tmp_path / "run")
    forget_last_step(tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "run").rename(tmp_path / "elsewhere" / "other")
    filbert.pretrain(world.shards, moved, plan=saving)
    assert (losses(moved), weights(moved)) == wanted


def test_another_run_in_its_place_is_not_written_into(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.alone():
        run.claim({"kind": "one"})
        run.place(1)
        run.path.rename(tmp_path / "moved")
        RunFolder(tmp_path / "run").claim({"kind": "other"})
        with pytest.raises(FilbertError, match="run: was moved or removed while the run"):
            run.place(1)


def test_only_one_claims_a_folder(tmp_path: Path) -> None:
    """From its claim on, not from its first step on: what it claimed stays."""
    run, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with run.alone():
        run.claim({"kind": "first"})
        with pytest.raises(SettingsError, match="another process is training there"):
            other.claim({"kind": "second"})
        assert run.read()["kind"] == "first"
    other.claim({"kind": "second"})
    assert run.read()["kind"] == "second"


def test_what_a_killed_writer_left_goes_whoever_has_its_number_now(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim({"kind": "one"})
    left = [f".tmp-{number}-{name}" for number in (1, 2**22) for name in ("run.json", "best")]
    for name in left:
        (run.path / name).symlink_to("step-00000001")
    (run.path / ".tmp-1-step-00000002" / "optimizer").mkdir(parents=True)
    run.claim({"kind": "one"})
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", "run.json"]


def test_a_checkpoint_that_was_set_aside_to_be_replaced_comes_back(
    world: Any, saving: Plan, tmp_path: Path
) -> None:
    """A kill between the two renames of a replacement, of a run's only checkpoint."""
    run, one = tmp_path / "run", replace(saving, train=replace(saving.train, keep_folders=1))
    filbert.pretrain(world.shards, run, plan=one)
    wanted = losses(run), weights(run)
    (step,) = RunFolder(run).steps()
    step.path.rename(run / ".tmp-old-1-step-00000004")
    filbert.pretrain(world.shards, run, plan=one)
    assert (losses(run), weights(run)) == wanted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of its own with options such as size=4m; skips where that is not allowed."""
    place = tmp_path / "disk"

    def mount(options: str) -> Path:
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no right to mount a disk here")
        return place

    yield mount
    while place.is_mount():
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_a_disk_that_is_full_at_any_moment(
    world: Any, saving: Plan, tmp_path: Path, disk: Callable[[str], Path]
) -> None:
    """Room for a piece more of the run each time: an error by name, no bad Folder, the same end."""
    filbert.pretrain(world.shards, tmp_path / "whole", plan=saving)
    place = disk("size=64k")
    run, said = place / "run", list[str]()
    for kilobytes in range(64, 4000, 150):
        remount(place, f"size={kilobytes}k")
        try:
            filbert.pretrain(world.shards, run, plan=saving)
        except FilbertError as error:
            said.append(str(error))
        else:
            break
        for folder in RunFolder(run).steps():
            assert folder.verify() > 0
    assert len(said) >= 3
    assert all(str(run) in each and "No space left" in each for each in said)
    assert (losses(run), weights(run)) == (losses(tmp_path / "whole"), weights(tmp_path / "whole"))
    assert not list(run.rglob(".tmp-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_a_disk_that_can_only_be_read(
    world: Any, saving: Plan, disk: Callable[[str], Path]
) -> None:
    place = disk("size=64m")
    filbert.pretrain(world.shards, place / "run", plan=saving)
    wanted = losses(place / "run")
    forget_last_step(place / "run")
    remount(place, "ro")
    for run in (place / "run", place / "new"):
        with pytest.raises(FilbertError, match=f"{run} could not be written: Read-only file"):
            filbert.pretrain(world.shards, run, plan=saving)
    remount(place, "rw")
    filbert.pretrain(world.shards, place / "run", plan=saving)
    assert losses(place / "run") == wanted


def test_a_file_in_the_runs_place_is_refused(world: Any, saving: Plan, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(SettingsError, match="holds something that is no run"):
        filbert.pretrain(world.shards, tmp_path / "run", plan=saving)
    assert (tmp_path / "run").read_text() == "mine"
