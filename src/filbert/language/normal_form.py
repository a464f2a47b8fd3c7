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
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd"
)
_DROP = re.compile(f"[{_INVISIBLE}]+")
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_WIDE_SPACE = re.compile("[\t\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SPACES = re.compile("  +")
_AROUND_LINE_END = re.compile(" \n ?|\n ")
_BLANK_LINES = re.compile(r"\n{3,}")


def normalise(text: str) -> str:
    """Text in normal form: NFC, nothing invisible, one space between words.

    Line ends of every kind become line feeds and stay; several blank lines become one; spaces at
    the ends of lines go. Full-width Chinese punctuation stays as it is (NFC, not NFKC). Idempotent;
    the result can always be written as UTF-8.
    """
    text = _LINE_END.sub("\n", text)
    text = unicodedata.normalize("NFC", _DROP.sub("", text))
    text = _SPACES.sub(" ", _WIDE_SPACE.sub(" ", text))
    text = _AROUND_LINE_END.sub("\n", text)
    return _BLANK_LINES.sub("\n\n", text).strip()
