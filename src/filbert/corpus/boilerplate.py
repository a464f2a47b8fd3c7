"""The phrases of the web's own: cookies, JavaScript, terms of use, filing numbers."""

import re

# In each English phrase is one of these; a text without any is looked at no further.
ANCHORS = (
    "javascript",
    "cookie",
    "privacy policy",
    "terms of use",
    "terms of service",
    "all rights reserved",
)
CHINESE_ANCHORS = (
    "版权所有",
    "版權所有",
    "icp备",
    "公网安备",
    "隐私政策",
    "隱私權政策",
    "服务条款",
)
_PHRASES = (
    "enable javascript",
    "javascript is disabled",
    "javascript enabled",
    "requires javascript",
    "启用javascript",
    "启用 javascript",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "使用cookie",
    "使用 cookie",
    *ANCHORS[2:],
    *CHINESE_ANCHORS,
)
_BOILERPLATE_LINE = 300  # characters; a longer paragraph has something to say


def boilerplate_share(text: str) -> float:
    """Characters in lines with a phrase of the web's own, of all."""
    small = text.lower()
    phrases = [phrase for phrase in _PHRASES if phrase in small]
    if not phrases:
        return 0.0
    found = re.compile("|".join(map(re.escape, phrases)))
    lines = [line for line in small.split("\n") if len(line) <= _BOILERPLATE_LINE]
    return sum(len(line) for line in lines if found.search(line)) / max(1, len(text))
