"""The whole page, put together: sections, arrays, style, script."""

import html
from collections.abc import Callable, Mapping
from typing import Any

from filbert.explain import sections
from filbert.explain.data import coded_arrays, facts, to_json
from filbert.explain.looking import Seen
from filbert.explain.words import words_for
from filbert.report.escape import inline, visible
from filbert.report.prose import facts as tiles
from filbert.report.shell import page_style, read_source, whole_page

SCRIPTS = ("data", "draw", "choice", "tokens", "sums", "maps", "formula", "heads", "start")
"""In the order in which they stand on the page."""

Section = tuple[str, Callable[[Seen, Mapping[str, str]], str]]


def page(seen: Seen, language: str) -> str:
    """HTML. Raises DataError for a language that is not "en" or "zh"."""
    words = words_for(language)
    blocks, rounding = coded_arrays(seen)
    title = words["title"].format(name=visible(seen.name))
    told: list[Section] = [
        *_sections(seen),
        ("exact_title", lambda *_: _exact(rounding, words)),
    ]
    body = (
        f"<header><h1>{inline(title)}</h1></header>\n{_contents(told, words)}{_choice(words)}"
        f"<main>\n{_lead(seen, words)}"
        + "".join(_section(at, part, seen, words) for at, part in enumerate(told, start=1))
        + f"</main>\n<footer>{sections.say(words['foot'])}</footer>\n"
        + _data(blocks, facts(seen, words) | rounding)
    )
    script = "\n".join(read_source("filbert.explain", f"script/{name}.js") for name in SCRIPTS)
    return whole_page(
        title,
        body,
        language=language,
        style=page_style() + read_source("filbert.explain", "explain.css"),
        script=f'"use strict";\n(() => {{\n{script}\n}})();\n',
        body_class="explain",
    )


def _sections(seen: Seen) -> list[Section]:
    fill: list[Section] = [("fill_title", sections.fill_section)]
    return [
        ("text_title", sections.text_section),
        *(fill if seen.fillings is not None else []),
        ("sum_title", sections.sum_section),
        ("maps_title", sections.maps_section),
        ("formula_title", sections.formula_section),
        ("measures_title", sections.measures_section),
        ("rollout_title", sections.rollout_section),
    ]


def _section(at: int, part: Section, seen: Seen, words: Mapping[str, str]) -> str:
    name, make = part
    return (
        f'<section aria-labelledby="part-{at}"><h2 id="part-{at}">{sections.say(words[name])}</h2>'
        f"{make(seen, words)}</section>\n"
    )


def _contents(parts: list[Section], words: Mapping[str, str]) -> str:
    entries = "".join(
        f'<li><a href="#part-{at}">{sections.say(words[name])}</a></li>'
        for at, (name, _) in enumerate(parts, start=1)
    )
    name = html.escape(words["contents"])
    return f'<nav aria-label="{name}"><p>{name}</p><ol>{entries}</ol></nav>\n'


def _choice(words: Mapping[str, str]) -> str:
    """The bar that says what all pictures show; its lists are filled by the script."""
    lists = "".join(
        f'<label>{sections.say(words[name])}<select id="choose-{name}"></select></label>'
        for name in ("layer", "head", "row", "column")
    )
    return (
        f'<form class="choice" id="choice" role="group" aria-label="{html.escape(words["choice"])}"'
        f' hidden>{lists}<output id="choice-share"></output></form>\n'
    )


def _lead(seen: Seen, words: Mapping[str, str]) -> str:
    shape = seen.shape
    cut = ""
    if seen.tokens_cut:
        said = words["cut"].format(count=f"{seen.tokens_cut:,}")
        cut = f'<p class="warning">{sections.say(said)}</p>'
    return (
        f'{sections.paragraph(words["lead"])}{cut}<noscript><p class="warning">'
        f"{sections.say(words['no_script'])}</p></noscript>"
        + tiles(
            {
                words["tokens"]: len(seen.inside.tokens),
                words["layers"]: shape.depth,
                words["heads"]: shape.attention_heads,
                words["width"]: shape.width,
                words["head_width"]: shape.attention_head_width,
            }
        )
    )


def _exact(rounding: Mapping[str, Any], words: Mapping[str, str]) -> str:
    shares, match, value = rounding["bits"]
    return sections.paragraph(
        words["exact_says"].format(
            shares=shares,
            match=match,
            value=value,
            share_error=f"{100 * rounding['shareError']:.2g}\u202f%",
            score_error=f"{max(map(max, rounding['scoreErrors'])):.2g}",
        )
    )


def _data(blocks: Mapping[str, str], known: Mapping[str, Any]) -> str:
    """After all that is to be seen, so that a browser paints before it reads them."""
    coded = "".join(
        f'<script type="text/plain" id="data-{name}">{text}</script>\n'
        for name, text in blocks.items()
    )
    return f'<script type="application/json" id="facts">{to_json(known)}</script>\n{coded}'
