"""The command line as a person meets it.

Most calls run in this process, for importing torch anew takes seconds; what only a process of its
own can show (what is imported, pipes that break, an exit without a traceback) gets one.
"""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from filbert.checkpoint import Folder, model_tensors, save
from filbert.cli.main import VERBS, main
from filbert.corpus import Document
from filbert.encoder import Encoder, Shape
from filbert.engine import open_model
from filbert.heads import build_model
from filbert.shards import write_shards
from filbert.tasks import Classify, Embed, Pretrain, Task
from filbert.tokenizer import Tokenizer

HEAVY = ("torch", "daft", "altair", "vl_convert", "tokenizers", "pyarrow", "transformers")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "a", "b", "中", "<i>"]
LABELS = ("[red]x[/red]", "<b>y</b>\x1b[31m", "三\u202e")
HOSTILE = "a \x1b[31m\x07 [unused1] <script>b</script> [bold]中[/bold] \u202e \x9b1m"
SHOWN = "a \\x1b[31m\\x07 [unused1] <script>b</script> [bold]中[/bold] \\u202e \\x9b1m"  # as text


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Filbert = Callable[..., Done]


@pytest.fixture
def filbert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Filbert:
    """filbert("show", …, stdin=b"…") → exit code and output; runs in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse's way out
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def in_a_process(*words: object, stdin: bytes = b"") -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "filbert", *map(str, words)],
        input=stdin,
        capture_output=True,
        check=False,
    )
    # Not in text mode: that would hide a carriage return.
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def tiny(place: Path, task: Task) -> Folder:
    shape = Shape(
        depth=1, width=16, attention_heads=2, mlp_width=32, vocab=len(TOKENS), max_positions=64
    )
    model = build_model(Encoder(shape), task)
    return save(place, model_tensors(model), shape=shape, task=task, tokenizer=Tokenizer(TOKENS))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked language model with random weights."""
    return tiny(tmp_path_factory.mktemp("cli") / "pretrained", Pretrain(max_tokens=64)).path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with random weights, whose labels are hostile."""
    task = Classify(labels=LABELS, max_tokens=64)
    return tiny(tmp_path_factory.mktemp("cli") / "classifier", task).path


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of 3,000 rows: more than a pipe holds."""
    text = "a b 中 " * 12
    documents = [
        Document(text, "made up", f"line {n}", sentence_ends=[len(text)]) for n in range(3000)
    ]
    folder = tmp_path_factory.mktemp("cli") / "shards"
    write_shards(documents, Tokenizer(TOKENS), folder)
    return folder


