"""Every code block of both READMEs is run, in the order in which a reader would run them.

All blocks share one empty working folder, with the reader's own files (`my/texts`, `train.jsonl`,
…) written by this test. A block that stands in both files is run once, and so is a command of
"Pre-training in earnest"; the steps from texts to a classifier are gone in both languages. What a
block leaves is what the next one finds, so this is one test; its blocks are reported one by one as
subtests.

A line runs as it stands unless SHORTENED names it. Each such line keeps its verb and its paths, and
only takes less time; PIP and MAKE say how the two lines that would install something are checked.
"""

import bz2
import gzip
import importlib.metadata
import json
import os
import random
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FILES = ("README.md", "README.zh-CN.md")
SHORT = "--minutes 0.03 --classify-minutes 0.02"

MAKE = "make quickstart"
"""Run by make itself, from the Makefile's own recipe, but for the installing: the extras are taken
to be installed (-o), and the programs are those of the Python that runs this test."""

PIP = "pip install -c constraints.txt '.[train,data,report]'"
"""Not run, for it needs the package index. Checked instead: the extras are this project's, all that
they ask for is installed here in a version that they allow, and so is what constraints.txt pins."""

SHORTENED = {
    # On Python's own documentation, as it stands, it has just been run by make: here on less text.
    "filbert quickstart": f"filbert quickstart --text my/texts --out runs/pip {SHORT}",
    "filbert quickstart --text my/texts --out runs/mine": (
        f"filbert quickstart --text my/texts --out runs/mine {SHORT}"
    ),
    "filbert quickstart --text 我的文本 --out runs/chinese": (
        f"filbert quickstart --text 我的文本 --out runs/chinese {SHORT}"
    ),
    "filbert pretrain quickstart --data runs/shards --out runs/bert --minutes 10": (
        "filbert pretrain quickstart --data runs/shards --out runs/bert --minutes 0.03"
    ),
    "filbert pretrain modern_small --data runs/shards --out runs/small --minutes 60": (
        "filbert pretrain modern_small --data runs/shards --out runs/small --minutes 0.03"
    ),
    "filbert pretrain quickstart --data runs/shards --out runs/pairs --minutes 10 \\": (
        "filbert pretrain quickstart --data runs/shards --out runs/pairs --minutes 0.03 \\"
    ),
    "filbert pretrain quickstart --data runs/shards --out runs/two --minutes 10 "
    "--gpus 2 --device cpu": (
        "filbert pretrain quickstart --data runs/shards --out runs/two --minutes 0.03 "
        "--gpus 2 --device cpu"
    ),
    # It would serve until it is stopped: here it only says what it finds. Its own libraries warn.
    "tensorboard --logdir runs": "PYTHONWARNINGS=ignore tensorboard --inspect --logdir runs",
}

REMADE = ("corpus", "tokenizer", "shards", "bert", "classifier")
"""What each README makes again of its own texts, in runs/."""
ONCE = (
    *(f"--out runs/{name}" for name in ("small", "pairs", "two", "field", "adapted", "again")),
    "compare",
    "tensorboard",
)
"""Commands that are not run again when they stand in the second file as they do in the first."""

SLOTS = {
    "English": {
        "weather": (
            ["Today", "Last night", "On Sunday", "All week", "In spring", "By noon"],
            ["the rain", "a cold wind", "thick fog", "bright sunshine", "some snow", "a storm"],
            ["came over the hills", "stayed in the valley", "reached the coast", "kept us inside"],
            ["and nobody went out", "so we took a coat", "as the forecast said", "until dusk"],
        ),
        "food": (
            ["My aunt", "The cook", "A neighbour", "Our school", "The old inn", "My brother"],
            ["made noodles", "baked bread", "fried some fish", "cooked soup", "roasted nuts"],
            ["with too much salt", "from an old recipe", "for the whole street", "in a hurry"],
            ["and we ate it all", "but left the plates", "to go with green tea", "for dinner"],
        ),
    },
    "Chinese": {
        "天气": (
            ["今天", "明天早上", "上个周末", "这几天", "去年冬天", "到了傍晚"],
            ["北京", "海边", "山里", "我们村", "江南一带", "学校附近"],
            ["下了大雨，", "刮起大风，", "阳光很好，", "又闷又热，", "飘着小雪，", "起了浓雾，"],
            ["我们去公园散步。", "大家都带着伞。", "气温降了十度。", "航班只好推迟。"],
        ),
        "饮食": (
            ["这家店", "街角的小馆", "妈妈", "学校食堂", "外婆", "夜市摊主"],
            ["做的面条", "煮的饺子", "炒的青菜", "炖的鸡汤", "蒸的包子", "烤的羊肉"],
            ["很好吃，", "有点咸，", "又香又脆，", "味道清淡，", "分量很足，", "不太新鲜，"],
            ["我吃了两大碗。", "下次还要再来。", "配一杯绿茶正好。", "连汤都喝完了。"],
        ),
    },
}


