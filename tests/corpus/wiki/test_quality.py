"""What is left of the markup, and what is kept of the prose, on the shared dumps."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from filbert.corpus.wiki import plain_text, read_dump
from filbert.corpus.wiki.dump import _Reader
from filbert.files import Found

SPANS = Path(__file__).parent / "prose_spans.json"
WRITTEN = sorted((Path(__file__).parent / "pages").glob("*.wikitext"))
DUMPS = ("enwiki-pages-articles-shortened.xml.bz2", "zhwiki-minidump.xml.bz2")
MARKERS = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|</?ref\b|thumb\||(?:File|Image|Category|文件|檔案|图像|分类|分類):"
    r"|&nbsp;|=="
)
WORD = re.compile(r"[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])[^\W_])+")
LEAST_KEPT = 0.97
MOST_MARKERS = 1 / 10_000


def kept_words(prose: list[str], output: list[str]) -> int:
    """How many words of the prose stand in the output between the same neighbours."""
    windows = {tuple(output[at : at + 3]) for at in range(len(output) - 2)}
    found = [False] * len(prose)
    for at in range(len(prose) - 2):
        if tuple(prose[at : at + 3]) in windows:
            found[at : at + 3] = [True] * 3
    return sum(found)


@pytest.fixture(scope="module")
def wikitexts(shared_data) -> dict[str, str]:
    """The wikitext of the articles by title, as the dump has it."""
    pages: dict[str, str] = {}

    class Raw(_Reader):
        def _article(self, page, place):
            pages[page.title] = page.text
            return iter(())

    from filbert.corpus.wiki.site import Site
    from filbert.files import open_plain

    for name in DUMPS:
        with open_plain(str(shared_data / "corpus" / name)) as stream:
            list(Raw(Site(), None, "").read(stream, whole=True))
    return pages


def test_prose_of_written_pages_is_kept():
    for page in WRITTEN:
        prose = WORD.findall(page.with_suffix(".txt").read_text(encoding="utf-8"))
        output = WORD.findall(plain_text(page.read_text(encoding="utf-8")).text)
        assert kept_words(prose, output) >= LEAST_KEPT * len(prose), page.name


def test_prose_of_real_pages_is_kept(wikitexts):
    pages = json.loads(SPANS.read_text(encoding="utf-8"))["pages"]
    assert len(pages) + len(WRITTEN) >= 20
    for page in pages:
        wikitext = wikitexts[page["title"]]
        output = WORD.findall(plain_text(wikitext).text)
        kept = total = 0
        for start, end, hashes in page["spans"]:
            prose = WORD.findall(wikitext[start:end])
            assert [_hash(start, at, word) for at, word in enumerate(prose)] == hashes
            kept += kept_words(prose, output)
            total += len(prose)
        assert kept >= LEAST_KEPT * total, (page["title"], kept, total)


def test_hardly_a_marker_is_left(shared_data):
    for name in DUMPS:
        texts = [
            item.text for item in read_dump(str(shared_data / "corpus" / name))
            if isinstance(item, Found)
        ]  # fmt: skip
        left = sum(len(MARKERS.findall(text)) for text in texts)
        words = sum(len(WORD.findall(text)) for text in texts)
        assert words > 1000
        assert left <= MOST_MARKERS * words


def _hash(start: int, at: int, word: str) -> str:
    return hashlib.sha256(f"{start}:{at}:{word}".encode()).hexdigest()[:8]
