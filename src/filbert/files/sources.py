"""Which files a list of paths, globs and addresses means: the sources of a corpus."""

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from filbert.errors import DataError, did_you_mean
from filbert.files.found import Source
from filbert.files.opening import WEB, scheme_of, show_address

_WILD = re.compile(r"[*?\[]")
_PASSWORD = re.compile("://[^/?]*@")
_WILD_ADDRESS = re.compile(r"[*\[]")  # "?" begins the query of an address


def list_sources(sources: str | Path | Sequence[str | Path]) -> list[Source]:
    """The files that paths, globs and addresses name, in a fixed order, each once.

    Args:
        sources: files; folders (with all below them, sorted by name; hidden files, links to
            folders, broken links, devices and pipes are passed over); globs (`*`, `?`, `[a-z]`,
            and `**` for folders at any depth); addresses of objects, of what lies below them, and
            globs of them without `?` (s3://, gs://, az://); https:// addresses of single files.
            What kind a file is, is not looked at: kind_of_content says it.

    Raises DataError for a source that is not there, is no file or folder, or matches nothing, and
    Unreachable (a DataError) for an address that cannot be reached.
    """
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    if not listed:
        raise DataError("expected at least one file, folder, glob or address; got none")
    found: dict[str, Source] = {}
    for source in listed:
        some = False
        for key, one in _sources_of(str(source)):
            some = True
            found.setdefault(key, one)
        if not some:
            raise DataError(f"{show_address(str(source))}: matches no file")
    return list(found.values())


def _sources_of(source: str) -> Iterator[tuple[str, Source]]:
    """The files of one source, each with what makes it the same file as another."""
    scheme = scheme_of(source)
    if scheme in WEB:
        yield source, _of_web(source)
    elif scheme:
        for one in _of_store(source):
            yield one.address, one
    elif os.path.lexists(source) or not _WILD.search(source):
        yield from _of_path(source)
    else:
        for path in sorted(_matches(source), key=_parts):
            yield from _of_path(path)


def _matches(pattern: str) -> Iterator[str]:
    """The paths that a glob means. For `**` links to folders are not followed: they may lead round.

    (Python's own glob follows them, forty deep, and in two such links round each other for ever.)
    """
    parts = _parts(pattern)
    if "**" not in parts:
        yield from glob.iglob(pattern)  # noqa: PTH207 (Path.glob finds hidden files)
        return
    place = parts.index("**")
    rest = [part for part in parts[place + 1 :] if part != "**"]
    before = pattern[: sum(len(part) + len(os.sep) for part in parts[:place])]
    for base in _matches(before) if before.strip(os.sep) else [before or os.curdir]:
        if not rest:
            yield base
            continue
        for folder in _folders(base):
            yield from _matches(os.path.join(glob.escape(folder), *rest))  # noqa: PTH118


def _folders(folder: str) -> Iterator[str]:
    """A folder and all below it that are not hidden and no links."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        yield here
        with suppress(OSError):
            waiting += [entry.path for entry in _listed(here) if _is_folder(entry)]


def _of_path(path: str) -> Iterator[tuple[str, Source]]:
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(
                f"{show_address(path)}: there is no such file or folder{_near(Path(path))}"
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{show_address(path)}: cannot be read: {reason}") from error
    if Path(path).is_dir():
        yield from _below(os.path.normpath(path))
    elif Path(path).is_file():
        yield _local(os.path.normpath(path), status)
    else:
        raise DataError(f"{show_address(path)}: expected a file or a folder, got something else")


def _below(folder: str) -> Iterator[tuple[str, Source]]:
    """All files below a folder. os.scandir and no pathlib: there may be millions.

    A folder further down that cannot be listed comes as a file: reading it says what is wrong.
    """
    try:
        waiting = _listed(folder)[::-1]
    except OSError as error:
        raise DataError(f"{show_address(folder)}: cannot be read: {error.strerror}") from error
    while waiting:
        entry = waiting.pop()
        if _is_folder(entry):
            try:
                waiting += reversed(_listed(entry.path))
            except OSError:
                yield entry.path, Source(entry.path.replace(os.sep, "/"), 0, "")
            continue
        try:
            status = entry.stat()
        except OSError:  # a link to nowhere or to itself
            continue
        if stat.S_ISREG(status.st_mode):
            yield _local(entry.path, status)


def _listed(folder: str) -> list["os.DirEntry[str]"]:
    """What is in a folder, sorted by name; nothing that is hidden."""
    with os.scandir(folder) as listing:
        shown = [entry for entry in listing if not entry.name.startswith(".")]
    return sorted(shown, key=lambda entry: entry.name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _local(path: str, status: os.stat_result) -> tuple[str, Source]:
    """A file with its number on the disk: by that it is known again under another name."""
    source = Source(path.replace(os.sep, "/"), status.st_size, str(status.st_mtime_ns))
    if status.st_ino:
        return f"{status.st_dev}:{status.st_ino}", source
    return os.path.realpath(path), source  # Windows' scandir has no numbers


def _of_web(address: str) -> Source:
    from filbert.files.web import head_of

    if _WILD.search(address.partition("?")[0]):
        raise DataError(f"{show_address(address)}: expected one file; the web has no globs")
    if _PASSWORD.search(address):
        raise DataError(
            f"{show_address(address)}: expected no name and password in an address, for it is "
            "written into the corpus"
        )
    size, stamp = head_of(address)
    if size is None:
        raise DataError(f"{show_address(address)}: the server does not say how large the file is")
    return Source(address, size, stamp)


def _of_store(address: str) -> Iterable[Source]:
    from filbert.files.stores import list_objects

    path, mark, query = address.partition("?")
    wild = _WILD_ADDRESS.search(path)
    if wild is None:
        return _visible(list_objects(address), path)
    base = path[: wild.start()].rpartition("/")[0]
    if base.endswith(":/"):
        raise DataError(f"{path}: expected the name of a bucket, got a glob for it")
    pattern = _compiled(path)
    below = _visible(list_objects(f"{base}{mark}{query}"), base)
    return [one for one in below if pattern.fullmatch(one.address.partition("?")[0])]


def _visible(sources: Iterable[Source], base: str) -> list[Source]:
    """Without hidden objects, and without the empty ones that stand for folders."""
    skip = len(base.rstrip("/"))
    return [one for one in sources if "/." not in one.address.partition("?")[0][skip:]]


def _compiled(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*` stays in its folder, `**/` means any folders."""
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    means = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    whole = (means.get(part) or fnmatch.translate(part)[4:-3] for part in parts)
    return re.compile("".join(whole), re.DOTALL)


def _parts(path: str) -> list[str]:
    return path.split(os.sep)  # noqa: PTH206 (Path is slow for 100,000)


def _near(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
