"""What a reader sees of a link, and of a Chinese conversion."""

import re

from filbert.corpus.wiki.names import DROPPED_NAMESPACES, LANGUAGES, SISTERS

_EXTERNAL = re.compile(
    r"\[(?:(?:https?|ftps?|irc|ircs|news|nntp|gopher|svn|git|telnet|worldwind):)?//[^\s\[\]<>]*+"
    r"[ \t\u3000]*+([^\[\]\n]*+)\]"
    r"|\[(?:mailto|news|urn|tel|sip|magnet):[^\s\[\]<>]*+[ \t]*+([^\[\]\n]*+)\]",
    re.IGNORECASE,
)
_OPEN_EXTERNAL = re.compile(r"\[(?:(?:https?|ftps?):)?//[^\s\[\]<>]*[ \t]*", re.IGNORECASE)
_TRICK = re.compile(r"[(（][^()（）]*[)）]\s*$")
_FLAGS = re.compile(r"[A-Za-z;+\- ]{0,40}")
_VARIANT = re.compile(r"(?:^|=>)\s*(zh(?:-[A-Za-z]+)?)\s*[:：]\s*(.*)$", re.DOTALL | re.IGNORECASE)
_BORDER = re.compile(r";(?=\s*+(?:zh(?:-[A-Za-z]+)?\s*[:：]|[^;=]*+=>|$))")
_PREFERRED = ("zh-hans", "zh-cn", "zh-sg", "zh-my", "zh")


def is_dropped(target: str) -> bool:
    """Whether a link with this target shows no text: pictures, categories, other languages."""
    prefix, colon, _ = target.partition(":")
    if not colon:
        return False
    prefix = prefix.replace("_", " ").strip().lower()
    return prefix in DROPPED_NAMESPACES or prefix in LANGUAGES


def link_text(inner: str) -> str:
    """What [[inner]] shows: the label, else the target; "" for pictures and categories."""
    target, bar, label = inner.partition("|")
    if is_dropped(target):
        return ""
    if label := label.strip() and label:
        return label.rpartition("|")[2] if "|" in label else label
    target = target.strip().lstrip(":")
    prefix, colon, rest = target.partition(":")
    if colon and prefix.strip().lower() in SISTERS | LANGUAGES | DROPPED_NAMESPACES:
        target = rest.lstrip(":").strip()
    if bar:  # [[Mercury (planet)|]]: the label is the target without what tells it apart
        target = _TRICK.sub("", target).partition(", ")[0].strip()
    return target.lstrip("#").replace("_", " ")


def converted_text(inner: str) -> str:
    """What -{inner}- shows: the simplified form, else the first; "" for a hidden rule."""
    flags, bar, body = inner.partition("|")
    if not bar or not _FLAGS.fullmatch(flags):
        flags, body = "", inner
    names = {flag.strip().upper() for flag in flags.split(";")}
    if names & {"T", "H", "-", "D"}:
        return ""
    variants: dict[str, str] = {}
    for part in _BORDER.split(body):
        if found := _VARIANT.search(part):
            variants.setdefault(found[1].lower(), found[2].strip())
    if not variants:
        return body
    return next((variants[name] for name in _PREFERRED if name in variants), "") or next(
        iter(variants.values())
    )


def without_external_links(text: str) -> str:
    """Text with the labels of [http://… label], and nothing of those that have none."""
    if "//" not in text and ":" not in text:
        return text
    text = _EXTERNAL.sub(lambda link: link[1] or link[2] or "", text)
    return _OPEN_EXTERNAL.sub("", text)
