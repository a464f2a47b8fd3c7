"""Quality rules: what a text must be like to be learnt from, after what the field has published.

Sources, as the rules name them:
    C4: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.2.
    Gopher: Rae et al. 2021, "Scaling Language Models", appendix A.1 (MassiveText).
    RefinedWeb: Penedo et al. 2023, "The RefinedWeb Dataset for Falcon LLM".
    FineWeb: Penedo et al. 2024, "The FineWeb Datasets".
    ChineseWebText: Chen et al. 2023, arXiv 2311.01149 (EvalWeb); its README, stage 2.
The thresholds here are milder where those were made for web pages alone: an encyclopedia, a book
and a Chinese paragraph of two sentences must pass. No list of unwanted words is among the rules.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np

from filbert.corpus.measures import Measures, Values
from filbert.corpus.word_hashes import MOST_TEXTS, Mask
from filbert.errors import SettingsError

_MEASURED_APART = ("en", "zh")
# Their arrays stay in the processor's cache.
_BATCH_CHARACTERS = 1 << 16


@dataclass(frozen=True)
class Quality:
    """The thresholds of the rules; 0 turns a rule off. Shares are between 0 and 1.

    Attributes:
        languages: the languages that are wanted (ISO 639-1, "en", "zh"); none: all.
        min_characters: the fewest characters, of a text that is not Chinese.
        min_chinese_characters: the fewest of a Chinese text, which says more with each.
        max_characters: the most characters.
        min_words: the fewest words, English.
        min_word_length: the least mean length of a word in characters, English.
        max_word_length: the greatest mean length of a word in characters, English.
        max_garbled_share: characters that wrong decoding leaves.
        min_letters_share: words with a letter in them, English.
        min_chinese_share: Chinese characters of all characters but spaces, Chinese.
        max_symbols_share: "#" and ellipses for each word, or Chinese character.
        max_brackets_share: curly brackets of all characters.
        max_bullets_share: lines that begin with a bullet.
        max_ellipsis_share: lines that end with an ellipsis.
        min_stop_words: different function words, in texts of 50 words (150 Chinese characters).
        min_sentence_ends: sentence ends for each 100 words (200 Chinese characters), in texts of
            that length.
        max_boilerplate_share: text in lines on cookies, JavaScript, terms of use, filing numbers.
        max_placeholders: how often "lorem ipsum dolor" may stand there; 0.5 is never.
        max_repeated_lines_share: lines that stood before.
        max_repeated_lines_text: text in lines that stood before.
        max_repeated_paragraphs_share: paragraphs that stood before.
        max_repeated_paragraphs_text: text in paragraphs that stood before.
        max_frequent_share: words in the most frequent pair of words (four characters in Chinese).
        max_repeated_share: words in runs of 5 words (10 characters in Chinese) that stood before,
            in the first million characters.
    """

    languages: tuple[str, ...] = ()
    min_characters: int = 16
    min_chinese_characters: int = 8
    max_characters: int = 5_000_000
    min_words: int = 5
    min_word_length: float = 3.0
    max_word_length: float = 10.0
    max_garbled_share: float = 0.05
    min_letters_share: float = 0.6
    min_chinese_share: float = 0.2
    max_symbols_share: float = 0.1
    max_brackets_share: float = 0.02
    max_bullets_share: float = 0.9
    max_ellipsis_share: float = 0.3
    min_stop_words: int = 2
    min_sentence_ends: float = 0.5
    max_boilerplate_share: float = 0.3
    max_placeholders: float = 0.5
    max_repeated_lines_share: float = 0.3
    max_repeated_lines_text: float = 0.2
    max_repeated_paragraphs_share: float = 0.3
    max_repeated_paragraphs_text: float = 0.2
    max_frequent_share: float = 0.2
    max_repeated_share: float = 0.3

    def __post_init__(self) -> None:
        """Raise SettingsError for what is no threshold."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "languages":
                if not isinstance(value, tuple):
                    raise SettingsError(f"languages: expected several codes, got {value!r}")
            elif not (isinstance(value, int | float) and 0 <= value < float("inf")):
                raise SettingsError(
                    f"{field.name}: expected a number of 0 (off) or more, got {value!r}"
                )


@dataclass(frozen=True)
class Rule:
    """What a rule drops.

    Attributes:
        english: one sentence for the report.
        chinese: the same in Chinese.
        source: where it comes from, and how it differs from there.
        settings: the fields of `Quality` that it looks at.
        languages: the languages it applies to; none: all.
    """

    english: str
    chinese: str
    source: str
    settings: tuple[str, ...]
    languages: tuple[str, ...] = ()


def broken_rule(text: str, language: str, quality: Quality) -> str | None:
    """The name of the first rule, in the order of `RULES`, by which this text is dropped.

    Args:
        text: in normal form (`filbert.language.normalise`).
        language: ISO 639-1, as `detect_language` says.
        quality: the thresholds.
    """
    return broken_rules([text], [language], quality)[0]


