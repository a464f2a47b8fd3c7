"""Dumps: which pages are articles, and what becomes of broken, cut, huge and hostile ones."""

import bz2
import gzip
import tracemalloc

import pytest
import zstandard

from filbert.corpus.wiki import read_dump
from filbert.files import Found, Problem, Unreachable

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.{version}/" xml:lang="{lang}">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>{lang}wiki</dbname>
    <base>https://{lang}.wikipedia.org/wiki/Main_Page</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
    </namespaces>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def head(version="10", lang="en"):
    return HEAD.format(version=version, lang=lang)


def page(title, text="The cat sits.", *, ns="<ns>0</ns>", more="", revisions=""):
    return (
        f"  <page>\n    <title>{title}</title>\n    {ns}\n    <id>1</id>{more}\n{revisions}"
        f'    <revision><id>2</id><model>wikitext</model><text xml:space="preserve">{text}</text>'
        "</revision>\n  </page>\n"
    )


def write(path, *parts, encoding="utf-8"):
    path.write_bytes("".join(parts).encode(encoding))
    return str(path)


def read(address, **options):
    items = list(read_dump(address, **options))
    found = [item for item in items if isinstance(item, Found)]
    return found, [item for item in items if isinstance(item, Problem)]


def test_an_article_with_its_address_language_and_place(tmp_path):
    dump = write(tmp_path / "x", head(lang="zh"), page("花 园 (北京)?", "猫在[[花园]]里。"), TAIL)
    [found], problems = read(dump)
    assert not problems
    assert found.text == "猫在花园里。"
    assert found.title == "花 园 (北京)?"
    assert found.url == (
        "https://zh.wikipedia.org/wiki/%E8%8A%B1_%E5%9B%AD_(%E5%8C%97%E4%BA%AC)%3F"
    )
    assert found.language == "zh"
    offset = (tmp_path / "x").read_bytes().index(b"<page>")
    assert found.place == f"page 1 at byte {offset}"


def test_only_articles_come_out(tmp_path):
    dump = write(
        tmp_path / "x",
        head(),
        page("Talk:Cat", ns="<ns>1</ns>"),
        page("Kitty", more='<redirect title="Cat" />'),
        page("Chat", "#REDIRECT [[Cat]]"),
        page("貓", "#重定向 [[Cat]]"),
        page("Style").replace("wikitext", "css"),
        page("Cat"),
        TAIL,
    )
    found, problems = read(dump)
    assert [item.title for item in found] == ["Cat"]
    assert not problems


@pytest.mark.parametrize("version", ["3", "5", "10", "11"])
def test_every_version_of_the_format_also_without_namespace_numbers(tmp_path, version):
    pages = page("Talk:Cat", ns=""), page("Cat: the film", ns="")
    found, problems = read(write(tmp_path / "x", head(version), *pages, TAIL))
    assert [item.title for item in found] == ["Cat: the film"]
    assert not problems


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_any_compression_and_encoding(tmp_path, pack, encoding):
    text = head() + page("Cat", "A cat 猫.") + page("Dog", "A dog 狗.") + TAIL
    (tmp_path / "x").write_bytes(pack(text.encode(encoding)))
    found, problems = read(str(tmp_path / "x"))
    assert not problems
    assert [item.text for item in found] == ["A cat 猫.", "A dog 狗."]
    at = int(found[1].place.split()[-1])
    assert text.encode(encoding)[at:].decode(encoding, "replace").startswith("<page>")


def test_of_several_revisions_the_last_counts(tmp_path):
    old = "<revision><id>1</id><text>The old cat.</text></revision>\n"
    [found], _ = read(write(tmp_path / "x", head(), page("Cat", revisions=old * 3), TAIL))
    assert found.text == "The cat sits."


def test_a_long_history_is_read_with_the_memory_of_a_page(tmp_path):
    old = f"<revision><id>1</id><text>{'old ' * 250_000}</text></revision>\n"
    dump = write(tmp_path / "x", head(), page("Cat", revisions=old * 20), page("Dog"), TAIL)
    found, problems = read(dump)
    assert [item.title for item in found] == ["Cat", "Dog"]
    assert not problems
    at = int(found[1].place.split()[-1])
    assert (tmp_path / "x").read_bytes()[at:].startswith(b"<page>\n    <title>Dog")


def test_a_missing_an_empty_and_a_deleted_text_are_named(tmp_path):
    gone = page("Cat", "").replace("></text>", ' deleted="deleted" />')
    none = page("Dog", "").replace('<text xml:space="preserve"></text>', "")
    dump = write(tmp_path / "x", head(), gone, none, page("Owl", "{{stub}}"), page("Emu"), TAIL)
    found, problems = read(dump)
    assert [item.title for item in found] == ["Emu"]
    assert [(problem.kind, problem.lost) for problem in problems] == [
        ("empty", False),
        ("empty", True),
        ("empty", False),
    ]
    assert "deleted text" in problems[0].message
    assert "no <text>" in problems[1].message


