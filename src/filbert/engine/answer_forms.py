"""How answers are written down: as JSON, and as the columns of a table."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from filbert.errors import DataError, SettingsError
from filbert.settings import to_mapping
from filbert.tasks import Task
from filbert.tasks.reading import Record, Records

MARK = "\ufeff"
_HALVES = re.compile("[\ud800-\udfff]")


def plain_answer(answer: Any) -> dict[str, Any]:
    """An answer under "answer", in plain dictionaries, lists, numbers and texts.

    A vector is a list, with what was left out of its text beside it. A number that JSON cannot
    hold (how much better no answer is than none at all) is None.
    """
    if hasattr(answer, "vector"):
        return {"answer": answer.vector.tolist(), "tokens_cut": answer.tokens_cut}
    return {"answer": _finite(to_mapping(answer))}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(value: Any) -> str:
    """JSON that UTF-8 can hold: half of a surrogate pair is written as an escape."""
    text = json.dumps(value, ensure_ascii=False)
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


_Cells = Callable[[Any], Sequence[Any]]
_COLUMNS: dict[str, tuple[tuple[str, ...], _Cells]] = {
    "classify": (("predicted", "probability"), lambda a: (a.label, a.probability)),
    "regress": (("predicted",), lambda a: (a.value,)),
    "tag": (("entities",), lambda a: (to_mapping(a.entities),)),
    "span": (
        ("answer", "start", "end", "probability"),
        lambda a: (a.text, a.start, a.end, a.probability),
    ),
    "rerank": (("score",), lambda a: (a.score,)),
    "choose": (("choice", "probability"), lambda a: (a.choice, a.probability)),
    "embed": (("vector",), lambda a: (a.vector.tolist(),)),
    "pretrain": (("masks",), lambda a: (to_mapping(a),)),
}
_SEVERAL: tuple[tuple[str, ...], _Cells] = (
    ("predicted", "probabilities"),
    lambda a: ("|".join(a.labels), to_mapping(a.probabilities)),
)
"""Of a classifier whose texts may have several labels."""


def _columns(task: Task) -> tuple[tuple[str, ...], _Cells]:
    """The names of an answer's columns, and what stands in them."""
    return _SEVERAL if getattr(task, "several", False) else _COLUMNS[task.name]


def _cell(value: Any) -> str:
    """A value as a cell: a text as it is, nothing as an empty one, all else as JSON."""
    if value is None:
        return ""
    if type(value) in (float, int) and math.isfinite(value):
        return repr(value)
    return value if isinstance(value, str) else _json(value)


def _distinct(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number behind it where it is taken."""
    others = {other.strip().lower() for other in taken}
    found, number = name, 2
    while found in others:
        found, number = f"{name}_{number}", number + 1
    return found


class Form(Protocol):
    """How examples and their answers are written."""

    def begin(self) -> str:
        """What stands before the first."""

    def write(self, record: Record, answer: Any) -> str:
        """One example and its answer, as whole lines.

        Raises DataError, naming its place, for what this form cannot hold without loss.
        """


class TableForm:
    """The columns as they came and the answer's behind them; of JSON the fields of the first."""

    def __init__(self, comma: bool, task: Task, records: Records, first: Record):
        self._comma, self._marked = comma, records.marked
        self._fields = None if first.fields is None else tuple(first.fields)
        own = records.head if self._fields is None else self._fields
        names, self._answer = _columns(task)
        self._head: tuple[str, ...] | None = None
        if own is not None:
            self._head = (*own, *(_distinct(name, own) for name in names))

    def begin(self) -> str:
        """The head line, where the table has one; behind the byte order mark that it came with."""
        mark = MARK if self._marked else ""
        return mark + (self._line(self._head, "the head line") if self._head else "")

    def write(self, record: Record, answer: Any) -> str:
        """The record's line."""
        place = str(record.example["place"])
        answers = [_cell(value) for value in self._answer(answer)]
        return self._line([*self._own(record, place), *answers], place)

    def _own(self, record: Record, place: str) -> Sequence[str]:
        if self._fields is None or record.fields is None:
            return record.cells
        more = [name for name in record.fields if name not in self._fields]
        if more:
            raise DataError(
                f"{place}: field {more[0]!r:.60} is not one of the first line's, which are the "
                "columns: a .jsonl has room for it"
            )
        return [_cell(record.fields.get(name)) for name in self._fields]

    def _line(self, cells: Sequence[str], place: str) -> str:
        half = next((cell for cell in cells if not cell.isascii() and _HALVES.search(cell)), None)
        if half is not None:
            raise DataError(
                f"{place}: {half!r:.60} holds half of a surrogate pair, which UTF-8 cannot: a "
                ".jsonl can"
            )
        if not self._comma:
            for cell in cells:
                if "\t" in cell or "\n" in cell:
                    raise DataError(
                        f"{place}: a cell holds a tab or a line's end, which .tsv cannot: "
                        f"{cell!r:.60}; a .csv or .jsonl can"
                    )
            return "\t".join(cells) + "\n"
        # So that a carriage return in a cell is quoted as a newline is.
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(cells)
        return line.getvalue()[:-2] + "\n"


class LinesForm:
    """JSON lines: the record as it came, and the whole answer."""

    def __init__(self, records: Records, first: Record):
        self._head = records.head or tuple(f"column_{n + 1}" for n in range(len(first.cells)))
        if records.table and len(set(self._head)) < len(self._head):
            raise DataError(
                f"{records.path}: two columns have the same name, which the fields of .jsonl "
                f"cannot; a .csv or .tsv can: {list(self._head)}"
            )
        self._taken = self._head if first.fields is None else tuple(first.fields)
        self._names = {name: _distinct(name, self._taken) for name in ("answer", "tokens_cut")}

    def begin(self) -> str:
        """Nothing."""
        return ""

    def write(self, record: Record, answer: Any) -> str:
        """The record's line; a JSON object keeps its own writing."""
        said = {self._names[name]: value for name, value in plain_answer(answer).items()}
        if record.fields is None:
            return _json(dict(zip(self._head, record.cells, strict=True)) | said) + "\n"
        for name in said:
            if name in record.fields:
                raise DataError(
                    f"{record.example['place']}: there is a field {name!r}, as the answer's is "
                    "called here, and the first line has none: give it another name"
                )
        own = record.written.removesuffix("}").rstrip()
        return f"{own}{', ' if record.fields else ''}{_json(said)[1:]}\n"


FORMS = (".csv", ".tsv", ".jsonl")


def form_of(out: Path, task: Task) -> tuple[str, bool]:
    """(a file's form by its name: one of FORMS, or .json of questions; whether it is packed).

    Raises SettingsError for any other.
    """
    name = out.name.lower()
    packed = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix in FORMS:
        return suffix, packed
    if suffix == ".json" and task.name == "span" and not packed:
        return suffix, packed
    listed = f"{', '.join(FORMS)}, each also with .gz" + ", or .json" * (task.name == "span")
    raise SettingsError(f"{out}: expected a name that ends with {listed}")


def make_form(suffix: str, task: Task, records: Records, first: Record) -> Form:
    """How to write what was read; `first`: the first of the records."""
    if suffix == ".jsonl":
        return LinesForm(records, first)
    return TableForm(suffix == ".csv", task, records, first)


def official_answers(answers: Mapping[str, str]) -> str:
    """Answers by their questions' ids, as the scripts of SQuAD and CMRC 2018 read them."""
    return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"
