"""The page's sections as HTML; what needs the script stands in them as empty places.

Every text goes through filbert.report.escape. The places are found by their ids.
"""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise

from filbert.batch import Array
from filbert.explain.looking import Filling, Seen
from filbert.explain.measures import MEASURES, even_distance, head_measures, strongest_heads
from filbert.report.escape import inline, markup, shorten
from filbert.report.numbers import number, percent
from filbert.report.prose import scroller

Words = Mapping[str, str]
NUMBER = ' class="number"'
HEADS_NAMED = 3
NAMES_OF_STRONGEST = {
    "distance": "farthest",
    "previous": "most_previous",
    "next": "most_next",
    "itself": "most_itself",
    "first": "most_first",
    "separators": "most_separators",
}
FORMULA = (
    '<math display="block"><mrow><mi>Attention</mi><mo>(</mo><mi>Q</mi><mo>,</mo><mi>K</mi>'
    "<mo>,</mo><mi>V</mi><mo>)</mo><mo>=</mo><mi>softmax</mi><mo>(</mo><mfrac><mrow><mi>Q</mi>"
    "<msup><mi>K</mi><mi>T</mi></msup></mrow><msqrt><msub><mi>d</mi><mi>k</mi></msub></msqrt>"
    "</mfrac><mo>)</mo><mi>V</mi></mrow></math>"
)


def say(text: str) -> str:
    """Words of ours, escaped."""
    return html.escape(text, quote=False)


def paragraph(text: str) -> str:
    """A paragraph of words of ours."""
    return f"<p>{say(text)}</p>"


def text_section(seen: Seen, words: Words) -> str:
    """The text, its tokens as buttons, and all of them as a table."""
    names = (words["first_text"], words["second_text"])
    whose = seen.inside.segments.tolist()
    quotes = "".join(
        f'<figure class="quote"><figcaption>{say(name)}</figcaption>'
        f'<blockquote dir="auto">{_marked(seen, text, which, whose)}</blockquote></figure>'
        for which, (name, text) in enumerate(zip(names, seen.texts, strict=False))
    )
    chips = "".join(
        f'<li><button type="button" class="chip" data-token="{place}" aria-pressed="false">'
        f"{inline(shorten(token, 40))}<small>{token_id}</small></button></li>"
        for place, (token, token_id) in enumerate(
            zip(seen.inside.tokens, seen.inside.token_ids.tolist(), strict=True)
        )
    )
    table = words["all_tokens"].format(count=len(seen.inside.tokens))
    return (
        f"{paragraph(words['text_says'])}{quotes}"
        f'<ol class="chips" id="tokens" dir="ltr">{chips}</ol>'
        '<p class="readout" id="token-line" role="status"></p>'
        f"<details><summary>{say(table)}</summary>{_token_table(seen, words, whose)}</details>"
    )


def _marked(seen: Seen, text: str, which: int, whose: Sequence[int]) -> str:
    """The text in spans that know their tokens; a character may have several (bytes of one)."""
    spans = [
        (place, start, end)
        for place, (start, end) in enumerate(seen.inside.offsets.tolist())
        if whose[place] == which and end > start
    ]
    cuts = sorted({0, len(text)} | {edge for _, start, end in spans for edge in (start, end)})
    parts = []
    for start, end in pairwise(cuts):
        mine = [str(place) for place, low, high in spans if low < end and start < high]
        shown = markup(text[start:end])
        parts.append(f'<span data-tokens="{" ".join(mine)}">{shown}</span>' if mine else shown)
    return "".join(parts)


def _token_table(seen: Seen, words: Words, whose: Sequence[int]) -> str:
    inside = seen.inside
    heads = "".join(
        f'<th scope="col"{mark}>{say(words[key])}</th>'
        for key, mark in (
            ("place", NUMBER),
            ("token", ""),
            ("id", NUMBER),
            ("segment", NUMBER),
            ("characters", NUMBER),
            ("in_text", ""),
        )
    )
    rows = []
    for place, (start, end) in enumerate(inside.offsets.tolist()):
        added = start == end == 0
        characters = "–" if added else f"{start}–{end}"
        quoted = "" if added else inline(seen.texts[whose[place]][start:end])
        rows.append(
            f'<tr><td class="number">{place + 1}</td><td>{inline(inside.tokens[place])}</td>'
            f'<td class="number">{int(inside.token_ids[place])}</td>'
            f'<td class="number">{int(inside.segments[place])}</td>'
            f'<td class="number">{characters}</td><td>{quoted}</td></tr>'
        )
    note = "" if seen.shape.segments > 1 else paragraph(words["no_segments"])
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return scroller(table, say(words["tokens"])) + note


def fill_section(seen: Seen, words: Words) -> str:
    """What would stand in each [MASK], or in each token's place."""
    fillings = seen.fillings or ()
    if not fillings:
        return paragraph(words["nothing_hidden"])
    in_turn = fillings[0].right_share is not None
    says = words["turn_says" if in_turn else "fill_says"].format(mask=seen.specials[2])
    if in_turn and len(fillings) < int(seen.ordinary.sum()):
        says += " " + words["turn_first"].format(count=len(fillings))
    columns = ["place", "token"] + ["right"] * in_turn + ["guesses"]
    heads = "".join(
        f'<th scope="col"{NUMBER if name in ("place", "right") else ""}>{say(words[name])}</th>'
        for name in columns
    )
    rows = "".join(_filling(seen, filling) for filling in fillings)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return paragraph(says) + scroller(table, say(words["fill_title"]))


