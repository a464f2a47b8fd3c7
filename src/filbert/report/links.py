"""Links to pages that lie beside or below this one; there are no others."""

import os
from dataclasses import dataclass
from urllib.parse import quote

from filbert.errors import DataError
from filbert.report.escape import inline


@dataclass(frozen=True)
class Link:
    """A table's cell that leads to another page.

    path  of a file, from this page's folder downwards, with "/" between its parts
    """

    text: str
    path: str


def anchor(link: Link) -> str:
    """The link as HTML.

    Raises:
        DataError: a path that leads anywhere else than downwards from the page.
    """
    pieces = link.path.split("/")
    if any(piece in ("", ".", "..") for piece in pieces) or "\\" in link.path:
        raise DataError(
            f"link: expected the path of a file below the page's folder, got {link.path!r:.80}"
        )
    # A colon is quoted, too: nothing here is an address of its own.
    try:
        address = quote(os.fsencode(link.path))
    except UnicodeEncodeError as error:
        raise DataError(f"link: {link.path!r:.80} is no path: {error.reason}") from error
    return f'<a href="{address}">{inline(link.text)}</a>'
