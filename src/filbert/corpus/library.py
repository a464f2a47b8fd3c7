"""Text that comes with every Python: the standard library's docstrings and language reference."""

import ast
import sysconfig
import tokenize
import warnings
from collections.abc import Collection, Iterator
from inspect import cleandoc
from pathlib import Path

from filbert.corpus.document import Document
from filbert.errors import DataError, SettingsError

KINDS = ("docstrings", "topics")
_LEFT_OUT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages"})
_TOPICS = "pydoc_data/topics.py"
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class LibraryDocuments(Iterator[Document]):
    """The documents, one after another; `skipped` fills with the files that could not be parsed."""

    def __init__(self, library: Path, kinds: Collection[str]) -> None:
        self.skipped: list[str] = []
        self._documents = self._read(library, kinds)

    def __next__(self) -> Document:
        return next(self._documents)

    def _read(self, library: Path, kinds: Collection[str]) -> Iterator[Document]:
        for path in _modules(library):
            source = path.relative_to(library).as_posix()
            wanted = "topics" if source == _TOPICS else "docstrings"
            if wanted not in kinds:
                continue
            try:
                tree = _parse(path)
            except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
                self.skipped.append(source)
                continue
            texts = _topics(tree) if wanted == "topics" else _docstrings(tree)
            label = source.split("/")[0].removesuffix(".py")
            for text, line in texts:
                yield Document(text, source, f"line {line}", label)


def standard_library(
    kinds: Collection[str] = KINDS, *, library: Path | None = None
) -> LibraryDocuments:
    """The docstrings and the language reference of the Python that runs this, file by file.

    The sources are parsed, never imported; tests and installed packages are left out. A document's
    source is its file below the library ("email/message.py"), its place the line of the definition,
    its label the package or module at the top ("email"); its text is cleaned as by
    inspect.cleandoc.

    Args:
        kinds: "docstrings" and/or "topics" (pydoc_data.topics: the language reference in parts).
        library: the folder of another standard library.

    Raises SettingsError for an unknown kind, DataError where there is no library in source form.
    """
    if unknown := set(kinds) - set(KINDS):
        raise SettingsError(f"kinds: expected {', '.join(KINDS)}; got {sorted(unknown)}")
    library = Path(library or sysconfig.get_path("stdlib"))
    if next(_modules(library), None) is None:
        raise DataError(f"{library}: expected the sources of Python's standard library")
    return LibraryDocuments(library, kinds)


def _modules(folder: Path) -> Iterator[Path]:
    """The modules below a folder, sorted; only what Python could import by name."""
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name.isidentifier() and entry.name not in _LEFT_OUT:
                yield from _modules(entry)
        elif entry.suffix == ".py" and entry.stem.isidentifier():
            yield entry


def _parse(path: Path) -> ast.Module:
    with tokenize.open(path) as file:
        source = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own style is not our business
        return ast.parse(source)


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Docstrings in the order of their lines, with the line of the definition."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING):
            text = ast.get_docstring(node)  # cleaned by cleandoc
            if text and text.strip():
                found.append((text, getattr(node, "lineno", 1)))
    return iter(sorted(found, key=lambda entry: entry[1]))


def _topics(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The values of `topics = {name: text, …}`."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for key, value in zip(statement.value.keys, statement.value.values, strict=True):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield cleandoc(value.value), (key or value).lineno
