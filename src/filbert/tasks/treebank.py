"""English words as the Penn Treebank has them: "can't" is "ca" and "n't", a final stop is a word.

The rules are those of nltk's word_tokenize (3.10), which the script of CMRC 2018 calls, for text in
small letters. Two things are left to it. It parts sentences first, by a model that it has learnt:
so a full stop within a text, before a space, is a word of its own there unless it knows what stands
before it as an abbreviation, while here it stays with its word. And its older versions know fewer
quotation marks.
"""

import re

_ALONE = r" \g<0> "

_RULES = (
    # What opens: quotation marks, of which straight ones become ``.
    ("[«“‘„]|`+", _ALONE),
    ('^"', "``"),
    ("``", _ALONE),
    (r"""(?<=[ (\[{<])(?:"|'')""", "`` "),
    # An apostrophe before a word, but for the ends of words, of which it is a part.
    (r"(?<!\w)'(?!(?:re|ve|ll|[mtsdn])\b)(?=\w)", r"\g<0> "),
    # The stop that ends the text, with what closes behind it.
    (r"""(?<=[^.])\.(?=[])}>"'»”’ ]*\s*$)""", r" \g<0> "),
    # Between digits a comma or colon is a part of the number.
    (r"([:,])(\D)", r" \1 \2"),
    ("[:,]$", _ALONE),
    (r"\.{2,}|[;@#$%&?!*]|[\u2012-\u2015]", _ALONE),
    (r"(?<=[^'])' ", " ' "),
    (r"[][(){}<>]", _ALONE),
    ("--", _ALONE),
    # What closes.
    ("^|$", " "),
    ("[»”’]", _ALONE),
    ("\"|''", " '' "),
    # The ends of words: 's, 'm, 'd, a lone apostrophe; then 'll, 're, 've, n't.
    (r"(?<=[^'\s])('[smd]?)(?=\s)", r" \1"),
    (r"(?<=[^'\s])('(?:ll|re|ve)|n't)(?=\s)", r" \1"),
    # Words that are two.
    (
        r"\b(can(?=not)|d(?='ye)|gim(?=me)|gon(?=na)|got(?=ta)|lem(?=me)|more(?='n)|wan(?=na\s))"
        r"(not|'ye|me|na|ta|'n)\b",
        r" \1 \2 ",
    ),
    (r"(?<=\s)('t)(is|was)\b", r" \1 \2 "),
)


def treebank_words(text: str) -> list[str]:
    """The words of a text in small letters."""
    text = text.rstrip()
    for pattern, made in _RULES:
        text = re.sub(pattern, made, text)  # compiled when they are first needed, and kept
    return text.split()
