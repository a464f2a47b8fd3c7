"""Options of every benchmark, and the environment in which all contestants run alike."""

import argparse
import logging
import os
import sys
import warnings
from typing import NoReturn


def parser(description: str, *, seconds: float) -> argparse.ArgumentParser:
    """A parser with --rounds, --seconds and --threads."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--rounds", type=_at_least_one, default=3, help="rounds A B A B …")
    made.add_argument("--seconds", type=float, default=seconds, help="of each measurement")
    made.add_argument(
        "--threads", type=_at_least_one, default=cores(), help="of every contestant alike"
    )
    return made


def skip(why: str) -> NoReturn:
    """Say why there is nothing to measure, and end without an error: the other benchmarks go on."""
    print(f"skipped: {why}")
    sys.exit(0)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare(threads: int) -> None:
    """Equal threads for all, no network, no chatter; to be called before anything heavy is loaded.

    Ends the run where torch is not installed.
    """
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "true",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),  # the pool of `tokenizers`
    }
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    # Said once a loader by torch where there is no GPU; it changes nothing.
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    try:
        import torch
    except ImportError:
        skip("torch is not installed (pip install 'filbert[bench]')")
    torch.set_num_threads(threads)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number
