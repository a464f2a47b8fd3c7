"""How tokens write spaces and bytes, made readable."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filbert.tokenizer.rules import CONTINUING

Marks = Literal["pieces", "bytes", "spaces", "none"]
"""How a token says that it goes on with a word, or begins one.

"pieces": ##ing goes on (WordPiece). "bytes": Ġ is a space, and every byte has a letter of its own
(byte-level BPE). "spaces": ▁ is a space (SentencePiece). "none": nothing says so.
"""

SPACE = "▁"
_IS_SPACE = np.zeros(0x3002, np.bool_)  # by code point; what lies above is none
_IS_SPACE[[ord(space) for space in " \t\n\r\u00a0\u3000"]] = True


def shown(token: str, marks: Marks) -> str:
    r"""A token as a person reads it: bytes as the text they stand for, a space before it as ▁.

    Bytes that are no whole character are written \xe4.
    """
    if marks != "bytes":
        return token
    letters = _bytes_of_letters()
    if any(letter not in letters for letter in token):
        return token
    text = bytes(letters[letter] for letter in token).decode("utf-8", "backslashreplace")
    return SPACE + text[1:] if text.startswith(" ") else text


def goes_on(tokens: Sequence[str], marks: Marks) -> list[bool]:
    """Which tokens go on with the word before them, as far as the token alone can tell."""
    if marks == "pieces":
        return [token.startswith(CONTINUING) and len(token) > 2 for token in tokens]
    if marks == "none":
        return [False] * len(tokens)
    return [
        first.isalnum() or first == "\\" for first in (shown(token, marks)[:1] for token in tokens)
    ]


def is_chinese(token: str) -> bool:
    """Whether a token is one Chinese character, which stands without spaces."""
    return len(token) == 1 and (
        "\u3400" <= token <= "\u9fff"
        or "\uf900" <= token <= "\ufaff"
        or "\U00020000" <= token <= "\U0002fa1f"
    )


def without_spaces(
    offsets: NDArray[np.int32], which: NDArray[np.int32], texts: Sequence[str]
) -> NDArray[np.int32]:
    """Offsets [tokens, 2] without the spaces that a token begins or ends with.

    which: int32 [tokens], the text that a token is of. A token of spaces alone has no characters.
    """
    for number, text in enumerate(texts):
        characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        space = _IS_SPACE[np.minimum(characters, len(_IS_SPACE) - 1)]
        if not space.any():
            continue
        space = np.append(space, False)
        mine = np.flatnonzero(which == number)
        for column, step, look in ((0, 1, 0), (1, -1, -1)):
            while (
                at := mine[
                    (offsets[mine, 0] < offsets[mine, 1]) & space[offsets[mine, column] + look]
                ]
            ).size:
                offsets[at, column] += step
    return offsets


@cache
def _bytes_of_letters() -> dict[str, int]:
    """The letter that stands for each byte in byte-level BPE (Radford et al. 2019).

    Printable bytes of Latin-1 are themselves; the others are numbered from U+0100 on.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    letters = {chr(byte): byte for byte in plain}
    letters |= {chr(0x100 + number): byte for number, byte in enumerate(others)}
    return letters