@dataclass(frozen=True)
class Block:
    place: str
    language: str
    code: str


def blocks() -> list[Block]:
    """All fenced blocks, those of README.md first; one that stands in both files is there once."""
    found: dict[tuple[str, str], Block] = {}
    for name in FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)^```$", text, re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            language, code = match[1].strip(), match[2]
            found.setdefault((language, code), Block(f"{name}:{line}", language, code))
        assert text.count("```") == 2 * len(re.findall(r"^```\S+\n", text, re.MULTILINE))
    return list(found.values())


def without_comment(line: str) -> str:
    """A line of a bash block as the shell reads it; quotes stay as they are."""
    return re.sub(r"\s+# .*$", "", line).strip()


def surroundings(programs: Path) -> dict[str, str]:
    """The environment of what is run: `filbert` and `python` are those of a folder."""
    return {
        **os.environ,
        "PATH": os.pathsep.join(
            map(str, (programs, Path(sys.executable).parent, os.environ["PATH"]))
        ),
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-8",
    }


def run(command: list[str], place: Path, programs: Path) -> str:
    """Run a program in a folder; all that it said, if it failed, is the failure's message."""
    environment = surroundings(programs)
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    said = f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert "Traceback" not in done.stderr, said
    return done.stdout


def run_make(place: Path, programs: Path) -> None:
    """`make quickstart` in the working folder: what MAKE says."""
    variables = [f"BIN={programs}", f"ARGS={SHORT}"]
    makefile = ["-f", str(ROOT / "Makefile"), "-o", ".venv/.installed-run"]
    run(["make", *makefile, *variables, "quickstart"], place, programs)


def check_pip() -> None:
    """What PIP says."""
    extras = Requirement("filbert" + PIP.rpartition(".")[2].rstrip("'")).extras
    known = importlib.metadata.metadata("filbert").get_all("Provides-Extra") or []
    assert extras <= set(known)
    asked = [Requirement(line) for line in importlib.metadata.requires("filbert") or []]
    wanted = [
        requirement
        for requirement in asked
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
    ]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted += [Requirement(line) for line in pinned if line and not line.startswith("#")]
    assert {"torch", "daft", "altair", "numpy"} <= {requirement.name for requirement in wanted}
    for requirement in wanted:
        version = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} {version}"


def commands(code: str) -> list[str]:
    """A bash block's commands as the shell reads them; one of several lines stays whole."""
    lines = [without_comment(line) for line in code.splitlines()]
    lines = [SHORTENED.get(line, line) for line in lines if line]
    return re.split(r"(?<!\\)\n", "\n".join(lines))


def run_bash(block: Block, place: Path, programs: Path, done: set[str]) -> str:
    """The block's commands as one script that stops at its first failure."""
    script = []
    for command in commands(block.code):
        if command == MAKE:
            run_make(place, programs)
        elif command == PIP:
            check_pip()
        elif command not in done or not any(name in command for name in ONCE):
            script.append(command)
            done.add(command)
    return run(["bash", "-euo", "pipefail", "-c", "\n".join(script)], place, programs)


def texts(language: str, each: int, seed: int) -> list[dict[str, str]]:
    """Sentences of two labels."""
    draw = random.Random(seed)
    between = " " if language == "English" else ""
    ending = "." if language == "English" else ""
    return [
        {"text": between.join(draw.choice(slot) for slot in slots) + ending, "label": label}
        for label, slots in SLOTS[language].items()
        for _ in range(each)
    ]


def of_two(language: str, lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Texts of two sentences: neighbours of one label together."""
    between = " " if language == "English" else ""
    return [
        {"text": between.join((first["text"], second["text"])), "label": first["label"]}
        for first, second in zip(lines[::2], lines[1::2], strict=True)
    ]


def write_lines(path: Path, records: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_dump(path: Path, language: str, code: str) -> None:
    """A Wikipedia dump of articles of three sentences."""
    lines = texts(language, 90, seed=4)
    pages = (
        f"<page><title>{number}</title><ns>0</ns><id>{number + 1}</id><revision>"
        f"<text>{' '.join(line['text'] for line in lines[number::60])} [[Category:A]]</text>"
        "</revision></page>"
        for number in range(60)
    )
    base = f"<siteinfo><base>https://{code}.wikipedia.org/wiki/A</base></siteinfo>"
    xmlns = "http://www.mediawiki.org/xml/export-0.11/"
    dump = f'<mediawiki xmlns="{xmlns}" xml:lang="{code}">{base}{"".join(pages)}</mediawiki>'
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(dump.encode()))


def write_crawl(path: Path) -> None:
    """A WET file: plain texts of pages."""
    records = b""
    for number, line in enumerate(texts("English", 30, seed=5)):
        body = line["text"].encode()
        head = (
            "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\n"
            f"WARC-Target-URI: https://example.org/{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        records += gzip.compress(head.encode() + body + b"\r\n\r\n")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(records)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The working folder, with the reader's own files."""
    for language, folder, train, test in (
        ("English", "my/texts", "train.jsonl", "test.jsonl"),
        ("Chinese", "我的文本", "训练.jsonl", "测试.jsonl"),
    ):
        write_lines(
            tmp_path / folder / "texts.jsonl", of_two(language, texts(language, 500, seed=1))
        )
        write_lines(tmp_path / train, texts(language, 60, seed=2))
        write_lines(tmp_path / test, texts(language, 15, seed=3))
    write_dump(tmp_path / "dumps" / "enwiki.xml.bz2", "English", "en")
    write_dump(tmp_path / "dumps" / "zhwiki.xml.bz2", "Chinese", "zh")
    write_crawl(tmp_path / "crawl" / "CC-MAIN.warc.wet.gz")
    return tmp_path


HUB_MODELS = {
    "bert-base-uncased": "the bank raised its rates . we sat on of river".split(),
    "bert-base-chinese": list("今天气很好我们去公园散步。的是不"),
}
"""By name, the words that it knows; tiny, with random weights, on the hub of this machine."""


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of `filbert` and `python`; see warm_start.py."""
    folder = tmp_path_factory.mktemp("programs") / "bin"
    start = runpy.run_path(str(Path(__file__).with_name("warm_start.py")))["warm_programs"]
    with start(folder, surroundings(Path(sys.executable).parent)) as there:
        yield there


def serve_models(hub: Any, place: Path) -> None:
    """Put a tiny BERT on the hub for each name that the READMEs use."""
    import transformers

    for name, words in HUB_MODELS.items():
        folder = place / name
        vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
        config = transformers.BertConfig(
            vocab_size=len(vocab),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
        transformers.BertForPreTraining(config).save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
        hub.add(name, folder)


def test_every_line_that_is_shortened_stands_in_a_readme() -> None:
    lines = {without_comment(line) for block in blocks() for line in block.code.splitlines()}
    assert {MAKE, PIP, *SHORTENED} <= lines


def test_the_files_that_the_readmes_link_to_are_there() -> None:
    for name in FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / link).is_file(), f"{name} links to {link}, which is not there"


def test_every_block_runs(
    place: Path,
    programs: Path,
    subtests: pytest.Subtests,
    hub: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    serve_models(hub, tmp_path_factory.mktemp("hub-models"))
    found = blocks()
    assert {block.language for block in found} == {"bash", "python"}
    done: set[str] = set()
    for block in found:
        if "--out runs/corpus " in block.code:
            # Each README goes the steps from the start, with its own texts.
            for name in REMADE:
                shutil.rmtree(place / "runs" / name, ignore_errors=True)
        with subtests.test(msg=block.place):
            if block.language == "python":
                said = run([sys.executable, "-X", "utf8", "-c", block.code], place, programs)
                width = 32 if "from_pretrained" in block.code else 256
                assert re.search(rf"\b{width}[])]", said), "the vectors' shape is printed"
            else:
                run_bash(block, place, programs, done)
    for folder in ("runs/quickstart", "runs/mine", "runs/chinese"):
        assert (place / folder / "report.html").stat().st_size > 10_000
        assert (place / folder / "classifier").is_dir(), "labelled texts give a classifier"
    web = json.loads((place / "runs/web/corpus.json").read_text(encoding="utf-8"))
    assert {"mediawiki", "warc"} == set(web["sources"])
    assert {"en", "zh"} == set(web["languages"])
    assert (place / "runs/web-tokenizer/report.html").stat().st_size > 10_000
    assert (place / "explain.html").stat().st_size > 10_000
    page = (place / "runs/chinese/report.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page, "Chinese text gets a Chinese page"
