"""A file of answers, stopped or killed at any moment, goes on to the same bytes."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from filbert.engine import PredictedFile, Predictor, predict_file
from filbert.engine.drafts import Draft
from filbert.errors import DataError, FilbertError, SettingsError
from filbert.progress import Figures, Stage


@pytest.fixture
def classifier(models: dict[str, Predictor]) -> Predictor:
    return models["classify"]


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)
    return path


class Stops:
    """Progress that stops the work, as Ctrl-C does, when a number of examples is answered."""

    def __init__(self, after: int, stop: Callable[[], None] | None = None):
        self.after, self.stop = after, stop
        self.notes: list[str] = []

    @contextmanager
    def stage(self, what: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        yield self

    def update(self, done: float, figures: Figures | None = None) -> None:
        if figures and int(figures["examples"]) >= self.after:
            if self.stop:
                self.stop()
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


ROWS = [[f"{'a b 好 ' * (n % 4)}{'cdefgh'[n % 6]}", f"n,{n}\n"] for n in range(17)]


def table_of(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    if path.suffix == ".jsonl":
        lines = [json.dumps({"text": row[0], "n": row[1]}, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path
    return write_csv(path, [["text", "n"], *rows])


def run(model: Predictor, file: Path, out: Path, **others: Any) -> PredictedFile:
    return predict_file(model, file, out, chunk_examples=5, **others)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.jsonl.gz", "out.csv.gz"])
def test_stopped_anywhere_it_goes_on_to_the_same_bytes(
    name: str, classifier: Predictor, tmp_path: Path
) -> None:
    kind = name.removesuffix(".gz").removeprefix("out")
    file = table_of(tmp_path / f"in{kind}", ROWS)
    run(classifier, file, tmp_path / f"whole-{name}")
    wanted = (tmp_path / f"whole-{name}").read_bytes()
    for after in range(1, len(ROWS) + 1, 1 if name == "out.csv" else 7):
        out = tmp_path / f"{after}" / name
        with pytest.raises(KeyboardInterrupt):
            run(classifier, file, out, progress=Stops(after))
        draft = out.with_name(f"{name}.part")
        counted = 0
        if draft.exists():
            said = json.loads(out.with_name(f"{name}.part.json").read_text())
            counted = said["examples"]
            # A kill in the middle of a write leaves a part of it behind what counts.
            assert draft.stat().st_size >= said["bytes"]
            with draft.open("ab") as file_of_draft:
                file_of_draft.write(b'"half a line, \xe4\xb8'[: after % 17])
        assert after - 10 < counted <= after
        done = run(classifier, file, out)
        assert (done.resumed_at, done.examples) == (counted, len(ROWS))
        assert out.read_bytes() == wanted
        assert [path.name for path in out.parent.iterdir()] == [name]


def test_killed_it_goes_on_to_the_same_bytes(classifier: Predictor, tmp_path: Path) -> None:
    file = table_of(tmp_path / "in.csv", ROWS)
    run(classifier, file, tmp_path / "whole.csv")
    program = (
        "import os, signal, sys\n"
        "from filbert import open_model, predict_file\n"
        "from filbert.progress import plain\n"
        "class Kills:\n"
        "    def write(self, text):\n"
        "        if 'examples 10' in text: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    def flush(self): pass\n"
        "predict_file(open_model(sys.argv[1], device='cpu'), sys.argv[2], sys.argv[3],\n"
        "             chunk_examples=5, progress=plain(Kills(), 0))\n"
    )
    out = tmp_path / "out.csv"
    words = [str(classifier.folder.path), str(file), str(out)]
    done = subprocess.run([sys.executable, "-c", program, *words], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    again = run(classifier, file, out)
    assert again.resumed_at in (5, 10)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def stopped(model: Predictor, file: Path, out: Path, **others: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(model, file, out, progress=Stops(12), **others)
    assert json.loads(Path(f"{out}.part.json").read_text())["examples"] == 10


def test_a_file_that_grew_or_was_mended_further_down_goes_on(
    classifier: Predictor, tmp_path: Path
) -> None:
    file = table_of(tmp_path / "in.csv", ROWS)
    stopped(classifier, file, tmp_path / "out.csv")
    more = [*ROWS[:13], ["mended b", "x"], *ROWS[14:], *ROWS, ["grown 书", "y"]]
    run(classifier, table_of(file, more), tmp_path / "out.csv")
    run(classifier, file, tmp_path / "whole.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    # Also where all was answered but the end had not been said: the last chunk is made anew.
    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(classifier, table_of(file, ROWS[:13]), tmp_path / "b" / "o.csv", progress=Stops(13))
    run(classifier, table_of(file, more), tmp_path / "b" / "o.csv")
    assert (tmp_path / "b" / "o.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_ragged_row_is_mended_and_the_call_goes_on(
    classifier: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*ROWS[:12], ["ragged"], *ROWS[13:]]
    file, out = table_of(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    # Each row before it is two lines long: a newline stands in its last cell.
    with pytest.raises(DataError, match=r"in\.csv:26: expected 2 columns, got 1"):
        run(classifier, file, out)
    assert "out.csv.part keeps the answers to 10 examples; the same call goes on" in caplog.text
    assert run(classifier, table_of(file, ROWS), out).resumed_at == 10
    run(classifier, file, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_what_differs_is_named(
    classifier: Predictor, models: dict[str, Predictor], tmp_path: Path
) -> None:
    file, out = table_of(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    stopped(classifier, file, out)
    kept = Path(f"{out}.part").read_bytes()
    options = [
        (classifier, {"long": "truncate"}, "long was 'windows', is 'truncate'"),
        (classifier, {"overlap_tokens": 2}, "overlap_tokens was 0, is 2"),
        (classifier, {"columns": {"text": "n"}}, r"columns was \{\}, is \{'text': 'n'\}"),
        (classifier, {"columns": {"text": "n"}}, "place of text was \"column 'text'\""),
        (models["another"], {}, "the model was [0-9a-f]{12}… then, is [0-9a-f]{12}… now"),
        (models["embed"], {}, "a model for classify then, for embed now"),
    ]
    for model, said, message in options:
        with pytest.raises(SettingsError, match=rf"out\.csv\.part was begun.*{message}.*remove"):
            run(model, file, out, **said)
    first = [["another text", "n"], *ROWS[1:]]
    for rows in (first, ROWS[:7], [ROWS[1], ROWS[0], *ROWS[2:]]):
        table_of(file, rows)
        with pytest.raises(DataError, match=r"its first 10 examples are not those .*remove"):
            run(classifier, file, out)
    write_csv(file, [["text", "renamed"], *ROWS])
    with pytest.raises(DataError, match=r"its first 10 examples are not those"):
        run(classifier, file, out)
    table_of(file, ROWS)
    assert Path(f"{out}.part").read_bytes() == kept
    os.truncate(f"{out}.part", 20)
    with pytest.raises(SettingsError, match=r"out\.csv\.part: expected at least .* bytes.* got 20"):
        run(classifier, file, out)
    # What every message says: without OUT.part it begins anew.
    Path(f"{out}.part").unlink()
    assert run(classifier, file, out).resumed_at == 0


def test_two_at_once_do_not_mix(classifier: Predictor, tmp_path: Path) -> None:
    file, out = table_of(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    stopped(classifier, file, out)
    with Draft(out), pytest.raises(SettingsError, match="another filbert is working on it"):
        run(classifier, file, out)
    assert run(classifier, file, out).resumed_at == 10


def test_a_full_disk_loses_nothing(classifier: Predictor, tmp_path: Path) -> None:
    file, out = table_of(tmp_path / "in.csv", ROWS * 5), tmp_path / "out.csv"
    run(classifier, file, tmp_path / "whole.csv")
    wanted = (tmp_path / "whole.csv").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(wanted) * 3 // 4, hard))
    try:
        with pytest.raises(
            FilbertError, match=r"out\.csv\.part could not be written: File too lar"
        ):
            run(classifier, file, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not out.exists()
    assert run(classifier, file, out).resumed_at > 0
    assert out.read_bytes() == wanted


def test_what_is_long_is_said_once_and_counted_over_all_calls(
    classifier: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [["a " * 40, "x"] if n % 2 else ["b", "y"] for n in range(20)]
    file, out = table_of(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    stopped(classifier, file, out, long="truncate")
    assert caplog.text == ""
    done = run(classifier, file, out, long="truncate")
    assert (done.tokens_cut, done.resumed_at) == (10 * (40 + 2 - 24), 10)
    assert [record.message for record in caplog.records] == [
        "90 tokens were cut from texts longer than 24 tokens"
    ]
    caplog.clear()
    run(classifier, file, tmp_path / "windows.csv")
    assert [record.message for record in caplog.records] == [
        "10 of 20 texts are longer than 24 tokens: each is read as several windows"
    ]


def test_the_columns_that_were_found_are_said(classifier: Predictor, tmp_path: Path) -> None:
    file = table_of(tmp_path / "in.csv", ROWS)
    progress = Stops(1000)
    run(classifier, file, tmp_path / "out.csv", progress=progress)
    (tmp_path / "in.tsv").write_text("a\t好 书\nb\t中\n", encoding="utf-8")
    run(classifier, tmp_path / "in.tsv", tmp_path / "out.tsv", progress=progress)
    assert progress.notes[0] == f"{file}: text from column 'text'"
    assert "text from column 1, pair from column 2; there is no head line" in progress.notes[1]


def test_memory_stays_bounded(classifier: Predictor, tmp_path: Path) -> None:
    peaks = []
    for count in (100, 1_000):
        file, out = tmp_path / f"{count}.jsonl", tmp_path / f"out-{count}.jsonl"
        lines = ({"text": "abcdefgh"[n % 8], "more": f"{n:04}" * 1000} for n in range(count))
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        tracemalloc.start()
        done = predict_file(classifier, file, out, chunk_examples=20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert done.examples == count
    assert peaks[1] < 1.5 * peaks[0]
