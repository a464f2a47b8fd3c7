"""Optimizers and averages where each rank has a part of the weights: as if one had them all."""

import subprocess
import sys
from pathlib import Path

RANKS = 3
"""More than some weights have rows: so one rank's part of them is empty."""


def test_parts_of_the_weights_learn_and_are_kept_as_the_whole_would(tmp_path: Path) -> None:
    """All optimizers and averages, saved and loaded on the way; see spread_rank.py."""
    script = str(Path(__file__).with_name("spread_rank.py"))
    ranks = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(RANKS), str(tmp_path / "meeting")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(RANKS)
    ]
    said = [process.communicate(timeout=600)[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0] * RANKS, "\n".join(said)
