"""The outside of every page of ours: head, content policy, style, script.

The policy allows exactly the style sheet and the script that stand on the page, by their hashes. So
nothing on a page may use a style attribute, and no text from data can run.
"""

import base64
import hashlib
from importlib import resources

from filbert.report.escape import plain, shorten

LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}


def read_source(room: str, name: str) -> str:
    """A style sheet or script that is shipped inside a room, such as ("filbert.report", …)."""
    return resources.files(room).joinpath(name).read_text(encoding="utf-8")


def page_style() -> str:
    """The style sheet that all pages begin with: colours, fonts, tables, chips."""
    return read_source("filbert.report", "page.css")


def whole_page(
    title: str, body: str, *, language: str, style: str, script: str = "", body_class: str = ""
) -> str:
    """One HTML page that loads nothing.

    title     in the browser's tab; not yet escaped
    body      HTML
    language  "en" or "zh"
    script    runs after the body has been read; empty: the page may run none
    """
    runs = _allowed(script) if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {runs}; "
        "base-uri 'none'; form-action 'none'"
    )
    # The policy must stand before everything it is to govern.
    head = (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
        f'content="{policy}">\n<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f'<meta name="referrer" content="no-referrer">\n'
        f"<title>{plain(shorten(title, 200))}</title>\n<style>{style}</style>"
    )
    classes = f" class={body_class}" if body_class else ""
    script_element = f"<script>{script}</script>\n" if script else ""
    return (
        f'<!doctype html>\n<html lang="{LANGUAGE_TAGS[language]}">\n<head>\n{head}\n</head>\n'
        f"<body{classes}>\n{body}{script_element}</body>\n</html>\n"
    )


def _allowed(source: str) -> str:
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
