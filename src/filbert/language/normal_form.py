"""The one form in which filbert keeps text."""

import re
import unicodedata

# Written out, not asked of unicodedata, so that every Python gives the same text: control (Cc but
# line ends and tabs), format (Cf: soft hyphen, zero width, bidirectional marks), surrogates (Cs),
# private use (Co) and U+FFFD. BERT's tokenizer drops the same ones.
_INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad"
    "\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ud800-\udfff\ue000-\uf8ff\ufeff\ufff9-\ufffb\ufffd"
)
_INVISIBLE_ASTRAL = (
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd"
)
# Two classes, since re looks at characters beyond U+FFFF one range after another.
_DROP = re.compile(f"[{_INVISIBLE}]")
_DROP_ASTRAL = re.compile(f"[{_INVISIBLE_ASTRAL}]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LINE_END = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_WIDE_SPACE = re.compile("[\t\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SPACES = re.compile("  +")
_BLANK_LINES = re.compile("\n\n\n+")


def normalise(text: str) -> str:
    """Text in normal form: NFC, nothing invisible, one space between words.

    Line ends of every kind become line feeds and stay; several blank lines become one; spaces at
    the ends of lines go. Full-width Chinese punctuation stays as it is (NFC, not NFKC). Idempotent;
    the result can always be written as UTF-8.
    """
    # What Python can print is no control character, format, surrogate, private use or wide space.
    if text.replace("\n", "").isprintable() and "\ufffd" not in text:
        text = unicodedata.normalize("NFC", text)
    else:
        text = _LINE_END.sub("\n", text.replace("\r\n", "\n"))
        text = _DROP.sub("", text)
        if _ASTRAL.search(text):
            text = _DROP_ASTRAL.sub("", text)
        text = _WIDE_SPACE.sub(" ", unicodedata.normalize("NFC", text))
    if "  " in text:
        text = _SPACES.sub(" ", text)
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()
