"""What becomes of documents and files: read, cleaned, each once, written, opened."""

import gzip
import io
import json
import subprocess
import sys
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus import (
    CorpusSettings,
    Document,
    Duplicates,
    Quality,
    build_corpus,
    load_report,
    no_rules,
    open_documents,
    standard_library,
)
from filbert.disk import sha256_of
from filbert.errors import DataError, ExtraError, SettingsError
from filbert.language import normalise, split_sentences
from filbert.progress import plain

EXACT = Duplicates(near=False)
PLAIN = CorpusSettings(quality=no_rules(16), duplicates=EXACT)


def build(documents, out_dir, min_characters=16, **options):
    chosen = CorpusSettings(quality=no_rules(min_characters), duplicates=EXACT)
    return build_corpus(iter(documents), out_dir, chosen, **options)


TEXTS = [
    "The first text.  It has two sentences.",
    "short",
    "这是一篇中文的文章。它有两句话，都不太长。",
    "The first text. It has two sentences.",
    "The last text\u200b is a little different.",
]


def test_documents_in_a_corpus_out(tmp_path):
    documents = [
        Document(text, "a.txt", f"line {line}", "x", "A title", "https://a.test/", None)
        for line, text in enumerate(TEXTS, 1)
    ]
    report = build(documents, tmp_path / "out")
    more = {"label": "x", "title": "A title", "url": "https://a.test/"}
    stored = list(open_documents(tmp_path / "out"))
    first = "The first text. It has two sentences."
    last = "The last text is a little different."
    assert stored == [
        Document(first, "a.txt", "line 1", **more, language="en", sentence_ends=[15, 37]),
        Document(TEXTS[2], "a.txt", "line 3", **more, language="zh", sentence_ends=[10, 21]),
        Document(last, "a.txt", "line 5", **more, language="en", sentence_ends=[36]),
    ]
    assert (report.read_documents, report.documents, report.sentences) == (5, 3, 5)
    assert report.dropped == {"short": 1}
    assert (report.exact_duplicates, report.near_duplicates) == (1, 0)
    assert report.characters == sum(len(document.text) for document in stored)
    assert report.languages["en"].documents == 2
    assert report.languages["zh"].sentences == 2
    assert report.words == 14 + report.languages["zh"].words
    assert report.words_counted_share == 1
    assert load_report(tmp_path / "out") == report
    written = json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))
    assert written["format"] == 2
    assert written["files"] == {"documents-00000.parquet": 3}
    assert written["settings"]["quality"]["min_characters"] == 16
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
    build_corpus(folder, tmp_path / "out", PLAIN)
    found = [(d.source, d.place, d.label) for d in open_documents(tmp_path / "out")]
    a, b = (folder / "a.jsonl").as_posix(), (folder / "b.txt").as_posix()
    assert found == [(a, "line 1", "3"), (a, "line 2", None), (b, "line 2", None)]


def test_all_steps_say_how_far_they_are(tmp_path):
    stream = io.StringIO()
    (tmp_path / "a.txt").write_text(TEXTS[0], encoding="utf-8")
    build_corpus(tmp_path / "a.txt", tmp_path / "out", progress=plain(stream, every_seconds=0))
    for word in ("reading: ", "bytes", "documents/s", "MB/s", "duplicates: ", "writing: "):
        assert word in stream.getvalue()
    lines = [line for line in stream.getvalue().splitlines() if not line.startswith("  ")]
    stages = {line.partition(":")[0] for line in lines}
    assert stages == {"reading", "duplicates", "writing"}


def test_the_first_of_equal_texts_stays_and_the_order_is_kept(tmp_path):
    texts = [f"This is the text with the number {n % 700}." for n in range(5_000)]
    documents = [Document(text, f"{n % 3}.txt", str(n)) for n, text in enumerate(texts)]
    report = build(documents, tmp_path / "out")
    assert [int(document.place) for document in open_documents(tmp_path / "out")] == [*range(700)]
    assert report.duplicate_documents == 4_300


