"""Raw text in, clean deduplicated documents with sentence ends out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from filbert.corpus.document import Document
from filbert.corpus.library import LibraryDocuments, standard_library
from filbert.corpus.near import near_duplicates
from filbert.corpus.stored import CorpusReport, LanguageCounts, load_report, open_documents

if TYPE_CHECKING:
    from filbert.corpus.build import CorpusSettings, build_corpus, no_rules
    from filbert.corpus.duplicates import Duplicates
    from filbert.corpus.rules import Quality

__all__ = [
    "CorpusReport",
    "CorpusSettings",
    "Document",
    "Duplicates",
    "LanguageCounts",
    "LibraryDocuments",
    "Quality",
    "build_corpus",
    "load_report",
    "near_duplicates",
    "no_rules",
    "open_documents",
    "standard_library",
]

_OF_THE_ENGINE = {
    "CorpusSettings": "filbert.corpus.build",
    "Duplicates": "filbert.corpus.duplicates",
    "Quality": "filbert.corpus.rules",
    "build_corpus": "filbert.corpus.build",
    "no_rules": "filbert.corpus.build",
}


def __getattr__(name: str) -> Any:
    """The engine, imported when it is asked for: who only opens documents need not wait for it."""
    if name not in _OF_THE_ENGINE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_THE_ENGINE[name]), name)
