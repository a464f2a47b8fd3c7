"""filbert shards."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.options import add_quiet
from filbert.cli.output import complain, progress_for, say
from filbert.errors import SettingsError

if TYPE_CHECKING:
    from filbert.progress import Progress
    from filbert.shards import ShardSet
    from filbert.tokenizer import Tokenizer

_STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "corpus", type=Path, metavar="CORPUS", help="a folder made by filbert corpus"
    )
    parser.add_argument(
        "--tokenizer",
        required=True,
        metavar="DIR",
        help="a tokenizer's folder, or a model's: a folder, a run, a name on the hub",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes at most (default: one a core)"
    )
    parser.add_argument(
        "--characters",
        type=int,
        metavar="N",
        help="about how much text a shard holds, in whole row groups of the corpus, which have up "
        "to 4 million characters (default 33,554,432, less where there is little)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin anew what was interrupted, do not go on"
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Tokenise and write."""
    from filbert.shards import write_shards

    for name in ("workers", "characters"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name}: expected 1 or more, got {value}")
    progress = progress_for(options.quiet)
    try:
        contents = write_shards(
            options.corpus,
            _tokenizer(options.tokenizer, progress),
            options.out,
            characters_per_shard=options.characters,
            workers=options.workers,
            restart=options.restart,
            progress=progress,
        )
    except KeyboardInterrupt:
        complain("stopped; the same command goes on where it was (--restart begins anew)")
        return _STOPPED
    if not options.quiet:
        _summarise(contents, options.out)
    return 0


def _tokenizer(named: str, progress: "Progress") -> "Tokenizer":
    """Of a folder that need hold nothing else, or of a model by any of its names."""
    from filbert.tokenizer import Tokenizer

    path = Path(named)
    if path.is_dir() and not (path / "run.json").exists():
        return Tokenizer.load(path)
    from filbert.checkpoint import find_folder

    return find_folder(named, progress=progress).tokenizer()


def _summarise(contents: "ShardSet", out: Path) -> None:
    from filbert.shards.index import PAGE
    from filbert.shards.measuring import stored_bytes

    for name, counts in contents.languages.items():
        say(
            f"{name or 'unknown language'}: {counts.tokens:,} tokens "
            f"({100 * counts.tokens / contents.tokens:.2f} %) of {counts.documents:,} documents"
        )
    say(
        f"{out}: {contents.tokens:,} tokens of {contents.documents:,} documents in "
        f"{len(contents.shards):,} shards, {stored_bytes(contents) / contents.tokens:.3f} bytes a "
        f"token; see {out / PAGE}"
    )
