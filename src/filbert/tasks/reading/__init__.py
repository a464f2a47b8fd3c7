"""Files of examples as they come: tables, JSON lines, tagged texts, questions and passages."""

from filbert.tasks.reading.questions import read_questions
from filbert.tasks.reading.tables import Paths, Reader, read_examples
from filbert.tasks.reading.tags import read_tagged

__all__ = ["Paths", "Reader", "read_examples", "read_questions", "read_tagged"]
