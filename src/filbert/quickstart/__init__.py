"""The whole way once: from raw text to a useful BERT."""

from filbert.quickstart.page import next_commands, write_page
from filbert.quickstart.story import Story, quickstart

__all__ = ["Story", "next_commands", "quickstart", "write_page"]
