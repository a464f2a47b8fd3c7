"""Wikitext without templates, tables and the brackets of links: one walk, on a stack of its own.

Every opening bracket puts a frame on the stack, every closing one takes it away again and leaves
what a reader sees of it. What was never closed is opened up: the marks go, the prose stays. The
stack has a limit, so that no text needs more than a fixed number of looks at any character.
"""

import re
from collections.abc import Callable, Sequence

from filbert.corpus.wiki.links import converted_text, is_dropped, link_text
from filbert.corpus.wiki.templates import shows_text, template_text

_TOKEN = re.compile(
    r"\{\{+|\}\}+|\[\[+|\]\]+|-\{(?!\{)|\}-"
    r"|\n[ \t:*#;]*\{\|(?!\})|\n[ \t:*]*\|\}(?!\})"
    r"|\n(?===+[^=\n][^\n]*=[ \t]*(?:\n|\Z))|\n(?=[ \t]*\n)"
    r"|</?table(?=[\s>])[^<>]*>",
    re.IGNORECASE,
)
_TEMPLATE, _LINK, _TABLE, _CONVERSION, _PAGE = range(5)
_DEEPEST = 60
_NAMED_START = re.compile(r"\s*[\w -]{1,24}=\s*")
_LONGEST_NAME = 80


def without_brackets(text: str) -> tuple[str, bool]:
    """Text without templates and tables, with the text of links; linear in its length.

    Returns: the text, and whether something was left open.
    """
    walk = _Walk()
    done = 0
    text = "\n" + text
    for token in _TOKEN.finditer(text):
        if token.start() > done:
            walk.add(text[done : token.start()])
        done = max(done, token.end())
        mark = token[0]
        if mark[0] == "\n" and not mark.endswith(("|", "}")):
            walk.new_line(heading=text.startswith("=", done))
        elif mark[0] == "}" and mark != "}-":
            done += walk.close_templates(mark, dash=text.startswith("-", done))
        else:
            _bracket(walk, mark)
    walk.add(text[done:])
    walk.open_up(1)
    return "".join(walk.frames[0][1]).lstrip("\n"), walk.unclosed


def _bracket(walk: "_Walk", mark: str) -> None:
    first = mark[0]
    if first == "[":
        walk.open_links(mark)
    elif first == "]":
        walk.close_links(mark)
    elif first == "{":
        walk.open_templates(mark)
    elif first == "-":
        walk.open(_CONVERSION)
    elif first == "}":
        walk.close(_CONVERSION, mark)
    else:
        _table(walk, mark)


def _table(walk: "_Walk", mark: str) -> None:
    if mark[0] == "\n":
        walk.add("\n")
    if mark.endswith("{|") or mark[:2].lower() == "<t":
        walk.open(_TABLE)
    else:
        walk.close(_TABLE, "")


