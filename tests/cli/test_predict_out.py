"""filbert predict with --out: a file of any size, as a person meets it."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from filbert.checkpoint import model_tensors, save
from filbert.cli.main import main
from filbert.encoder import Encoder, Shape
from filbert.engine import open_model, predict_file
from filbert.heads import build_model
from filbert.tasks import Classify
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "好", "书"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    shape = Shape(1, 16, 2, 32, len(TOKENS), 32)
    task = Classify(labels=("x", "y"), max_tokens=24)
    place = tmp_path_factory.mktemp("cli") / "classifier"
    tensors = model_tensors(build_model(Encoder(shape), task))
    return save(place, tensors, shape=shape, task=task, tokenizer=Tokenizer(TOKENS)).path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run("predict", …, stdin=b"…") → exit code, output and errors; in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


def test_a_table_gets_its_answers(run: Run, classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,Review\n1,"a, b\n好"\n2,c\n', encoding="utf-8")
    code, out, err = run("predict", classifier, "in.csv", "--out", "new/out.csv")
    assert (code, out) == (0, "")
    assert "in.csv: text from column 'Review'" in err
    assert err.splitlines()[-1] == "new/out.csv: 2 examples answered"
    with (tmp_path / "new" / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "Review", "predicted", "probability"]
    assert [row[:2] for row in rows[1:]] == [["1", "a, b\n好"], ["2", "c"]]
    # As without a file, and as from Python.
    code, out, _ = run("predict", classifier, "in.csv", "--json")
    printed = [json.loads(line)["answer"] for line in out.splitlines()]
    assert [(a["label"], a["probability"]) for a in printed] == [
        (r[2], float(r[3])) for r in rows[1:]
    ]
    code, out, err = run("predict", classifier, "in.csv", "--out", "out.jsonl", "--quiet")
    assert (code, out, err) == (0, "", "")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["answer"] for line in lines] == printed
    model = open_model(classifier, device="cpu")
    predict_file(model, tmp_path / "in.csv", tmp_path / "python.jsonl")
    assert (tmp_path / "python.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


def test_standard_input_to_a_file(run: Run, classifier: Path, tmp_path: Path) -> None:
    code, out, err = run(
        "predict", classifier, "--out", "out.tsv", stdin="\ufeffa b\r\n\n好,书\n".encode()
    )
    assert (code, out) == (0, ""), err
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "text\tpredicted\tprobability"
    assert [line.split("\t")[0] for line in lines[1:]] == ["a b", "好,书"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in.csv --out in.csv", "in.csv is there already"),
        ("in.csv --out out.xlsx", "out.xlsx: expected a name that ends with .csv, .tsv, .jsonl"),
        ("in.csv --out out.json", "out.json: expected a name that ends with .csv, .tsv, .jsonl"),
        ("in.csv --out out.csv --json", "--json is for standard output"),
        ("ragged.csv --out out.csv", "ragged.csv:3: expected 2 columns, got 1"),
        ("in.csv --out in.csv/out.csv", "in.csv"),
        ("nowhere.csv --out out.csv", "nowhere.csv: cannot be read"),
    ],
)
def test_errors_are_said_and_nothing_is_left(
    words: str, message: str, run: Run, classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("text\na\n")
    (tmp_path / "ragged.csv").write_text("text,n\na,1\nb\n")
    code, out, err = run("predict", classifier, *words.split())
    assert (code, out) == (1, "")
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "ragged.csv"]
    assert (tmp_path / "in.csv").read_text() == "text\na\n"


def test_ctrl_c_says_how_to_go_on(classifier: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("".join(f"{'abcdefgh'[n % 8]} 好 b\n" for n in range(20_000)), encoding="utf-8")
    command = [sys.executable, "-m", "filbert", "predict", str(classifier), "in.txt"]
    process = subprocess.Popen([*command, "--out", "out.csv"], stderr=subprocess.PIPE, cwd=tmp_path)
    description = tmp_path / "out.csv.part.json"
    answered = 0
    while process.poll() is None and not answered:
        if description.exists():
            answered = json.loads(description.read_bytes())["examples"]
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read().decode()
    assert process.wait(timeout=60) == 130, said
    assert "Traceback" not in said
    last = "stopped; what is answered stands in out.csv.part: the same command goes on from there"
    assert said.splitlines()[-1] == f"filbert: {last}"
    answered = json.loads(description.read_bytes())["examples"]
    assert answered >= 2048
    code, _, err = run("predict", classifier, "in.txt", "--out", "out.csv")
    assert code == 0
    assert err.splitlines()[-1] == (
        f"out.csv: 20,000 examples answered, {answered:,} of them by an earlier call"
    )
    run("predict", classifier, "in.txt", "--out", "whole.csv", "--quiet")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.txt", "out.csv", "whole.csv"]


def test_answers_are_printed_as_they_come(run: Run, classifier: Path, tmp_path: Path) -> None:
    """The last of three chunks has a line that cannot be read; those before do not wait for it."""
    lines = [json.dumps({"text": "a b"})] * 4100 + ["{"]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    code, out, err = run("predict", classifier, "in.jsonl")
    assert code == 1
    assert "in.jsonl:4101: expected a JSON object" in err
    assert len(out.splitlines()) == 4096
