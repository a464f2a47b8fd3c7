"""The page in a real browser, with text that wants out of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.report import Report
from filbert.report.links import Link

HOSTILE = [
    "<script>document.title='owned';alert(1)</script>",
    "</script></style></title><script>alert(2)</script>",
    "<img src=x onerror=alert(3)><img src=//example.org/x.png>",
    '"><svg onload=alert(4)><style>@import "//example.org/x.css";body{display:none}</style>',
    "<b>bold</b><base href=//example.org/><meta http-equiv=refresh content=0>",
    "\u202egnihtemos\u202c \u2066isolated \u200fmark \u2067unclosed",
    "مرحبا <b>שלום</b> 123",
    "bell\x07 escape\x1b[31m null\x00 return\r surrogate\ud800 not\uffff tag\U000e0041",
    "Z" + "\u0301\u0321" * 200,
    "x" * 10_000,
    "{{7*7}} ${7*7} &amp; &#60;script&#62; javascript:alert(5)",
    "'; alert(6); //' style='position:fixed' onmouseover='alert(7)'",
    "]]><!-- --!> <![CDATA[",
]


def hostile_report(language: str = "en") -> Report:
    report = Report(" ".join(HOSTILE), language)
    numbers = np.linspace(0, 1, len(HOSTILE))
    weird = [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 1.0]
    for text in HOSTILE:
        report.heading(text)
        report.text(text + "\n\n" + text)
        report.code(text)
    report.facts(dict(zip(HOSTILE, HOSTILE, strict=True)))
    report.facts({f"n{at}": value for at, value in enumerate(weird)})
    report.table(HOSTILE, [HOSTILE, HOSTILE[::-1]], caption=HOSTILE[1])
    report.table(["n"], [[value] for value in weird])
    report.lines(
        {
            text: ([0, 1, 2, 3], [at, float("nan"), at + 1, 2])
            for at, text in enumerate(HOSTILE[:10])
        },
        x=HOSTILE[0],
        y=HOSTILE[5],
        title=HOSTILE[1],
    )
    report.lines({"weird": (range(len(weird)), weird), "none": ([], []), "one": ([3], [1])})
    report.lines({"one point": ([1e9], [-1e-9])}, x=HOSTILE[9], y=HOSTILE[9])
    report.bars(dict(zip(HOSTILE, numbers - 0.5, strict=True)), title=HOSTILE[2], value=HOSTILE[3])
    report.bars({f"n{at}": value for at, value in enumerate(weird)})
    size = len(HOSTILE)
    counts = np.arange(size * size, dtype=float).reshape(size, size)
    counts[0, 0] = np.nan
    report.matrix(counts, HOSTILE, title=HOSTILE[0], rows=HOSTILE[5], columns=HOSTILE[2])
    scored = list(zip(HOSTILE, numbers, strict=True))
    report.points(
        {text: (weird, weird[::-1]) for text in HOSTILE[:4]},
        x=HOSTILE[0],
        y=HOSTILE[5],
        title=HOSTILE[1],
        diagonal=HOSTILE[2],
    )
    for text in HOSTILE:
        ends = [(0, 5, text, "right"), (2, len(text), text, "wrong"), (1, 3, "", "missed")]
        report.marked({text: (text, ends), f"{text} ": (text, [])}, title=text)
    report.table(["run"], [[Link(text, f"run {at}/<b>.html")] for at, text in enumerate(HOSTILE)])
    report.samples([(text, scored, text) for text in HOSTILE], title=HOSTILE[4])
    report.samples([("text", [("label", 1.0)], HOSTILE[0]), ("", [("", float("nan"))], None)])
    report.tokens(HOSTILE, numbers, title=HOSTILE[6])
    weights = np.full((3, 2, size, size), 1 / size)
    weights[0, 0, 0, 0] = np.nan
    report.attention(HOSTILE, weights, title=HOSTILE[7])
    return report


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a report; afterwards asserts that nothing was requested, said or run."""
    contexts: list[Any] = []
    events: list[str] = []

    def opened(report: Report, width: int = 1280, **options: Any) -> Any:
        path = report.write(tmp_path / f"page-{len(contexts)}.html")
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()

        def route(route: Any) -> None:
            if route.request.url == path.as_uri():
                route.continue_()
            else:
                events.append(f"routed {route.request.url}")
                route.abort()

        context.route("**/*", route)
        context.on("page", lambda other: events.append(f"opened {other.url}"))
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))

        def dismiss(dialog: Any) -> None:
            events.append("dialog")
            dialog.dismiss()

        page.on("dialog", dismiss)
        page.on("console", lambda message: events.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: events.append(f"error {error}"))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e =>"
            " console.error('policy ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        page.goto(path.as_uri())
        page.wait_for_timeout(200)
        assert requests == [path.as_uri()]
        return page

    yield opened
    for context in contexts:
        context.close()
    assert events == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [375, 1280])
def test_hostile_text_stays_text(open_page: Any, language: str, width: int) -> None:
    page = open_page(hostile_report(language), width)
    page.wait_for_selector("figure.attention[data-ready]")
    page.wait_for_timeout(300)
    assert page.title().startswith("<script>document.title='owned'")
    # Only what this room writes: one script, one style, no foreign elements at all.
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert page.evaluate("document.querySelectorAll('style').length") == 1
    foreign = "img, iframe, b, base, link, object, embed, form, svg style, svg script, [style]"
    assert page.evaluate(f"document.querySelectorAll({foreign!r}).length") == 0
    handlers = """[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())
        .filter(name => name.startsWith('on')).length"""
    assert page.evaluate(handlers) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The text is all there, letter by letter.
    assert HOSTILE[0] in page.inner_text("main")
    assert "U+202E" in page.inner_text("main")
    marks = "/[\\u202a-\\u202e\\u2066-\\u2069\\u200e\\u200f\\u0000]/"
    assert not page.evaluate(f"{marks}.test(document.documentElement.outerHTML)")


