"""How sources are cut into parts, and that nothing is lost, repeated or hidden by it."""

import bz2
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filbert.corpus import CorpusSettings, Duplicates, build_corpus, no_rules, open_documents
from filbert.corpus.build import building, crew
from filbert.corpus.build.parts import MOST_PIECES, cut, without_indexes
from filbert.errors import DataError, SettingsError
from filbert.files import Source, list_sources
from filbert.progress import plain

ALL = CorpusSettings(
    quality=no_rules(0), duplicates=Duplicates(exact=False, near=False), part_bytes=4096
)


def build(sources, out, settings=ALL, **options):
    report = build_corpus(sources, out, settings, workers=1, **options)
    return report, list(open_documents(out))


@pytest.fixture
def lines(tmp_path):
    """JSON lines of some 60 KB, and their texts."""
    texts = [f"Line {n} has the words 第{n}行 " + "and more " * (n % 9) for n in range(800)]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path, [text.strip() for text in texts]


def test_a_large_file_is_cut_and_no_line_is_lost_or_repeated(tmp_path, lines):
    path, texts = lines
    report, documents = build(path, tmp_path / "out")
    assert len(report.files) > 10
    assert [document.text for document in documents] == texts
    assert report.sources["jsonl"]["files"] == 1


def test_the_cut_changes_nothing_but_the_files(tmp_path, lines):
    path, _ = lines
    whole = build(path, tmp_path / "one", replace(ALL, part_bytes=1 << 20))[1]
    for size in (1024, 5000, 30_000):
        cut_up = build(path, tmp_path / f"by-{size}", replace(ALL, part_bytes=size))[1]
        assert [d.text for d in cut_up] == [d.text for d in whole]


def test_a_compressed_file_is_one_part(tmp_path, lines):
    path, texts = lines
    packed = tmp_path / "lines.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 0))
    report, documents = build(packed, tmp_path / "out")
    assert len(report.files) == 1
    assert [document.text for document in documents] == texts


