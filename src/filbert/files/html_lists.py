"""Lists of text in a page, told from lists of links."""

import re

_LIST_TAG = re.compile(r"<(/?)ul(?=[\s>])", re.IGNORECASE)
_LINK = re.compile(r"<a\s[^<]*+(?:<(?!/a\s*>)[^<]*+)*+", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>?+|\s+")
_LINK_PART = 0.5


def keep_lists(text: str) -> str:
    """The page with <ol> for each <ul> of which less than half of the letters are in links.

    resiliparse drops every <ul> near the body as navigation, and further in each that has more than
    a fifth of its letters in links; it never drops an <ol> unless for its class. The tags are
    renamed in the page, not in the tree: changing resiliparse's tree is not safe.
    """
    renamed: list[int] = []
    open_lists: list[list[int]] = []  # where the name of the tag is, letters, letters in links
    done = 0
    for tag in _LIST_TAG.finditer(text):
        if open_lists:
            _count(text[done : tag.start()], open_lists[-1])
        done = tag.end()
        if not tag[1]:
            open_lists.append([tag.start() + 1, 0, 0])
        elif open_lists:
            start, letters, links = open_lists.pop()
            if letters and links < _LINK_PART * letters:
                renamed += (start, tag.start() + 2)
            if open_lists:
                open_lists[-1][1] += letters
                open_lists[-1][2] += links
    return _with_ol(text, sorted(renamed))


def _count(piece: str, of: list[int]) -> None:
    of[1] += len(_TAG.sub("", piece))
    of[2] += sum(len(_TAG.sub("", link[0])) for link in _LINK.finditer(piece))


def _with_ol(text: str, places: list[int]) -> str:
    parts: list[str] = []
    done = 0
    for place in places:
        parts += (text[done:place], "ol")
        done = place + 2
    return "".join([*parts, text[done:]]) if places else text
