"""Raw text in, clean deduplicated documents with sentence ends out."""

from filbert.corpus.cleaning import clean, deduplicate
from filbert.corpus.document import Document
from filbert.corpus.library import LibraryDocuments, standard_library
from filbert.corpus.near import near_duplicates
from filbert.corpus.reading import read, read_documents
from filbert.corpus.stored import CorpusReport, open_documents
from filbert.corpus.writing import write

__all__ = [
    "CorpusReport",
    "Document",
    "LibraryDocuments",
    "clean",
    "deduplicate",
    "near_duplicates",
    "open_documents",
    "read",
    "read_documents",
    "standard_library",
    "write",
]
