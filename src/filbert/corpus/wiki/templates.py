"""The few templates that carry prose. All others are taken away.

| template | what is kept |
|---|---|
| lang, transl | the text: the second of the unnamed values, for lang-xx the first |
| nowrap, small, abbr, quote, … (see _FIRST) | the first value |
| nihongo | the first value (the English one) |
| zh | simplified, else the first form given |
| convert, cvt | the figure as it was measured: "5 km", "5 to 10 km" |
| val, frac, c., as of, ship, … | as a reader sees them |
| le, link-en, tsl, ill, … | the name of the page that another wiki has |
| angbr, grapheme | ⟨a⟩ |
| ndash, mdash, spaced ndash, ', … | the character |
"""

import re
from collections.abc import Callable

_NAME = re.compile(r"[\w -]{1,24}")
_NUMBER = re.compile(r"[−+-]?[\d.,⁄/ ]+|[\d.,]+e[+-]?\d+")
_BETWEEN = {"to": " to ", "-": "–", "–": "–", "and": " and ", "or": " or ", "by": " by ",
            "x": " × ", "×": " × ", "to(-)": "–", "+/-": " ± ", "±": " ± "}  # fmt: skip

Values = tuple[list[str], dict[str, str]]


def _values(inner: str) -> Values:
    """The unnamed values in their order, and the named ones."""
    unnamed: list[str] = []
    named: dict[str, str] = {}
    for part in inner.split("|")[1:]:
        name, equals, value = part.partition("=")
        if equals and _NAME.fullmatch(name := name.strip()):
            named[name.lower()] = value.strip()
        else:
            unnamed.append(part.strip())
    for at in range(1, len(named) + 1):  # {{quote|1=…}}
        if str(at) in named:
            unnamed.insert(at - 1, named[str(at)])
    return unnamed, named


def _at(index: int) -> Callable[[Values], str]:
    return lambda values: values[0][index] if index < len(values[0]) else ""


def _quote(values: Values) -> str:
    text = values[1].get("text") or values[1].get("quote") or _at(0)(values)
    return f"\n\n{text}\n\n"


def _chinese(values: Values) -> str:
    named = values[1]
    return next((named[key] for key in ("s", "c", "t") if named.get(key)), _at(0)(values))


def _measured(values: Values) -> str:
    text = ""
    for part in values[0]:
        if part in _BETWEEN:
            text += _BETWEEN[part]
        elif _NUMBER.fullmatch(part):
            text += part
        else:
            return f"{text} {part}" if text else ""
    return text


def _figure(values: Values) -> str:
    unit = values[1].get("u") or values[1].get("ul") or ""
    return f"{_at(0)(values)} {unit}".strip()


def _fraction(values: Values) -> str:
    parts = values[0]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return f"{parts[0]}/{parts[1]}" if len(parts) == 2 else f"1/{_at(0)(values)}"


def _lived(values: Values) -> str:
    born, died = "".join(values[0][:2]), "".join(values[0][2:4])
    return f"（{born}－{died}）" if born else ""


def _foreign(values: Values) -> str:
    return _at(3)(values) or _at(2)(values) or _at(1)(values)


_FIRST = (
    "nowrap nobr no_wrap small smaller big larger abbr abbrlink tooltip em strong visible_anchor "
    "vanchor not_a_typo typo proper_name linktext ill interlanguage_link ill2 nihongo nihongo_foot "
    "flag flagcountry noitalic underline mvar sic le link-en link-ja link-de link-fr link-ko "
    "internal_link_helper/en internal_link_helper/ja internal_link_helper/de "
    "internal_link_helper/fr jpn keypress key italic_title_text poem ipa unicode sc "
    "smallcaps large"
)
_SHOWN: dict[str, Callable[[Values], str]] = {
    **{name.replace("_", " "): _at(0) for name in _FIRST.split()},
    **dict.fromkeys(("lang", "transl", "transliteration", "script", "rtl-lang"), _at(1)),
    **dict.fromkeys(("convert", "cvt"), _measured),
    **dict.fromkeys(("quote", "blockquote", "cquote", "bquote", "quotation"), _quote),
    **dict.fromkeys(("zh", "zh-full", "zh-all"), _chinese),
    **dict.fromkeys(("tsl", "translink"), _foreign),
    **dict.fromkeys(("frac", "fraction", "sfrac"), _fraction),
    **dict.fromkeys(("angbr", "angle bracket", "grapheme"), lambda values: f"⟨{_at(0)(values)}⟩"),
    **dict.fromkeys(("uss", "hms", "ss", "rms"), _at(0)),
    "ship": lambda values: " ".join(values[0][:2]),
    "val": _figure,
    **dict.fromkeys(("gaps", "chem", "chem2"), lambda values: "".join(values[0])),
    **dict.fromkeys(("e", "x10^"), lambda values: f"×10{_at(0)(values)}"),
    "bd": _lived,
    "as of": lambda values: f"As of {_at(0)(values)}",
    **dict.fromkeys(("c.", "circa", "ca."), lambda values: f"c. {_at(0)(values)}"),
}
_PREFIXED = ("uss", "hms", "ss", "rms")
_CHARACTERS = {
    "ndash": "–", "en dash": "–", "mdash": "—", "em dash": "—", "spaced ndash": " – ", "snd": " – ",
    "spaced en dash": " – ", "spnd": " – ", "'": "'", "'s": "'s",
    "-'": "'", "' \"": "' \"", "\" '": "\" '", "nbsp": " ", "!": "|",
    "=": "=", "·": " · ", "•": " • ", "dot": " · ", "bull": " • ", "times": "×", "minus": "−",
    "pi": "π", "sup": "", "!!": "|", "i.e.": "i.e.", "e.g.": "e.g.",
}  # fmt: skip


def shows_text(name: str) -> bool:
    """Whether a template of this name (as it is written) carries text."""
    name = _plain_name(name)
    return name in _SHOWN or name in _CHARACTERS or name.startswith(("lang-", "formatnum:"))


def template_text(inner: str) -> str:
    """What {{inner}} shows; "" for all but the templates that carry prose."""
    name = _plain_name(inner.partition("|")[0])
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if name.startswith("formatnum:"):
        return name.partition(":")[2]
    values = _values(inner)
    if name.startswith("lang-"):
        return _at(0)(values)
    text = _SHOWN[name](values) if name in _SHOWN else ""
    return f"{name.upper()} {text}" if name in _PREFIXED and text else text


def _plain_name(name: str) -> str:
    return name.replace("_", " ").strip().lower()
