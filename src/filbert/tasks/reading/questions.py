"""Questions with their passages as they come: SQuAD, CMRC 2018, DRCD, XQuAD; and JSON lines."""

import codecs
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filbert.errors import DataError
from filbert.files import Place, open_plain, show_path
from filbert.tasks.reading.standing import NOWHERE, find_answer
from filbert.tasks.reading.tables import Paths, json_records, refuse_columns
from filbert.tasks.reading.whole import whole_text

MOST_BYTES = 1 << 29
"""Of a file that is one JSON value, unpacked: all of it is in memory at once."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_questions(
    paths: Paths,
    say: Callable[[str], None] = lambda text: None,
    columns: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Examples with "id", "question", "context" and "answers", each {"text", "start"}.

    Versions 1.1 and 2.0 of SQuAD's JSON, CMRC 2018 in its own form, and JSON lines with "question",
    "context" and "answers". An answer that does not stand where the file says is looked for in its
    passage (standing.py). Its "text" stays the file's, by which answers are scored; one that stands
    there in another writing has an "end", too; one that stands nowhere has NOWHERE as its start.
    What was found, and how much was not, is said through `say`.

    Raises DataError naming file, line and field; SettingsError where columns are named.
    """
    refuse_columns(columns)
    examples: list[dict[str, Any]] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, listed):
        lines = path.name.lower().removesuffix(".gz").endswith(".jsonl")
        count: Counter[str] = Counter()
        found = list(_lines(path, count) if lines else _squad(path, count))
        if not found:
            raise DataError(f"{path}: no question in this file")
        for text in _in_words(found, count):
            say(f"{path}: {text}")
        examples += found
    return examples


def _in_words(found: list[dict[str, Any]], count: Counter[str]) -> Iterator[str]:
    """What was found, a line a finding."""
    without = sum(example.get("answers") == [] for example in found)
    yield f"{len(found):,} questions" + (f", {without:,} of them without an answer" * bool(without))
    moved, otherwise, nowhere = (count[how] for how in ("elsewhere", "otherwise", "nowhere"))
    if moved or otherwise or nowhere:
        yield (
            f"{moved + otherwise + nowhere:,} answers do not stand where the file says: {moved:,} "
            f"were found elsewhere in their passage, {otherwise:,} there in another writing "
            f"(punctuation, spaces, case or width), {nowhere:,} nowhere"
        )
    lost = sum(
        bool(example.get("answers")) and all(one["start"] < 0 for one in example["answers"])
        for example in found
    )
    if lost:
        yield (
            f"{lost:,} questions: their answer stands nowhere in the passage; they are scored, not "
            "learnt from"
        )
    twice = len(found) - len({example["id"] for example in found})
    if twice:
        yield f"{twice:,} questions have the id of another one"


def _squad(path: Path, count: Counter[str]) -> Iterator[dict[str, Any]]:
    table = _json(path)
    articles = table.get("data") if isinstance(table, dict) else table
    if not isinstance(articles, list):
        raise DataError(f"{path}: expected SQuAD's JSON, an object with a list under 'data'")
    for number, article in enumerate(articles):
        where = f"data[{number}]"
        if isinstance(article, dict) and "context_text" in article:
            paragraphs = [(where, article)]  # CMRC's own form
        else:
            listed = _list(article, "paragraphs", path, where)
            paragraphs = [(f"{where}.paragraphs[{n}]", one) for n, one in enumerate(listed)]
        for place, paragraph in paragraphs:
            yield from _paragraph(paragraph, path, place, count)


def _paragraph(
    paragraph: Any, path: Path, place: str, count: Counter[str]
) -> Iterator[dict[str, Any]]:
    context = _text(paragraph, ("context", "context_text"), path, place)
    for number, asked in enumerate(_list(paragraph, "qas", path, place)):
        where = f"{place}.qas[{number}]"
        question = _text(asked, ("question", "query_text"), path, where)
        answers = asked.get("answers")
        if asked.get("is_impossible"):
            answers = []
        yield _example(
            asked.get("id", asked.get("query_id")),
            question,
            context,
            answers,
            f"{path}: {where}",
            count,
        )


