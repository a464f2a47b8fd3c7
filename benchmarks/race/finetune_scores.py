"""One scorer for all contestants, the field's: scikit-learn, scipy, seqeval, the official rules.

filbert's own scores of its predictions must be equal to these, to the rounding of a sum.
"""

import importlib
import importlib.util
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from race.finetune_settings import Setting

Example = dict[str, Any]

ROUNDING = 1e-12
"""Two ways to write one formula differ by no more."""

_CMRC_DROPPED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def missing(settings: Sequence[Setting]) -> str:
    """What the scorer lacks for these tasks, as a sentence; "" where it lacks nothing."""
    packages = {"sklearn": "scikit-learn", "scipy": "scipy"}
    if any(setting.kind == "tag" for setting in settings):
        packages["seqeval"] = "seqeval"
    gone = [name for module, name in packages.items() if importlib.util.find_spec(module) is None]
    return f"the scorer needs {', '.join(gone)} (pip install {' '.join(gone)})" if gone else ""


def score(setting: Setting, predictions: Sequence[Any], examples: Sequence[Example]) -> float:
    """The score that decides, as a part of 1."""
    if len(predictions) != len(examples):
        raise ValueError(f"expected {len(examples)} predictions, got {len(predictions)}")
    if setting.kind == "span":
        way = chinese_f1 if setting.language == "zh" else squad_f1
        pairs = zip(predictions, examples, strict=True)
        return sum(_best(way, text, e["answers"]) for text, e in pairs) / len(examples)
    return _of_labels(setting, predictions, examples)


def _of_labels(setting: Setting, predictions: Sequence[Any], examples: Sequence[Example]) -> float:
    if setting.kind == "tag":
        from seqeval.metrics import f1_score

        return float(f1_score([_tags(e) for e in examples], list(predictions), zero_division=0))
    right = [example["label"] for example in examples]
    if setting.kind == "regress":
        from scipy.stats import spearmanr

        found = float(spearmanr([float(value) for value in right], predictions).statistic)
        return 0.0 if math.isnan(found) else found  # always the same number
    from sklearn.metrics import accuracy_score, matthews_corrcoef

    measure = matthews_corrcoef if setting.score == "mcc" else accuracy_score
    return float(measure(right, predictions))


def _tags(example: Example) -> list[str]:
    """The right entities as a tag a word, beginnings marked."""
    begins = {start: at for at, (start, _) in enumerate(example["words"])}
    ends = {stop: at + 1 for at, (_, stop) in enumerate(example["words"])}
    tags = ["O"] * len(example["words"])
    for start, stop, kind in example["entities"]:
        first, behind = begins[start], ends[stop]
        tags[first:behind] = [f"B-{kind}", *[f"I-{kind}"] * (behind - first - 1)]
    return tags


def _best(way: Callable[[str, str], float], text: str, answers: Sequence[Example]) -> float:
    return max(way(text, answer["text"]) for answer in answers)


def squad_f1(text: str, wanted: str) -> float:
    """Words in common, by the rules of SQuAD's evaluate-v1.1.py."""
    mine, theirs = _squad_words(text), _squad_words(wanted)
    same = sum((Counter(mine) & Counter(theirs)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(mine), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def _squad_words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def chinese_f1(text: str, wanted: str) -> float:
    """The longest run in common, by the rules of cmrc2018_evaluate.py."""
    mine, theirs = _cmrc_units(text), _cmrc_units(wanted)
    same = _longest_run(mine, theirs)
    if same == 0:
        return 0.0
    precision, recall = same / len(mine), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def _cmrc_units(text: str) -> list[str]:
    """Chinese characters one by one, what stands between them as nltk's words."""
    units: list[str] = []
    other = ""
    for character in text.lower().strip():
        if character in _CMRC_DROPPED:
            continue
        if re.search(r"[\u4e00-\u9fa5]", character):
            units += [*_words(other), character]
            other = ""
        else:
            other += character
    return units + _words(other)


def _words(text: str) -> list[str]:
    """nltk.word_tokenize, as far as it is here: see `chinese_words`."""
    if not text or importlib.util.find_spec("nltk") is None:
        return text.split()
    tokenize = importlib.import_module("nltk").word_tokenize
    try:
        return list(tokenize(text))
    except LookupError:  # the model that parts sentences, which nltk downloads
        return list(tokenize(text, preserve_line=True))


def chinese_words() -> str:
    """What parts Latin words within Chinese answers, for the table."""
    if importlib.util.find_spec("nltk") is None:
        return "spaces: nltk, which the official script calls, is not installed"
    nltk = importlib.import_module("nltk")
    try:
        nltk.word_tokenize("a")
    except LookupError:
        return f"nltk {nltk.__version__}'s words, without its model of sentences"
    return f"nltk {nltk.__version__}"


def _longest_run(mine: Sequence[str], theirs: Sequence[str]) -> int:
    best, before = 0, [0] * (len(theirs) + 1)
    for unit in mine:
        now = [0] * (len(theirs) + 1)
        for place, other in enumerate(theirs):
            if unit == other:
                now[place + 1] = before[place] + 1
                best = max(best, now[place + 1])
        before = now
    return best
