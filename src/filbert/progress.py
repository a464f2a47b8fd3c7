"""One protocol for progress and run logs; three ways to show it.

All text that comes from data goes through `printable`: a terminal obeys control characters, and a
file name or a token must not be able to command it. rich's markup is off for the same reason:
`[unused1]` is a token, not a style.
"""

import contextlib
import sys
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

Figures = Mapping[str, float | int | str]

COLUMNS = 80
"""No line that we break ourselves is longer."""

# Marks that reorder or hide what stands around them on the line (Unicode TR 9 and 36).
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: control characters become escapes."""
    return "".join(
        character
        if character in "\n\t"
        or not (unicodedata.category(character) in ("Cc", "Cs") or character in _REORDERING)
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


class Stage(Protocol):
    """One piece of work under way."""

    def update(self, done: float, figures: Figures | None = None) -> None:
        """Say how much is done, in the stage's unit, and the figures of the moment."""


class Progress(Protocol):
    """Where long work reports to."""

    def stage(
        self, what: str, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Stage]:
        """Begin a piece of work of `total` units (None: unknown)."""

    def note(self, text: str) -> None:
        """Say one line."""


def show_figures(figures: Figures | None) -> str:
    """Figures as one short text: `loss 3.12 · 12,345 tokens/s`."""
    return " · ".join(_shown(figures))


def _shown(figures: Figures | None) -> list[str]:
    parts = []
    for name, value in (figures or {}).items():
        if isinstance(value, float):
            value = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        elif isinstance(value, int):
            value = f"{value:,}"
        parts.append(printable(f"{value} {name}" if "/" in name else f"{name} {value}"))
    return parts


def show_count(count: float) -> str:
    """A large count in at most five characters: 999, 12.3k, 1.23M, 45.6G."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:#.3g}".rstrip(".") + letter
    return f"{count:.0f}"


def show_share(share: float) -> str:
    """A share of 1 in percent, in at most five characters: 0 %, 6.3 %, 41 %."""
    percent = 100 * share
    return f"{percent:.{1 if 0 < percent < 9.95 else 0}f} %"


def _lines(parts: Sequence[str], columns: int) -> list[str]:
    """Parts on as few lines as hold them without cutting one."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 3 <= columns:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return lines


def show_seconds(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 3:04:05."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Quiet:
    @contextlib.contextmanager
    def stage(self, what: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        yield self

    def update(self, done: float, figures: Figures | None = None) -> None:
        return

    def note(self, text: str) -> None:
        return


class _PlainStage:
    def __init__(self, stream: TextIO, what: str, total: float | None, unit: str, every: float):
        self._stream, self._what, self._total, self._unit = stream, what, total, unit
        self._every = every
        self._start = time.monotonic()
        self._next = self._start + every
        self._first: tuple[float, float] | None = None
        self.last: tuple[float, Figures | None] = (0, None)

    def update(self, done: float, figures: Figures | None = None) -> None:
        self.last = (done, figures)
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        if now >= self._next:
            self._next = now + self._every
            self.show()

    def show(self) -> None:
        done, figures = self.last
        elapsed = time.monotonic() - self._start
        amount = f"{done:,.0f}" + (f"/{self._total:,.0f}" if self._total else "") + f" {self._unit}"
        times = [f"{show_seconds(elapsed)} elapsed"]
        if self._total and done:
            times.append(f"ETA {show_seconds(self._seconds_left(done))}")
        head = f"{printable(self._what)}: {amount.strip()}"
        shown = _shown(figures)
        whole = " · ".join([head, *shown, *times])
        lines = [whole]
        if len(whole) > COLUMNS:
            indented = [f"  {line}" for line in _lines(shown, COLUMNS - 2)]
            lines = [" · ".join([head, *times]), *indented]
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()

    def _seconds_left(self, done: float) -> float:
        """By the speed since the first update: what went on from before was not done just now."""
        assert self._total is not None
        start, begun = self._start, 0.0
        if self._first is not None and done > self._first[1]:
            start, begun = self._first
        return (time.monotonic() - start) * (self._total - done) / (done - begun)


class _Plain:
    def __init__(self, stream: TextIO, every: float):
        self._stream, self._every = stream, every

    @contextlib.contextmanager
    def stage(self, what: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        stage = _PlainStage(self._stream, what, total, unit, self._every)
        yield stage
        stage.show()

    def note(self, text: str) -> None:
        self._stream.write(printable(text) + "\n")
        self._stream.flush()


class _RichStage:
    def __init__(self, bars: "RichProgress", task: "TaskID", columns: int):
        self._bars, self._task, self._columns = bars, task, columns

    def update(self, done: float, figures: Figures | None = None) -> None:
        lines = _lines(_shown(figures), self._columns)
        self._bars.update(self._task, completed=done, figures="\n".join(lines))


class _Rich:
    def __init__(self, stream: TextIO):
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)

    @contextlib.contextmanager
    def stage(self, what: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        from rich.console import RenderableType
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining
        from rich.text import Text

        class TwoLines(Progress):
            """The bar on one line and the figures below it, where they have room."""

            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                for task in self.tasks:
                    if figures := task.fields["figures"]:
                        yield Text(figures, no_wrap=True, overflow="ellipsis")

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TimeElapsedColumn(),
            TextColumn("ETA", markup=False),
            Remaining(),
        )
        with TwoLines(*columns, console=self._console, refresh_per_second=4) as bars:
            task = bars.add_task(printable(what), total=total, figures="")
            yield _RichStage(bars, task, self._console.width)

    def note(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False)


def quiet() -> Progress:
    """Say nothing."""
    return _Quiet()


def plain(stream: TextIO | None = None, every_seconds: float = 10.0) -> Progress:
    """Plain lines, for logs: one every few seconds and one at the end of each stage."""
    return _Plain(stream or sys.stderr, every_seconds)


def rich(stream: TextIO | None = None) -> Progress:
    """A live line with a bar, rate and time left, for a terminal."""
    return _Rich(stream or sys.stderr)


def choose(stream: TextIO | None = None) -> Progress:
    """`rich` on a terminal, `plain` elsewhere."""
    stream = stream or sys.stderr
    return rich(stream) if stream.isatty() else plain(stream)