def _lines(path: Path, count: Counter[str]) -> Iterator[dict[str, Any]]:
    for record, place in json_records(path):
        question, context = record.get("question"), record.get("context")
        if not isinstance(question, str) or not isinstance(context, str):
            raise DataError(
                f"{place}: expected texts under 'question' and 'context'; got {list(record)}"
            )
        answers = record.get("answers", record.get("answer"))
        yield _example(
            record.get("id"), whole_text(question), whole_text(context), answers, place, count
        )


def _example(
    said: Any,
    question: str,
    context: str,
    answers: Any,
    place: Place | str,
    count: Counter[str],
) -> dict[str, Any]:
    """said: its id; where it has none its place stands for it."""
    example: dict[str, Any] = {
        "id": str(place if said is None else said),
        "question": question,
        "context": context,
        "place": place,
    }
    if answers is not None:
        example["answers"] = _answers(answers, context, str(place), count)
    return example


def _answers(said: Any, context: str, where: str, count: Counter[str]) -> list[dict[str, Any]]:
    """Answers as {"text", "start"}, in whatever form they are said; an empty text is none."""
    if isinstance(said, dict) and isinstance(said.get("text"), list):
        starts = said.get("answer_start")
        starts = [None] * len(said["text"]) if starts is None else starts
        if not isinstance(starts, list) or len(starts) != len(said["text"]):
            raise DataError(
                f"{where}: answers: expected a start for each of {len(said['text'])} texts, got "
                f"{starts!r:.60}"
            )
        said = [{"text": t, "start": s} for t, s in zip(said["text"], starts, strict=True)]
    listed = said if isinstance(said, list) else [said]
    found = []
    for one in listed:
        answer = {"text": one} if isinstance(one, str) else one
        text = answer.get("text") if isinstance(answer, Mapping) else None
        if not isinstance(text, str):
            raise DataError(f"{where}: answers: expected a text and its start, got {one!r:.80}")
        if not text.strip():
            continue
        start = answer.get("answer_start", answer.get("start"))
        if start is not None and type(start) is not int:
            raise DataError(f"{where}: answer_start: expected a number, got {start!r:.40}")
        text = whole_text(text)
        standing = find_answer(text, start, context)
        count[standing.how] += 1
        its: dict[str, Any] = {"text": text, "start": standing.start}
        if standing.how == "otherwise":
            its["end"] = standing.end
        found.append(its)
    return found


def _json(path: Path) -> Any:
    """The one value of a file, plain or packed."""
    with open_plain(str(path)) as stream:
        raw = stream.read(MOST_BYTES + 1)
        if len(raw) <= MOST_BYTES:
            # Read to its end, a packed file also says that it was cut short.
            raw += stream.read(1)
    if len(raw) > MOST_BYTES:
        raise DataError(
            f"{show_path(path)}: expected at most {MOST_BYTES:,} bytes of JSON; a larger set can "
            "be JSON lines, a question a line"
        )
    if raw.startswith(_UTF16):
        raise DataError(f"{show_path(path)}: expected UTF-8 text, got UTF-16; save it as UTF-8")
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{Place(path, error.lineno)}: expected JSON: {error}") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{Place(path, line)}: expected UTF-8 text, got the byte 0x{raw[error.start]:02x}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{show_path(path)}: expected JSON: {error}") from error


def _list(table: Any, name: str, path: Path, where: str) -> list[Any]:
    value = table.get(name) if isinstance(table, dict) else None
    if not isinstance(value, list):
        raise DataError(f"{path}: {where}: expected a list under {name!r}, got {value!r:.60}")
    return value


def _text(table: Any, names: tuple[str, ...], path: Path, where: str) -> str:
    value = next((table[n] for n in names if isinstance(table, dict) and n in table), None)
    if not isinstance(value, str):
        raise DataError(f"{path}: {where}: expected text under {names[0]!r}, got {value!r:.60}")
    return whole_text(value)


__all__ = ["MOST_BYTES", "NOWHERE", "read_questions"]
