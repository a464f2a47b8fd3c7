"""Dumps of MediaWiki → the plain text of their articles."""

from filbert.corpus.wiki.dump import read_dump
from filbert.corpus.wiki.multistream import index_beside, index_names, multistream_ranges
from filbert.corpus.wiki.wikitext import PlainText, plain_text

__all__ = [
    "PlainText",
    "index_beside",
    "index_names",
    "multistream_ranges",
    "plain_text",
    "read_dump",
]
