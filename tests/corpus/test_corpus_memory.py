"""The memory of all processes together stays under the limit, whatever the size of the text."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 1_000_000_000
ENGLISH = (
    "the of and to in a is that it was on are as with by from this have which had not river town "
    "mill house street bridge market school king winter summer wheat boat stone letter garden"
).split()
CHINESE = list(
    "的了在是有和这那河镇磨坊房街桥市场学校王冬夏麦船石信园天地人水火山木金土春秋日月年。，"
)


def processes(root: int) -> list[int]:
    """A process and all below it."""
    found = [root]
    for process in found:
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, path.read_text(encoding="ascii").split())
            except OSError:
                continue  # it has just ended
    return found


def pss_of(root: int) -> int:
    """What the processes take together, in bytes; a page that some share counts once."""
    total = 0
    for process in processes(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux' /proc")
def test_two_workers_stay_under_one_gigabyte(tmp_path):
    """Eight megabytes in parts of one, with a text of a million characters among them."""
    chance = random.Random(1)
    with (tmp_path / "text.txt").open("w", encoding="utf-8") as file:
        for n in range(1_000):
            words = chance.choices(ENGLISH, k=700 if n else 250_000)
            file.write(" ".join(words).replace(" the ", ". The ") + "\n\n")
            file.write("".join(chance.choices(CHINESE, k=1_500)) + "\n\n")
    command = [sys.executable, "-m", "filbert", "corpus", "text.txt", "--out", "out", "--quiet"]
    command += ["--split", "blank", "--set", "part_bytes=1000000"]
    command += ["--memory", "1GB", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    peak = 0
    while process.poll() is None:
        peak = max(peak, pss_of(process.pid))
    assert process.returncode == 0
    assert 100_000_000 < peak < LIMIT, f"{peak:,} bytes"
