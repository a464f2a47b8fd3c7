import shutil
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from filbert.corpus import standard_library
from filbert.errors import DataError, SettingsError


@pytest.fixture(scope="module")
def documents():
    return list(standard_library())


def test_several_thousand_docstrings_and_the_language_reference(documents):
    kinds = Counter(document.source == "pydoc_data/topics.py" for document in documents)
    assert kinds[False] > 5_000
    assert kinds[True] > 70
    assert len({document.label for document in documents}) > 100


def test_a_document_tells_where_it_stands(documents):
    [document] = [d for d in documents if d.source == "email/message.py" and d.place == "line 1"]
    assert document.label == "email"
    assert document.text == "Basic message object for the email package object model."
    assert {d.label for d in documents if d.source == "textwrap.py"} == {"textwrap"}


def test_sources_are_relative_and_in_order_and_tests_are_left_out(documents):
    places = [
        (document.source, int(document.place.removeprefix("line "))) for document in documents
    ]
    for source in dict.fromkeys(source for source, _ in places):
        lines = [line for other, line in places if other == source]
        assert lines == sorted(lines)
    parts = {part for source, _ in places for part in Path(source).parts}
    assert not parts & {"test", "tests", "idle_test", "site-packages", "dist-packages", "/"}


def test_kinds():
    topics = list(standard_library(["topics"]))
    assert {document.source for document in topics} == {"pydoc_data/topics.py"}
    assert {document.label for document in topics} == {"pydoc_data"}
    assert len({document.place for document in topics}) == len(topics)
    with pytest.raises(SettingsError, match="'topic'"):
        standard_library(["topic"])


def make(library, **files):
    for name, content in files.items():
        path = library / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return library


def test_what_does_not_parse_is_skipped_and_counted(tmp_path):
    library = make(
        tmp_path,
        a=b'"""Good."""\nprint "python 2"\n',
        b=b'"""Null.\x00"""\n',
        c="# -*- coding: latin-1 -*-\n'''Caf\xe9.'''\n".encode("latin-1"),
        d=b"# -*- coding: klingon -*-\n",
        e=b'"""Good."""\n' + b"(" * 10_000,
        f=b"'''An odd escape: \\d.'''\n",
        test__in__test_a=b'"""Left out."""\n',
    )
    documents = standard_library(library=library)
    assert [(d.text, d.source) for d in documents] == [
        ("Café.", "c.py"),
        ("An odd escape: \\d.", "f.py"),
    ]
    assert documents.skipped == ["a.py", "b.py", "d.py", "e.py"]


def test_every_kind_of_definition_with_its_line(tmp_path):
    source = '''"""Module."""

class A:
    """Class.

        Indented.
    Flush.
    """

    @property
    def b(self):
        """Method."""

        async def c():
            """Inner."""

def d():
    "   "
'''
    documents = list(standard_library(library=make(tmp_path, pack__in__m=source.encode())))
    assert [(d.text, d.source, d.place, d.label) for d in documents] == [
        ("Module.", "pack/m.py", "line 1", "pack"),
        ("Class.\n\n    Indented.\nFlush.", "pack/m.py", "line 3", "pack"),
        ("Method.", "pack/m.py", "line 11", "pack"),
        ("Inner.", "pack/m.py", "line 14", "pack"),
    ]


def test_nothing_is_imported(tmp_path):
    library = make(tmp_path, evil=b'"""Text."""\nraise SystemExit("imported")\n')
    assert len(list(standard_library(library=library))) == 1


def test_no_library(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="expected the sources of Python's standard library"):
            standard_library(library=folder)


def test_other_pythons_on_this_machine_give_as_much():
    """Their libraries are read by this Python; what its grammar does not know is skipped."""
    question = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    names = ("python3.11", "python3.12", "python3.13", "/usr/bin/python3")
    libraries = set()
    for python in filter(None, map(shutil.which, names)):
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True)
        if answer.returncode == 0:
            libraries.add(Path(answer.stdout.strip()).resolve())
    # Its own is read by the tests above.
    for library in libraries - {Path(sysconfig.get_path("stdlib")).resolve()}:
        documents = standard_library(library=library)
        assert len(list(documents)) > 5_000, library
        assert len(documents.skipped) < 20, library
