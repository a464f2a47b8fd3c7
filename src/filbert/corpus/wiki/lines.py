"""Lines of wikitext → paragraphs, list items and headings as a reader sees them."""

import re
from dataclasses import dataclass

from filbert.corpus.wiki.names import REFERENCE_SECTIONS

_RULE = re.compile(r"-{4,}")
_ONLY_MARKS = re.compile(r"[\W_]*")
_PROSE_END = re.compile(r"[.!?。！？…][\"'”’」』）)]*$")
_PROSE_WORDS, _PROSE_CHINESE = 8, 16
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    level: int = 0  # of a heading
    item: bool = False


def laid_out(text: str) -> str:
    """Paragraphs and headings with a blank line between them, list items line by line.

    Headings without any text below them go, and sections of references and links without prose.
    """
    blocks = _without_empty(_without_references(_blocks(text)))
    parts: list[str] = []
    before: _Block | None = None
    for block in blocks:
        if before is not None:
            parts.append("\n" if before.item and block.item else "\n\n")
        parts.append(block.text)
        before = block
    return "".join(parts)


def _blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    open_lines: list[str] = []

    def end_paragraph() -> None:
        if open_lines:
            blocks.append(_Block(_joined(open_lines)))
            open_lines.clear()

    for raw in text.split("\n"):
        line = raw.strip()
        if line.startswith("|"):  # of a table that lost its beginning
            line = line.lstrip("|}-+ ")
        block = _special(line)
        if block is None:
            open_lines.append(line)
            continue
        end_paragraph()
        if not _ONLY_MARKS.fullmatch(block.text):
            blocks.append(block)
    end_paragraph()
    return [block for block in blocks if not _ONLY_MARKS.fullmatch(block.text)]


def _special(line: str) -> _Block | None:
    """The block that a line is by itself; None for a line of a paragraph."""
    if not line:
        return _Block("")
    first = line[0]
    if first in "*#:;":
        return _Block(line.lstrip("*#:; \t"), item=True)
    if line.startswith("==") or (first == "=" and line.endswith("=")):
        return _Block(line.strip("= "), level=min(6, len(line) - len(line.lstrip("="))))
    if first == "-" and _RULE.match(line):
        return _Block(line.lstrip("- "))
    return None


def _joined(lines: list[str]) -> str:
    """The lines of one paragraph; no space comes between two that are Chinese."""
    text = lines[0]
    if len(lines) == 1:
        return text
    parts = [text]
    for line in lines[1:]:
        wide = _WIDE.match(parts[-1][-1:]) and _WIDE.match(line)
        parts.append(line if wide else " " + line)
    return "".join(parts)


def _without_references(blocks: list[_Block]) -> list[_Block]:
    kept: list[_Block] = []
    at = 0
    while at < len(blocks):
        block = blocks[at]
        if block.level and block.text.lower().strip(" :：") in REFERENCE_SECTIONS:
            end = at + 1
            while end < len(blocks) and not 0 < blocks[end].level <= block.level:
                end += 1
            if not any(_is_prose(inner) for inner in blocks[at + 1 : end]):
                at = end
                continue
        kept.append(block)
        at += 1
    return kept


def _is_prose(block: _Block) -> bool:
    if block.item or block.level or not _PROSE_END.search(block.text):
        return False
    return (
        len(block.text.split()) >= _PROSE_WORDS
        or len(_CHINESE.findall(block.text)) >= _PROSE_CHINESE
    )


def _without_empty(blocks: list[_Block]) -> list[_Block]:
    """The blocks without headings that have nothing below them."""
    kept: list[_Block] = []
    nearest = 7  # the level of the heading below that is kept, 7: text
    has_text = False
    for block in reversed(blocks):
        if not block.level:
            has_text = True
        elif has_text or block.level < nearest < 7:
            has_text, nearest = False, block.level
        else:
            continue
        kept.append(block)
        if not block.level:
            nearest = 7
    return kept[::-1]
