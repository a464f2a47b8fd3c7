"""Foreign text → safe HTML: escaped, shut in, and with every invisible trick made visible."""

import html
import re
from collections.abc import Callable

FOLD_AT = 700
"""Characters after which a running text is folded away behind a "show all"."""

# Characters that draw nothing but can hide text or turn the order of a line around: controls,
# bidirectional marks, zero-width spaces, tags, line separators, lone surrogates, noncharacters.
# ZWJ and ZWNJ (U+200C, U+200D) stay: emoji and Persian need them, and they reorder nothing.
_TRICKS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# A few marks upon one letter are a script; a tower of them paints over its neighbours.
_TOWER = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)


def _code_point(match: re.Match[str]) -> str:
    return f"U+{ord(match.group()):04X}"


def _spell_out(text: str, show: Callable[[re.Match[str]], str]) -> str:
    return _TRICKS.sub(show, _TOWER.sub(r"\1", text.replace("\r\n", "\n")))


def plain(text: object) -> str:
    """Text for a place that takes no markup: an attribute, `<title>`, an SVG label.

    Args:
        text: anything; its `str()` is shown.

    Returns:
        Escaped text; invisible characters read ⟨U+202E⟩.
    """
    return html.escape(visible(text))


def visible(text: object) -> str:
    """As `plain`, not escaped: for JSON that a script sets as text."""
    return _spell_out(str(text), lambda match: f"⟨{_code_point(match)}⟩")


def inline(text: object) -> str:
    """Text for a run of page text, isolated so that its direction cannot leak to its neighbours.

    Args:
        text: anything; its `str()` is shown.

    Returns:
        A `<bdi>` element; invisible characters stand in it as small code-point tags.
    """
    return f"<bdi>{markup(text)}</bdi>"


def markup(text: object) -> str:
    """As `inline`, without the `<bdi>`: for a block that isolates already (`dir="auto"`)."""
    escaped = html.escape(str(text))
    return _spell_out(escaped, lambda match: f'<span class="esc">{_code_point(match)}</span>')


NAME_CHARACTERS = 120
"""Characters of a label, a series' name or an axis that are shown; an ellipsis marks the cut."""


def shorten(text: object, characters: int) -> str:
    """Cut a text to so many characters, with an ellipsis where something was cut."""
    whole = str(text)
    return whole if len(whole) <= characters else whole[: characters - 1].rstrip() + "…"


def named(text: object) -> str:
    """A label as `inline`, cut to NAME_CHARACTERS: one row of a figure must stay one row."""
    return inline(shorten(text, NAME_CHARACTERS))


def folded(text: object, show_all: str) -> str:
    """A block of running text; past FOLD_AT characters the whole is folded behind a summary.

    Args:
        text: the text.
        show_all: what the summary says, with `{count}` for the number of characters.

    Returns:
        HTML: one block, or a block and a `<details>`.
    """
    whole = str(text)
    if len(whole) <= FOLD_AT:
        return f'<div class="running" dir="auto">{markup(whole)}</div>'
    summary = html.escape(show_all.format(count=f"{len(whole):,}"))
    return (
        f'<div class="running" dir="auto">{markup(shorten(whole, FOLD_AT))}</div>'
        f"<details><summary>{summary}</summary>"
        f'<div class="running" dir="auto">{markup(whole)}</div></details>'
    )
