"""The engine: sources in, a corpus and its report out; in parts, so that it can go on."""

from filbert.corpus.build.building import MEMORY_BYTES, build_corpus
from filbert.corpus.build.settings import CorpusSettings, no_rules

__all__ = ["MEMORY_BYTES", "CorpusSettings", "build_corpus", "no_rules"]
