"""The families of models that filbert reads and writes, each a row of data."""

from filbert.checkpoint.families.bert import BERT
from filbert.checkpoint.families.distilbert import DISTILBERT
from filbert.checkpoint.families.family import (
    BUFFERS,
    KIND_OF,
    LABELLED,
    LEGACY,
    ONE_OUTPUT,
    POOLINGS,
    SUFFIXES,
    TASK_OF,
    Family,
    Kind,
    Table,
    Whole,
    kind_of_task,
    labels_of_task,
    problem_of_task,
)
from filbert.checkpoint.families.modernbert import MODERNBERT
from filbert.checkpoint.families.roberta import ROBERTA, XLM_ROBERTA

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (BERT, DISTILBERT, ROBERTA, XLM_ROBERTA, MODERNBERT)
}
"""By model_type. Where a Shape fits several, the first is meant."""

__all__ = [
    "BERT",
    "BUFFERS",
    "DISTILBERT",
    "FAMILIES",
    "KIND_OF",
    "LABELLED",
    "LEGACY",
    "MODERNBERT",
    "ONE_OUTPUT",
    "POOLINGS",
    "ROBERTA",
    "SUFFIXES",
    "TASK_OF",
    "XLM_ROBERTA",
    "Family",
    "Kind",
    "Table",
    "Whole",
    "kind_of_task",
    "labels_of_task",
    "problem_of_task",
]
