"""Tagged texts as they come: CoNLL and its relatives, a word a line; and JSON lines."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.errors import DataError
from filbert.files import Place
from filbert.files.whole_lines import read_lines
from filbert.tasks.reading.tables import Paths, json_records, refuse_columns
from filbert.tasks.reading.whole import whole_text
from filbert.tasks.schemes import OUTSIDE, Scheme, parted, scheme_of, spans_of
from filbert.tokenizer.marks import is_chinese

DOCUMENT = "-DOCSTART-"
_BETWEEN = re.compile("[ \t]+")
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
    any scheme (schemes.py), but one in a file. JSON lines: "tokens" and "tags"; or "text" and
    "entities", each [start, end, type] or {"start", "end", "type"}; or CLUENER's "label", {type:
    {text: [[start, last]]}}. What was found is said through `say`: also how many entities begin
    without a tag of a beginning, and how many lie over another one and cannot be learnt.

    Raises DataError naming file, line and field; SettingsError where columns are named.
    """
    refuse_columns(columns)
    examples: list[dict[str, Any]] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, listed):
        count: Counter[str] = Counter()
        if path.name.lower().removesuffix(".gz").endswith(".jsonl"):
            found = _json(path, count)
        else:
            found = _conll(path, count)
        if not found:
            raise DataError(f"{path}: no example in this file")
        kinds = sorted({entity[2] for example in found for entity in example["entities"]})
        entities = sum(len(example["entities"]) for example in found)
        scheme = next((f" in {e['scheme']}" for e in found if "scheme" in e), "")
        say(
            f"{path}: {len(found):,} texts, {entities:,} entities{scheme} of "
            f"{len(kinds)} types: {', '.join(kinds[:12])}{' …' * (len(kinds) > 12)}"
        )
        if count["unbegun"]:
            say(f"{path}: {count['unbegun']:,} entities begin without a B tag: read all the same")
        over = sum(_lie_over_others(example["entities"]) for example in found)
        if over:
            say(
                f"{path}: {over:,} entities lie over another one, which a word's tag cannot say: "
                "they are scored, not learnt from"
            )
        examples += found
    return examples


@dataclass(frozen=True)
class _Word:
    text: str
    tag: str
    line: int


def _lie_over_others(entities: Sequence[tuple[int, int, str]]) -> int:
    """How many entities share characters with one that begins before them and is learnt."""
    behind = count = 0
    for start, stop, _ in sorted(entities):
        count += start < behind
        behind = behind if start < behind else stop
    return count


def _conll(path: Path, count: Counter[str]) -> list[dict[str, Any]]:
    lines = list(read_lines(path))
    tabs = sum("\t" in text for text, _ in lines) * 2 > sum(bool(text.strip()) for text, _ in lines)
    texts: list[list[tuple[list[str], int]]] = [[]]
    width = 0
    for line, number in lines:
        cells = _cells(line, tabs)
        if "\r" in line:
            raise DataError(
                f"{Place(path, number)}: a carriage return within a line: expected lines that end "
                "with a line feed"
            )
        if not line.strip() or cells[0] == DOCUMENT:
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
    scheme = _one_scheme((word.tag, Place(path, word.line)) for text in tagged for word in text)
    count["unbegun"] += sum(_unbegun([word.tag for word in text], scheme) for text in tagged)
    between = _between([word.text for text in tagged for word in text])
    return [
        _example([w.text for w in text], [w.tag for w in text], between)
        | {"scheme": scheme, "place": Place(path, text[0].line)}
        for text in tagged
    ]


def _cells(line: str, tabs: bool) -> list[str]:
    """The columns of a line, without the spaces at their ends; a word may be one wide space.

    Only blanks and tabs part columns, unless there would be one column: others may stand in words.
    """
    cells = line.split("\t") if tabs else _BETWEEN.split(line.strip(" \t"))
    if len(cells) == 1 and not tabs:
        cells = line.split() or cells
    return [cell.strip() or cell.strip(" ") for cell in cells]


