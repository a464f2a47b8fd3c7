"""The lines of one text, as many as memory allows."""

from dataclasses import dataclass, field

from filbert.files.found import Problem

MOST_CHARACTERS = 64 << 20
MOST_LINES = 1 << 20
"""A string takes some 60 bytes, be it ever so short."""


@dataclass(slots=True)
class Block:
    """Lines that belong together; more than is allowed are counted and not held."""

    lines: list[str] = field(default_factory=list)
    place: str = ""
    characters: int = 0
    count: int = 0

    def add(self, line: str, place: str) -> None:
        """One more line; the first says where the block is."""
        self.place = self.place or place
        self.characters += len(line) + 1
        self.count += 1
        if self.is_too_large:
            self.lines.clear()
        else:
            self.lines.append(line)

    @property
    def is_too_large(self) -> bool:
        """Whether lines were dropped."""
        return self.characters > MOST_CHARACTERS or self.count > MOST_LINES

    def problem(self, what: str) -> Problem:
        """That it is too large."""
        said = (
            f"expected {what} of at most {MOST_CHARACTERS:,} characters and {MOST_LINES:,} lines, "
            f"got {self.characters:,} in {self.count:,}"
        )
        return Problem("too large", self.place, said)
