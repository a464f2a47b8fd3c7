"""filbert show."""

import argparse
from itertools import islice
from pathlib import Path

from filbert.cli.output import say
from filbert.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("shards", type=Path, metavar="SHARDS")
    parser.add_argument(
        "--as",
        dest="task",
        choices=("rows", "pretrain"),
        default="rows",
        help="rows: the tokens as they are; pretrain: hidden tokens with what was there",
    )
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="how many (default 5)")
    parser.add_argument("--max-tokens", type=int, default=128, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--epoch", type=int, default=0, metavar="N")


def run(options: argparse.Namespace) -> int:
    """Print the first rows of an epoch, in the order in which training would read them."""
    from filbert.shards import ReadState, ShardReader, read_batches
    from filbert.tasks import Pretrain

    if options.rows < 0:
        raise SettingsError(f"--rows: expected 0 or more, got {options.rows}")
    reader = ShardReader(options.shards, max_tokens=options.max_tokens)
    found = reader.contents
    say(
        f"{options.shards}: {found.tokens:,} tokens, {found.documents:,} documents, "
        f"{found.sentences:,} sentences, {len(reader.lengths):,} rows of at most "
        f"{options.max_tokens} tokens, vocabulary {found.vocab_size:,}"
    )
    task = Pretrain(max_tokens=options.max_tokens).with_tokenizer(reader.tokenizer)
    batches = read_batches(
        reader, batch_tokens=1, seed=options.seed, state=ReadState(options.epoch, 0)
    )
    for rows, _ in islice(batches, min(options.rows, len(reader.lengths))):
        row = rows[0]
        tokens = reader.tokenizer.tokens(row.token_ids)
        if options.task == "pretrain":
            packed = task.batch(rows, options.seed, options.epoch)
            seen = reader.tokenizer.tokens(packed.token_ids)
            for place in packed.targets["positions"]:
                tokens[place] = f"{seen[place]}⟨{tokens[place]}⟩"
        say("")
        say(f"shard {row.origin[0]}, row {row.origin[1]}, {len(row)} tokens")
        say(" ".join(tokens))
    return 0
