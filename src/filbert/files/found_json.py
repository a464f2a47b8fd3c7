"""JSON lines → texts: a file, or the lines that begin in a range of its bytes."""

from collections.abc import Iterator

from filbert.files.found import Found, Item, Problem
from filbert.files.found_plain import lines_until
from filbert.files.json_lines import BadRecord, label_of, optional_text, record_of, text_of
from filbert.files.text_lines import TextLine, read_text_lines

MOST_VALUES = 4 << 20
"""How many values a line may hold, by the marks that divide them."""


def read_jsonl(address: str, start: int, stop: int | None, text_field: str) -> Iterator[Item]:
    """A text for each line; a problem, with line and byte, for a line that is none.

    The fields label, title, url and language are taken where they are. A file that is one JSON
    value over many lines, or a list, is one problem.
    """
    first = start == 0
    for line in lines_until(read_text_lines(address, start), stop):
        if line.problem:
            yield line.problem
        if not line.text.strip() or not line.whole:
            continue
        items = list(_items(line, text_field))
        if first and _is_no_line(line.text.strip(), items):
            said = "expected one JSON object a line, got a list or an object over several lines"
            yield Problem("not JSON", line.place, said)
            return
        first = False
        del line  # what may be 64 MiB is not held beside its text
        yield from items


def _items(line: TextLine, text_field: str) -> Iterator[Item]:
    place = line.place if line.place.startswith("byte") else f"{line.place} at byte {line.at}"
    try:
        _refuse_crowded(line.text)
        record = record_of(line.text)
        text = text_of(record, text_field)
    except BadRecord as error:
        yield Problem(error.kind, place, error.reason)
        return
    label = None
    try:
        label = label_of(record)
    except BadRecord as error:
        yield Problem(error.kind, place, error.reason, lost=False)
    if not text.strip():
        yield Problem("empty", place, f"field {text_field!r}: expected text, got none")
        return
    title, url, language = (optional_text(record, name) for name in ("title", "url", "language"))
    if title and url and "curid=" in url:  # WikiExtractor --json repeats the title in the text
        text = text.removeprefix(f"{title}\n").lstrip("\n") or text
    yield Found(text, line.place, label, title, url, language)


def _refuse_crowded(text: str) -> None:
    """BadRecord for a line that would take twenty times its length as Python objects."""
    if len(text) > MOST_VALUES and sum(map(text.count, "[{,")) > MOST_VALUES:
        said = f"expected a JSON object of at most {MOST_VALUES:,} values, got a larger one"
        raise BadRecord("too large", said)


def _is_no_line(text: str, items: list[Item]) -> bool:
    bad = isinstance(items[0], Problem) and items[0].kind == "not JSON"
    return bad and (text.startswith("[") or text == "{")