def test_near_duplicates_go_too_where_they_are_wanted(tmp_path):
    river = "The river comes from the hills in the west and goes through three towns to the sea. "
    market = "On market days the farmers bring their apples, and nobody leaves without a basket. "
    body = f"{river}{market}It is said that the bridge was built by a king who feared water."
    documents = [Document(body, "a"), Document(body + " And one more.", "b")]
    report = build_corpus(documents, tmp_path / "out", CorpusSettings())
    assert (report.documents, report.near_duplicates) == (1, 1)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "2 texts alike: the first stays, 1 of the others" in page


def test_no_duplicates_are_looked_for_where_none_are_wanted(tmp_path):
    off = CorpusSettings(quality=no_rules(), duplicates=Duplicates(exact=False, near=False))
    report = build_corpus([Document(TEXTS[0], "a")] * 3, tmp_path / "out", off)
    assert report.documents == 3


def test_rules_name_what_they_drop_with_samples_on_the_page(tmp_path):
    texts = ["lorem ipsum dolor sit amet, this is a page that is not finished yet.", TEXTS[2]]
    documents = [Document(text, "site.warc", "record 7") for text in texts]
    report = build_corpus(documents, tmp_path / "out")
    assert report.dropped == {"placeholder": 1}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page, "most of the corpus is Chinese"
    assert "not finished yet" in page
    assert "record 7" in page
    assert "max_placeholders = 0.5" in page


def test_only_the_languages_that_are_wanted(tmp_path):
    documents = [Document(TEXTS[0], "a"), Document(TEXTS[2], "a")]
    chosen = CorpusSettings(languages=("zh",))
    report = build_corpus(documents, tmp_path / "out", chosen)
    assert report.dropped == {"language": 1}
    assert list(report.languages) == ["zh"]


def test_the_language_that_a_source_names_is_a_hint_only(tmp_path):
    documents = [
        Document(TEXTS[0], "a", language="de"),
        Document("ok ok ok", "a", language="fr"),
    ]
    build(documents, tmp_path / "out", 1)
    assert next(d.language for d in open_documents(tmp_path / "out")) == "en"


def test_traditional_becomes_simplified_where_asked_for(tmp_path):
    pytest.importorskip("opencc")
    chinese = Document("這個城市的歷史非常悠久，經濟也很發達。", "a", title="歷史")
    japanese = Document("この町の歴史はとても古く、經濟も發達しています。", "a")
    chosen = replace(PLAIN, simplified=True)
    build_corpus([chinese, japanese], tmp_path / "out", chosen)
    first, second = open_documents(tmp_path / "out")
    assert (first.text, first.title) == ("这个城市的历史非常悠久，经济也很发达。", "历史")
    assert second.text == japanese.text


def test_a_missing_opencc_is_noticed_before_anything_is_read(tmp_path, monkeypatch):
    from filbert.language import simplified

    simplified._converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(ExtraError, match=r"opencc .* pip install 'filbert\[zh\]'"):
        build_corpus([Document(TEXTS[0], "a")], tmp_path / "out", replace(PLAIN, simplified=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "title"), [("corpus", "Corpus"), ("Corpus", "Corpus"), ("wiki", "Corpus wiki")]
)
def test_the_title_of_the_page(tmp_path, name, title):
    build([Document(TEXTS[0], "a")], tmp_path / name)
    page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
    assert f"<title>{title}</title>" in page


def test_sentences_can_be_left_out(tmp_path):
    build_corpus([Document(TEXTS[0], "a")], tmp_path / "out", replace(PLAIN, sentences=False))
    assert next(open_documents(tmp_path / "out")).sentence_ends == []


DOCUMENTS = st.lists(
    st.builds(
        Document,
        st.text(st.characters(exclude_categories=()), max_size=60)
        | st.sampled_from(["The same text every time.", "同一篇文章，每次都一样。再来一句话。"]),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=9),
        st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
    ),
    max_size=20,
)


@settings(max_examples=12, deadline=None)
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
        assert not list(out.parent.iterdir())
        return
    build(documents, out, min_characters=min_characters)
    stored = list(open_documents(out))
    assert [document.text for document in stored] == list(expected)
    assert [d.place for d in stored] == [d.place for d in expected.values()]
    assert [d.source for d in stored] == [d.source for d in expected.values()]
    for document in stored:
        assert document.sentence_ends == [end for _, end in split_sentences(document.text)]
    assert [entry.name for entry in out.parent.iterdir()] == ["out"], "nothing is left over"


