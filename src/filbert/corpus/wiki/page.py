"""The XML of one page → its title and the wikitext of its last revision."""

from dataclasses import dataclass
from typing import Any

from filbert.errors import missing_extra

_OTHER_MODELS = frozenset(("css", "javascript", "json", "sanitized-css", "Scribunto", "text"))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a dump.

    Attributes:
        title: with spaces.
        namespace: its number; None in exports before 0.6, which do not say it.
        redirect: whether it only sends its readers to another page.
        text: its wikitext; None where the dump has none.
        deleted: whether the text was taken out of public view.
        model: what kind of content it is, "wikitext" nearly always.
    """

    title: str
    namespace: int | None
    redirect: bool
    text: str | None
    deleted: bool
    model: str

    @property
    def is_wikitext(self) -> bool:
        """Whether its content is wikitext, no style sheet or script."""
        return self.model not in _OTHER_MODELS


class BrokenPage(Exception):
    """The XML of a page cannot be parsed; says why."""


class PageParser:
    """Parses pages one by one; entities stay as they are, and nothing is fetched."""

    def __init__(self) -> None:
        try:
            from lxml import etree
        except ModuleNotFoundError as error:
            raise missing_extra("lxml", "data") from error
        self._etree: Any = etree
        self._options = {
            "resolve_entities": False,
            "no_network": True,
            "load_dtd": False,
            "huge_tree": False,
            "remove_comments": True,
            "remove_pis": True,
            "encoding": "utf-8",
        }

    def parse(self, raw: bytes) -> Page:
        """A page from its XML in UTF-8. Raises BrokenPage."""
        try:
            root = self._etree.fromstring(raw, self._etree.XMLParser(**self._options))
        except self._etree.XMLSyntaxError as error:
            raise BrokenPage(f"{error.msg or 'no XML'}, line {error.lineno or 1}") from error
        title = _text(root.find("title"))
        if not title.strip():
            raise BrokenPage("no <title>")
        revisions = root.findall("revision")
        revision = revisions[-1] if revisions else root
        node = revision.find("text")
        namespace = _text(root.find("ns")).strip()
        return Page(
            title=" ".join(title.replace("_", " ").split()),
            namespace=int(namespace) if namespace.lstrip("-").isdecimal() else None,
            redirect=root.find("redirect") is not None,
            text=None if node is None else _text(node),
            deleted=node is not None and node.get("deleted") is not None,
            model=_text(revision.find("model")).strip() or "wikitext",
        )


def _text(node: Any) -> str:
    """The text of an element. Raises BrokenPage for what is no text in it."""
    if node is None:
        return ""
    if len(node):
        raise BrokenPage(f"<{node.tag}> holds an element or an entity that is not defined")
    return node.text or ""
