"""The report page of a set of shards."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from filbert.report import Report
from filbert.shards.index import PAGE, ShardSet
from filbert.shards.measuring import Measured, measure, stored_bytes
from filbert.shards.page_words import PAGE_WORDS
from filbert.tokenizer import Tokenizer

_MAX_TOKENS = (128, 512)
_FREQUENT = 50
_MOST_POWER = 20

Words = Mapping[str, str]


def write_page(
    contents: ShardSet,
    folder: Path,
    tokenizer: Tokenizer,
    title: str,
    *,
    measured: Measured | None = None,
) -> Path:
    """Write report.html into a folder of shards: Chinese where most tokens are, else English.

    Args:
        contents: what shards.json says.
        folder: where the shards lie.
        tokenizer: the one that made the ids.
        title: the set's name.
        measured: what is in the shards; None: counted here, in a sample if there are many.

    Returns:
        The page's path.

    Raises DataError for a shard that is damaged.
    """
    if measured is None:
        measured = measure(contents, folder, _MAX_TOKENS)
    chinese = contents.languages.get("zh")
    language = "zh" if chinese is not None and 2 * chinese.tokens > contents.tokens else "en"
    words = PAGE_WORDS[language]
    alone = words["title"].format(name="").strip()  # no "Shards shards"
    same = title.lower() == alone.lower()
    page = Report(alone if same else words["title"].format(name=title), language=language)
    page.text(words["lead"])
    if measured.shards < len(contents.shards):
        page.text(
            words["sampled"].format(
                shown=f"{measured.shards:,}",
                count=f"{len(contents.shards):,}",
                share=_percent(measured.tokens, contents.tokens),
            )
        )
    _overview(page, contents, words)
    _languages(page, contents, words)
    _rows(page, contents, measured, words)
    _lengths(page, measured, words)
    _frequent(page, contents, measured, tokenizer, words)
    _tokenizer(page, contents, tokenizer, words)
    return page.write(folder / PAGE)


def _overview(page: Report, contents: ShardSet, words: Words) -> None:
    page.heading(words["overview"])
    facts: dict[str, str | int] = {
        words["tokens"]: contents.tokens,
        words["documents"]: contents.documents,
        words["sentences"]: contents.sentences,
        words["shards"]: len(contents.shards),
        words["bytes_a_token"]: f"{stored_bytes(contents) / contents.tokens:.3f}",
        words["tokens_a_sentence"]: f"{contents.tokens / contents.sentences:,.1f}",
        words["tokens_a_document"]: f"{contents.tokens / contents.documents:,.1f}",
        words["unknown"]: _percent(_unknown(contents), contents.tokens),
    }
    if left_out := sum(shard.left_out for shard in contents.shards):
        facts[words["left_out"]] = left_out
    page.facts(facts)


def _languages(page: Report, contents: ShardSet, words: Words) -> None:
    page.heading(words["languages"])
    page.table(
        [words[name] for name in ("language", "documents", "tokens", "share")],
        [
            (
                name or words["nameless"],
                counts.documents,
                counts.tokens,
                _percent(counts.tokens, contents.tokens),
            )
            for name, counts in contents.languages.items()
        ],
    )


def _rows(page: Report, contents: ShardSet, measured: Measured, words: Words) -> None:
    page.heading(words["rows"])
    page.text(words["rows_text"])
    about = "≈ " if measured.shards < len(contents.shards) else ""
    page.table(
        [
            words["max_tokens"],
            f"{about}{words['row_count']}",
            *(words[name] for name in ("mean", "how_full", "filled")),
        ],
        [
            (
                most,
                round(counts.rows * contents.tokens / measured.tokens),
                round(counts.tokens / counts.rows, 1),
                _percent(counts.tokens, counts.rows * most),
                _percent(counts.full, counts.rows),
            )
            for most, counts in measured.rows.items()
        ],
    )


def _lengths(page: Report, measured: Measured, words: Words) -> None:
    page.heading(words["lengths"])
    for name, powers in (("sentence", measured.sentences), ("document", measured.documents)):
        page.bars(_bars(powers), title=words[f"{name}_lengths"], value=words[f"{name}_value"])


def _bars(powers: Mapping[int, int]) -> dict[str, int]:
    """Names of lengths → how many; the empty ones between the shortest and the longest too."""
    inside: dict[int, int] = {}
    for power, count in powers.items():
        at = min(power, _MOST_POWER)
        inside[at] = inside.get(at, 0) + count
    return {_range(at): inside.get(at, 0) for at in range(min(inside), max(inside) + 1)}


def _range(power: int) -> str:
    low = 2**power
    if power == _MOST_POWER:
        return f"≥ {low:,}"
    return f"{low:,}–{2 * low - 1:,}" if power else f"{low}"


def _frequent(
    page: Report, contents: ShardSet, measured: Measured, tokenizer: Tokenizer, words: Words
) -> None:
    counts = measured.id_counts
    used = int(np.count_nonzero(counts))
    # Stable: of two equally frequent ids the lower one comes first, on every machine.
    ids = np.argsort(-counts, kind="stable")[: min(_FREQUENT, used)]
    page.heading(words["frequent"])
    page.text(
        words["frequent_text"].format(
            used=f"{used:,}",
            vocab=f"{contents.vocab_size:,}",
            shown=len(ids),
            share=_percent(int(counts[ids].sum()), measured.tokens),
            unknown=_percent(_unknown(contents), contents.tokens),
        )
    )
    page.table(
        [words[name] for name in ("rank", "token", "times", "share")],
        [
            (rank, token, times, _percent(times, measured.tokens))
            for rank, (token, times) in enumerate(
                zip(tokenizer.shown(ids), counts[ids].tolist(), strict=True), start=1
            )
        ],
    )


def _tokenizer(page: Report, contents: ShardSet, tokenizer: Tokenizer, words: Words) -> None:
    page.heading(words["tokenizer"])
    page.text(words["tokenizer_text"])
    page.facts(
        {
            words["vocabulary"]: contents.vocab_size,
            words["case"]: words["folded" if tokenizer.lowercase else "kept"],
            words["digest"]: contents.tokenizer,
        }
    )


def _unknown(contents: ShardSet) -> int:
    return sum(shard.unknown for shard in contents.shards)


def _percent(part: float, whole: float) -> str:
    """A share as people read it; what is there is never shown as nothing."""
    share = part / whole
    if share == 0:
        return "0 %"
    return "< 0.001 %" if share < 1e-5 else f"{100 * share:.{2 if share >= 0.001 else 3}f} %"