def test_half_a_surrogate_pair_hurts_nobody(tmp_path):
    build([Document("a text with half \ud83d of a sign", "\ud800", "\udfff")], tmp_path / "out")
    [document] = open_documents(tmp_path / "out")
    assert document.text == "a text with half of a sign"
    assert (document.source, document.place) == ("\ufffd", "\ufffd")


def test_large_corpora_come_in_several_files_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.corpus.build.spooling.GROUP_CHARACTERS", 10_000)
    documents = (Document(f"Text number {n} of many. " * 40, "a", str(n)) for n in range(2_000))
    chosen = replace(PLAIN, part_bytes=100_000)
    report = build_corpus(documents, tmp_path / "out", chosen, workers=1)
    assert len(report.files) > 1
    assert [int(d.place) for d in open_documents(tmp_path / "out")] == list(range(2_000))


def test_some_files_of_a_corpus(tmp_path):
    documents = [Document(f"Text number {n} of many. " * 200, "a", str(n)) for n in range(30)]
    monkey = replace(PLAIN, part_bytes=1 << 10)
    for n, document in enumerate(documents):
        (tmp_path / f"{n:02}.txt").write_text(document.text, encoding="utf-8")
    report = build_corpus(str(tmp_path / "*.txt"), tmp_path / "out", monkey, workers=1)
    names = list(report.files)
    assert len(names) == 30
    middle = list(open_documents(tmp_path / "out", files=slice(10, 12)))
    assert [Path(document.source).name for document in middle] == ["10.txt", "11.txt"]
    [one] = open_documents(tmp_path / "out", files=[names[3]])
    assert Path(one.source).name == "03.txt"
    with pytest.raises(DataError, match=r"no file 'documents-0003'; did you mean"):
        open_documents(tmp_path / "out", files=["documents-0003"])


def test_an_error_of_the_documents_own_source_comes_through_as_it_is(tmp_path):
    def documents():
        yield Document(TEXTS[0], "a")
        raise ConnectionError("the source is gone")

    with pytest.raises(ConnectionError, match="the source is gone"):
        build(documents(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sources", [[], iter(())])
def test_no_sources_at_all(tmp_path, sources):
    with pytest.raises(DataError, match=r"no document stays: 0 read|expected at least one file"):
        build_corpus(sources, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_not_there_leaves_nothing_behind(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.txt: there is no such file"):
        build_corpus(tmp_path / "nothing.txt", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_taken(tmp_path):
    build([Document(TEXTS[0], "a")], tmp_path / "out")
    with pytest.raises(SettingsError, match="out is there already"):
        build([Document(TEXTS[0], "a")], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    build([Document(TEXTS[0], "a")], tmp_path / "empty")
    (tmp_path / "link").symlink_to(tmp_path / "goal")
    build([Document(TEXTS[0], "a")], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert next(open_documents(tmp_path / "goal")).source == "a"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"part_bytes": 10}, "part_bytes: expected 1,024 or more, or 0; got 10"),
        ({"languages": ("english",)}, "languages: expected codes such as en or zh"),
    ],
)
def test_settings_that_cannot_be_meant(wrong, message):
    with pytest.raises(SettingsError, match=message):
        CorpusSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"runner": "spark"}, "runner: expected native or ray, got 'spark'"),
        ({"memory_bytes": 1000}, "memory: expected 512 MB or more"),
        ({"workers": 0}, "workers: expected 1 or more, got 0"),
    ],
)
def test_a_crew_that_cannot_be(tmp_path, wrong, message):
    with pytest.raises(SettingsError, match=message):
        build([Document(TEXTS[0], "a")], tmp_path / "out", **wrong)


def test_no_rules_leaves_all_thresholds_off():
    quality = no_rules(0)
    assert not any(getattr(quality, each.name) for each in fields(Quality))


def damaged(tmp_path):
    return build(
        [Document(f"The text number {n}. " * 9, "a") for n in range(500)], tmp_path / "out"
    )


