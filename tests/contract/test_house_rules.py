from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core"}
LEFT_FOR_LATER = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")


@pytest.fixture(scope="module")
def files():
    found = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in ("src", "tests", "scripts", "benchmarks", "examples")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(found) > 20
    return found


def test_files_are_short(files):
    assert not {name for name, text in files.items() if len(text.splitlines()) > 500}


def test_files_are_named_for_what_they_hold(files):
    parts = {name: {*Path(name).with_suffix("").parts} for name in files}
    assert not {name for name, words in parts.items() if words & NAMES_OF_NOTHING}


def test_test_files_have_names_of_their_own(files):
    # importmode=importlib would take two of one name; a person reading a report would not.
    names = [Path(name).name for name in files if Path(name).name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_nothing_is_left_for_later(files):
    assert not {
        name for name, text in files.items() if any(mark in text for mark in LEFT_FOR_LATER)
    }