def _one_scheme(tags: Iterable[tuple[str, Place]]) -> Scheme:
    """The scheme of the tags of a file, each with its place.

    Raises DataError for a tag without a prefix or a type where most tags have both: a "0" for an
    "O" would else make the whole file one of plain tags.
    """
    whole: Counter[str] = Counter()
    other: Counter[str] = Counter()
    places: dict[str, Place] = {}
    for tag, place in tags:
        if tag != OUTSIDE:
            (whole if all(parted(tag)) else other)[tag] += 1
            places.setdefault(tag, place)
    if other and whole.total() >= other.total():
        odd = next(iter(other))
        raise DataError(
            f"{places[odd]}: expected 'O' or a tag like {next(iter(whole))!r:.60}, as most tags of "
            f"this file are; got {odd!r:.60}"
        )
    return scheme_of(sorted({*whole, *other}))


def _unbegun(tags: Sequence[str], scheme: Scheme) -> int:
    """How many entities begin with a tag that says that they go on or end."""
    if scheme not in ("BIO", "BIOES"):
        return 0
    return sum(parted(tags[first])[0] in ("I", "M", "E", "L") for first, _, _ in spans_of(tags))


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


def _json(path: Path, count: Counter[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    tagged: list[tuple[list[str], Place]] = []
    for record, place in json_records(path):
        words = next((record[name] for name in _WORDS if name in record), None)
        if words is not None:
            example, tags = _of_words(record, words, place)
            tagged.append((tags, place))
        else:
            example = _of_characters(record, place)
        found.append(example | {"place": place})
    scheme = _one_scheme((tag, place) for tags, place in tagged for tag in tags)
    count["unbegun"] += sum(_unbegun(tags, scheme) for tags, _ in tagged)
    for example in found:
        if "words" in example:
            example["scheme"] = scheme
    return found


def _of_words(
    record: Mapping[str, Any], words: Any, place: Place
) -> tuple[dict[str, Any], list[str]]:
    """An example of words, and their tags."""
    tags = next((record[name] for name in _TAGS if name in record), None)
    if not isinstance(words, list) or not isinstance(tags, list) or not words:
        raise DataError(f"{place}: expected lists of words and of their tags, none of them empty")
    if not all(isinstance(word, str) and word for word in words):
        raise DataError(f"{place}: expected words, none of them empty; got {words!r:.60}")
    if len(words) != len(tags) or not all(isinstance(tag, str) and tag for tag in tags):
        raise DataError(
            f"{place}: expected as many tags, as words ('B-PER'), as there are words; got "
            f"{len(words)} words and {len(tags)} tags: {tags!r:.60}"
        )
    words = [whole_text(word) for word in words]
    return _example(words, tags, _between(words)), tags


def _of_characters(record: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """An example of a text whose entities are said by their characters."""
    text = record.get("text")
    if not isinstance(text, str):
        raise DataError(f"{place}: expected 'text', or 'tokens' and 'tags'; got {list(record)}")
    said = next((record[name] for name in _ENTITIES if name in record), None)
    if said is None:
        raise DataError(f"{place}: expected entities under {', '.join(_ENTITIES)}")
    text = whole_text(text)
    return {"text": text, "entities": sorted(set(_entities(said, text, place)))}


def _entities(said: Any, text: str, place: Place) -> Iterator[tuple[int, int, str]]:
    if isinstance(said, dict):
        for kind, names in said.items():
            for first, last in _cluener_spans(kind, names, place):
                # The last character is named, not the one behind it.
                stop = last + 1 if type(last) is int else last
                yield _entity([first, stop, kind], text, place)
        return
    if not isinstance(said, list):
        raise DataError(f"{place}: entities: expected a list, got {said!r:.60}")
    for one in said:
        yield _entity(one, text, place)


def _cluener_spans(kind: str, names: Any, place: Place) -> Iterator[list[Any]]:
    """[first, last] of each entity of a type; of what kind the two are is not looked at."""
    for spans in list(names.values()) if isinstance(names, dict) else [names]:
        pairs = spans if isinstance(spans, list) else [spans]
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise DataError(
                f"{place}: entities: expected {{text: [[first, last]]}} under {kind!r:.40}, got "
                f"{names!r:.60}"
            )
        yield from pairs


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
