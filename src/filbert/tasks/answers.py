"""How much of an answer is right, counted as the official scripts count it.

English by the rules of SQuAD (Rajpurkar et al. 2016; evaluate-v1.1.py, -v2.0.py): lower case,
without punctuation and articles, words in common. The two scripts differ only where nothing else
is left of an answer ("The"): then version 2.0 is followed. Chinese by the rules of CMRC 2018 (Cui
et al. 2019; cmrc2018_evaluate.py): without its list of punctuation, Chinese characters one by one
and other words as in the Penn Treebank (treebank.py), the longest run in common.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from filbert.tasks.treebank import treebank_words
from filbert.tokenizer.marks import is_chinese

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CMRC_DROPPED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


@dataclass(frozen=True)
class Overlap:
    """An answer beside the right ones: the best of them counts.

    exact  1 or 0
    f1     from 0 to 1
    """

    exact: float
    f1: float


@dataclass(frozen=True)
class Right:
    """The right answers to a question; none: it has no answer.

    chinese  whether they are counted as Chinese ones are
    """

    texts: tuple[str, ...]
    chinese: bool = False

    @classmethod
    def of(cls, texts: Sequence[str], context: str) -> "Right":
        """The answers to a question on a passage, by the language of the passage."""
        letters = [character for character in context if character.isalpha()]
        chinese = sum(map(is_chinese, letters))
        return cls(tuple(texts), chinese > 0.2 * len(letters))


def overlap(text: str, right: Right) -> Overlap:
    """An answer ("" for none) beside the right ones, of which the best counts."""
    if right.chinese and not right.texts:
        return Overlap(float(not text), float(not text))
    if right.chinese:
        found = [_chinese(text, wanted) for wanted in right.texts]
    else:
        # As version 2.0 has it: an answer of which nothing is left is none.
        left = [wanted for wanted in right.texts if _plain(wanted)]
        found = [_english(text, wanted) for wanted in left or [""]]
    return Overlap(max(one.exact for one in found), max(one.f1 for one in found))


def _english(text: str, wanted: str) -> Overlap:
    mine, theirs = _plain(text), _plain(wanted)
    exact = float(mine == theirs)
    words, others = mine.split(), theirs.split()
    if not words or not others:
        # As version 2.0 has it: if either is no answer, F1 is 1 where both are.
        return Overlap(exact, float(words == others))
    common = (Counter(words) & Counter(others)).total()
    return Overlap(exact, 2 * common / (len(words) + len(others)))


def _plain(text: str) -> str:
    text = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _chinese(text: str, wanted: str) -> Overlap:
    exact = float(_bare(text) == _bare(wanted))
    mine, theirs = _units(text), _units(wanted)
    common = _longest_run(mine, theirs)
    return Overlap(exact, 2 * common / (len(mine) + len(theirs)) if common else 0.0)


def _bare(text: str) -> str:
    return "".join(c for c in text.lower().strip() if c not in _CMRC_DROPPED)


def _units(text: str) -> list[str]:
    """Chinese characters one by one; what stands between them word by word."""
    units: list[str] = []
    other = ""
    for character in _bare(text):
        if "\u4e00" <= character <= "\u9fa5":
            units += [*treebank_words(other), character]
            other = ""
        else:
            other += character
    return units + treebank_words(other)


def _longest_run(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """The length of the longest run of units that both have."""
    best, before = 0, [0] * (len(theirs) + 1)
    for unit in mine:
        now = [0] * (len(theirs) + 1)
        for place, other in enumerate(theirs, 1):
            if unit == other:
                now[place] = before[place - 1] + 1
                best = max(best, now[place])
        before = now
    return best
