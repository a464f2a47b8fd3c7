"""Where Chinese sentences end: our own rule, since no splitter of that size and licence is to hand.

A sentence ends after 。！？ (and their runs: ？！, 。……) together with the closing quotes and
brackets that follow. It does not end
- at an ellipsis alone (我……不知道), unless a closing quote follows it;
- where a comma follows the closing quote (“好！”，他说);
- inside a book title (《你好！李焕英》);
- at ? or ! inside an address or code (http://a?b=c), at the point of a decimal (3.14).
Every line end is an end.
"""

import re
from collections.abc import Iterator

_CLOSING = "”’」』）】》〉〕〗)\\]\"'"
_END = re.compile(rf"\n|(?P<stop>[。！？｡!?．.…]+)(?P<close>[{_CLOSING}]*)")
_FULL = re.compile("[。！？｡]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_STOPS = frozenset("。！？｡!?")
_GOES_ON = frozenset("，、；：,;:")
_IN_ADDRESS = frozenset("=&/%_-#")
_QUOTES = "\"'"


def chinese_cuts(text: str) -> Iterator[int]:
    """The offsets, in characters, at which the next sentence begins."""
    titles = 0  # book titles open
    quotes = dict.fromkeys(_QUOTES, 0)  # straight quotes seen: an odd number means one is open
    seen = 0
    for match in _END.finditer(text):
        titles = max(0, titles + _balance(text, seen, match.start()))
        for quote in _QUOTES:
            quotes[quote] += text.count(quote, seen, match.start())
        seen = match.start()
        if match[0] == "\n":
            titles = 0
            quotes = dict.fromkeys(_QUOTES, 0)
            yield match.end()
            continue
        end = _end_of_closing(match, quotes)
        if titles == 0 and _ends_sentence(text, match, end):
            yield end


def _balance(text: str, start: int, end: int) -> int:
    return text.count("《", start, end) - text.count("》", start, end)


def _end_of_closing(match: re.Match[str], quotes: dict[str, int]) -> int:
    """Where the closing marks end: a straight quote closes only what a straight quote opened."""
    seen = dict(quotes)
    for place, mark in enumerate(match["close"]):
        if mark in seen:
            if seen[mark] % 2 == 0:
                return match.start("close") + place
            seen[mark] += 1
    return match.end()


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    after = text[end : end + 1]
    if after in _GOES_ON:
        return False
    stop = match["stop"]
    if end > match.end("stop") and after in _STOPS:
        return False  # “……！”。 ends with its last mark
    if _FULL.search(stop):
        return True
    closed = end > match.end("stop")
    if "!" in stop or "?" in stop:
        return closed or (not (after.isascii() and after.isalnum()) and after not in _IN_ADDRESS)
    if len(stop) == 1 and stop in ".．":
        before = text[match.start() - 1 : match.start()]
        return bool(_HAN.match(before)) and not (after.isascii() and after.isalnum())
    return closed