def broken_rules(
    texts: Sequence[str], languages: Sequence[str], quality: Quality
) -> list[str | None]:
    """What `broken_rule` says of each text: [texts]. Many short texts take less time together."""
    rules: list[str | None] = [None] * len(texts)
    for numbers in _batches(texts, languages):
        broken = _first_broken(
            [texts[number] for number in numbers],
            [languages[number] for number in numbers],
            quality,
        )
        for number, rule in zip(numbers, broken, strict=True):
            rules[number] = rule
    return rules


def _batches(texts: Sequence[str], languages: Sequence[str]) -> Iterator[list[int]]:
    """The numbers of texts that are measured together: English, Chinese or other ones."""
    waiting: dict[str, list[int]] = {}
    sizes: Counter[str] = Counter()
    for number, (text, language) in enumerate(zip(texts, languages, strict=True)):
        kind = language if language in _MEASURED_APART else ""
        batch = waiting.setdefault(kind, [])
        batch.append(number)
        sizes[kind] += len(text)
        if sizes[kind] >= _BATCH_CHARACTERS or len(batch) >= MOST_TEXTS:
            yield waiting.pop(kind)
            sizes[kind] = 0
    yield from waiting.values()


def _first_broken(
    texts: Sequence[str], languages: Sequence[str], quality: Quality
) -> list[str | None]:
    """Of texts of one kind."""
    measures = Measures(texts, chinese=languages[0] == "zh")
    found: list[str | None] = [None] * len(texts)
    wanted = quality.languages
    if wanted:
        found = [None if language in wanted else "language" for language in languages]
    for name, rule in RULES.items():
        if name == "language" or (rule.languages and languages[0] not in rule.languages):
            continue
        for number in np.flatnonzero(_CHECKS[name](measures, quality)):
            found[number] = found[number] or name
    return found


def _over(limit: float, measure: Callable[[], Values]) -> Mask:
    """Which are more than a limit that is not off; what is off is not measured."""
    return measure() > limit if limit else np.zeros(1, dtype=np.bool_)


def _under(limit: float, measure: Callable[[], Values]) -> Mask:
    return measure() < limit if limit else np.zeros(1, dtype=np.bool_)


def _short(measures: Measures, quality: Quality) -> Mask:
    chinese = measures.chinese
    limit = quality.min_chinese_characters if chinese else quality.min_characters
    return measures.lengths < limit


