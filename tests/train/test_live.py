"""The live line of a run."""

import io
import re

import pytest

from filbert.progress import plain, rich, show_figures
from filbert.train import Stepped
from filbert.train.live import live_figures


def stepped(**figures: float) -> Stepped:
    return Stepped(7, 0.1, 10.372, 1e-3, 2.5, 1_234_567_890, 8192, 60.0, 123_456.7, 0.1, figures)


def test_what_a_person_watches() -> None:
    step = stepped(masked_accuracy=0.413, masked_loss=2.1, roof_share=0.338)
    shown = show_figures(live_figures(step))
    assert shown == ("loss 10.37 · masked 41 % · tokens 1.23G at 123k/s · roof 34 % · padding 0")


def test_what_is_not_known_is_not_said() -> None:
    assert show_figures(live_figures(stepped(roof_share=0.0))) == (
        "loss 10.37 · tokens 1.23G at 123k/s · padding 0"
    )


@pytest.mark.parametrize(
    "figures",
    [
        {"masked_accuracy": 0.0634, "roof_share": 0.999},
        {"masked_accuracy": 0.999, "pairs_accuracy": 0.0876, "roof_share": 0.45},
        {"labels_accuracy": 0.5},
    ],
)
def test_no_line_is_longer_than_80_columns(figures: dict[str, float]) -> None:
    step = stepped(**figures)
    stream = io.StringIO()
    with plain(stream, every_seconds=0).stage("pre-training quickstart", 1e6, "steps") as stage:
        stage.update(123_456, live_figures(step))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "123,456/1,000,000 steps" in lines[0]
    assert "ETA" in lines[0]
    said = " · ".join(line.strip() for line in lines[1:])
    assert said.startswith(show_figures(live_figures(step)))


@pytest.mark.parametrize("columns", [80, 200])
def test_the_live_line_fits_its_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    figures = live_figures(stepped(masked_accuracy=0.0634, pairs_accuracy=0.5, roof_share=0.5))
    with rich(stream).stage("pre-training quickstart", 100, "steps") as stage:
        stage.update(50, figures)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n")
    lines = [line.rstrip() for line in text.split("\n")]
    assert max(map(len, lines)) <= columns
    whole = " ".join(lines)
    # Nothing is cut: every figure is there, also those on another line.
    assert all(part in whole for part in show_figures(figures).split(" · "))
    assert "50 %" in whole
