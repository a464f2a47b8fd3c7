"""A few texts in two languages, as shards that every recipe can learn from."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from filbert.corpus import Document, standard_library
from filbert.shards import write_shards
from filbert.tokenizer import Tokenizer, learn_wordpiece

SENTENCES = [
    "机器学习让机器从数据中学习。",
    "今天天气很好，我们去公园散步。",
    "预训练语言模型先阅读大量文本。",
    "医生根据病人的症状作出诊断。",
    "这座城市的图书馆每天开放十个小时。",
]


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Sixty docstrings and thirty Chinese texts, all of them with their sentences' ends."""
    found = islice((d for d in standard_library(["docstrings"]) if len(d.text) > 60), 60)
    english = [d.text for d in found]
    chinese = [
        "".join(SENTENCES[(start + step) % 5] for step in range(2 + start % 4))
        for start in range(30)
    ]
    return [
        Document(text, "test", str(number), sentence_ends=_ends(text))
        for number, text in enumerate([*english, *chinese])
    ]


def _ends(text: str) -> list[int]:
    return sorted({at + 1 for at, letter in enumerate(text) if letter in ".。"} | {len(text)})


@pytest.fixture(scope="session")
def tokenizer(documents: list[Document]) -> Tokenizer:
    """Six hundred tokens of these texts."""
    return learn_wordpiece((document.text for document in documents), 600)


@pytest.fixture(scope="session")
def shards_of(
    documents: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Tokenizer], Path]:
    """The texts as shards of a tokenizer."""

    def make(tokenizer: Tokenizer) -> Path:
        folder = tmp_path_factory.mktemp("recipes") / "shards"
        write_shards(documents, tokenizer, folder)
        return folder

    return make
