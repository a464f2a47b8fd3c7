"""filbert shards and filbert show: from a corpus to shards, and any row of them made readable."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.checkpoint import model_tensors, save
from filbert.cli import main
from filbert.corpus import CorpusReport, Document
from filbert.corpus.tables import to_table
from filbert.disk import sha256_of
from filbert.encoder import Encoder, Shape
from filbert.heads import build_model
from filbert.shards import ShardReader, write_shards
from filbert.tasks import Pretrain
from filbert.tokenizer import SpecialTokens, Tokenizer

pytest.importorskip("rjieba", reason="Chinese words need rjieba")

WORDS = [
    *("the", "cat", "play", "##ing", "##s", ".", "un", "##happy"),
    *("我", "喜", "欢", "机", "器", "学", "习", "。"),
]
ENGLISH = "The unhappy cat plays."
CHINESE = "我喜欢机器学习。"


def document(*sentences: str, language: str | None = None) -> Document:
    ends = np.cumsum([len(sentence) for sentence in sentences]).tolist()
    return Document("".join(sentences), "a.txt", "line 1", language=language, sentence_ends=ends)


FILES = [
    [document(ENGLISH, " The cat.", language="en"), document("  ", language="en")],
    [document(CHINESE, language="zh"), document("The 狗 cat.", language="en")],
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("show") / "tokenizer"
    place.mkdir()
    Tokenizer([*SpecialTokens().all, *WORDS]).save(place)
    return place


def write_corpus(folder: Path, files: Sequence[Sequence[Document]]) -> Path:
    """A corpus as filbert corpus leaves it."""
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
    return write_corpus(tmp_path_factory.mktemp("show") / "corpus", FILES)


@pytest.fixture(scope="module")
def shards(corpus: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards: one for each file of the corpus."""
    place = tmp_path_factory.mktemp("show") / "shards"
    write_shards(corpus, Tokenizer.load(tokenizer), place, characters_per_shard=20, workers=1)
    return place


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """said("show", …): the lines on standard output; the verb must succeed."""

    def run(*words: object) -> list[str]:
        assert main([str(word) for word in words]) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """refused("show", …): the error; the verb must fail and say nothing else."""

    def run(*words: object) -> str:
        assert main([str(word) for word in words]) == 1
        found = capsys.readouterr()
        assert found.out == ""
        return found.err

    return run


# filbert shards


def test_shards_says_what_is_there(
    corpus: Path, tokenizer: Path, tmp_path: Path, said: Callable[..., list[str]]
) -> None:
    out = tmp_path / "s"
    lines = said("shards", corpus, "--tokenizer", tokenizer, "--out", out, "--workers", 1)
    assert lines[:2] == [
        "en: 14 tokens (63.64 %) of 2 documents",
        "zh: 8 tokens (36.36 %) of 1 documents",
    ]
    stored = (out / "shard-00000.bin").stat().st_size / 22
    assert lines[2] == (
        f"{out}: 22 tokens of 3 documents in 1 shards, {stored:.3f} bytes a token; "
        f"see {out / 'report.html'}"
    )
    assert "Shards s" in (out / "report.html").read_text(encoding="utf-8")


def test_characters_say_how_large_a_shard_is(
    corpus: Path, tokenizer: Path, tmp_path: Path, said: Callable[..., list[str]]
) -> None:
    words = ("shards", corpus, "--tokenizer", tokenizer, "--workers", 1)
    assert "in 2 shards" in said(*words, "--out", tmp_path / "s", "--characters", 20)[-1]
    assert said(*words, "--out", tmp_path / "quiet", "--quiet") == []


