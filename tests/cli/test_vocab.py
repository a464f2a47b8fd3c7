"""filbert vocab: from a corpus to a vocabulary, or to a model with more words."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from filbert.cli import main
from filbert.cli.sizes import size_of
from filbert.corpus import CorpusReport, Document
from filbert.corpus.tables import to_table
from filbert.disk import sha256_of
from filbert.errors import SettingsError
from filbert.tokenizer import Tokenizer

ENGLISH = "The polymerase binds the promoter, and the polymerase transcribes the gene {}."
CHINESE = "聚合酶与启动子结合，然后转录基因{}。"


def write_corpus(folder: Path, files: Sequence[Sequence[Document]]) -> Path:
    """A corpus as filbert corpus leaves it, with as many files as are given."""
    from pyarrow import parquet

    folder.mkdir()
    counts, sums = {}, {}
    for number, documents in enumerate(files):
        name = f"documents-{number:05}.parquet"
        parquet.write_table(to_table(documents), folder / name)
        counts[name], sums[name] = len(documents), sha256_of(folder / name)
    total = sum(counts.values())
    report = CorpusReport(
        total, {}, 0, 0, total, total, 1, 1, 1.0, {}, {}, {}, files=counts, sha256=sums
    )
    (folder / "corpus.json").write_text(report.to_json())
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = [
        [Document(ENGLISH.format(n), "a", language="en") for n in range(40)],
        [Document(CHINESE.format(n), "b", language="zh") for n in range(40)],
        [Document(f"Le gène numéro {n}.", "c", language="fr") for n in range(10)],
    ]
    return write_corpus(tmp_path_factory.mktemp("vocab") / "corpus", files)


def test_a_vocabulary_with_its_report(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.txt.gz"
    with gzip.open(other, "wt", encoding="utf-8") as file:
        file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "."]))
    out = tmp_path / "out"
    assert main(["vocab", str(corpus), "--size", "150", "--unused", "3", "--out", str(out),
                 "--beside", str(other), "--sample", "50"]) == 0  # fmt: skip
    said = capsys.readouterr().out
    for text in ("texts: 90", "English: ", "Chinese: ", "other: ", "other.txt.gz", "pieces a word"):
        assert text in said
    tokenizer = Tokenizer.load(out)
    assert tokenizer.vocab_size <= 150
    assert tokenizer.id("[unused2]") == 3
    assert "polymerase" in tokenizer.tokens(range(tokenizer.vocab_size))
    page = (out / "report.html").read_text("utf-8")
    assert "other.txt.gz" in page
    assert "50 documents" in page


def test_a_text_that_has_too_few_pieces_says_so(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["vocab", str(corpus), "--size", "90000", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{Tokenizer.load(out).vocab_size:,} tokens of 90,000 asked for: no more pairs" in said


def test_the_same_file_from_two_processes(corpus: Path, tmp_path: Path) -> None:
    for name, more in (("one", []), ("two", ["--workers", "2", "--memory", "1GB"])):
        out = str(tmp_path / name)
        arguments = ["vocab", str(corpus), "--size", "150", "--out", out, "--quiet", *more]
        assert main(arguments) == 0
    one, two = ((tmp_path / name / "vocab.txt").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_model_is_extended(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from filbert.checkpoint import Weights, read_model, write_model
    from filbert.checkpoint.families import BERT
    from filbert.checkpoint.rename import expected_tensors
    from filbert.encoder import Shape

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "the",
              *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"), "."]  # fmt: skip
    shape = Shape(1, 4, 1, 4, vocab=len(tokens), max_positions=8)
    tensors = {
        tensor.ours: np.ones([size or 0 for size in tensor.sizes], np.float32)
        for part in ("encoder", "words")
        for tensor in expected_tensors(part, BERT, shape, None, prefixed=False)
    }
    model = tmp_path / "model"
    write_model(model, Weights(shape, "masked", tensors), tokenizer=Tokenizer(tokens))
    out = tmp_path / "out"
    arguments = ["vocab", str(corpus), "--extend", str(model), "--words", "3", "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "polymerase: 80 times p ##o ##l" in said
    assert f"3 new words from id {len(tokens)} on" in said
    assert Tokenizer.load(out).id("polymerase") == len(tokens)
    assert read_model(out).shape.vocab == len(tokens) + 3
    assert json.loads((out / "config.json").read_text())["vocab_size"] == len(tokens) + 3
    page = (out / "report.html").read_text()
    assert "polymerase" in page
    assert "[UNK] words, %" in page
    # Once more into the same place: refused before any work.
    assert main(arguments) != 0
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", "100", "--beside", "no-such/model"], "--beside no-such/model: expected"),
        (["--size", "100", "--beside", "/no/such.txt"], "there is none of that name"),
        (["--size", "100", "--memory", "many"], "--memory: expected a size"),
        (["--size", "100", "--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["--size", "3"], "vocab_size: expected more than 6, got 3"),
        (["--size", "100", "--words", "3"], "--words goes with --extend"),
        (["--extend", "x", "--cased"], "--cased, --alphabet and --unused go with --size"),
        (["--extend", "x", "--beside", "no-such/model"], "--beside no-such/model: expected"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(
    corpus: Path,
    tmp_path: Path,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["vocab", str(corpus), "--out", str(tmp_path / "out"), *more]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sizes_as_people_write_them() -> None:
    assert size_of("1GB") == size_of("1g") == size_of("1000 MB") == 10**9
    assert size_of("1.5GB") == 1_500_000_000
    with pytest.raises(SettingsError, match="expected 1GB or more"):
        size_of("10MB")