def said_once(done: Done) -> str:
    """The error of a process that failed as it should."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("filbert: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


def no_control(text: str) -> bool:
    return not any(ord(c) < 32 and c != "\n" for c in text.replace("\t", "")) and not (
        {"\x7f", "\x9b", "\u202e"} & set(text)
    )


# Help and imports


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(filbert: Filbert, verb: str) -> None:
    done = filbert(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.lstrip().startswith(f"Usage: filbert {verb}")


def test_brackets_in_a_help_text_stay(filbert: Filbert) -> None:
    assert "[a-z]*" in filbert("corpus", "--help").stdout


def test_the_help_names_every_verb(filbert: Filbert) -> None:
    done = filbert("--help")
    assert done.returncode == 0
    assert all(f"\n    {verb}" in done.stdout for verb in VERBS)
    assert done.stderr == ""


@pytest.mark.parametrize("words", [(), ("nonsense",), ("show",), ("pretrain", "x", "--mintues", 3)])
def test_wrong_use_is_exit_code_2(filbert: Filbert, words: tuple[object, ...]) -> None:
    done = filbert(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "usage: filbert" in done.stderr.lower()


LIGHT = {
    "import filbert": "import filbert",
    "filbert --help": "from filbert.cli import main\n"
    "try:\n    main(['--help'])\nexcept SystemExit: pass",
}


@pytest.mark.parametrize("what", LIGHT)
def test_light_to_import(
    what: str,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = f"{LIGHT[what]}\nimport sys\nsys.stderr.write(' '.join(sys.modules))"
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - start)
    # Measured and said, never judged: a busy machine is no mistake (the goal is 0.3 s).
    record_property("seconds", min(seconds))
    with capsys.disabled():
        print(f"\n{what}: {min(seconds):.2f} s, the fastest of {len(seconds)}")  # noqa: T201
    loaded = set(done.stderr.split())
    assert "filbert" in loaded
    assert not loaded & set(HEAVY)


# Errors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("corpus nowhere.txt --out c", "nowhere.txt: there is no such file or folder"),
        ("corpus empty.txt --out c", "empty.txt: expected text, got none"),
        ("corpus binary.txt --out c", "binary.txt: expected text, JSON, "),
        ("corpus latin.txt --out c", "latin.txt: line 2: expected UTF-8, got the byte 0xe9"),
        ("corpus empty.txt --out c --strict", "filbert: empty.txt: expected text, got none"),
        ("corpus good.txt --out c --memory much", "--memory: expected a size such as 1GB"),
        ("corpus good.txt --out c --set quality.min_word=3", "did you mean 'quality.min_words'?"),
        ("corpus good.txt --out c --set min_words=3", "did you mean 'quality.min_words'?"),
        ("corpus good.txt --out c --min-characters -1", "--min-characters: expected 0 or"),
        ("corpus good.txt --out c --settings nowhere.toml", "nowhere.toml: cannot be read"),
        ("corpus good.txt --out c --languages English", "languages: expected codes such as en"),
        ("corpus good.txt --out full", "full is there already"),
        ("corpus good.txt --out good.txt/c", "good.txt"),
        ("vocab nowhere --size 100 --out v", "nowhere: expected a corpus"),
        ("shards nowhere --tokenizer nowhere --out s", "nowhere: no folder here; "),
        ("show nowhere", "nowhere: expected a folder of shards"),
        ("show {shards} --rows -1", "--rows: expected 0 or more, got -1"),
        ("show {shards} --max-tokens 1", "max_tokens: expected 3 or more, got 1"),
        ("pretrain quickstar --data {shards} --out r", "did you mean 'quickstart'?"),
        ("pretrain nowhere.toml --data {shards} --out r", "nowhere.toml: cannot be read"),
        ("pretrain quickstart --data {shards}=0 --out r", "a number above 0, got the weight '0'"),
        ("pretrain quickstart --data {shards}=nan --out r", "got the weight 'nan'"),
        ("pretrain quickstart --data nowhere --out r", "nowhere: expected a folder of shards"),
        ("pretrain quickstart --data {shards} --out r --set train.peak_rl=1", "peak_lr"),
        ("pretrain quickstart --data {shards} --out r --minutes -1", "train.minutes must be"),
        ("pretrain quickstart --data {shards} --out good.txt/r --minutes 0.001", "good.txt"),
        ("finetune classify --train nowhere.jsonl --start {pretrained} --out r", "nowhere.jsonl"),
        ("finetune classify --train e.jsonl --start nowhere --out r", "nowhere: no folder here; "),
        ("finetune classify --train e.jsonl --dev bad.jsonl --start {pretrained} --out r", "l:2: "),
        ("evaluate {classifier} --data nowhere.jsonl", "nowhere.jsonl: cannot be read"),
        ("evaluate {classifier} --data e.jsonl", "label"),
        ("predict {classifier} nowhere.jsonl", "nowhere.jsonl: cannot be read"),
        ("predict {classifier}", "standard input: expected at least one text, got none"),
        ("predict nowhere", "nowhere: no folder here; by name: not in"),
        ("predict ./nowhere", "nowhere: expected the folder of a model"),
        ("fill-mask {pretrained} a", "has no [MASK]: 'a'"),
        ("fill-mask {classifier} [MASK]", "cannot fill_mask: it was made for classify"),
        ("embed {pretrained} good.txt --out v.txt", "expected a name that ends with .npy"),
        ("embed {pretrained} good.txt --out good.txt/v.npy", "good.txt"),
        ("embed {pretrained} good.txt --out v.npy --device gpu", "device 'gpu': expected auto"),
        ("quickstart --text nowhere", "nowhere: there is no such file or folder"),
        ("quickstart --text good.txt --out q", "too few to hold any out"),
    ],
)
def test_errors_are_said_on_standard_error(
    words: str,
    expected: str,
    filbert: Filbert,
    tmp_path: Path,
    pretrained: Path,
    classifier: Path,
    shards: Path,
) -> None:
    (tmp_path / "good.txt").write_text("a b a b and more of it\n", encoding="utf-8")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02")
    (tmp_path / "latin.txt").write_bytes(b"good\ncaf\xe9\n")
    (tmp_path / "e.jsonl").write_text('{"text": "a", "label": "unheard of"}\n', encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text('{"text": "a", "label": "x"}\n{"text"', encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    places = {"{shards}": shards, "{pretrained}": pretrained, "{classifier}": classifier}
    done = filbert(*(places.get(word, word) for word in words.split()))
    assert expected in said_once(done)


def test_a_hostile_file_name_is_said_harmlessly(filbert: Filbert) -> None:
    error = said_once(filbert("corpus", "no\x1b[31m[bold]\x07.txt", "--out", "c"))
    assert no_control(error)
    assert "[bold]" in error


def test_a_process_that_fails_leaves_no_traceback() -> None:
    assert "nowhere: expected a folder of shards" in said_once(in_a_process("show", "nowhere"))


# Hostile text on the terminal


def test_fill_mask_shows_hostile_text_as_text(filbert: Filbert, pretrained: Path) -> None:
    done = filbert("fill-mask", pretrained, f"[unused1] \x1b[2J[red][MASK]{HOSTILE[:20]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert no_control(done.stdout)
    first, *guesses = done.stdout.splitlines()
    assert first == "[unused1] \\x1b[2J[red]▁a \\x1b[31m\\x07 [unused1] <"
    assert len(guesses) == 5
    assert {guess.split()[-1] for guess in guesses} <= set(TOKENS)


def test_fill_mask_in_json(filbert: Filbert, pretrained: Path) -> None:
    done = filbert("fill-mask", "--json", pretrained, "a [MASK]")
    (answer,) = json.loads(done.stdout)
    assert (answer["start"], answer["end"]) == (2, 8)
    assert len(answer["guesses"]) == 5
    assert all(guess["token"] in TOKENS for guess in answer["guesses"])


def test_predict_shows_hostile_text_and_labels_as_text(filbert: Filbert, classifier: Path) -> None:
    done = filbert("predict", classifier, stdin=f"{HOSTILE}\nb\r\n\n\ufeffa\x0cb\u2028c\n".encode())
    assert (done.returncode, done.stderr) == (0, "")
    assert no_control(done.stdout)
    lines = [line.split("\t") for line in done.stdout.rstrip("\n").split("\n")]
    # Three texts, for U+2028 and a page break end no line; each is shown on one line of its own.
    assert [text for _, text in lines] == [SHOWN, "b", "\ufeffa\\x0cb\u2028c"]
    shown = {"[red]x[/red]", "<b>y</b>\\x1b[31m", "三\\u202e"}
    assert {label.rpartition(" (")[0] for label, _ in lines} <= shown


def test_a_vector_is_an_answer_on_one_line(filbert: Filbert, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "embedder", Embed(max_tokens=64)).path
    done = filbert("predict", folder, stdin=b"a\nb a\n")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [text for _, text in lines] == ["a", "b a"]
    vectors = open_model(folder, device="cpu").embed(["a", "b a"])
    assert np.allclose([[float(n) for n in vector.split()] for vector, _ in lines], vectors, 1e-4)


def test_json_gives_hostile_text_back_exactly_and_harmlessly(
    filbert: Filbert, classifier: Path, tmp_path: Path
) -> None:
    text = HOSTILE + "\x7f\nnext line\ttab"
    (tmp_path / "e.jsonl").write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
    done = filbert("predict", "--json", classifier, "e.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert no_control(done.stdout)
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert record["text"] == text
    assert tuple(record["answer"]["probabilities"]) == LABELS
    assert sum(record["answer"]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_show_keeps_what_looks_like_markup(filbert: Filbert, tmp_path: Path) -> None:
    text = "a [unused1] b <i> 中"
    tokenizer = Tokenizer(TOKENS)
    ids = [tokenizer.id(token) for token in ("[unused1]", "<i>")]
    assert tokenizer.tokens(ids) == ["[unused1]", "<i>"]
    document = Document(text, "made\x1bup", "line 1", sentence_ends=[len(text)])
    write_shards([document], tokenizer, tmp_path / "s")
    done = filbert("show", "s")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("[CLS] a ")
    assert done.stdout.splitlines()[-1].endswith(" 中 [SEP]")


# Standard input and output


def test_invalid_utf8_on_standard_input_names_the_line(classifier: Path) -> None:
    error = said_once(in_a_process("predict", classifier, stdin=b"good\n\nb\xff\n"))
    assert "standard input:3: expected UTF-8 text" in error


def test_a_byte_order_mark_is_no_text(filbert: Filbert, classifier: Path) -> None:
    done = filbert("predict", classifier, stdin="\ufeffa b\n".encode())
    assert done.stdout.rstrip("\n").split("\t")[1] == "a b"


def test_a_pair_is_predicted_from_a_table(
    filbert: Filbert, classifier: Path, tmp_path: Path
) -> None:
    table = "sentence1\tsentence2\na b\tb a\n中\ta\n"
    (tmp_path / "pairs.tsv").write_text(table, encoding="utf-8")
    done = filbert("predict", classifier, "pairs.tsv")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("words", ["--help", "show {shards} --rows 1", "show {shards} --rows 3000"])
def test_a_reader_that_goes_is_no_error(shards: Path, words: str) -> None:
    """Also where all fits into Python's buffer, so that the pipe breaks only at the end."""
    # Without its buffer Python would meet the broken pipe at once, and this test only that case.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-m", "filbert", *words.format(shards=shards).split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if words.endswith("3000"):
        assert process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


