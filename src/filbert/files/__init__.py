"""Any file → texts with their place."""

from filbert.files.find import Paths, find_files
from filbert.files.place import Place, Text, show_path
from filbert.files.read import Split, read_texts

__all__ = ["Paths", "Place", "Split", "Text", "find_files", "read_texts", "show_path"]
