import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filbert.language import normalise

# Surrogates too: JSON and file names can hold them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\t  words \u3000here ", "two words here"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("one \n  two\n\n \n\n three", "one\ntwo\n\nthree"),
        ("caf" + "e\u0301", "café"),
        ("ze\u200bro \u202eright to left\u202c so\u00adft", "zero right to left soft"),
        ("bell\x07 escape\x1b[31m null\x00", "bell escape[31m null"),
        ("half \ud800 pair", "half pair"),
        ("“你好”，世界！　ＡＢＣ", "“你好”，世界！ ＡＢＣ"),
        ("\ufeff\n \t", ""),
    ],
)
def test_normal_form(text, expected):
    assert normalise(text) == expected


@given(ANY_TEXT)
@example("a \x85 b")
@example("e\x00\u0301")
def test_is_idempotent_and_can_be_written(text):
    once = normalise(text)
    assert normalise(once) == once
    once.encode("utf-8")
    assert once == once.strip()
    assert "  " not in once
    assert "\n\n\n" not in once


def test_drops_what_unicode_calls_invisible_and_maps_every_space():
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        kept = normalise(f"a{character}b")
        if unicodedata.category(character) == "Cn":
            continue  # not known to this Python; a later Unicode may call it a format character
        if character.isspace():
            assert kept in ("a b", "a\nb"), hex(number)
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") or number == 0xFFFD:
            assert kept == "ab", hex(number)
        else:
            assert kept == unicodedata.normalize("NFC", f"a{character}b"), hex(number)


@given(st.text())
def test_keeps_every_visible_character(text):
    """Nothing but spaces and invisible characters goes."""
    visible = "".join(
        c for c in text if not c.isspace() and unicodedata.category(c)[0] != "C" and c != "\ufffd"
    )
    kept = "".join(normalise(text).split())
    unassigned = "".join(c for c in kept if unicodedata.category(c) == "Cn")
    if not unassigned:
        assert unicodedata.normalize("NFC", kept) == unicodedata.normalize("NFC", visible)
