"""How fast the reading goes."""

import time

from filbert.progress import Stage


class Rate:
    """Documents and megabytes a second, of this run alone."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bytes = self._documents = 0
        self._start = time.monotonic()

    def show(self, size: int, documents: int) -> None:
        """Add a finished part."""
        self._bytes += size
        self._documents += documents
        seconds = max(1e-6, time.monotonic() - self._start)
        figures = {
            "documents": self._documents,
            "documents/s": self._documents / seconds,
            "MB/s": self._bytes / 1e6 / seconds,
        }
        self._stage.update(self._bytes, figures)
