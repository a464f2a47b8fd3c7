"""filbert show."""

import argparse
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.output import say
from filbert.cli.pretrain_rows import (
    MAX_TOKENS,
    add_task_options,
    asked_task,
    seen_lines,
    source_for,
    unmasked,
)
from filbert.errors import SettingsError

if TYPE_CHECKING:
    from filbert.batch import Array, Row
    from filbert.shards import RowPlace, RowSource, ShardReader
    from filbert.tasks import Pretrain
    from filbert.tokenizer import Tokenizer

_ROWS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("shards", type=Path, metavar="SHARDS")
    parser.add_argument(
        "--as",
        dest="task",
        choices=("rows", "pretrain"),
        default="rows",
        help="rows: the tokens as they are; pretrain: as the network sees them, with what was "
        "there behind each hidden one, the labels, the segments and what kind of pair it is",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rows", type=int, metavar="N", help=f"how many (default {_ROWS})")
    which.add_argument(
        "--row",
        metavar="N",
        help="this one, by its number among all or as SHARD:ROW, and where it comes from",
    )
    parser.add_argument(
        "--words",
        action="store_true",
        help="also the whole words: each with its number and, in brackets, its tokens' places",
    )
    parser.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"the longest row (default {MAX_TOKENS}, or what the recipe says)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--epoch", type=int, default=0, metavar="N")
    add_task_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print one row, or the first rows of an epoch in the order in which training reads them."""
    from filbert.shards import ShardReader
    from filbert.shards.batches import row_in

    count = _ROWS if options.rows is None else options.rows
    if count < 0:
        raise SettingsError(f"--rows: expected 0 or more, got {count}")
    if options.epoch < 0:
        raise SettingsError(f"--epoch: expected 0 or more, got {options.epoch}")
    asked = None if options.row is None else _asked(options.row)
    task = asked_task(options)
    max_tokens = options.max_tokens if options.max_tokens is not None else MAX_TOKENS
    if task is not None:
        max_tokens = task.max_tokens
    reader = ShardReader(options.shards, max_tokens=max_tokens)
    source: RowSource = reader
    if task is not None:
        task = task.with_tokenizer(reader.tokenizer)
        source = source_for(task, reader)
    found = reader.contents
    number = None if asked is None else _number(reader, asked)
    say(
        f"{options.shards}: {found.tokens:,} tokens, {found.documents:,} documents, "
        f"{found.sentences:,} sentences, {len(reader.lengths):,} rows of at most "
        f"{max_tokens} tokens, vocabulary {found.vocab_size:,}"
    )
    if number is not None:
        row = row_in(source, number, options.seed, options.epoch)
        _show(row, reader, options, task, _said(reader.place(number), number))
        return 0
    for row in _first_rows(source, count, options.seed, options.epoch):
        _show(row, reader, options, task)
    return 0


def _asked(text: str) -> tuple[int, ...]:
    """The value of --row: (number) or (shard, row)."""
    found = re.fullmatch(r"([0-9]{1,18})(?::([0-9]{1,18}))?", text.strip())
    if found is None:
        raise SettingsError(
            f"--row: expected the number of a row, such as 17, or SHARD:ROW, such as 0:17, "
            f"got {text!r:.40}"
        )
    return tuple(int(part) for part in found.groups() if part is not None)


def _number(reader: "ShardReader", asked: tuple[int, ...]) -> int:
    """The number of the row that is asked for, if there is such a one."""
    if len(asked) > 1:
        return reader.number_of(asked[0], asked[1])
    if asked[0] >= len(reader):
        raise SettingsError(f"--row: expected 0 to {len(reader) - 1:,}, got {asked[0]:,}")
    return asked[0]


def _first_rows(source: "RowSource", count: int, seed: int, epoch: int) -> "Iterator[Row]":
    from filbert.shards import ReadState, read_batches

    batches = read_batches(source, batch_tokens=1, seed=seed, state=ReadState(epoch, 0))
    for rows, _ in islice(batches, min(count, len(source.lengths))):
        yield rows[0]


def _said(place: "RowPlace", number: int) -> str:
    """Where a row comes from."""
    source = f"{place.file}, row" if place.file else "document given in Python, number"
    return (
        f"number {number:,}, from document {place.document:,} of {place.shard}, language "
        f"{place.language or 'unknown'}; {source} {place.file_row:,}"
    )


def _show(
    row: "Row",
    reader: "ShardReader",
    options: argparse.Namespace,
    task: "Pretrain | None",
    place: str | None = None,
) -> None:
    token_ids, lines, hidden = row.token_ids, [" ".join(reader.tokenizer.tokens(row.token_ids))], ""
    if task is not None:
        packed = task.batch([row], options.seed, options.epoch)
        token_ids, lines = unmasked(packed), list(seen_lines(packed, task))
        hidden = f", {len(packed.targets['labels'])} of them hidden"
    say("")
    say(f"shard {row.origin[0]}, row {row.origin[1]}, {len(token_ids)} tokens{hidden}")
    if place is not None:
        say(place)
    for line in lines:
        say(line)
    if options.words:
        say(f"words: {' '.join(_words(token_ids, reader.tokenizer))}")


def _words(token_ids: "Array", tokenizer: "Tokenizer") -> Iterator[str]:
    """The whole words of a row: 1:喜欢(3–4); special tokens, which belong to none: [CLS](0)."""
    from filbert.tokenizer.whole_words import whole_words_of_ids

    words = whole_words_of_ids(tokenizer, token_ids).tolist()
    first = 0
    for at in range(1, len(words) + 1):
        word = words[first]
        if at < len(words) and word >= 0 and words[at] == word:
            continue
        ids = token_ids[first:at]
        if word < 0:
            yield f"{tokenizer.tokens(ids)[0]}({first})"
        else:
            places = f"{first}" if at == first + 1 else f"{first}–{at - 1}"
            yield f"{word}:{tokenizer.decode(ids).strip()}({places})"
        first = at