def test_reversed_text_moves_no_neighbour(open_page: Any) -> None:
    def positions(label: str) -> list[list[float]]:
        report = Report("t")
        report.samples([("text", [(label, 0.7), ("plain", 0.3)], label)])
        report.bars({label: 1.0, "plain": 0.5})
        page = open_page(report)
        script = """[...document.querySelectorAll('.value, .bar, .mark')].map(
            e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])"""
        return page.evaluate(script)

    usual = positions("shalom x")
    for trick in ("\u202eshalom", "שלום abc", "\u2067shalom"):
        # The mark may shift with the label's length, but stays to its right, as do bar and value.
        for (_, right), (left, _) in zip(positions(trick)[1:], positions(trick)[2:], strict=False):
            assert right >= 0
            assert left >= 0
        found = positions(trick)
        assert len(found) == len(usual)
        assert found[1] == usual[1]
        assert found[2] == usual[2]


def attention_report() -> Report:
    weights = np.zeros((2, 2, 3, 3))
    weights[0, 0] = np.eye(3)
    weights[0, 1] = np.eye(3)[[1, 2, 0]]
    weights[1] = 1 / 3
    report = Report("t")
    report.attention(["[CLS]", "red", "##dish"], weights, title="reddish")
    return report


def test_attention_by_keyboard_alone(open_page: Any) -> None:
    page = open_page(attention_report())
    page.wait_for_selector("figure.attention[data-ready]")
    layers = page.get_by_role("group", name="Layer")
    heads = page.get_by_role("group", name="Attention head")
    assert layers.get_by_label("mean").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert layers.get_by_label("1").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert heads.get_by_label("2").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.inner_text(".readout").startswith("[CLS] looks at red 100\u202f%")
    assert page.get_attribute(".chip >> nth=1", "class") == "chip a15"
    page.keyboard.press("Enter")
    assert page.inner_text(".readout").startswith("How much attention each token receives")


def test_attention_map_answers_the_pointer(open_page: Any) -> None:
    page = open_page(attention_report())
    page.wait_for_selector("figure.attention[data-ready]")
    page.get_by_label("2").first.check()
    box = page.locator(".cells").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5)
    assert page.inner_text(".readout") == "red → ##dish 33\u202f%"


def test_attention_stands_without_script(open_page: Any) -> None:
    page = open_page(attention_report(), java_script_enabled=False)
    assert page.locator(".map path").count() == 16
    assert page.locator(".map .rows text").all_text_contents() == ["[CLS]", "red", "##dish"]
    assert not page.locator(".choices").is_visible()
    assert "mean over all layers" in page.inner_text(".readout")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(open_page: Any, scheme: str) -> None:
    """Contrast by WCAG: 4.5 for text, measured on what the browser really paints."""
    report = Report("Title")
    for name in ("one", "two", "three", "four"):
        report.heading(name)
    report.text("text")
    report.facts({"name": 1.0})
    report.matrix(np.array([[90, 10], [40, 60]]), ["a", "b"])
    for share in range(11):
        report.matrix([[share, 10 - share], [0, 1]], ["a", "b"])
    report.samples([("t", [("a", 0.9), ("b", 0.1)], "b")])
    report.tokens([str(at) for at in range(16)], (np.arange(16) / 15) ** 2)
    report.lines({"a": ([1, 2], [1, 2])}, x="step", y="loss")
    report.points({"a": ([1, 2], [1, 2])}, x="gold", y="predicted", diagonal="equal")
    kinds = ("right", "wrong", "missed", "plain")
    marks = [(3 * at, 3 * at + 2, "label", kind) for at, kind in enumerate(kinds)]
    report.marked({"gold": ("ab cd ef gh", marks), "predicted": ("", [])}, title="example 1")
    report.marked({"deep": ("abcd", [(0, 4, "a", "wrong"), (1, 4, "b", "wrong")])})
    report.table(["run"], [[Link("seed-1", "seed-1/report.html")]])
    report.bars({})
    page = open_page(report, color_scheme=scheme)
    poor = page.evaluate(
        """() => {
        const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number);
          return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
        const over = (top, under) => [0, 1, 2].map(i => top[i]*top[3] + under[i]*(1-top[3]));
        const light = (c) => { const [r, g, b] = c.map(v => v/255).map(
          v => v <= 0.04045 ? v/12.92 : ((v+0.055)/1.055)**2.4); return .2126*r+.7152*g+.0722*b; };
        const ground = (e) => { const stack = [];
          for (; e; e = e.parentElement) stack.push(rgba(getComputedStyle(e).backgroundColor));
          return stack.reverse().reduce((under, top) => over(top, under), [255, 255, 255]); };
        const found = [];
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
          const node = walk.currentNode, e = node.parentElement;
          if (!node.textContent.trim() || e.closest('title')) continue;
          const style = getComputedStyle(e);
          const under = ground(e);
          const ink = over(rgba(e.closest('svg') ? style.fill : style.color), under);
          const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
          const ratio = (a + .05) / (b + .05);
          if (ratio < 4.5) found.push([node.textContent, e.className, ratio.toFixed(2)]);
        }
        return found; }"""
    )
    assert poor == []


def test_print_is_light_whatever_the_screen(open_page: Any) -> None:
    page = open_page(attention_report(), color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert not page.locator(".choices").is_visible()
