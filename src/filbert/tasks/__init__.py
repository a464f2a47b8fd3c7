"""What can be learnt, in plain numbers."""

from filbert.tasks.choose import Choose, Chosen
from filbert.tasks.classify import Classified, Classify
from filbert.tasks.embed import Embed, Embedded
from filbert.tasks.judging import Judged
from filbert.tasks.pretrain import Filled, Pretrain
from filbert.tasks.reading import read_examples, read_questions, read_tagged
from filbert.tasks.regress import Measured, Regress
from filbert.tasks.rerank import Ranked, Rerank
from filbert.tasks.resampling import (
    Difference,
    Interval,
    McNemar,
    bootstrap,
    holm,
    mcnemar,
    paired_bootstrap,
)
from filbert.tasks.scores import accuracy, confusion, macro_f1
from filbert.tasks.span import Answer, Candidate, Span
from filbert.tasks.tag import NO_LABEL, Entity, Tag, Tagged
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

_ALL: tuple[type[Task], ...] = (
    Pretrain,
    Classify,
    Regress,
    Tag,
    Span,
    Choose,
    Rerank,
    Embed,
)
TASKS: dict[str, type[Task]] = {task.name: task for task in _ALL}

__all__ = [
    "LONG",
    "NO_LABEL",
    "SCORE_TOKENS",
    "TASKS",
    "Answer",
    "Answered",
    "Candidate",
    "Choose",
    "Chosen",
    "Classified",
    "Classify",
    "Difference",
    "Embed",
    "Embedded",
    "Entity",
    "Example",
    "Filled",
    "Interval",
    "Judged",
    "Long",
    "McNemar",
    "Measured",
    "Outputs",
    "Pretrain",
    "Ranked",
    "Regress",
    "Rerank",
    "Run",
    "RunAll",
    "Scores",
    "Span",
    "Tag",
    "Tagged",
    "Task",
    "accuracy",
    "answer_rows",
    "bootstrap",
    "confusion",
    "holm",
    "macro_f1",
    "mcnemar",
    "numbered",
    "paired_bootstrap",
    "read_examples",
    "read_questions",
    "read_tagged",
    "text_rows",
    "windows",
]
