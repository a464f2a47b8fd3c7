"""Errors that end the work, with what is kept of it and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filbert.corpus.build.folder import is_begun
from filbert.errors import DataError, FilbertError


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Say of a full disk and the like that the work is not lost."""
    try:
        yield
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror or error}"
        raise FilbertError(f"{said}{_what_is_kept(folder)}") from error
    except FilbertError as error:
        if isinstance(error.__cause__, OSError) and type(error) is FilbertError:
            raise FilbertError(f"{error}{_what_is_kept(folder)}") from error
        raise


def _what_is_kept(folder: Path) -> str:
    if not is_begun(folder):
        return "; nothing was finished yet"
    return f"; what is finished is kept in {folder}, and the same command goes on with it"


@contextmanager
def repairable(folder: Path) -> Iterator[None]:
    """Say of a text that is lost where it must not be how to go on."""
    try:
        yield
    except DataError as error:
        if type(error) is not DataError:
            raise
        begun = " and give --restart, for parts are finished" if is_begun(folder) else ""
        raise DataError(
            f"{error}; without --strict it is passed over and counted. Where you repair the file, "
            f"ask for the same again{begun}"
        ) from error
