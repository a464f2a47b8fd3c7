"""Duplicates, exact and near, of a corpus of any size: on disk, in steps, within a memory limit."""

from filbert.corpus.duplicates.finding import find_duplicates
from filbert.corpus.duplicates.plan import PartSketches
from filbert.corpus.duplicates.results import DROPPED, EXACT, NEAR, Cluster, FoundDuplicates
from filbert.corpus.duplicates.settings import Duplicates
from filbert.corpus.duplicates.sketching import digest, sketch

__all__ = [
    "DROPPED",
    "EXACT",
    "NEAR",
    "Cluster",
    "Duplicates",
    "FoundDuplicates",
    "PartSketches",
    "digest",
    "find_duplicates",
    "sketch",
]
