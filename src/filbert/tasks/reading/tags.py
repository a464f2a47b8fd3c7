"""Tagged texts as they come: CoNLL and its relatives, a word a line; and JSON lines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.errors import DataError
from filbert.files import Place
from filbert.files.whole_lines import read_lines
from filbert.tasks.reading.tables import Paths, json_records, refuse_columns
from filbert.tasks.schemes import OUTSIDE, parted, scheme_of, spans_of
from filbert.tokenizer.marks import is_chinese

DOCUMENT = "-DOCSTART-"
_WORDS = ("tokens", "words")
_TAGS = ("tags", "ner_tags", "labels", "bio")
_ENTITIES = ("entities", "spans", "label", "labels")


def read_tagged(
    paths: Paths,
    say: Callable[[str], None] = lambda text: None,
    columns: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Examples with "text", "words" (the characters of each, where the file has words), "entities".

    Lines of words: columns parted by tabs or spaces, the word in the first (after a number that
    counts, the second), the tag in the last that holds tags; an empty line ends a text. Tags in
    any scheme (schemes.py). JSON lines: "tokens" and "tags"; or "text" and "entities", each
    [start, end, type] or {"start", "end", "type"}; or CLUENER's "label", {type: {text: [[start,
    last]]}}. What was found is said through `say`.

    Raises DataError naming file, line and field; SettingsError where columns are named.
    """
    refuse_columns(columns)
    examples: list[dict[str, Any]] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, listed):
        if path.name.lower().removesuffix(".gz").endswith(".jsonl"):
            found = list(_json(path))
        else:
            found = _conll(path)
        if not found:
            raise DataError(f"{path}: no example in this file")
        kinds = sorted({entity[2] for example in found for entity in example["entities"]})
        entities = sum(len(example["entities"]) for example in found)
        scheme = next((f" in {e['scheme']}" for e in found if "scheme" in e), "")
        say(
            f"{path}: {len(found):,} texts, {entities:,} entities{scheme} of "
            f"{len(kinds)} types: {', '.join(kinds[:12])}{' …' * (len(kinds) > 12)}"
        )
        examples += found
    return examples


@dataclass(frozen=True)
class _Word:
    text: str
    tag: str
    line: int


def _conll(path: Path) -> list[dict[str, Any]]:
    lines = list(read_lines(path))
    tabs = sum("\t" in text for text, _ in lines) * 2 > sum(bool(text.strip()) for text, _ in lines)
    texts: list[list[tuple[list[str], int]]] = [[]]
    width = 0
    for line, number in lines:
        # Spaces at a word's ends are no part of it; a line of blanks ends a text.
        cells = line.strip("\r\n").split("\t") if tabs else line.split()
        cells = [cell.strip() for cell in cells]
        if not any(cells) or cells[0] == DOCUMENT:
            texts.append([])
            continue
        if line.startswith("#") and (len(cells) == 1 if tabs else not _is_tag(cells[-1])):
            continue
        width = width or len(cells)
        if len(cells) < 2 or len(cells) != width:
            raise DataError(
                f"{Place(path, number)}: expected {max(2, width)} columns, a word and its tag "
                f"among them, got {len(cells)}: {line[:60]!r}"
            )
        texts[-1].append((cells, number))
    rows = [cells for text in texts for cells, _ in text]
    if not rows:
        return []
    word_at, tag_at = _columns(texts, width)
    tagged = [
        [_Word(cells[word_at], cells[tag_at], number) for cells, number in text]
        for text in texts
        if text
    ]
    empty = next((word for text in tagged for word in text if not word.text or not word.tag), None)
    if empty is not None:
        raise DataError(f"{Place(path, empty.line)}: expected a word and its tag, one is empty")
    scheme = scheme_of(sorted({word.tag for text in tagged for word in text}))
    between = _between([word.text for text in tagged for word in text])
    return [
        _example([w.text for w in text], [w.tag for w in text], between)
        | {"scheme": scheme, "place": Place(path, text[0].line)}
        for text in tagged
    ]