def _filling(seen: Seen, filling: Filling) -> str:
    here = seen.inside.tokens[filling.position]
    right = filling.right_share
    told = "" if right is None else f"<td{NUMBER}>{percent(right)}</td>"
    guesses = "".join(
        f'<li class="guess{" same" if right is not None and token == here else ""}">'
        f"{inline(shorten(token, 40))} <span>{percent(share)}</span></li>"
        for token, share in zip(filling.tokens, filling.shares, strict=True)
    )
    return (
        f"<tr><td{NUMBER}>{filling.position + 1}</td><td>{inline(here)}</td>{told}"
        f'<td><ol class="guesses">{guesses}</ol></td></tr>'
    )


def sum_section(seen: Seen, words: Words) -> str:
    """The embeddings of the chosen token."""
    names = [words[f"part_{name}"] for name in seen.inside.parts]
    parts = words["and"].join(names) if len(names) > 1 else words["only_tokens"]
    rotary = paragraph(words["rotary_says"]) if seen.shape.positions == "rotary" else ""
    return (
        f"{paragraph(words['sum_says'].format(parts=parts))}{rotary}"
        '<figure><p class="figure-title" id="sum-token"></p><div id="sum-strips"></div>'
        f'<label class="slide">{say(words["number"])} <input type="range" id="sum-number" min="1" '
        f'max="{seen.shape.width}" value="1"></label>'
        '<p class="readout" id="sum-line" role="status"></p></figure>'
    )


def maps_section(seen: Seen, words: Words) -> str:
    """All maps, small; one of them large."""
    return (
        f"{paragraph(words['maps_says'])}"
        '<div class="scroll"><div id="grid" role="grid"></div></div>'
        '<figure><p class="figure-title" id="map-name"></p>'
        '<p class="readout" id="map-line" role="status"></p>'
        '<div id="map" class="map-box"></div>'
        f'<figcaption>{say(words["scale"])} {say(words["map_help"])} <span id="map-window"></span>'
        "</figcaption></figure>"
    )


def formula_section(seen: Seen, words: Words) -> str:
    """The four steps of one cell."""
    rotary = paragraph(words["rotary_keys"]) if seen.shape.positions == "rotary" else ""
    return (
        f"{paragraph(words['formula_says'])}{FORMULA}{rotary}"
        '<p class="readout" id="formula-name" role="status"></p><div id="formula"></div>'
    )


def measures_section(seen: Seen, words: Words) -> str:
    """One measure of all heads, and the heads that have most of each."""
    size = len(seen.inside.tokens)
    measures = head_measures(seen.inside.attention, seen.separators)
    options = "".join(
        f'<option value="{name}">{say(_named(words[name], seen))}</option>' for name in MEASURES
    )
    named = "".join(
        f"<div><dt>{say(_named(words[NAMES_OF_STRONGEST[name]], seen))}</dt><dd>{heads}</dd></div>"
        for name, heads in (
            (name, _strongest(name, measures[name], words)) for name in NAMES_OF_STRONGEST
        )
    )
    says = words["measures_says"].format(count=size, even=number(round(even_distance(size), 1)))
    return (
        f'{paragraph(says)}<dl class="strongest">{named}</dl>'
        f'<label class="slide">{say(words["measure"])} <select id="measure">{options}</select>'
        f'</label><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{html.escape(words["measures_title"])}">'
        f'<table class="heat" id="heat">{_heat(measures["distance"], words)}</table></div>'
    )


def _named(text: str, seen: Seen) -> str:
    return text.format(cls=seen.specials[0], sep=seen.specials[1])


def _strongest(name: str, values: Array, words: Words) -> str:
    items = []
    for layer, head in strongest_heads(values, HEADS_NAMED):
        value = float(values[layer, head])
        amount = (
            words["tokens_far"].format(count=number(round(value, 1)))
            if name == "distance"
            else percent(value)
        )
        place = words["head_short"].format(layer=layer + 1, head=head + 1)
        items.append(
            f'<button type="button" class="plain" data-layer="{layer}" data-head="{head}">'
            f"{say(place)}</button> <span>{say(amount)}</span>"
        )
    return "<br>".join(items)


def _heat(values: Array, words: Words) -> str:
    heads = "".join(f'<th scope="col">{head + 1}</th>' for head in range(values.shape[1]))
    rows = "".join(
        f'<tr><th scope="row">{layer + 1}</th>'
        + "".join(f"<td>{number(round(float(value), 1))}</td>" for value in line)
        + "</tr>"
        for layer, line in enumerate(values)
    )
    corner = f'<td class="corner">{say(words["layer"])} ↓ {say(words["head"])} →</td>'
    return f"<thead><tr>{corner}{heads}</tr></thead><tbody>{rows}</tbody>"


def rollout_section(seen: Seen, words: Words) -> str:
    """What each vector is made of, layer by layer."""
    return (
        f"{paragraph(words['rollout_says'])}"
        f'<label class="slide">{say(words["after_layer"])} <input type="range" id="upto" min="1" '
        f'max="{seen.shape.depth}" value="{seen.shape.depth}"><output id="upto-value"></output>'
        '</label><figure><p class="readout" id="rollout-line" role="status"></p>'
        '<ol class="chips" id="rollout-tokens" dir="ltr"></ol>'
        '<div id="rollout" class="map-box"></div></figure>'
    )
