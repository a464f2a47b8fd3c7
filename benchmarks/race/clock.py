"""A clock that stands still while somebody scores."""

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Seconds of training since `start`, without what was stopped."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._begun: float | None = None
        self._stopped = 0.0

    def start(self) -> None:
        """Begin; once started it goes on."""
        if self._begun is None:
            self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of training so far; 0 before the start."""
        if self._begun is None:
            return 0.0
        return time.perf_counter() - self._begun - self._stopped

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """What is done inside takes no time; before the start there is nothing to stop."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self._begun is not None:
                self._stopped += time.perf_counter() - max(start, self._begun)