def _columns(texts: Sequence[Sequence[tuple[list[str], int]]], width: int) -> tuple[int, int]:
    """Where words and tags stand."""
    rows = [cells for text in texts for cells, _ in text]
    numbered = width > 2 and all(
        cells[0] == str(count) for text in texts for count, (cells, _) in enumerate(text, 1)
    )
    word = int(numbered)
    for at in range(width - 1, word, -1):
        values = {cells[at] for cells in rows}
        if OUTSIDE in values and all(map(_is_tag, values)):
            return word, at
    return word, width - 1


def _is_tag(text: str) -> bool:
    return text == OUTSIDE or (bool(parted(text)[0]) and bool(parted(text)[1]))


def _between(words: Sequence[str]) -> Callable[[str, str], str]:
    """What stands between two words when they are put together again."""
    chinese = sum(any(map(is_chinese, word)) for word in words)
    if chinese * 3 < len(words):
        return lambda before, behind: " "
    if sum(len(word) == 1 for word in words) > 0.99 * len(words):
        return lambda before, behind: ""
    # Words of Chinese: what is written in letters or digits would grow together.
    return lambda before, behind: " " if _is_latin(before[-1]) and _is_latin(behind[0]) else ""


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _example(
    words: Sequence[str], tags: Sequence[str], between: Callable[[str, str], str]
) -> dict[str, Any]:
    text = ""
    spans: list[tuple[int, int]] = []
    for place, word in enumerate(words):
        if place:
            text += between(words[place - 1], word)
        spans.append((len(text), len(text) + len(word)))
        text += word
    entities = [(spans[first][0], spans[last - 1][1], kind) for first, last, kind in spans_of(tags)]
    return {"text": text, "words": spans, "entities": entities}


def _json(path: Path) -> Iterator[dict[str, Any]]:
    for record, place in json_records(path):
        words = next((record[name] for name in _WORDS if name in record), None)
        if words is not None:
            yield _of_words(record, words, place)
            continue
        text = record.get("text")
        if not isinstance(text, str):
            raise DataError(f"{place}: expected 'text', or 'tokens' and 'tags'; got {list(record)}")
        said = next((record[name] for name in _ENTITIES if name in record), None)
        if said is None:
            raise DataError(f"{place}: expected entities under {', '.join(_ENTITIES)}")
        entities = sorted(_entities(said, text, place))
        yield {"text": text, "entities": entities, "place": place}


def _of_words(record: Mapping[str, Any], words: Any, place: Place) -> dict[str, Any]:
    tags = next((record[name] for name in _TAGS if name in record), None)
    if not isinstance(words, list) or not isinstance(tags, list) or not words:
        raise DataError(f"{place}: expected lists of words and of their tags, none of them empty")
    if not all(isinstance(word, str) and word for word in words):
        raise DataError(f"{place}: expected words, none of them empty; got {words!r:.60}")
    if len(words) != len(tags) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(
            f"{place}: expected as many tags, as words ('B-PER'), as there are words; got "
            f"{len(words)} words and {len(tags)} tags: {tags!r:.60}"
        )
    return _example(words, tags, _between(words)) | {"scheme": scheme_of(tags), "place": place}


def _entities(said: Any, text: str, place: Place) -> Iterator[tuple[int, int, str]]:
    if isinstance(said, dict):
        # CLUENER: the last character is named, not the one behind it.
        for kind, names in said.items():
            for spans in names.values() if isinstance(names, dict) else ():
                for span in spans:
                    yield _entity([span[0], span[1] + 1, kind], text, place)
        return
    if not isinstance(said, list):
        raise DataError(f"{place}: entities: expected a list, got {said!r:.60}")
    for one in said:
        yield _entity(one, text, place)


def _entity(one: Any, text: str, place: Place) -> tuple[int, int, str]:
    if isinstance(one, dict):
        kind = next((one[name] for name in ("type", "label", "tag") if name in one), None)
        one = [one.get("start"), one.get("end"), kind]
    fine = isinstance(one, list | tuple) and len(one) == 3 and isinstance(one[2], str)
    if not fine or type(one[0]) is not int or type(one[1]) is not int:
        raise DataError(f"{place}: entities: expected [start, end, type], got {one!r:.60}")
    if not 0 <= one[0] < one[1] <= len(text):
        raise DataError(
            f"{place}: entities: characters {one[0]} to {one[1]} are not within the text's "
            f"{len(text)}"
        )
    return one[0], one[1], one[2]
