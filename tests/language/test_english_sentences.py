"""English is cut just as nupunkt cuts it, though nupunkt is asked about few places only."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import nupunkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filbert.language import english_sentences, split_sentences
from filbert.language.paragraphs import paragraphs

WORDS = """
house The he I I'm Mr. Dr. U.S. e.g. i.e. Fig. St. p.m. etc. No. Ph.D. M.I.T. said. well-known.
o'clock. don't. café. naïve. 1 12. 3.14 1990. 1,000. (a). a. A. J. R. iv. IV. civil. ². Ⅷ. 第1. é.
_a. . ! ? ?! !! . . ... .... … ’ ‘ “ ” " ' ( ) [ ] » * ** -- - — , ; : & § “Mr. ‘Dr. "Yes." 'No.'
(so. so.) so." so.' so?” so!) --. .-- .. .a a..b a.b. http://a.b/c?d=e. www.x.com. x@y.z.
""".split()
SPACES = ["", " ", " ", " ", "  ", "\n", "\n  ", "\n1.", "\n iv.", "\n12).", "\t", "\xa0", "\r\n"]
MARKS = "aAbI1. !?…\"')( \n-,’"


@st.composite
def hard_texts(draw: st.DrawFn) -> str:
    words = draw(st.lists(st.sampled_from(WORDS) | st.text(MARKS, max_size=6), max_size=20))
    spaces = draw(st.lists(st.sampled_from(SPACES), min_size=len(words), max_size=len(words)))
    return draw(st.sampled_from(["", " ", "\n"])) + "".join(
        part for pair in zip(words, spaces, strict=True) for part in pair
    )


def by_nupunkt(text: str) -> list[tuple[int, int]]:
    """What nupunkt says of each paragraph, without the spaces around sentences."""
    spans = []
    for first, last in paragraphs(text):
        paragraph = text[first:last]
        starts = [start for start, _ in nupunkt.sent_spans(paragraph)]
        for start, end in pairwise([0, *starts, len(paragraph)]):
            body = paragraph[start:end].strip()
            if body:
                start = first + paragraph.index(body, start)
                spans.append((start, start + len(body)))
    return spans


@settings(deadline=None, max_examples=500)
@given(hard_texts() | st.text(MARKS, max_size=30))
@example(".-- . . . so.) it")  # a spaced ellipsis is seen together with the word before it
@example("\n.)?'")  # the first word of all
@example(",\n’A.(!\n")  # a mark before the last space
@example("1. One. 2. Two\n3. Three.\n             4. Four")
@example("He left. ill. Then\nill. Then\n  mix. And")
def test_cuts_are_those_of_nupunkt(text: str) -> None:
    assert split_sentences(text, "en") == by_nupunkt(text)


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. and Mrs. Dursley of No. 4 left.", "They were late."],
        ["It rose 3.5 % to $1.25 a share.", "It fell later."],
        ["J. R. R. Tolkien wrote it.", "C. S. Lewis read it."],
        ["She has a Ph.D. in physics from M.I.T. and works.", "He has none."],
        ["I thought... maybe not.", "Wait…", "What?!", "Yes!!!"],
        ["I do not know . . . maybe.", "So it goes."],
        ['"Is it?" he asked.', '"It is!"', "She left."],
        ["“Go,” he said.", "“Now.”", "She went."],
        ["(He came.)", "Then he left (at 5 p.m. sharp).", "All was well."],
        ["See www.example.com/a?b=c for more.", "Write to a.b@c.org."],
        ["See Fig. 3 and Eq. 2, i.e. the last ones.", "The U.S. economy grew."],
    ],
)
def test_english_sentences_as_they_should_be(expected: list[str]) -> None:
    text = " ".join(expected)
    assert [text[start:end] for start, end in split_sentences(text, "en")] == expected


def test_answers_stay_the_same_when_the_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(english_sentences, "_ENTRIES", 2)
    english_sentences._decider.cache_clear()
    text = "Dr. A met Mr. B. They left? No! He said 1. Yes. 2. No. Prof. C came. " * 3
    try:
        assert split_sentences(text, "en") == by_nupunkt(text)
    finally:
        english_sentences._decider.cache_clear()


def test_threads_may_cut_at_once() -> None:
    texts = [f"Dr. A{n} met Mr. B{n}. They left at {n}.5 p.m. Word{n}. Next." for n in range(300)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda text: split_sentences(text, "en"), texts))
    assert results == [by_nupunkt(text) for text in texts]


@pytest.mark.parametrize(
    "name",
    ["gutenberg-sherlock-holmes", "enwiki-extracted-00", "wikitext-2.test"],
)
def test_shared_english_is_cut_as_nupunkt_cuts_it(shared_data: Path, name: str) -> None:
    raw = gzip.decompress((shared_data / "corpus" / f"{name}.txt.gz").read_bytes())
    text = raw.decode()[:400_000].replace("\r\n", "\n")
    found = split_sentences(text, "en")
    assert len(found) > 2_000
    assert found == by_nupunkt(text)
