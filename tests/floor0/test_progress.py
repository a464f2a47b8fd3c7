"""What a terminal gets to see."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.progress import (
    plain,
    printable,
    quiet,
    rich,
    show_count,
    show_figures,
    show_seconds,
    show_share,
)


@given(st.text())
def test_printable_leaves_no_control_character(text: str) -> None:
    shown = printable(text)
    assert not any(
        (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u202e\u2066"
        for c in shown
    )


def test_ordinary_text_stays_as_it_is() -> None:
    assert printable("我喜欢编程 [unused1] naïve 🌰\n") == "我喜欢编程 [unused1] naïve 🌰\n"


@pytest.mark.parametrize("make", [plain, rich])
def test_markup_and_escapes_in_data_stay_data(make: object) -> None:
    stream = io.StringIO()
    progress = make(stream)  # type: ignore[operator]
    progress.note("[unused1] [red]x[/red] :bomb: \x1b[31m")
    with progress.stage("read [bold]a[/bold]\x07", 2, "rows") as stage:
        stage.update(2, {"loss": 1.5, "tokens/s": 12345.0, "label": "[unused2]"})
    text = stream.getvalue()
    assert "[unused1] [red]x[/red] :bomb: \\x1b[31m" in text
    assert "[bold]a[/bold]\\x07" in text
    assert "\x07" not in text
    assert "\x1b[31m" not in text


def test_plain_lines_have_amount_rate_and_end() -> None:
    stream = io.StringIO()
    with plain(stream, every_seconds=0).stage("training", 10, "steps") as stage:
        stage.update(5, {"loss": 2.25, "tokens/s": 1000.0})
    assert "training: 5/10 steps · loss 2.25 · 1,000 tokens/s" in stream.getvalue()
    assert "ETA" in stream.getvalue()


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet().stage("x") as stage:
        stage.update(1, {"a": 1})
    quiet().note("x")
    assert capsys.readouterr() == ("", "")


def test_figures_and_seconds_read_well() -> None:
    assert show_figures({"loss": 0.123456, "steps": 12345}) == "loss 0.1235 · steps 12,345"
    assert [show_seconds(s) for s in (7, 750, 11045)] == ["0:07", "12:30", "3:04:05"]


def test_a_long_line_is_broken_between_figures() -> None:
    stream = io.StringIO()
    figures = {f"figure{number}": 0.5 for number in range(12)}
    with plain(stream, every_seconds=0).stage("training", 10, "steps") as stage:
        stage.update(5, figures)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("training: 5/10 steps · ")
    assert all(line.startswith("  figure") for line in lines[1:3])
    assert all(f"figure{number} 0.5" in stream.getvalue() for number in range(12))


def test_the_time_left_counts_from_where_the_work_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *(at for at in (0.0, 20.0) for _ in range(3)), *[20.0] * 9])
    monkeypatch.setattr("filbert.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    with plain(stream, every_seconds=15).stage("training", 1000, "steps") as stage:
        stage.update(900)  # of before
        stage.update(905)
        stage.update(910)
    assert "ETA 3:00" in stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (999, "999"), (999.6, "1.00k"), (1234, "1.23k"), (12_345, "12.3k"),
     (999_499, "999k"), (999_999, "1.00M"), (45_600_000_000, "45.6G"), (3e12, "3.00T")],
)  # fmt: skip
def test_counts_in_five_characters(count: float, said: str) -> None:
    assert show_count(count) == said


def test_shares_in_five_characters() -> None:
    assert [show_share(s) for s in (0, 0.0634, 0.0996, 0.41, 1)] == [
        "0 %", "6.3 %", "10 %", "41 %", "100 %"
    ]  # fmt: skip
