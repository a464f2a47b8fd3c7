"""What can be wrong with a file before its content is looked at."""

from dataclasses import dataclass

from filbert.errors import DataError


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a compressed file may be followed.

    Attributes:
        ratio: more bytes out of one byte than this are a bomb (gzip can reach 1,032, text 3 to 10).
        free_bytes: a file that gives no more than this is never called a bomb.
        window_bytes: the most memory that a zstd frame may ask for (zstd's own default).
    """

    ratio: int = 1000
    free_bytes: int = 64 << 20
    window_bytes: int = 128 << 20


class _Trouble(DataError):
    """Names the file in its message; `reason` is the message without it."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason

    def __reduce__(self) -> tuple[type["_Trouble"], tuple[str, str]]:
        """Errors travel between processes, and would be made from their message alone."""
        return type(self), (self.address, self.reason)


class Truncated(_Trouble):
    """A compressed file is cut short, or damaged, from some byte on; all before it came out."""


class Bomb(_Trouble):
    """A compressed file gives, or asks for, far more memory than its size can honestly need."""


class Unreachable(_Trouble):
    """A file or an address cannot be opened or read now; nothing is said about its content."""