_CHECKS: Mapping[str, Callable[[Measures, Quality], Mask]] = {
    "short": _short,
    "long": lambda m, q: _over(q.max_characters, lambda: m.lengths),
    "few_words": lambda m, q: _under(q.min_words, m.word_count),
    "word_length": lambda m, q: (
        _under(q.min_word_length, m.word_length) | _over(q.max_word_length, m.word_length)
    ),
    "garbled": lambda m, q: _over(q.max_garbled_share, m.garbled_share),
    "letters": lambda m, q: _under(q.min_letters_share, m.letters_share),
    "chinese": lambda m, q: _under(q.min_chinese_share, m.chinese_share),
    "symbols": lambda m, q: _over(q.max_symbols_share, m.symbols_share),
    "curly_brackets": lambda m, q: _over(q.max_brackets_share, m.brackets_share),
    "bullets": lambda m, q: _over(q.max_bullets_share, m.bullets_share),
    "ellipsis": lambda m, q: _over(q.max_ellipsis_share, m.ellipsis_share),
    "placeholder": lambda m, q: _over(q.max_placeholders, m.placeholders),
    "boilerplate": lambda m, q: _over(q.max_boilerplate_share, m.boilerplate_share),
    "stop_words": lambda m, q: _under(q.min_stop_words, m.stop_words),
    "sentence_ends": lambda m, q: _under(q.min_sentence_ends, m.sentence_ends),
    "repeated_lines": lambda m, q: (
        _over(q.max_repeated_lines_share, lambda: m.repeated_lines()[0])
        | _over(q.max_repeated_lines_text, lambda: m.repeated_lines()[1])
    ),
    "repeated_paragraphs": lambda m, q: (
        _over(q.max_repeated_paragraphs_share, lambda: m.repeated_paragraphs()[0])
        | _over(q.max_repeated_paragraphs_text, lambda: m.repeated_paragraphs()[1])
    ),
    "frequent_words": lambda m, q: _over(q.max_frequent_share, m.frequent_share),
    "repeated_words": lambda m, q: _over(q.max_repeated_share, m.repeated_share),
}

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "language": Rule(
            "The text is in a language that was not asked for.",
            "文本的语言不在所需语言之列。",
            "C4, RefinedWeb, FineWeb: English only, by a language classifier",
            ("languages",),
        ),
        "short": Rule(
            "The text has too few characters.",
            "文本字数太少。",
            "ChineseWebText (200 characters); milder",
            ("min_characters", "min_chinese_characters"),
        ),
        "long": Rule(
            "The text has too many characters.",
            "文本字数太多。",
            "Gopher (100,000 words); milder, for books",
            ("max_characters",),
        ),
        "few_words": Rule(
            "The text has too few words.",
            "文本单词太少。",
            "C4 (5 words a line), Gopher (50 words a document); the former",
            ("min_words",),
            ("en",),
        ),
        "word_length": Rule(
            "The words are too short or too long on average.",
            "单词平均长度过短或过长。",
            "Gopher (3 to 10)",
            ("min_word_length", "max_word_length"),
            ("en",),
        ),
        "garbled": Rule(
            "Too many characters look like text decoded by a wrong encoding.",
            "乱码字符过多，像是用错了编码。",
            "our own; ChineseWebText names erroneous characters without a number",
            ("max_garbled_share",),
            ("en", "zh"),
        ),
        "letters": Rule(
            "Too few words have a letter: numbers, signs and tables.",
            "含字母的单词太少，多为数字、符号或表格。",
            "Gopher (80 % of words); milder",
            ("min_letters_share",),
            ("en",),
        ),
        "chinese": Rule(
            "Too few characters are Chinese.",
            "汉字所占比例太低。",
            "ChineseWebText (30 %); milder",
            ("min_chinese_share",),
            ("zh",),
        ),
        "symbols": Rule(
            "Too many number signs and ellipses.",
            "井号和省略号过多。",
            "Gopher (0.1 a word)",
            ("max_symbols_share",),
        ),
        "curly_brackets": Rule(
            "Too many curly brackets: program code.",
            "花括号过多，像是程序代码。",
            "C4 (not a single one); milder, for mathematics and documentation",
            ("max_brackets_share",),
        ),
        "bullets": Rule(
            "Nearly all lines begin with a bullet.",
            "几乎每一行都以项目符号开头。",
            "Gopher (90 % of lines)",
            ("max_bullets_share",),
        ),
        "ellipsis": Rule(
            "Too many lines break off with an ellipsis.",
            "以省略号结尾的行过多。",
            "Gopher (30 % of lines)",
            ("max_ellipsis_share",),
        ),
        "placeholder": Rule(
            "The text holds the typesetters' placeholder “lorem ipsum dolor”.",
            "文本含有排版占位文字“lorem ipsum dolor”。",
            "C4 (“lorem ipsum”)",
            ("max_placeholders",),
        ),
        "boilerplate": Rule(
            "Most of the text is about cookies, JavaScript, terms of use or filing numbers.",
            "文本多为 Cookie 提示、JavaScript 提示、使用条款或备案号。",
            "C4 and FineWeb drop such lines; here the text, if it is little else",
            ("max_boilerplate_share",),
        ),
        "stop_words": Rule(
            "The function words of every longer text are missing.",
            "较长的文本里却没有常用虚词。",
            "Gopher (2 of 8 words); Chinese by the same thought, of frequent characters",
            ("min_stop_words",),
            ("en", "zh"),
        ),
        "sentence_ends": Rule(
            "Hardly any sentence ends: menus, lists of key words.",
            "几乎没有句末标点，像是菜单或关键词列表。",
            "C4 (lines must end a sentence), FineWeb (12 % of lines); here for each 100 words, so "
            "that poems and wrapped lines pass",
            ("min_sentence_ends",),
            ("en", "zh"),
        ),
        "repeated_lines": Rule(
            "Too many lines stand there more than once.",
            "重复的行过多。",
            "Gopher (30 % of lines, 20 % of characters)",
            ("max_repeated_lines_share", "max_repeated_lines_text"),
        ),
        "repeated_paragraphs": Rule(
            "Too many paragraphs stand there more than once.",
            "重复的段落过多。",
            "Gopher (30 % of paragraphs, 20 % of characters)",
            ("max_repeated_paragraphs_share", "max_repeated_paragraphs_text"),
        ),
        "frequent_words": Rule(
            "One pair of words (four Chinese characters) makes up too much of the text.",
            "同一个二词组（中文为四字组）所占比例过高。",
            "Gopher (most frequent 2-gram, 20 % of characters); here of words",
            ("max_frequent_share",),
            ("en", "zh"),
        ),
        "repeated_words": Rule(
            "Too much of the text are runs of words that stood there before.",
            "重复的词串过多。",
            "Gopher (15 % of characters in repeated 5-grams), ChineseWebText (50 %, 13 characters)",
            ("max_repeated_share",),
            ("en", "zh"),
        ),
    }
)
"""All rules by name, in the order in which they are tried: the cheap ones first."""
