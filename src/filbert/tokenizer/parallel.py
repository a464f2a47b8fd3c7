"""Threads of `tokenizers` in a process that forks.

The library encodes batches on a pool of threads. A forked child has none of them: its first batch
would wait for ever, so the library prints a warning and goes on with one thread, unless the
environment says what to do. This says it, once: all cores here, one thread in forked children.
"""

import functools
import os

_VARIABLE = "TOKENIZERS_PARALLELISM"


@functools.cache
def settle_forks() -> None:
    """Choose threads here and none in forked children; a choice of the user's stays."""
    os.environ.setdefault(_VARIABLE, "true")
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_single_thread)


def _single_thread() -> None:
    os.environ[_VARIABLE] = "false"
