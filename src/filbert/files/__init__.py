"""Any file → texts with their place."""

from filbert.files.content import kind_of_content, kind_of_head
from filbert.files.find import Paths, find_files
from filbert.files.found import Found, Item, Kind, Problem, Source
from filbert.files.found_parquet import parquet_row_groups
from filbert.files.html import HtmlText, html_text
from filbert.files.opening import open_bytes, show_address
from filbert.files.place import Place, Text, show_path
from filbert.files.read import Split, read_texts
from filbert.files.reading import read_found
from filbert.files.sources import list_sources
from filbert.files.trouble import Bomb, Limits, Truncated, Unreachable
from filbert.files.unpacked import Unpacked, open_plain

__all__ = [
    "Bomb",
    "Found",
    "HtmlText",
    "Item",
    "Kind",
    "Limits",
    "Paths",
    "Place",
    "Problem",
    "Source",
    "Split",
    "Text",
    "Truncated",
    "Unpacked",
    "Unreachable",
    "find_files",
    "html_text",
    "kind_of_content",
    "kind_of_head",
    "list_sources",
    "open_bytes",
    "open_plain",
    "parquet_row_groups",
    "read_found",
    "read_texts",
    "show_address",
    "show_path",
]
