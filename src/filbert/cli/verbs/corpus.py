"""filbert corpus."""

import argparse
import atexit
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.options import add_quiet, add_text_reading
from filbert.cli.output import complain, progress_for, say
from filbert.cli.sizes import size_of
from filbert.errors import SettingsError

if TYPE_CHECKING:
    from filbert.corpus import CorpusReport, CorpusSettings

_STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="files, folders, globs (*.xml, [a-z]*, **/*), s3:// gs:// az:// https:// "
        "addresses: Wikipedia dumps, WARC, WET, JSON lines, Parquet, HTML, WikiExtractor's output, "
        "plain text; .gz, .bz2, .zst of them. What a file is, its content says, not its name",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the corpus, a new folder; what is not finished lies beside it, in .DIR.work",
    )
    parser.add_argument(
        "--languages", metavar="CODES", help="keep only these, e.g. en,zh (default: all)"
    )
    parser.add_argument(
        "--simplified",
        action="store_true",
        default=None,
        help="traditional Chinese becomes simplified",
    )
    add_text_reading(parser)
    parser.set_defaults(split=None, text_field=None)
    parser.add_argument(
        "--min-characters",
        type=int,
        default=None,
        metavar="N",
        help="leave out shorter documents (default 16, Chinese 8)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one setting, e.g. quality.min_words=20 (docs/quality-rules.md has them all) "
        "or duplicates.near=false; may be repeated",
    )
    parser.add_argument("--settings", metavar="FILE", help="a .toml file of such settings")
    parser.add_argument(
        "--memory",
        default="2GB",
        metavar="SIZE",
        help="for all processes together (default 2GB, at least 1GB)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes at most (default: one a core)"
    )
    parser.add_argument(
        "--runner",
        default="native",
        choices=("native", "ray"),
        help="this machine (the default), or the Ray cluster that RAY_ADDRESS names",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first text that cannot be read (default: pass over it and count it)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin anew what was interrupted, do not go on"
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Read, clean, drop duplicates, write."""
    from filbert.corpus import build_corpus

    settings = _settings(options)
    memory_bytes = size_of(options.memory)
    try:
        report = build_corpus(
            options.sources,
            options.out,
            settings,
            runner=options.runner,
            memory_bytes=memory_bytes,
            workers=options.workers,
            strict=options.strict,
            restart=options.restart,
            progress=progress_for(options.quiet),
        )
    except KeyboardInterrupt:
        complain("stopped; the same command goes on where it was (--restart begins anew)")
        _end_at_once()
        return _STOPPED
    if not options.quiet:
        say(_summary(options.out, report))
    return 0


def _end_at_once() -> None:
    """Let this process end without taking Python down step by step, if workers were stopped.

    A thread of Daft's that hears of their end while Python is being taken down aborts the process.
    """
    from filbert.corpus.build import crew

    if crew.workers_were_stopped:
        sys.stdout.flush()
        atexit.register(os._exit, _STOPPED)


def _settings(options: argparse.Namespace) -> "CorpusSettings":
    from filbert.corpus import CorpusSettings
    from filbert.settings import load_settings, override

    settings = CorpusSettings()
    if options.settings:
        settings = load_settings(options.settings, CorpusSettings)
    settings = override(settings, options.set) if options.set else settings
    if options.languages is not None:
        codes = tuple(code.strip() for code in options.languages.split(",") if code.strip())
        settings = replace(settings, languages=codes)
    for name in ("simplified", "split", "text_field"):
        if getattr(options, name) is not None:
            settings = replace(settings, **{name: getattr(options, name)})
    if options.min_characters is not None:
        few = options.min_characters
        if few < 0:
            raise SettingsError(f"--min-characters: expected 0 or more, got {few}")
        quality = replace(settings.quality, min_characters=few, min_chinese_characters=few)
        settings = replace(settings, quality=quality)
    return settings


def _summary(out: Path, report: "CorpusReport") -> str:
    rules = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in report.dropped.items()
    )
    problems = ", ".join(f"{count:,} {name}" for name, count in report.problems.items())
    return (
        f"{out}: {report.documents:,} documents, {report.sentences:,} sentences, "
        f"{report.characters:,} characters; left out: "
        f"{report.dropped_documents:,} by rules{f' ({rules})' if rules else ''}, "
        f"{report.duplicate_documents:,} duplicates of {report.read_documents:,}"
        + (f"; problems: {problems}" if problems else "")
        + f"; see {out / 'report.html'}"
    )
