"""What can be learnt, in plain numbers."""

from filbert.tasks.classify import Classified, Classify
from filbert.tasks.embed import Embed, Embedded
from filbert.tasks.examples import read_examples
from filbert.tasks.pretrain import Filled, Pretrain
from filbert.tasks.scores import accuracy, confusion, macro_f1
from filbert.tasks.task import (
    SCORE_TOKENS,
    Answered,
    Example,
    Outputs,
    Run,
    RunAll,
    Scores,
    Task,
    answer_rows,
    numbered,
)
from filbert.tasks.windows import LONG, Long, text_rows, windows

TASKS: dict[str, type[Task]] = {task.name: task for task in (Pretrain, Classify, Embed)}

__all__ = [
    "LONG",
    "SCORE_TOKENS",
    "TASKS",
    "Answered",
    "Classified",
    "Classify",
    "Embed",
    "Embedded",
    "Example",
    "Filled",
    "Long",
    "Outputs",
    "Pretrain",
    "Run",
    "RunAll",
    "Scores",
    "Task",
    "accuracy",
    "answer_rows",
    "confusion",
    "macro_f1",
    "numbered",
    "read_examples",
    "text_rows",
    "windows",
]
