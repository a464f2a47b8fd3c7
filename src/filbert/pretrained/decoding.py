"""Tokens → text in the way of transformers (the tokenizer's own `decode` knows Chinese spacing)."""

from collections.abc import Iterable

_CONTINUING = "##"
_SHORTENED = (" n't", " 'm", " 's", " 've", " 're")
_IN_TOKENS = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"))
_LATE = (" do not", " don't")


def join_tokens(tokens: Iterable[str]) -> str:
    """Words with a space between them, none before . ? ! and a comma (the WordPiece decoder)."""
    parts = []
    for place, token in enumerate(tokens):
        if place == 0:
            piece = token
        elif token.startswith(_CONTINUING):
            piece = token[len(_CONTINUING) :]
        else:
            piece = f" {token}"
        for old, new in _IN_TOKENS:
            piece = piece.replace(old, new)
        piece = piece.replace(" n't", "n't").replace(" 'm", "'m").replace(*_LATE)
        for short in (" 's", " 've", " 're"):
            piece = piece.replace(short, short[1:])
        parts.append(piece)
    return "".join(parts)


def clean_up(text: str) -> str:
    """The same over the whole text: what clean_up_tokenization_spaces asks for."""
    for old, new in _IN_TOKENS:
        text = text.replace(old, new)
    for short in _SHORTENED:
        text = text.replace(short, short[1:])
    return text