def test_doctor_says_what_is_here(filbert: Filbert) -> None:
    done = filbert("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("filbert ", "Python ", "cores", "[train] torch", "[data] daft", "device "):
        assert word in done.stdout
    assert "missing" not in done.stdout


def test_doctor_names_what_is_missing_and_how_to_get_it() -> None:
    program = (
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n in ('daft', 'torch') else found(n, *a)\n"
        "from filbert.cli import main\n"
        "raise SystemExit(main(['doctor']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "missing daft (reading a corpus): pip install 'filbert[data]'" in done.stdout
    assert "pip install 'filbert[train]'" in done.stdout


def test_embed_writes_a_vector_a_text(filbert: Filbert, pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a b\n\n中\n", encoding="utf-8")
    done = filbert("embed", pretrained, "t.txt", "--out", "v.npy", "--quiet")
    assert done.returncode == 0
    # The third line has the second vector: whoever counts lines must hear of it.
    assert "t.txt: 1 lines without text passed over" in done.stderr
    assert done.stdout == "v.npy: 2 vectors of 16\n"
    vectors = np.load(tmp_path / "v.npy")
    assert (vectors.shape, vectors.dtype) == ((2, 16), np.float32)


def test_embed_reads_a_folder_file_by_file(
    filbert: Filbert, pretrained: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    for name in ("1.txt", "2.txt"):
        (tmp_path / "texts" / name).write_text("a b\n中\n", encoding="utf-8")
    done = filbert("embed", pretrained, "texts", "--out", "v.npy", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "v.npy: 4 vectors of 16\n"
