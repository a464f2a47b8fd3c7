"""Texts with marked parts, points against points, links: what they say, and what they refuse."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import DataError
from filbert.report import Report
from filbert.report.links import Link, anchor
from filbert.report.marked import CHARACTERS_SHOWN, KINDS, marked
from filbert.report.words import ENGLISH, LANGUAGES


def page(report: Report, folder: Path) -> str:
    return report.write(folder / "page.html").read_text(encoding="utf-8")


def line(text: str, marks: list[tuple[int, int, str, str]]) -> str:
    """The HTML of one line, without its name."""
    found = re.search(r'<dd dir="auto">(.*)</dd>', marked({"n": (text, marks)}, "", ENGLISH), re.S)
    assert found is not None
    return found[1]


def test_a_mark_has_its_label_and_its_sign() -> None:
    assert line("Ann went", [(0, 3, "PER", "right")]) == (
        '<mark class="is-right">Ann<span class="what short" title="right">'
        "<bdi>PER ✓</bdi></span></mark> went"
    )
    assert "<bdi>✗</bdi>" in line("a", [(0, 1, "", "wrong")])
    assert line("a", [(0, 1, "", "plain")]) == '<mark class="is-plain">a</mark>'


def test_marks_within_and_across_each_other() -> None:
    within = line("University of Oslo", [(14, 18, "LOC", "wrong"), (0, 18, "ORG", "missed")])
    shape = re.sub(r"<span.*?</span>", "#", within)
    assert shape == (
        '<mark class="is-missed">University of <mark class="is-wrong">Oslo#</mark>#</mark>'
    )
    across = line("abcdef", [(0, 4, "A", "right"), (2, 6, "B", "wrong")])
    shape = re.sub(r"<span.*?<bdi>(\w).*?</span>", r"#\1", across)
    # B goes on behind A's end: in two pieces, its label behind the last one.
    assert shape == (
        '<mark class="is-right">ab<mark class="is-wrong">cd</mark>#A</mark>'
        '<mark class="is-wrong">ef#B</mark>'
    )


spans = st.lists(
    st.tuples(
        st.integers(0, 29), st.integers(1, 30), st.text(max_size=3), st.sampled_from(list(KINDS))
    ),
    max_size=8,
)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=30, max_size=30), spans)
@settings(max_examples=200, deadline=None)
def test_whatever_is_marked_the_text_is_all_there(
    text: str, given_spans: list[tuple[int, int, str, str]]
) -> None:
    marks = [(a, b, label, kind) for a, b, label, kind in given_spans if a < b]
    html = line(text, marks)
    tree = ElementTree.fromstring(f"<d>{html}</d>")  # each mark is closed where it was opened
    labels = [node for node in tree.iter("span") if "what" in node.get("class", "")]
    assert len(labels) == sum(bool(KINDS[kind] or label) for _, _, label, kind in marks)
    for node in labels:
        for inner in list(node):
            node.remove(inner)
    plain = ElementTree.fromstring(f"<d>{line(text, [])}</d>")
    assert "".join(tree.itertext()) == "".join(plain.itertext())


def test_texts_are_escaped_and_bounded(tmp_path: Path) -> None:
    report = Report("t")
    hostile = "<script>alert(1)</script>\u202e 👩‍🚀 مرحبا"
    report.marked(
        {hostile: (hostile, [(0, 8, hostile, "wrong"), (26, len(hostile), "<b>", "right")])},
        title=hostile,
    )
    report.marked(
        {"long": ("x" * 10_000, [(0, 1, "first", "right"), (9_998, 9_999, "last", "right")])}
    )
    report.marked({"none": ("", [])})
    text = page(report, tmp_path)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "U+202E" in text
    assert "👩‍🚀" in text
    assert "<b>" not in text
    assert f"The first {CHARACTERS_SHOWN:,} of 10,000 characters are shown." in text
    assert "first ✓" in text
    assert "last ✓" not in text
    assert "(empty)" in text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"n": ("abc", [(0, 4, "A", "right")])}, "characters 0 to 4 are not within the text's 3"),
        ({"n": ("abc", [(2, 2, "A", "right")])}, "characters 2 to 2"),
        ({"n": ("abc", [(-1, 2, "A", "right")])}, "characters -1 to 2"),
        ({"n": ("abc", [(0, 1, "A", "good")])}, "kind: expected one of right, wrong, missed"),
        ({"n": ("abc", [(0, 1)])}, r"expected \(text, \[\(start, end, label, kind\)"),
        ({"n": (7, [])}, "expected a text, got int"),
        ([("n", ("abc", []))], "expected a mapping of name to line, got list"),
    ],
)
def test_a_mark_that_does_not_fit_is_named(lines: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Report("t").marked(lines)


def test_points_have_both_sizes_and_a_diagonal(tmp_path: Path) -> None:
    report = Report("t")
    report.points(
        {"<b>": ([0.1, 0.9, float("nan")], [0.2, 0.8, 1.0]), "other": ([0.5], [0.5])},
        x="sure",
        y="right",
        joined=True,
        diagonal="<i>equal",
        limits=(0, 1),
    )
    report.points({"many": (range(5000), range(5000))})
    report.points({"none": ([], [])})
    text = page(report, tmp_path)
    assert text.count('<div class="chart wide">') == text.count('<div class="chart narrow">') == 2
    assert "&lt;i&gt;equal" in text
    assert "1 values that are not finite" in text
    assert "1,000 of the points are drawn" in text
    assert "&lt;b&gt; · sure 0.1 · 0.2" in text  # a tool tip
    assert "Nothing to show here yet" in text
    for drawing in re.findall(r"(<svg role.*?</svg>)", text, re.S):
        assert not re.search(r"href|<script|url\(|<image| on\w+=|style=", drawing)


def test_points_that_do_not_fit_are_named() -> None:
    with pytest.raises(DataError, match=r"points: series 0.*got 2 xs and 1 ys"):
        Report("t").points({"a": ([1, 2], [1])})
    with pytest.raises(DataError, match="at most 4 series, got 5"):
        Report("t").points({str(at): ([], []) for at in range(5)})
    with pytest.raises(DataError, match="limits that rise"):
        Report("t").points({"a": ([1], [1])}, limits=(1, 1))


def test_links_lead_downwards_and_nowhere_else(tmp_path: Path) -> None:
    report = Report("t")
    report.table(["run"], [[Link("<seed>", "seed-1/report.html")], [Link("b", "a b/世.html")]])
    text = page(report, tmp_path)
    assert '<a href="seed-1/report.html"><bdi>&lt;seed&gt;</bdi></a>' in text
    assert '<a href="a%20b/%E4%B8%96.html">' in text
    assert anchor(Link("x", 'javascript:alert(1)"')) == (
        '<a href="javascript%3Aalert%281%29%22"><bdi>x</bdi></a>'
    )
    for path in ("/etc/passwd", "//host/x", "../x", "a/../../x", "", "a\\b", "https://host/x"):
        with pytest.raises(DataError, match="below the page's folder"):
            anchor(Link("x", path))


def test_both_languages_have_all_words() -> None:
    assert LANGUAGES["en"].keys() == LANGUAGES["zh"].keys()
