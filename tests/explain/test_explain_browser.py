"""The page in a real browser: pictures, pointer, keys, colours; no request and no error."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.engine import Predictor
from filbert.explain import explain_text

TEXT = "the reddish cat . <b onclick=alert(1)> \u202eשלום the red cat"
# Read from a copy: chromium warns of repeated reading from a canvas that is made to be drawn on.
PIXELS = """(canvas) => { const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const ink = copy.getContext('2d', {willReadFrequently: true}); ink.drawImage(canvas, 0, 0);
    return ink.getImageData(0, 0, canvas.width, canvas.height).data; }"""
INK = f"(canvas) => [...({PIXELS})(canvas).filter((_, at) => at % 4 === 3)]"


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("\u2212", "-").strip("<%\u202f "))


@pytest.fixture
def open_page(browser: Any, tiny: Predictor, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a text; afterwards asserts that nothing was requested or said."""
    events: list[str] = []
    contexts: list[Any] = []

    def opened(width: int = 1280, language: str = "en", **options: Any) -> Any:
        path = explain_text(tiny, TEXT, "the cat", out=tmp_path / "page.html", language=language)
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: events.append(request.url))
        page.on("console", lambda message: events.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: events.append(f"error {error}"))
        page.on("dialog", lambda dialog: events.append(f"dialog {dialog.message}"))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        assert events == [path.as_uri()]
        events.clear()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert events == []


def test_a_click_shows_a_head_and_the_keys_move(open_page: Any, tiny: Predictor) -> None:
    page = open_page()
    inside = tiny.inside(TEXT, "the cat")
    size = len(inside.tokens)
    page.get_by_role("gridcell", name="Layer 3, attention head 2").click()
    assert page.inner_text("#map-name") == "Layer 3, attention head 2"
    assert page.input_value("#choose-layer") == "2"
    # What is drawn is this head: the shade is the root of the share.
    drawn = np.array(page.locator("#map .map-stage canvas").evaluate(INK)).reshape(size, size)
    np.testing.assert_allclose((drawn / 255) ** 2, inside.attention[2, 1], atol=0.006)

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#map-name") == "Layer 2, attention head 1"
    page.locator("#map").focus()
    page.keyboard.press("Home")
    page.select_option("#choose-row", "3")
    page.locator("#map").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#choose-row") == "4"
    assert page.input_value("#choose-column") == "1"
    exact = 100 * float(inside.attention[1, 0, 4, 1])
    assert number(page.inner_text("#map-line strong")) == pytest.approx(exact, abs=0.011)

    # The four steps, with this model's numbers.
    page.locator("#formula").scroll_into_view_if_needed()
    query, key = inside.query[1, 0, 4], inside.key[1, 0, 1]
    page.locator("#formula-name", has_text="Layer 2, attention head 1").wait_for()
    page.locator("#formula .sum strong").nth(3).wait_for()
    sums = page.locator("#formula .sum strong").all_inner_texts()
    dot, scaled, part, largest = map(number, sums)
    assert dot == pytest.approx(float(query @ key), abs=0.02)
    assert scaled == pytest.approx(float(query @ key) / len(query) ** 0.5, abs=0.01)
    assert part == pytest.approx(exact, abs=0.02)
    output = inside.attention[1, 0, 4] @ inside.value[1, 0]
    assert largest == pytest.approx(float(output[np.abs(output).argmax()]), abs=0.01)


def test_tokens_and_their_characters_find_each_other(open_page: Any) -> None:
    page = open_page()
    chips = page.locator("#tokens .chip")
    chips.nth(3).focus()
    assert page.locator("blockquote .near").all_text_contents() == ["dish"]
    assert "characters 7 to 11" in page.inner_text("#token-line")
    page.keyboard.press("Enter")
    assert page.input_value("#choose-row") == "3"
    # What is out of sight follows, too.
    page.locator("#sum-token", has_text="##dish").wait_for()
    assert "Number 1:" in page.inner_text("#sum-line")
    page.locator("#measure").select_option("itself")
    assert page.locator("#heat button").count() == 6


@pytest.mark.parametrize("language", ["en", "zh"])
def test_dark_and_narrow(open_page: Any, language: str) -> None:
    page = open_page(375, language, color_scheme="dark", has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 23, 28)"
    page.locator("#rollout").scroll_into_view_if_needed()
    page.wait_for_selector("#rollout .map-stage canvas")
    page.locator("#grid").scroll_into_view_if_needed()
    painted = f"""() => {{ const data = ({PIXELS})(document.querySelector('.thumb canvas'));
        return data[2] > 200 && data[3] > 0; }}"""
    for _ in range(100):
        if page.evaluate(painted):
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("no map was painted in the colours of the dark page")
    assert page.locator("#formula h3").count() == 4
