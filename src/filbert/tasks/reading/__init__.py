"""Files of examples as they come: tables, JSON lines, tagged texts, questions and passages."""

from filbert.tasks.reading.columns import Asked, asked_by
from filbert.tasks.reading.questions import read_questions
from filbert.tasks.reading.streams import Record, Records, open_records
from filbert.tasks.reading.tables import Paths, Reader, read_examples
from filbert.tasks.reading.tags import read_tagged

__all__ = [
    "Asked",
    "Paths",
    "Reader",
    "Record",
    "Records",
    "asked_by",
    "open_records",
    "read_examples",
    "read_questions",
    "read_tagged",
]