class _Walk:
    def __init__(self) -> None:
        self.frames: list[tuple[int, list[str]]] = [(_PAGE, [])]
        self.unclosed = False
        self._count = [0, 0, 0, 0]
        self._too_deep = [0, 0, 0, 0]
        self._widths: list[int] = []  # how many braces each open template has

    def add(self, text: str) -> None:
        self.frames[-1][1].append(text)

    def open(self, kind: int, times: int = 1, *, width: int = 2) -> None:
        fits = max(0, min(times, _DEEPEST - len(self.frames)))
        for _ in range(fits):
            self.frames.append((kind, []))
        self._count[kind] += fits
        if kind == _TEMPLATE:
            self._widths += [width] * fits
        if times > fits:
            self._too_deep[kind] += times - fits
            self.unclosed = True

    def open_links(self, run: str) -> None:
        if len(run) % 2:
            self.add("[")
        self.open(_LINK, len(run) // 2)

    def open_templates(self, run: str) -> None:
        """A parameter {{{1}}} has three braces; in an odd run it is the innermost."""
        if len(run) == 6:
            self.open(_TEMPLATE, 2, width=3)
            return
        pairs = len(run) // 2 - len(run) % 2
        self.open(_TEMPLATE, pairs)
        if len(run) % 2:
            self.open(_TEMPLATE, width=3)

    def close_links(self, run: str) -> None:
        odd = len(run) % 2
        if odd and self._has_single_open():
            self.add("]")
            odd = 0
        left = self._left_of(_LINK, len(run) // 2)
        for _ in range(min(left, self._count[_LINK])):
            self.close(_LINK, "")
        if odd:
            self.add("]")

    def close_templates(self, run: str, *, dash: bool) -> int:
        """How many characters behind the run are used up too: 1 for the dash of "}-"."""
        odd = len(run) % 2
        braces = 2 * self._left_of(_TEMPLATE, len(run) // 2) + odd
        while braces >= 2 and self._count[_TEMPLATE]:
            width = min(braces, self._widths[-1])
            self.close(_TEMPLATE, "")
            braces -= width
        if braces == 1 and dash and self._count[_CONVERSION]:
            self.close(_CONVERSION, "}-")
            return 1
        return 0

    def _left_of(self, kind: int, times: int) -> int:
        """How many closings are left when those too deep for the stack are done."""
        deep = min(times, self._too_deep[kind])
        self._too_deep[kind] -= deep
        return times - deep

    def _has_single_open(self) -> bool:
        """Whether the link on top holds an external link that is still open: [[…[http://… ]]]."""
        kind, pieces = self.frames[-1]
        return kind == _LINK and "".join(pieces).rfind("[") > "".join(pieces).rfind("]")

    def close(self, kind: int, mark: str) -> None:
        """Close the last frame of a kind; those above were left open. `mark` if there is none."""
        if self._too_deep[kind]:
            self._too_deep[kind] -= 1
            return
        if not self._count[kind]:
            self.add(mark)
            return
        at = len(self.frames) - 1
        while self.frames[at][0] != kind:
            at -= 1
        self.open_up(at + 1)
        _, pieces = self.frames.pop()
        self._count[kind] -= 1
        if kind == _TEMPLATE:
            self._widths.pop()
        if text := _SHOWS[kind](pieces):
            self.add(text)

    def new_line(self, *, heading: bool) -> None:
        """A paragraph closes a link, a heading also templates: they were left open."""
        at = len(self.frames)
        while at > 1 and self._ends_here(self.frames[at - 1], heading):
            at -= 1
        self.open_up(at)
        if heading and not self._count[_TABLE]:
            self._too_deep = [0, 0, 0, 0]
        self.add("\n")

    @staticmethod
    def _ends_here(frame: tuple[int, list[str]], heading: bool) -> bool:
        kind, pieces = frame
        if heading:
            return kind != _TABLE
        return (
            kind == _LINK
            and bool(pieces)
            and not is_dropped(pieces[0][:_LONGEST_NAME].partition("|")[0])
        )

    def open_up(self, start: int) -> None:
        """Take the frames from `start` on away; their prose goes to the one below."""
        if start >= len(self.frames):
            return
        left = self.frames[start:]
        del self.frames[start:]
        for kind, pieces in left:
            self._count[kind] -= 1
            if kind == _TEMPLATE:
                self._widths.pop()
            self.unclosed = self.unclosed or kind != _CONVERSION
            self.add(_OPENED[kind]("".join(pieces)))


def _template(pieces: Sequence[str]) -> str:
    first = pieces[0] if pieces else ""
    name = first.partition("|")[0]
    return template_text("".join(pieces)) if len(name) < _LONGEST_NAME and shows_text(name) else ""


def _opened_template(text: str) -> str:
    """The text behind "{{" that was never closed, without the values that stand in lines."""
    first, _, rest = text.partition("\n")
    if "|" in first:
        first = _NAMED_START.sub("", first.rpartition("|")[2], count=1)
    elif rest.lstrip().startswith("|"):
        first = ""
    lines = (line for line in rest.split("\n") if not line.lstrip().startswith("|"))
    return "\n".join((first, *lines)) if rest else first


def _opened_link(text: str) -> str:
    first, line_end, rest = text.partition("\n")
    target, bar, label = first.partition("|")
    if is_dropped(target):
        return (label.rpartition("|")[2] if bar else "") + line_end + rest
    return (label or target) + line_end + rest


def _opened_table(text: str) -> str:
    lines = text.split("\n")[1:]
    return "\n" + "\n".join(line for line in lines if not line.lstrip().startswith(("|", "!")))


_SHOWS: dict[int, Callable[[Sequence[str]], str]] = {
    _TEMPLATE: _template,
    _LINK: lambda pieces: link_text("".join(pieces)),
    _TABLE: lambda pieces: "",
    _CONVERSION: lambda pieces: converted_text("".join(pieces)),
}
_OPENED: dict[int, Callable[[str], str]] = {
    _TEMPLATE: _opened_template,
    _LINK: _opened_link,
    _TABLE: _opened_table,
    _CONVERSION: lambda text: "-{" + text,
}
