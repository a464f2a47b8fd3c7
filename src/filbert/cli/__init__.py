"""The command line: one verb a room, imported inside the verb."""

from filbert.cli.main import main

__all__ = ["main"]
