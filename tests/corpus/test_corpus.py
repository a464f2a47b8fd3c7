import gc
import gzip
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus import (
    Document,
    clean,
    deduplicate,
    open_documents,
    read,
    read_documents,
    standard_library,
    write,
)
from filbert.disk import sha256_of
from filbert.errors import DataError, ExtraError, FilbertError, SettingsError
from filbert.language import normalise, split_sentences
from filbert.progress import plain


def build(documents, out_dir, **options):
    return write(deduplicate(clean(read_documents(documents), **options)), out_dir)


TEXTS = [
    "The first text.  It has two sentences.",
    "short",
    "这是一篇中文的文章。它有两句话，都不太长。",
    "The first text. It has two sentences.",
    "The last text\u200b is a little different.",
]


def test_read_clean_deduplicate_write_open(tmp_path):
    documents = [Document(text, "a.txt", line, "x") for line, text in enumerate(TEXTS, 1)]
    report = build(documents, tmp_path / "out")
    stored = list(open_documents(tmp_path / "out"))
    assert stored == [
        Document("The first text. It has two sentences.", "a.txt", 1, "x", [15, 37]),
        Document(TEXTS[2], "a.txt", 3, "x", [10, 21]),
        Document("The last text is a little different.", "a.txt", 5, "x", [36]),
    ]
    assert (report.read_documents, report.documents, report.sentences) == (5, 3, 5)
    assert (report.short_documents, report.duplicate_documents) == (1, 1)
    assert report.characters == sum(len(document.text) for document in stored)
    written = json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))
    assert written["format"] == 1
    assert written["documents"] == 3
    assert written["files"] == {"documents-00000.parquet": 3}
    metadata = pq.ParquetFile(tmp_path / "out" / "documents-00000.parquet").metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_files_become_documents_that_know_their_place(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.txt").write_text("\nThe text of the file b.\n", encoding="utf-8")
    (folder / "a.jsonl").write_text(
        '{"text": "The text of a line.", "label": 3}\n{"text": "The text of another line."}\n',
        encoding="utf-8",
    )
    write(clean(read(folder)), tmp_path / "out")
    found = [(d.source, d.line, d.label) for d in open_documents(tmp_path / "out")]
    a, b = (folder / "a.jsonl").as_posix(), (folder / "b.txt").as_posix()
    assert found == [(a, 1, "3"), (a, 2, None), (b, 2, None)]


def test_both_long_steps_say_how_far_they_are(tmp_path):
    stream = io.StringIO()
    progress = plain(stream, every_seconds=0)
    frame = read_documents([Document(TEXTS[0], "a", 1)], progress=progress)
    write(clean(frame), tmp_path / "out", progress=progress)
    assert "read" in stream.getvalue()
    assert "corpus" in stream.getvalue()


def test_bad_input_is_named_while_reading(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(DataError, match=r"a\.txt:2: expected UTF-8"):
        read(tmp_path / "a.txt")


def test_what_does_not_stay_is_marked_with_the_reason():
    documents = [Document(text, "a.txt", line) for line, text in enumerate(TEXTS)]
    frame = deduplicate(clean(read_documents(documents)))
    assert frame.to_pydict()["dropped"] == [None, "short", None, "duplicate", None]
    assert frame.count_rows() == 5


def test_the_first_of_equal_texts_stays_and_the_order_is_kept(tmp_path):
    texts = [f"This is the text with the number {n % 700}." for n in range(5_000)]
    documents = [Document(text, f"{line % 3}.txt", line) for line, text in enumerate(texts)]
    report = build(documents, tmp_path / "out")
    assert [document.line for document in open_documents(tmp_path / "out")] == list(range(700))
    assert report.duplicate_documents == 4_300


DOCUMENTS = st.lists(
    st.builds(
        Document,
        st.text(st.characters(exclude_categories=()), max_size=60)
        | st.sampled_from(["The same text every time.", "同一篇文章，每次都一样。再来一句话。"]),
        st.text(st.characters(exclude_categories=()), max_size=5),
        st.integers(1, 1 << 40),
        st.none() | st.text(st.characters(exclude_categories=()), max_size=5),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)  # Daft starts threads, at leisure
@given(DOCUMENTS, st.integers(0, 20))
def test_any_documents_round_trip(tmp_path_factory, documents, min_characters):
    out = tmp_path_factory.mktemp("round") / "out"
    expected: dict[str, Document] = {}
    for document in documents:
        text = normalise(document.text)
        if len(text) >= min_characters:
            expected.setdefault(text, document)
    if not expected:
        with pytest.raises(DataError, match=f"no document stays: {len(documents)} read"):
            build(documents, out, min_characters=min_characters)
        assert not out.exists()
        return
    build(documents, out, min_characters=min_characters)
    stored = list(open_documents(out))
    assert [document.text for document in stored] == list(expected)
    assert [document.line for document in stored] == [d.line for d in expected.values()]
    for document in stored:
        assert document.sentence_ends == [end for _, end in split_sentences(document.text)]


def test_the_same_input_gives_the_same_files(tmp_path):
    sums = []
    for name in ("one", "two"):
        documents = (
            Document(f"The text number {n % 4_000} is here. " * 20, f"{n}.txt", n)
            for n in range(6_000)
        )
        report = build(documents, tmp_path / name)
        sums.append([sha256_of(tmp_path / name / file) for file in report.files])
    assert sums[0] == sums[1]


def test_large_corpora_come_in_several_files_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.corpus.writing._FILE_CHARACTERS", 100_000)
    monkeypatch.setattr("filbert.corpus.writing._GROUP_CHARACTERS", 10_000)
    documents = (Document(f"Text number {n} of many. " * 40, "a", n) for n in range(2_000))
    report = build(documents, tmp_path / "out")
    assert len(report.files) > 1
    assert [document.line for document in open_documents(tmp_path / "out")] == list(range(2_000))


def test_an_error_of_the_documents_own_source_comes_through_as_it_is():
    def documents():
        yield Document(TEXTS[0], "a", 1)
        raise ConnectionError("the source is gone")

    with pytest.raises(ConnectionError, match="the source is gone"):
        read_documents(documents())


def test_no_documents_at_all(tmp_path):
    with pytest.raises(DataError, match="no document stays: 0 read"):
        build([], tmp_path / "out")


def test_the_order_of_the_steps_is_checked(tmp_path):
    frame = read_documents([Document(TEXTS[0], "a", 1)])
    with pytest.raises(SettingsError, match="call clean before it"):
        deduplicate(frame)
    with pytest.raises(SettingsError, match="lacks sentence_ends, dropped"):
        write(frame, tmp_path / "out")


def test_a_folder_that_is_taken(tmp_path):
    frame = clean(read_documents([Document(TEXTS[0], "a", 1)]))
    write(frame, tmp_path / "out")
    with pytest.raises(SettingsError, match="out is there already"):
        write(frame, tmp_path / "out")
    write(frame, tmp_path / "out", replace=True)


def spools():
    return set(Path(tempfile.gettempdir()).glob("filbert-corpus-*"))


def test_temporary_files_live_as_long_as_the_frames_that_need_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    frame = read_documents([Document(text, "a", 1) for text in TEXTS])
    later = deduplicate(clean(frame))
    del frame
    gc.collect()
    assert len(spools()) == 1
    assert later.count_rows() == later.count_rows() == 5
    del later
    gc.collect()
    assert not spools()


def test_temporary_files_go_when_reading_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "good"}\n{"text": 1}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: field 'text'"):
        read(tmp_path / "a.jsonl")
    assert not spools()


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    import pyarrow.parquet

    def full(self, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(pyarrow.parquet.ParquetWriter, "write_table", full)
    with pytest.raises(FilbertError, match=r"No space left on device; .* TMPDIR"):
        read_documents([Document(TEXTS[0], "a", 1)])
    assert not spools()


def test_a_flipped_byte_is_found_and_the_file_named(tmp_path):
    build([Document(f"The text number {n}. " * 9, "a", n) for n in range(500)], tmp_path / "out")
    path = tmp_path / "out" / "documents-00000.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(bytes(damaged))
        with pytest.raises(DataError, match=r"documents-00000\.parquet: the file is damaged"):
            next(open_documents(tmp_path / "out"))


def test_a_parquet_file_of_something_else(tmp_path):
    report = build([Document(TEXTS[0], "a", 1)], tmp_path / "out")
    path = tmp_path / "out" / "documents-00000.parquet"
    for content in (b"no Parquet", None):
        if content is None:
            pq.write_table(pa.table({"number": [1]}), path)
        else:
            path.write_bytes(content)
        changed = replace(report, sha256={path.name: sha256_of(path)})
        (tmp_path / "out" / "corpus.json").write_text(changed.to_json(), encoding="utf-8")
        with pytest.raises(DataError, match=r"\.parquet: expected a Parquet file of documents"):
            list(open_documents(tmp_path / "out"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a corpus, but there is no corpus.json"),
        ("{", "expected the report of a corpus"),
        ("[]", "expected the report of a corpus"),
        ('{"format": 2}', "expected a corpus of format 1"),
        ('{"format": 1, "documents": 3}', "expected the report of a corpus"),
    ],
)
def test_a_folder_that_is_no_corpus(tmp_path, content, message):
    if content is not None:
        (tmp_path / "corpus.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        open_documents(tmp_path)


def test_a_report_that_leads_out_of_its_folder(tmp_path):
    report = build([Document(TEXTS[0], "a", 1)], tmp_path / "out").to_json()
    path = tmp_path / "out" / "corpus.json"
    path.write_text(report.replace("documents-0", "../documents-0"), encoding="utf-8")
    with pytest.raises(DataError, match="expected names of files in this folder"):
        open_documents(tmp_path / "out")


def test_a_missing_file_and_a_wrong_count(tmp_path):
    report = build([Document(TEXTS[0], "a", 1)], tmp_path / "out").to_json()
    path = tmp_path / "out" / "corpus.json"
    path.write_text(report.replace('parquet": 1', 'parquet": 2'), encoding="utf-8")
    with pytest.raises(DataError, match="expected 2 documents, found 1"):
        list(open_documents(tmp_path / "out"))
    (tmp_path / "out" / "documents-00000.parquet").unlink()
    with pytest.raises(DataError, match=r"documents-00000\.parquet: there is no such file"):
        list(open_documents(tmp_path / "out"))


def test_documents_are_opened_without_daft():
    code = "import sys, filbert.corpus; assert not {'daft', 'pyarrow', 'rensa'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("library", ["daft", "pyarrow"])
def test_a_missing_library_is_named_with_its_command(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ExtraError, match=rf"{library} .* pip install 'filbert\[data\]'"):
        read_documents([])


def test_the_whole_standard_library(tmp_path):
    report = build(standard_library(), tmp_path / "out")
    assert report.documents > 5_000
    assert report.duplicate_documents > 50
    assert report.sentences > 2 * report.documents


def test_real_chinese_and_english(shared_data, tmp_path):
    sources = [
        shared_data / "corpus" / "zhwiki-extracted-00.jsonl.gz",
        shared_data / "corpus" / "gutenberg-alice.txt.gz",
    ]
    report = write(deduplicate(clean(read(sources))), tmp_path / "out")
    documents = list(open_documents(tmp_path / "out"))
    assert report.documents == len(documents) > 80
    chinese = [document for document in documents if document.source.endswith("jsonl.gz")]
    sentences = sum(len(document.sentence_ends) for document in chinese)
    assert 20 < sum(len(document.text) for document in chinese) / sentences < 60


def test_real_reviews(shared_data, tmp_path):
    with gzip.open(shared_data / "cls" / "chnsenticorp-dev.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file][1:]
    documents = [Document(text, "dev", line, label) for line, (label, text) in enumerate(rows, 2)]
    report = build(documents, tmp_path / "out")
    assert report.read_documents == 1200
    assert {document.label for document in open_documents(tmp_path / "out")} == {"0", "1"}
