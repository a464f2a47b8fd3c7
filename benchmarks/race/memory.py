"""The memory of a process and of all below it, by /proc: what they take together, at most."""

import threading
from collections.abc import Iterator
from pathlib import Path


def processes(root: int) -> Iterator[int]:
    """A process and all below it."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            waiting += map(int, path.read_text(encoding="ascii").split())


def memory_of(root: int) -> dict[str, int]:
    """Pss and Rss of a tree of processes, in bytes."""
    total = {"Pss": 0, "Rss": 0, "processes": 0}
    for process in processes(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # it has just ended
        total["processes"] += 1
        for line in lines:
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0]) << 10
    return total


class Watch(threading.Thread):
    """Looks at the memory of a tree of processes until told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.peak = {"Pss": 0, "Rss": 0, "processes": 0}
        self._over = threading.Event()

    def run(self) -> None:
        """Look four times a second."""
        while not self._over.wait(0.25):
            try:
                now = memory_of(self.root)
            except OSError:
                continue
            self.peak = {name: max(size, now[name]) for name, size in self.peak.items()}

    def stop(self) -> dict[str, int]:
        """The most that was seen."""
        self._over.set()
        self.join()
        return self.peak
