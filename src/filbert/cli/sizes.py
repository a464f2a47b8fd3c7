"""Sizes as people write them."""

import re

from filbert.errors import SettingsError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_LEAST_BYTES = 10**9


def size_of(text: str) -> int:
    """The value of --memory (1GB, 1.5GB, 2G) in bytes. Raises SettingsError for another."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", text.strip().upper())
    if found is None:
        raise SettingsError(f"--memory: expected a size such as 1GB or 1500MB, got {text!r:.40}")
    value = int(float(found[1]) * _UNITS[found[2]])
    if value < _LEAST_BYTES:
        raise SettingsError(f"--memory: expected 1GB or more, got {text!r:.40}")
    return value
