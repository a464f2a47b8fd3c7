"""TOML and JSON ↔ frozen dataclasses: the mechanism only; what the settings mean stands elsewhere.

Types are checked by msgspec. msgspec lets unknown keys of dataclasses pass, so they are looked for
here first, and named with the nearest known one.
"""

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from filbert.disk import atomic_file
from filbert.errors import SettingsError, did_you_mean

T = TypeVar("T")


def from_mapping(mapping: Mapping[str, Any], kind: type[T], where: str = "settings") -> T:
    """Build a settings value of type `kind`; unknown keys and wrong types are SettingsErrors.

    where: what the message names as the source, e.g. the file.
    """
    _refuse_unknown(mapping, kind, where, "")
    try:
        return msgspec.convert(_with_words(mapping, kind), kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}{_choices(str(error), kind)}") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error


def to_mapping(value: Any) -> Any:
    """Any value of ours as plain dictionaries, lists, numbers and texts, ready for JSON."""
    # Field by field: msgspec alone leaves out the defaults of a dataclass that it made itself.
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_mapping(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_mapping(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_mapping(inner) for inner in value]
    return msgspec.to_builtins(value)


def load_settings(path: Path | str, kind: type[T]) -> T:
    """Read a .toml or .json file into settings of type `kind`.

    Raises SettingsError naming the file and, where known, line and field.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        if path.suffix == ".toml":
            mapping = tomllib.loads(raw.decode("utf-8"))
        elif path.suffix == ".json":
            mapping = msgspec.json.decode(raw)
        else:
            raise SettingsError(f"{path}: settings are .toml or .json files")
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(mapping, dict):
        raise SettingsError(f"{path}: expected a table of settings, got {type(mapping).__name__}")
    return from_mapping(mapping, kind, str(path))


def save_settings(value: Any, path: Path | str) -> None:
    """Write settings as .toml or .json, whole or not at all. What is None is left out of TOML."""
    path = Path(path)
    mapping = to_mapping(value)
    if path.suffix == ".toml":
        import tomli_w

        raw = tomli_w.dumps(_without_none(mapping)).encode("utf-8")
    elif path.suffix == ".json":
        raw = msgspec.json.format(msgspec.json.encode(mapping, order="sorted"), indent=2) + b"\n"
    else:
        raise SettingsError(f"{path}: settings are .toml or .json files")
    with atomic_file(path) as draft:
        draft.write_bytes(raw)


def override(value: T, changes: Sequence[str]) -> T:
    """Settings with some fields changed: `["train.peak_lr=3e-4", "task.name=classify"]`.

    The right side is read as TOML where it is valid TOML (numbers, booleans, lists, quoted texts),
    else as plain text; `none` empties an optional field. Raises SettingsError for an unknown field.
    """
    mapping = to_mapping(value)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise SettingsError(f"--set {change}: expected NAME=VALUE, e.g. train.peak_lr=3e-4")
        *parents, leaf = name.strip().split(".")
        table = mapping
        for parent in parents:
            inner = table.get(parent)
            if not isinstance(inner, dict):
                raise SettingsError(
                    f"--set {change}: no table {parent!r}{did_you_mean(parent, table)}"
                )
            table = inner
        table[leaf] = _parse(text.strip())
    every = "--set " + " ".join(changes)
    try:
        return from_mapping(mapping, type(value), every)
    except SettingsError as error:
        problem = str(error).removeprefix(f"{every}: ")
        wrong = [change for change in changes if _is_about(problem, change.partition("=")[0])]
        if not wrong or problem == str(error):
            raise
        raise SettingsError(f"--set {' '.join(wrong)}: {problem}") from error


def _is_about(problem: str, name: str) -> bool:
    """Whether a message speaks of a setting."""
    name = name.strip()
    return problem.startswith(f"unknown setting {name!r}") or f"`$.{name}" in problem


def _choices(problem: str, kind: Any) -> str:
    """The words that a setting may be, where msgspec says of one only that it is none of them."""
    found = re.fullmatch(r"Invalid enum value .* - at `\$\.([\w.]+)`", problem, re.DOTALL)
    if found is None:
        return ""
    for name in found[1].split("."):
        tables = [option for option in _options(kind) if dataclasses.is_dataclass(option)]
        kind = next(
            (hints[name] for hints in map(typing.get_type_hints, tables) if name in hints), None
        )
    known = [word for option in _options(kind) for word in typing.get_args(option)]
    return f" (known: {', '.join(map(str, known))})" if known else ""


def _with_words(mapping: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The mapping with the word "none" for nothing, where that is a choice and nothing is not."""
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    found = dict(mapping)
    for key, value in found.items():
        options = _options(hints.get(key))
        tables = [option for option in options if dataclasses.is_dataclass(option)]
        if value is None and any("none" in typing.get_args(option) for option in options):
            found[key] = "none"
        elif isinstance(value, Mapping) and len(tables) == 1:
            found[key] = _with_words(value, tables[0])
    return found


def _parse(text: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def _refuse_unknown(mapping: Mapping[str, Any], kind: Any, where: str, prefix: str) -> None:
    if not dataclasses.is_dataclass(kind):
        return
    types_of = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    for key, inner in mapping.items():
        if key not in names:
            hint = _nearest(key, prefix, names, types_of)
            raise SettingsError(
                f"{where}: unknown setting {prefix + key!r}{hint} (known: {', '.join(names)})"
            )
        if isinstance(inner, Mapping):
            for option in _options(types_of[key]):
                _refuse_unknown(inner, option, where, f"{prefix}{key}.")


def _nearest(key: str, prefix: str, names: list[str], types_of: dict[str, Any]) -> str:
    """A hint at the nearest setting here, else at one in a table below: min_words is quality's."""
    here = did_you_mean(prefix + key, [prefix + name for name in names])
    below = {
        field.name: f"{prefix}{name}.{field.name}"
        for name in names
        for option in _options(types_of[name])
        if dataclasses.is_dataclass(option)
        for field in dataclasses.fields(option)
    }
    if key in below:
        return f"; did you mean {below[key]!r}?"
    if here:
        return here
    near = difflib.get_close_matches(key, below, n=1, cutoff=0.8)
    return f"; did you mean {below[near[0]]!r}?" if near else ""


def _options(kind: Any) -> list[Any]:
    """The members of a union, or the type itself."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return [option for option in typing.get_args(kind) if option is not type(None)]
    return [kind]