@pytest.mark.parametrize(
    "broken",
    [
        page("Bad", "a < b"),
        page("Bad", "a &lol; b"),
        page("Bad", "a & b"),
        page("Bad", "a <b>c</b>"),
        page("Bad").replace("</text>", ""),
        page("Bad").replace("</page>", ""),
        page("Bad").replace("<page>", ""),
        page("Bad", "a \x00 b"),
        page(""),
        "<text>rubbish</text>",
    ],
)
def test_a_broken_page_costs_only_itself(tmp_path, broken):
    dump = write(tmp_path / "x", head(), page("Cat"), broken, page("Dog"), page("Owl"), TAIL)
    found, problems = read(dump)
    assert [item.title for item in found] == ["Cat", "Dog", "Owl"]
    assert [problem.kind for problem in problems] == ["broken XML"]
    assert "byte" in problems[0].place


def test_bytes_that_are_no_text_are_replaced_and_noted(tmp_path):
    data = (head() + page("Cat", "The @ sits.") + page("Dog") + TAIL).encode()
    (tmp_path / "x").write_bytes(data.replace(b"@", b"\xff\xfe"))
    found, [problem] = read(str(tmp_path / "x"))
    assert [item.title for item in found] == ["Cat", "Dog"]
    assert (problem.kind, problem.lost) == ("encoding", False)


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
def test_all_whole_pages_of_a_dump_that_is_cut_come_out(tmp_path, pack):
    import random

    words = random.Random(1)
    pages = [page(f"Cat {n}", f"The cat {words.getrandbits(4000)} sits.") for n in range(60)]
    data = pack((head() + "".join(pages) + TAIL).encode())
    (tmp_path / "x").write_bytes(data[: len(data) * 2 // 3])
    found, [problem] = read(str(tmp_path / "x"))
    assert [item.title for item in found] == [f"Cat {n}" for n in range(len(found))]
    assert pack is bz2.compress or len(found) > 30
    assert problem.kind == "truncated"
    assert problem.lost


def test_a_dump_that_ends_between_pages_is_truncated(tmp_path):
    found, [problem] = read(write(tmp_path / "x", head(), page("Cat")))
    assert len(found) == 1
    assert problem.kind == "truncated"
    assert "</mediawiki>" in problem.message


@pytest.mark.parametrize("text", ["", "no dump\n" * 1000, "<page>"])
def test_what_is_no_dump_is_said(tmp_path, text):
    found, problems = read(write(tmp_path / "x", text))
    assert not found
    assert problems


@pytest.mark.parametrize("size", [10, 40])
def test_a_huge_page_is_passed_over_in_bounded_memory(tmp_path, size):
    huge = page("Huge", "word " * (size * 200_000))
    dump = write(tmp_path / "x", head(), page("Cat"), huge, page("Dog"), TAIL)
    del huge
    tracemalloc.start()
    found, [problem] = read(dump)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item.title for item in found] == ["Cat", "Dog"]
    assert problem.kind == "too large"
    assert peak < 40 << 20


def test_entities_are_neither_expanded_nor_fetched(tmp_path):
    (tmp_path / "secret").write_text("secret")
    doctype = (
        '<?xml version="1.0"?>\n<!DOCTYPE mediawiki [\n<!ENTITY a "lol">\n'
        + "".join(
            f'<!ENTITY {b} "{f"&{a};" * 10}">\n'
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + f'<!ENTITY x SYSTEM "file://{tmp_path}/secret">\n]>\n'
    )
    pages = page("Cat", "&i;"), page("Dog", "&x;"), page("Owl", "&lt;b&gt;Owls&lt;/b&gt; &amp; co.")
    found, problems = read(write(tmp_path / "x", doctype, head(), *pages, TAIL))
    assert [item.text for item in found] == ["Owls & co."]
    assert [problem.kind for problem in problems] == ["broken XML"] * 2


def test_a_template_left_open_is_noted_and_the_page_kept(tmp_path):
    found, [problem] = read(write(tmp_path / "x", head(), page("Cat", "{{a The cat sits."), TAIL))
    assert "The cat sits." in found[0].text
    assert (problem.kind, problem.lost) == ("unclosed template", False)
    assert "'Cat'" in problem.message


def test_memory_stays_flat_over_a_long_dump(tmp_path):
    def peak(pages):
        dump = write(tmp_path / "x", head(), page("Cat", "The cat sits. " * 500) * pages, TAIL)
        tracemalloc.start()
        count = sum(1 for _ in read_dump(dump))
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == pages
        return held

    assert peak(400) < peak(50) + (1 << 20)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Unreachable, match="nothing"):
        list(read_dump(str(tmp_path / "nothing.xml")))
