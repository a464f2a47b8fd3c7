"""What a dump says about its wiki in front of the pages."""

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote

_LANG = re.compile(r"<mediawiki\b[^<>]*?\bxml:lang\s*=\s*[\"']([A-Za-z]{2,8})\b", re.DOTALL)
_BASE = re.compile(r"<base>\s*([^<>\s]+)\s*</base>")
_DBNAME = re.compile(r"<dbname>\s*([\w-]+)\s*</dbname>")
_NAMESPACE = re.compile(r"<namespace key=\"(-?\d+)\"[^<>]*>([^<>]+)</namespace>")
_HOST = re.compile(r"//([a-z]{2,3})(?:\.m)?\.wik")
_FAMILY = re.compile(
    r"^([a-z]{2,3})(?:_\w+)?wik(?:i|tionary|isource|inews|iquote|iversity|ivoyage)"
)
_UNESCAPED = ";@$!*(),/~:"  # what MediaWiki leaves as it is in the address of a page


@dataclass(frozen=True, slots=True)
class Site:
    """A wiki, as its dump describes it.

    Attributes:
        language: of its articles, where the dump says it (ISO 639-1, or -3 where that has none).
        folder: what stands before the title in a page's address; "" if unknown.
        namespaces: the prefixes, in small letters, of titles that are no articles.
    """

    language: str | None = None
    folder: str = ""
    namespaces: frozenset[str] = frozenset()

    def url(self, title: str) -> str | None:
        """The address of the page with this title."""
        if not self.folder:
            return None
        return self.folder + quote(title.replace(" ", "_"), safe=_UNESCAPED)

    def is_article(self, title: str) -> bool:
        """Whether a title is an article's, for dumps whose pages do not say their namespace."""
        prefix, colon, _ = title.partition(":")
        return not colon or prefix.strip().lower() not in self.namespaces


def read_site(head: str) -> Site | None:
    """The wiki that the text before the first page describes; None if it says nothing."""
    if "<siteinfo" not in head and "<mediawiki" not in head:
        return None
    base = _BASE.search(head)
    address = unescape(base[1]) if base else ""
    named = {unescape(name).strip().lower() for key, name in _NAMESPACE.findall(head) if key != "0"}
    return Site(_language(head, address), address[: address.rfind("/") + 1], frozenset(named))


def _language(head: str, address: str) -> str | None:
    database = _DBNAME.search(head)
    found = (
        _LANG.search(head)
        or _HOST.search(address)
        or (_FAMILY.match(database[1]) if database else None)
    )
    return found[1].lower() if found else None
