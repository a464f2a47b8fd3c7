"""Files → texts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

from filbert.errors import DataError, SettingsError, did_you_mean
from filbert.files.find import LINES, Paths, find_files, kind_of, list_of
from filbert.files.json_lines import read_json_lines
from filbert.files.place import Text, show_path
from filbert.files.plain import by_blank_line, by_length, by_line

Split = Literal["file", "blank", "line"]
_SPLITS: dict[str, Callable[[Path], Iterator[Text]]] = {
    "file": by_length,
    "blank": by_blank_line,
    "line": by_line,
}


def read_texts(paths: Paths, *, split: Split = "file", text_field: str = "text") -> Iterator[Text]:
    """The texts of files and folders, one after another, each with its place.

    Args:
        paths: .txt, .md, .rst, .jsonl, each also with .gz, and folders of them (find_files says
            what is taken). UTF-8, with or without a byte order mark.
        split: what one text of a plain file is: "file" the whole of it, cut into parts of at most
            8,000 characters at blank lines (else at line ends, else behind spaces and Chinese
            full stops); "blank" what stands between blank lines; "line" a line. Lines without text
            are passed over.
        text_field: the field of a JSON line that holds its text; its label, where there is one,
            is the field "label" (text, a whole number, true or false).

    Raises DataError, naming file, line and field, for what cannot be read; SettingsError for an
    unknown split. A text of more than 64 MiB is refused, so memory stays bounded.
    """
    if split not in _SPLITS:
        hint = did_you_mean(split, _SPLITS)
        raise SettingsError(f"split: expected {', '.join(get_args(Split))}; got {split!r}{hint}")
    listed = list_of(paths)
    return _read(find_files(listed), set(listed), split, text_field)


def _read(files: list[Path], named: set[Path], split: Split, text_field: str) -> Iterator[Text]:
    """The texts; a file without any is an error where it was named, and passed over in a folder."""
    nothing = True
    for file in files:
        empty = True
        for text in _texts_of(file, split, text_field):
            empty = nothing = False
            yield text
        if empty and file in named:
            raise DataError(f"{show_path(file)}: the file is empty; expected text")
    if nothing:
        raise DataError(f"{', '.join(map(show_path, sorted(named)))}: no text in any file")


def _texts_of(file: Path, split: Split, text_field: str) -> Iterator[Text]:
    if kind_of(file) in LINES:
        return read_json_lines(file, text_field)
    return _SPLITS[split](file)
