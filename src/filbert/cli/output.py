"""What the verbs say: results on standard output, everything else on standard error."""

import json
import sys
from typing import Any

from filbert.progress import Progress, choose, printable, quiet
from filbert.settings import to_mapping


def say(text: str) -> None:
    """One line of result; data in it cannot command the terminal."""
    sys.stdout.write(printable(text) + "\n")


def say_json(value: Any) -> None:
    """One JSON line of result; characters that command a terminal are written as JSON's escapes."""
    text = json.dumps(to_mapping(value), ensure_ascii=False)
    escaped = (c if printable(c) == c else f"\\u{ord(c):04x}" for c in text)
    sys.stdout.write("".join(escaped) + "\n")


def complain(text: str) -> None:
    """One line of error."""
    sys.stderr.write(f"filbert: {printable(text)}\n")


def progress_for(be_quiet: bool) -> Progress:
    """Progress on standard error: a live line on a terminal, plain lines elsewhere."""
    return quiet() if be_quiet else choose()