def test_the_tokenizer_may_be_that_of_a_run_or_of_a_model_on_the_hub(
    corpus: Path, tokenizer: Path, tmp_path: Path, said: Callable[..., list[str]], hub: Any
) -> None:
    own = Tokenizer.load(tokenizer)
    task = Pretrain(max_tokens=16).with_tokenizer(own)
    shape = Shape(vocab=21, depth=1, width=8, attention_heads=2, mlp_width=8, max_positions=16)
    arrays = model_tensors(build_model(Encoder(shape), task))
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    save(run / "step-00000007", arrays, shape=shape, task=task, tokenizer=own, train={})
    hub.add("some-bert", run / "step-00000007")
    for name in (run, "some-bert"):
        out = tmp_path / f"of-{Path(name).name}"
        said("shards", corpus, "--tokenizer", name, "--out", out, "--workers", 1)
        assert Tokenizer.load(out / "tokenizer").digest == own.digest


@pytest.mark.parametrize("option", ["--workers", "--characters"])
def test_numbers_that_shards_cannot_take(
    option: str, corpus: Path, tokenizer: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    error = refused("shards", corpus, "--tokenizer", tokenizer, "--out", tmp_path / "s", option, 0)
    assert f"{option}: expected 1 or more, got 0" in error
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_says_how_to_go_on(
    corpus: Path,
    tokenizer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("filbert.shards.write_shards", stop)
    words = ["shards", str(corpus), "--tokenizer", str(tokenizer), "--out", str(tmp_path / "s")]
    assert main(words) == 130
    assert "the same command goes on where it was" in capsys.readouterr().err


# filbert show


def test_rows_are_shown_as_training_reads_them(
    shards: Path, said: Callable[..., list[str]]
) -> None:
    lines = said("show", shards, "--max-tokens", 11)
    assert lines[0] == (
        f"{shards}: 22 tokens, 3 documents, 4 sentences, 4 rows of at most 11 tokens, vocabulary 21"
    )
    assert sum(line.startswith("shard ") for line in lines) == 4
    assert "[CLS] the un ##happy cat play ##s . [SEP]" in lines
    assert len(lines) == 1 + 4 * 3
    assert said("show", shards, "--rows", 0) == [lines[0].replace("4 rows", "3 rows").replace(
        "most 11", "most 128")]  # fmt: skip


@pytest.mark.parametrize("row", ["2", "1:0", " 1:0 "])
def test_one_row_and_where_it_comes_from(
    row: str, shards: Path, said: Callable[..., list[str]]
) -> None:
    assert said("show", shards, "--max-tokens", 11, "--row", row)[1:] == [
        "",
        "shard 1, row 0, 10 tokens",
        "number 2, from document 0 of shard-00001, language zh; documents-00001.parquet, row 0",
        "[CLS] 我 喜 欢 机 器 学 习 。 [SEP]",
    ]


def test_a_row_of_documents_from_python(
    tokenizer: Path, tmp_path: Path, said: Callable[..., list[str]]
) -> None:
    texts = [document(" "), document(ENGLISH)]
    write_shards(texts, Tokenizer.load(tokenizer), tmp_path / "s")
    assert said("show", tmp_path / "s", "--row", 0)[3] == (
        "number 0, from document 0 of shard-00000, language unknown; "
        "document given in Python, number 1"
    )


def test_every_row_can_be_asked_for(shards: Path, said: Callable[..., list[str]]) -> None:
    reader = ShardReader(shards, max_tokens=8)
    for number in range(len(reader)):
        row = reader.row(number)
        tokens = " ".join(reader.tokenizer.tokens(row.token_ids))
        for asked in (number, f"{row.origin[0]}:{row.origin[1]}"):
            lines = said("show", shards, "--max-tokens", 8, "--row", asked)
            assert lines[2] == f"shard {row.origin[0]}, row {row.origin[1]}, {len(row)} tokens"
            assert lines[4:] == [tokens]


def test_english_words_of_several_pieces(shards: Path, said: Callable[..., list[str]]) -> None:
    lines = said("show", shards, "--max-tokens", 11, "--row", 0, "--words")
    assert lines[-1] == (
        "words: [CLS](0) 0:the(1) 1:unhappy(2–3) 2:cat(4) 3:plays(5–6) 4:.(7) [SEP](8)"
    )


def test_chinese_words_of_several_characters(shards: Path, said: Callable[..., list[str]]) -> None:
    lines = said("show", shards, "--max-tokens", 11, "--row", "1:0", "--words")
    assert lines[-2] == "[CLS] 我 喜 欢 机 器 学 习 。 [SEP]"
    found = lines[-1].removeprefix("words: ").split(" ")
    assert found[:3] == ["[CLS](0)", "0:我(1)", "1:喜欢(2–3)"]
    assert found[-2:] == [f"{len(found) - 3}:。(8)", "[SEP](9)"]
    joined = "".join(re.sub(r"^\d+:|\(.*\)$", "", word) for word in found[1:-1])
    assert joined == CHINESE


def test_unknown_tokens_belong_to_no_word(shards: Path, said: Callable[..., list[str]]) -> None:
    lines = said("show", shards, "--row", "1:1", "--words")
    assert lines[-1] == "words: [CLS](0) 0:the(1) [UNK](2) 1:cat(3) 2:.(4) [SEP](5)"


def test_words_beside_hidden_tokens_are_the_true_ones(
    shards: Path, said: Callable[..., list[str]]
) -> None:
    plain = said("show", shards, "--max-tokens", 11, "--row", 0, "--words")
    hidden = said("show", shards, "--max-tokens", 11, "--row", 0, "--words", "--as", "pretrain")
    assert "⟨" in hidden[-4]
    assert re.sub(r"[^ ]*⟨([^ ]*)⟩", r"\1", hidden[-4]) == plain[-2]
    assert hidden[-1] == plain[-1]


@pytest.mark.parametrize("kind", ["roberta", "modernbert", "xlm-roberta"])
def test_words_of_other_tokenizers(
    kind: str, tokenizer_kinds: dict[str, Path], tmp_path: Path, said: Callable[..., list[str]]
) -> None:
    text = "the quick brown fox"
    write_shards([document(text)], Tokenizer.load(tokenizer_kinds[kind]), tmp_path / "s")
    words = said("show", tmp_path / "s", "--row", 0, "--words")[-1].split(" ")[2:-1]
    assert [re.sub(r"^\d+:|\(.*\)$", "", word) for word in words] == text.split(" ")


def test_a_token_cannot_command_the_terminal(
    tmp_path: Path, said: Callable[..., list[str]]
) -> None:
    hostile = Tokenizer([*SpecialTokens().all, "a", "\u202eb"])
    write_shards([document("a a")], hostile, tmp_path / "s")
    # By hand: the tokenizer's rules would clean such a text.
    file, contents = tmp_path / "s" / "shard-00000.bin", tmp_path / "s" / "shards.json"
    before = sha256_of(file)
    file.write_bytes(np.array([5, 6], "<u2").tobytes() + file.read_bytes()[4:])
    contents.write_text(contents.read_text().replace(before, sha256_of(file)))
    lines = said("show", tmp_path / "s", "--row", 0, "--words")
    assert lines[-2:] == [
        "[CLS] a \\u202eb [SEP]",
        "words: [CLS](0) 0:a(1) 1:\\u202eb(2) [SEP](3)",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--row four", "--row: expected the number of a row, such as 17, or SHARD:ROW"),
        ("--row -1", "got '-1'"),
        ("--row 1:", "got '1:'"),
        ("--row 1:2:3", "got '1:2:3'"),
        ("--row ٣", "got '٣'"),
        ("--row 3", "--row: expected 0 to 2, got 3"),
        ("--row 2:0", "shard 2 is not in 0…1"),
        ("--row 1:7", "row 7 of shard 1 is not in 0…1"),
        ("--rows -1", "--rows: expected 0 or more, got -1"),
        ("--epoch -1", "--epoch: expected 0 or more, got -1"),
        ("--max-tokens 2", "max_tokens: expected 3 or more, got 2"),
    ],
)
def test_values_that_cannot_be(
    words: str, expected: str, shards: Path, refused: Callable[..., str]
) -> None:
    assert expected in refused("show", shards, *words.split(" "))


def test_rows_and_row_exclude_each_other(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", str(shards), "--rows", "5", "--row", "1"])
    assert "not allowed with" in capsys.readouterr().err
