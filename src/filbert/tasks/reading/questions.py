"""Questions with their passages as they come: SQuAD, CMRC 2018, DRCD, XQuAD; and JSON lines."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filbert.errors import DataError
from filbert.tasks.reading.tables import Paths, json_records, refuse_columns

NOWHERE = -1
"""The start of an answer that does not stand in its passage: it can be scored, not learnt from."""


def read_questions(
    paths: Paths,
    say: Callable[[str], None] = lambda text: None,
    columns: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Examples with "id", "question", "context" and "answers", each {"text", "start"}.

    Versions 1.1 and 2.0 of SQuAD's JSON, CMRC 2018 in its own form, and JSON lines with "question",
    "context" and "answers". An answer that does not stand where the file says is looked for nearby:
    how many were found, and how many were not, is said through `say`.

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
        without = sum(example["answers"] == [] for example in found)
        say(
            f"{path}: {len(found):,} questions"
            + (f", {without:,} of them without an answer" if without else "")
        )
        if count["moved"] or count["lost"]:
            say(
                f"{path}: {count['moved'] + count['lost']:,} answers do not stand where the file "
                f"says: {count['moved']:,} were found nearby, {count['lost']:,} nowhere"
            )
        examples += found
    return examples


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
        example: dict[str, Any] = {
            "id": str(asked.get("id", asked.get("query_id", where))),
            "question": question,
            "context": context,
            "place": f"{path}: {where}",
        }
        if answers is not None:
            example["answers"] = _answers(answers, context, f"{path}: {where}", count)
        yield example


def _lines(path: Path, count: Counter[str]) -> Iterator[dict[str, Any]]:
    for record, place in json_records(path):
        question, context = record.get("question"), record.get("context")
        if not isinstance(question, str) or not isinstance(context, str):
            raise DataError(
                f"{place}: expected texts under 'question' and 'context'; got {list(record)}"
            )
        example = {
            "id": str(record.get("id", place.line)),
            "question": question,
            "context": context,
            "place": place,
        }
        answers = record.get("answers", record.get("answer"))
        if answers is not None:
            example["answers"] = _answers(answers, context, str(place), count)
        yield example


def _answers(said: Any, context: str, where: str, count: Counter[str]) -> list[dict[str, Any]]:
    """Answers as {"text", "start"}, in whatever form they are said; an empty text is none."""
    if isinstance(said, dict) and isinstance(said.get("text"), list):
        starts = said.get("answer_start") or [None] * len(said["text"])
        said = [{"text": t, "start": s} for t, s in zip(said["text"], starts, strict=False)]
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
        found.append({"text": text, "start": _place(text, start, context, count)})
    return found


def _place(text: str, start: int | None, context: str, count: Counter[str]) -> int:
    """Where an answer stands: where it is said to, or else where it stands nearest to that."""
    if start is not None and context[max(0, start) : max(0, start) + len(text)] == text:
        return max(0, start)
    places: list[int] = []
    at = context.find(text)
    while at >= 0 and len(places) < 10_000:
        places.append(at)
        at = context.find(text, at + 1)
    if not places:
        count["lost"] += 1
        return NOWHERE
    if start is not None:
        count["moved"] += 1
    return min(places, key=lambda place: abs(place - (start or 0)))


def _json(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        return json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except EOFError as error:
        raise DataError(f"{path}: damaged: the gzip file ends before its end") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON: {error}") from error


def _list(table: Any, name: str, path: Path, where: str) -> list[Any]:
    value = table.get(name) if isinstance(table, dict) else None
    if not isinstance(value, list):
        raise DataError(f"{path}: {where}: expected a list under {name!r}, got {value!r:.60}")
    return value


def _text(table: Any, names: tuple[str, ...], path: Path, where: str) -> str:
    value = next((table[n] for n in names if isinstance(table, dict) and n in table), None)
    if not isinstance(value, str):
        raise DataError(f"{path}: {where}: expected text under {names[0]!r}, got {value!r:.60}")
    return value
