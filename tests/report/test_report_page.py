"""What each section says, and what it refuses; without a browser."""

import base64
import hashlib
import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import DataError, FilbertError
from filbert.report import Report
from filbert.report.escape import inline, markup, plain
from filbert.report.numbers import number, percent


def page(report: Report, folder: Path) -> str:
    return report.write(folder / "page.html").read_text(encoding="utf-8")


def test_import_leaves_the_chart_library_alone() -> None:
    code = (
        "import sys, filbert.report; "
        "sys.exit(any(name in sys.modules for name in ('altair', 'vl_convert', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_policy_allows_exactly_the_style_and_the_script_by_hash(tmp_path: Path) -> None:
    report = Report("t")
    report.attention(["a", "b"], np.full((1, 1, 2, 2), 0.5))
    text = page(report, tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        bodies = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    assert "base-uri 'none'; form-action 'none'" in policy[1]


def test_a_page_without_attention_runs_no_script(tmp_path: Path) -> None:
    report = Report("t")
    report.text("words")
    text = page(report, tmp_path)
    assert "<script" not in text
    assert "script-src 'none'" in text


def test_contents_from_four_headings_on(tmp_path: Path) -> None:
    report = Report("t")
    for name in ("one", "two", "three"):
        report.heading(name)
    assert "<nav" not in page(report, tmp_path)
    report.heading("four")
    text = page(report, tmp_path)
    assert '<a href="#part-4"><bdi>four</bdi></a>' in text
    assert 'id="part-4"' in text


def test_chinese_page_says_so(tmp_path: Path) -> None:
    report = Report("报告", "zh")
    report.matrix([[1, 0], [0, 1]], ["甲", "乙"])
    text = page(report, tmp_path)
    assert '<html lang="zh-CN">' in text
    assert "召回率" in text
    assert "recall" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    with pytest.raises(DataError, match="expected one of en, zh, got 'zhh'; did you mean 'zh'"):
        Report("t", "zhh")


def test_usual_report_is_small_and_same_every_time(tmp_path: Path) -> None:
    def usual() -> str:
        rng = np.random.default_rng(0)
        report = Report("t")
        xs = np.arange(100_000)
        report.lines({name: (xs, rng.normal(size=len(xs))) for name in "abc"})
        report.matrix(rng.integers(0, 99, (20, 20)), [f"label {at}" for at in range(20)])
        weights = rng.random((12, 12, 40, 40))
        report.attention(["token"] * 40, weights / weights.sum(-1, keepdims=True))
        report.samples([("word " * 200, [("a", 0.5), ("b", 0.5)], "a")] * 30)
        return page(report, tmp_path)

    first = usual()
    assert len(first.encode()) < 1_500_000
    assert first == usual()


def test_facts_and_tables_set_numbers(tmp_path: Path) -> None:
    report = Report("t")
    report.facts({"tokens": 1_234_567, "loss": 3.21456, "on": True, "none": None})
    report.table(["name", "score"], [["a", 0.5], ["b", None]], caption="small")
    text = page(report, tmp_path)
    assert "<dd>1,234,567</dd>" in text
    assert "<dd>3.215</dd>" in text
    assert '<td class="number">0.5</td>' in text
    assert '<td class="number">–</td>' in text
    assert "<figcaption><bdi>small</bdi></figcaption>" in text


def test_long_tables_say_what_is_left_out(tmp_path: Path) -> None:
    report = Report("t")
    report.table(["n"], ([at] for at in range(1200)))
    text = page(report, tmp_path)
    assert "The first 500 of 1,200 rows are shown." in text
    assert text.count('<td class="number">') == 500


def test_lines_have_both_sizes_tips_and_nothing_that_loads(tmp_path: Path) -> None:
    report = Report("t")
    report.lines({"<b>": ([0, 1, 2], [3.0, np.nan, 1.0]), "one": ([1], [2.0])}, x="step", y="loss")
    text = page(report, tmp_path)
    drawings = re.findall(r'<div class="chart \w+">(<svg.*?</svg>)</div>', text)
    assert len(drawings) == 2
    for drawing in drawings:
        assert "<title>&lt;b&gt; · step 2 · 1</title>" in drawing
        assert "<title>one · step 1 · 2</title>" in drawing
        assert not re.search(r"href|url\(|style=|xmlns|\son\w+=|NaN", drawing)
    assert "1 values that are not finite numbers are left out." in text


def test_long_lines_keep_their_peaks(tmp_path: Path) -> None:
    from filbert.report.lines import _thinned

    ys = np.zeros(50_000)
    ys[31_234] = 9.0
    xs, kept = _thinned(np.arange(50_000.0), ys)
    assert len(xs) < 700
    assert 31_234 in xs
    assert kept.max() == 9.0
    assert (np.diff(xs) > 0).all()


def test_matrix_counts_recall_and_precision(tmp_path: Path) -> None:
    report = Report("t")
    report.matrix([[8, 2], [1, 999]], ["a", "b"], rows="wahr")
    text = page(report, tmp_path)
    assert '<td class="hit s8" title="a → b: 20.0' not in text
    assert '<td class="miss s2" title="a → b: 20.0\u202f%">2</td>' in text
    # One mistake in a thousand still shows.
    assert '<td class="miss s1" title="b → a: 0.1\u202f%">1</td>' in text
    assert "wahr" in text
    assert '<td class="rim">80\u202f%</td>' in text
    assert '<td class="rim">89\u202f%</td>' in text


def test_samples_mark_right_wrong_and_missing(tmp_path: Path) -> None:
    report = Report("t")
    report.samples(
        [
            ("one", [("a", 0.2), ("b", 0.8)], "b"),
            ("two", [("a", 0.9), ("b", 0.1)], "b"),
            ("three", [("a", 0.9)], "z"),
            ("four", [("a", float("nan")), ("b", 0.3)], None),
        ]
    )
    one, two, three, four = re.findall(r"<article.*?</article>", page(report, tmp_path))
    assert one.index("<bdi>b</bdi>") < one.index("<bdi>a</bdi>")
    assert "✓ true" in one
    assert "✗ wrong" in two
    assert "← true" in two
    assert "<bdi>z</bdi>" in three.split("missed")[1]
    assert four.index("<bdi>b</bdi>") < four.index("<bdi>a</bdi>")
    assert "NaN" in four


def test_attention_weights_survive_the_page(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(3), (2, 4, 3))
    report = Report("t")
    report.attention(["a", "b", "c"], weights)
    found = re.search(r'data-shape="2,4,3" data-weights="([^"]*)"', page(report, tmp_path))
    assert found is not None
    coarse = np.frombuffer(zlib.decompress(base64.b64decode(found[1])), np.uint8)
    assert np.abs((coarse / 255.0) ** 2 - weights.ravel()).max() < 0.004


def test_empty_sections_say_so(tmp_path: Path) -> None:
    report = Report("")
    report.lines({})
    report.lines({"a": ([], []), "b": ([1, 2], [np.nan, np.inf])})
    report.bars({})
    report.matrix([], [])
    report.samples([])
    report.samples([("", [], None)])
    report.table([], [])
    report.facts({})
    report.text("")
    report.tokens([])
    assert page(report, tmp_path).count("Nothing to show here yet.") == 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda r: r.lines({"a": ([1, 2], [1])}),
            r"series 0 \('a'\): expected as many ys as xs, got 2 xs and 1 ys",
        ),
        (lambda r: r.lines({"a": ([[1]], [1])}), r"expected numbers in 1 dimensions.*\(1, 1\)"),
        (lambda r: r.lines({"a": [1, 2, 3]}), r"expected \(xs, ys\), got \[1, 2, 3\]"),
        (lambda r: r.lines({"a": (["x"], [1])}), "expected numbers in 1 dimensions, got list"),
        (lambda r: r.lines([1]), "expected a mapping of name to"),
        (lambda r: r.lines({str(at): ([], []) for at in range(13)}), "at most 12 series, got 13"),
        (lambda r: r.bars([1]), "bars: expected a mapping"),
        (lambda r: r.facts([1]), "facts: expected a mapping"),
        (lambda r: r.bars({"a": "many"}), "bars: expected numbers"),
        (lambda r: r.table(["a", "b"], [[1, 2], [1]]), "table row 1: expected 2 cells, got 1"),
        (lambda r: r.table(["a", "b"], ["xy"]), "table row 0: expected a list of cells, got 'xy'"),
        (
            lambda r: r.matrix([[1, 2]], ["a", "b"]),
            r"expected 2 rows and columns for 2 labels, got the shape \(1, 2\)",
        ),
        (lambda r: r.matrix([[-1]], ["a"]), "expected counts of 0 or more, got -1"),
        (lambda r: r.matrix([[1, 2], [3]], ["a", "b"]), "matrix: expected numbers in 2"),
        (lambda r: r.matrix(np.zeros((61, 61)), ["a"] * 61), "at most 60 labels, got 61"),
        (lambda r: r.samples([("t", [("a", 1.5)], None)]), "sample 0: .*from 0 to 1, got 1.5"),
        (lambda r: r.samples([("t", [("a", 1, 2)], None)]), "sample 0: expected"),
        (lambda r: r.samples(["abcd"]), "sample 0: expected"),
        (lambda r: r.tokens(["a"], [0.1, 0.2]), "expected 1 weights for 1 tokens, got 2"),
        (lambda r: r.attention(["a"], np.ones((1, 1, 2, 2))), r"1 tokens, got the shape \(1, 1, 2"),
        (lambda r: r.attention([], np.ones((1, 1, 0, 0))), "0 tokens"),
        (lambda r: r.attention(["a"], np.ones((1, 1))), "expected numbers in 4 dimensions"),
        (lambda r: r.attention(["a"], np.full((1, 1, 1, 1), 2.0)), r"got 2 at \(0, 0, 0, 0\)"),
        (lambda r: r.attention(["a"] * 97, np.zeros((1, 1, 97, 97))), "at most 96 tokens"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call(Report("t"))


def test_write_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "page.html"
    report = Report("first")
    assert report.write(path) == path
    Report("second").write(str(path))
    assert "<title>second</title>" in path.read_text(encoding="utf-8")
    assert [entry.name for entry in path.parent.iterdir()] == ["page.html"]
    with pytest.raises(FilbertError, match="folder"):
        report.write(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60))
def test_no_text_leaves_its_element(text: str) -> None:
    for shown in (plain(text), markup(text), inline(text)):
        # encodes, though the text may hold lone surrogates
        shown.encode("utf-8")
        bare = re.sub(r'<span class="esc">U\+[0-9A-F]{4,6}</span>|</?bdi>', "", shown)
        assert not re.search(r"[<>\"']", bare)
        assert not re.search("[\x00-\x08\x0b-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-12345, "\u221212,345"),
        (np.int64(7), "7"),
        (0.1 + 0.2, "0.3"),
        (12345.678, "12,346"),
        (1.5e-7, "1.5e\u221207"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (-float("inf"), "\u2212∞"),
        (10**30, f"{10**30:,}"),
    ],
)
def test_numbers_as_people_write_them(value: float, shown: str) -> None:
    assert number(value) == shown


def test_percent_never_rounds_something_to_nothing() -> None:
    assert percent(0.0004) == "<0.1\u202f%"
    assert percent(0.0) == "0.0\u202f%"
    assert percent(float("nan")) == "NaN"


def test_long_names_stay_one_row(tmp_path: Path) -> None:
    long = "n" * 10_000
    report = Report("t")
    report.bars({long: 1})
    report.lines({long: ([1], [1])}, x=long, y=long)
    report.samples([("text", [(long, 0.5)], long)])
    text = page(report, tmp_path)
    assert "✓ true" in text
    assert f"<bdi>{'n' * 119}…</bdi>" in text
    assert len(text) < 40_000


def test_upright_marks_stand_in_both_drawings_and_in_the_key(tmp_path: Path) -> None:
    report = Report("t")
    marks = {"dropped": [3, 3, 5], "back": [4], "more": []}
    with pytest.raises(DataError, match="at most 2 kinds of marks, got 3"):
        report.lines({"loss": ([1, 9], [2, 1])}, marks=marks)
    del marks["more"]
    report.lines({"loss": ([1, 9], [2, 1])}, marks=marks)
    text = page(report, tmp_path)
    assert text.count("dropped") == text.count("back<") == 1
    # Two places of one kind and one of the other, in two drawings; and one line in each key.
    assert text.count('stroke-dasharray="1.5,3"') == 4
    assert text.count('stroke-dasharray="6,3"') == 2


def test_marks_beyond_the_curve_widen_the_axis(tmp_path: Path) -> None:
    report = Report("t")
    report.lines({"loss": ([1, 2], [2, 1])}, marks={"dropped": [4000]})
    assert ">4,000</text>" in page(report, tmp_path)


def test_what_jumps_on_purpose_is_not_smoothed(tmp_path: Path) -> None:
    steps = range(200)
    values = [step // 100 for step in steps]
    for smooth in (True, False):
        report = Report("t")
        report.lines({"batch": (steps, values)}, smooth=smooth)
        text = page(report, tmp_path)
        assert ("running mean" in text) == smooth
        assert ('opacity="0.3"' in text) == smooth