def test_a_flipped_byte_is_found_and_the_file_named(tmp_path):
    damaged(tmp_path)
    path = tmp_path / "out" / "documents-00000.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        other = bytearray(whole)
        other[place] ^= 0x10
        path.write_bytes(bytes(other))
        with pytest.raises(DataError, match=r"documents-00000\.parquet: the file is damaged"):
            next(open_documents(tmp_path / "out"))


def test_a_parquet_file_of_something_else(tmp_path):
    report = build([Document(TEXTS[0], "a")], tmp_path / "out")
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
        ('{"format": 1}', "expected a corpus of format 2, got format 1; make it anew"),
        ('{"format": 2, "documents": 3}', "expected the report of a corpus"),
    ],
)
def test_a_folder_that_is_no_corpus(tmp_path, content, message):
    if content is not None:
        (tmp_path / "corpus.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        open_documents(tmp_path)


def test_a_report_that_leads_out_of_its_folder(tmp_path):
    report = build([Document(TEXTS[0], "a")], tmp_path / "out").to_json()
    path = tmp_path / "out" / "corpus.json"
    path.write_text(report.replace("documents-0", "../documents-0"), encoding="utf-8")
    with pytest.raises(DataError, match="expected names of files in this folder"):
        open_documents(tmp_path / "out")


def test_a_missing_file_and_a_wrong_count(tmp_path):
    report = build([Document(TEXTS[0], "a")], tmp_path / "out").to_json()
    path = tmp_path / "out" / "corpus.json"
    path.write_text(report.replace('parquet": 1', 'parquet": 2'), encoding="utf-8")
    with pytest.raises(DataError, match="expected 2 documents, found 1"):
        list(open_documents(tmp_path / "out"))
    (tmp_path / "out" / "documents-00000.parquet").unlink()
    with pytest.raises(DataError, match=r"documents-00000\.parquet: there is no such file"):
        list(open_documents(tmp_path / "out"))


def test_documents_are_opened_without_the_engine():
    code = (
        "import sys, filbert.corpus; "
        "assert not {'daft', 'pyarrow', 'rensa', 'filbert.corpus.build'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_the_room_does_not_have():
    import filbert.corpus

    with pytest.raises(AttributeError, match="has no attribute 'write'"):
        filbert.corpus.write  # noqa: B018


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraError, match=r"pyarrow .* pip install 'filbert\[data\]'"):
        build([], tmp_path / "out")


def test_chinese_words_are_not_counted_where_their_library_is_missing(tmp_path, monkeypatch):
    from filbert.language import words

    words._rjieba.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)
    report = build([Document(text, "a") for text in TEXTS], tmp_path / "out")
    words._rjieba.cache_clear()
    assert report.languages["zh"].words is None
    assert report.words == 14


def test_a_quarter_of_the_standard_library(tmp_path):
    report = build(islice(standard_library(), 2_000), tmp_path / "out")
    assert report.documents > 1_500
    assert report.duplicate_documents > 50
    assert report.sentences > 2 * report.documents


def test_real_chinese_and_english(shared_data, tmp_path):
    sources = [
        shared_data / "corpus" / "zhwiki-extracted-00.jsonl.gz",
        shared_data / "corpus" / "gutenberg-alice.txt.gz",
    ]
    report = build_corpus(sources, tmp_path / "out")
    documents = list(open_documents(tmp_path / "out"))
    assert report.documents == len(documents) > 80
    chinese = [document for document in documents if document.source.endswith("jsonl.gz")]
    sentences = sum(len(document.sentence_ends) for document in chinese)
    assert 20 < sum(len(document.text) for document in chinese) / sentences < 60


def test_real_reviews(shared_data, tmp_path):
    with gzip.open(shared_data / "cls" / "chnsenticorp-dev.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file][1:]
    documents = [
        Document(text, "dev", f"line {n}", label) for n, (label, text) in enumerate(rows, 2)
    ]
    report = build(documents, tmp_path / "out")
    assert report.read_documents == 1200
    assert {document.label for document in open_documents(tmp_path / "out")} == {"0", "1"}