def test_parquet_is_cut_by_row_groups(tmp_path):
    texts = [f"This is row {n} of the table, 第{n}行。" for n in range(900)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet", row_group_size=100)
    report, documents = build(tmp_path / "t.parquet", tmp_path / "out")
    assert len(report.files) > 1
    assert [document.text for document in documents] == texts
    assert documents[-1].place == "row 899"


def test_small_files_are_bundled_in_order(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(1200):
        (folder / f"{n:04}.txt").write_text(f"file {n}", encoding="utf-8")
    parts = cut(list_sources(folder), replace(ALL, part_bytes=1 << 20))
    assert [len(part.pieces) for part in parts] == [MOST_PIECES, MOST_PIECES, 200]
    assert [part.number for part in parts] == [0, 1, 2]
    report, documents = build(folder, tmp_path / "out", replace(ALL, part_bytes=1 << 20))
    assert [document.text for document in documents] == [f"file {n}" for n in range(1200)]
    assert report.sources["plain"] == {
        "files": 1200,
        "bytes": sum(len(f"file {n}") for n in range(1200)),
        "read_documents": 1200,
        "kept_documents": 1200,
    }


@pytest.mark.parametrize(("megabytes", "parts"), [(1, 1), (3, 2), (60, 30), (640, 64), (3200, 100)])
def test_parts_are_small_where_there_is_little(tmp_path, megabytes, parts):
    """So that all workers have work; how many there are has no say in it."""
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n')
        file.truncate(megabytes << 20)
    assert len(cut(list_sources(path), CorpusSettings())) == parts


def test_little_is_read_in_this_process(tmp_path, monkeypatch, lines):
    crews = []

    class Crew(crew.Crew):
        def __enter__(self):
            crews.append(self.workers)
            return super().__enter__()

    monkeypatch.setattr(building, "Crew", Crew)
    monkeypatch.setattr("filbert.corpus.build.memory.cores", lambda: 2)
    build_corpus(lines[0], tmp_path / "little", ALL)
    monkeypatch.setattr(building, "_WORTH_BYTES", 1000)
    monkeypatch.setattr(Crew, "run", lambda _, function, tasks: map(function, tasks))
    build_corpus(lines[0], tmp_path / "much", ALL)
    assert crews == [1, 2]


def test_the_index_beside_a_dump_is_no_source():
    names = [
        "w/enwiki-1-pages-articles-multistream.xml.bz2",
        "w/enwiki-1-pages-articles-multistream-index.txt.bz2",
        "w/other-multistream-index.txt",
        "w/zhwiki-2-pages-articles-multistream3.xml",
        "w/zhwiki-2-pages-articles-multistream-index3.txt.bz2",
        "w/enwiki-1-multistream1.xml-p1p41242.bz2",
        "w/enwiki-1-multistream-index1.txt-p1p41242.bz2",
    ]
    left = without_indexes([Source(name, 1, "") for name in names])
    assert [source.address for source in left] == [names[0], names[2], names[3], names[5]]


def test_an_earlier_corpus_among_the_sources_is_said(tmp_path):
    """As when --out lies in the folder that is read, and is another one the next time."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "A line of text."}\n{\n', encoding="utf-8")
    build(folder, folder / "first")
    stream = io.StringIO()
    report, documents = build(folder, folder / "second", progress=plain(stream))
    assert [Path(d.source).name for d in documents] == ["a.jsonl", "documents-00000.parquet"]
    assert report.sources.keys() == {"jsonl", "parquet"}
    assert "in/first is a corpus: its documents are read, its reports are not" in stream.getvalue()


def test_every_kind_of_file_in_one_folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_text("Plain text stands here.", encoding="utf-8")
    (folder / "b").write_text('{"text": "A line of JSON."}\n', encoding="utf-8")
    page = "<html><body><p>A paragraph of a page that says something.</p></body></html>"
    (folder / "c").write_text(page, encoding="utf-8")
    (folder / "d").write_bytes(b"")
    (folder / "e").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    pq.write_table(pa.table({"text": ["A row of a table."]}), folder / "f")
    report, documents = build(folder, tmp_path / "out")
    assert [Path(d.source).name for d in documents] == ["a", "b", "c", "f"]
    assert report.problems == {"empty": 1, "binary": 1}
    assert {kind: counts["files"] for kind, counts in report.sources.items()} == {
        "plain": 1,
        "jsonl": 1,
        "html": 1,
        "parquet": 1,
        "empty": 1,
        "binary": 1,
    }
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a PNG picture" in page
    assert "expected text, got none" in page


def problems_of(corpus):
    lines = (corpus / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def broken_lines(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text('{"text": "good line"}\n{"text": \n{"text": "better"}\n', encoding="utf-8")
    return path


def test_a_broken_line_is_counted_named_and_passed_over(tmp_path):
    report, documents = build(broken_lines(tmp_path), tmp_path / "out")
    assert [document.text for document in documents] == ["good line", "better"]
    assert report.problems == {"not JSON": 1}
    said = problems_of(tmp_path / "out")
    assert len(said) == 1
    assert Path(said[0]["source"]).name == "b.jsonl"
    assert (said[0]["kind"], said[0]["count"], said[0]["lost"]) == ("not JSON", 1, 1)
    assert said[0]["first"][0]["place"] == "line 2 at byte 22"
    assert "line 2" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_every_source_with_a_problem_is_named(tmp_path):
    """However many another one has: the page shows a few, problems.jsonl all."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "one"}\n' + "{\n" * 900, encoding="utf-8")
    for n in range(40):
        (folder / f"b{n:02}.jsonl").write_text('{"text": "one"}\n{"\n', encoding="utf-8")
    report, _ = build(folder, tmp_path / "out", replace(ALL, part_bytes=1024))
    assert report.problems == {"not JSON": 940}
    said = problems_of(tmp_path / "out")
    assert sum(each["count"] for each in said) == 940
    assert len({each["source"] for each in said}) == 41
    assert max(len(each["first"]) for each in said) == 5
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "b03.jsonl" in page, "examples come from several files"


def test_a_corpus_without_problems_has_no_list_of_them(tmp_path, lines):
    build(lines[0], tmp_path / "out")
    assert not (tmp_path / "out" / "problems.jsonl").exists()


def test_with_strict_it_is_an_error_that_says_how_to_go_on(tmp_path):
    path = broken_lines(tmp_path)
    with pytest.raises(DataError, match=r"b\.jsonl: line 2 at byte 22: expected") as error:
        build(path, tmp_path / "out", strict=True)
    assert str(error.value).endswith("Where you repair the file, ask for the same again")
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.jsonl"], "nothing was finished"
    path.write_text('{"text": "good line"}\n', encoding="utf-8")
    assert build(path, tmp_path / "out", strict=True)[0].documents == 1


def test_with_strict_and_finished_parts_it_asks_for_restart(tmp_path, lines):
    sources = [lines[0], broken_lines(tmp_path)]
    with pytest.raises(DataError, match=r"b\.jsonl: line 2.*give --restart, for parts are fin"):
        build(sources, tmp_path / "out", strict=True)
    sources[1].write_text('{"text": "good line"}\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"b\.jsonl has changed.*give --restart"):
        build(sources, tmp_path / "out", strict=True)
    assert build(sources, tmp_path / "out", strict=True, restart=True)[0].documents > 700


def test_strict_finds_what_was_lost_among_many_remarks(tmp_path, monkeypatch):
    """Of one kind some problems are remarks: the report shows five, and strict needs the others."""
    folder = tmp_path / "in"
    folder.mkdir()
    title = '<doc id="{n}" title="T{n}">\nT{n}\n\n</doc>\n'
    text = '<doc id="9" title="T">\nT\n\nA text.\n</doc>\n'
    (folder / "a").write_text("".join(title.format(n=n) for n in range(9)) + text, encoding="utf-8")
    (folder / "b").write_text("", encoding="utf-8")

    read_and_stop(monkeypatch, folder, tmp_path / "out")
    with pytest.raises(DataError, match=r"/b: expected text, got none"):
        build(folder, tmp_path / "out", strict=True)


def read_and_stop(monkeypatch, source, out):
    """Ctrl-C when all parts are read."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("filbert.corpus.build.building._find_duplicates", stop)
        with pytest.raises(KeyboardInterrupt):
            build(source, out)


def test_strict_looks_at_the_parts_that_were_done_without_it(tmp_path, monkeypatch):
    path = broken_lines(tmp_path)

    read_and_stop(monkeypatch, path, tmp_path / "out")
    with pytest.raises(DataError, match=r"b\.jsonl: line 2 at byte 22: expected"):
        build(path, tmp_path / "out", strict=True)


PAGE = """<page><title>Town {n}</title><ns>0</ns><id>{n}</id><revision><id>{n}</id>
<text>Town {n} lies on a river. {more}</text></revision></page>
"""


def multistream(tmp_path, name="w-multistream.xml.bz2"):
    """A dump of many streams with its index, as Wikimedia makes them."""
    site = "<siteinfo><base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo>"
    data = bz2.compress(f'<mediawiki xml:lang="en">{site}\n'.encode())
    index = []
    for first in range(0, 60, 10):
        numbers = range(first, first + 10)
        index += [f"{len(data)}:{n}:Town {n}\n" for n in numbers]
        pages = (PAGE.format(n=n, more=f"It has {n * 37} houses and a mill. " * 9) for n in numbers)
        data += bz2.compress("".join(pages).encode())
    (tmp_path / name).write_bytes(data + bz2.compress(b"</mediawiki>\n"))
    index_name = name.replace("multistream", "multistream-index").replace(".xml", ".txt")
    (tmp_path / index_name).write_bytes(bz2.compress("".join(index).encode()))


def test_a_multistream_dump_is_cut_by_its_index(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    multistream(folder)
    report, documents = build(folder, tmp_path / "out", replace(ALL, part_bytes=1024))
    assert len(report.files) > 1
    assert [document.title for document in documents] == [f"Town {n}" for n in range(60)]
    assert report.sources["mediawiki"]["files"] == 1
    assert documents[7].language == "en"
    assert not report.problems


def test_an_index_of_another_dump_is_said_and_not_used(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    multistream(folder)
    (folder / "w-multistream-index.txt.bz2").write_bytes(bz2.compress(b"99999999:1:Town\n"))
    stream = io.StringIO()
    chosen = replace(ALL, part_bytes=1024)
    report, documents = build(folder, tmp_path / "out", chosen, progress=plain(stream))
    assert (len(report.files), len(documents)) == (1, 60)
    assert "expected an offset" in stream.getvalue()
    assert "read by one worker" in stream.getvalue()


def test_a_field_without_a_name_is_refused():
    with pytest.raises(SettingsError, match="text_field: expected the name of a field"):
        replace(ALL, text_field="")
