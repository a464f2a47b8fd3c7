"""Memory: how many workers fit under a limit, and what keeps each of them small."""

import ctypes
import os
import sys
from contextlib import suppress

from filbert.corpus.libraries import arrow_libraries
from filbert.errors import SettingsError

LEAST_BYTES = 1 << 29
DRIVER_BYTES = 220 << 20
"""What the process that hands out the work needs, libraries included (measured: 160 MB)."""
WORKER_BYTES = 330 << 20
"""What a worker needs, libraries and the models of all languages included (measured: 250 MB)."""
_ARENAS = 2
_M_ARENA_MAX = -8


def cores() -> int:
    """The cores that this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_for(memory_bytes: int, wanted: int | None, *, bounded: bool = True) -> int:
    """As many workers as there are cores, or as are wanted, and (bounded) fit into the memory.

    One worker works in the driver itself. Raises SettingsError for less memory than that takes.
    """
    if memory_bytes < LEAST_BYTES:
        raise SettingsError(
            f"memory: expected {LEAST_BYTES >> 20} MB or more, got {memory_bytes >> 20} MB"
        )
    if wanted is not None and wanted < 1:
        raise SettingsError(f"workers: expected 1 or more, got {wanted}")
    fitting = (memory_bytes - DRIVER_BYTES) // WORKER_BYTES
    return max(1, min(wanted or cores(), fitting)) if bounded else wanted or cores()


def keep_small() -> None:
    """Let this process give back what it frees: few arenas, the system's own allocator for Arrow.

    By default glibc keeps an arena of 64 MB for every thread, and Arrow a pool of its own.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    pa, _, _ = arrow_libraries()
    pa.set_memory_pool(pa.system_memory_pool())


def give_back_memory() -> None:
    """Return what is free to the system."""
    pa = sys.modules.get("pyarrow")
    if pa is not None:
        pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
