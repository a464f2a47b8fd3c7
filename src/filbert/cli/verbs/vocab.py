"""filbert vocab."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.options import add_quiet
from filbert.cli.output import progress_for, say
from filbert.cli.sizes import size_of
from filbert.errors import CheckpointError, SettingsError
from filbert.progress import Progress

if TYPE_CHECKING:
    from filbert.cli.corpus_words import CorpusWords
    from filbert.tokenizer import Tokenizer
    from filbert.tokenizer.measuring import Measured

REPORT = "report.html"
_NEW_WORDS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "corpus", type=Path, metavar="CORPUS", help="a folder made by filbert corpus"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the tokenizer or the extended model, with its report.html; a new folder",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--size", type=int, metavar="N", help="learn this many tokens, e.g. 30000")
    what.add_argument(
        "--extend",
        metavar="MODEL",
        help="add the words that this model cuts up most to its vocabulary, with rows that begin "
        "as the mean of their pieces; DIR is the new model, for filbert pretrain --start",
    )
    parser.add_argument(
        "--words",
        type=int,
        metavar="N",
        help=f"--extend: how many new words (default {_NEW_WORDS})",
    )
    parser.add_argument("--cased", action="store_true", help="keep upper case and accents")
    parser.add_argument(
        "--min-count",
        type=int,
        metavar="N",
        help="how often a merged pair (default 2) or a new word (--extend, default 5) must occur",
    )
    parser.add_argument(
        "--alphabet",
        type=int,
        metavar="N",
        help="different characters at most (default: as many as fill half of the vocabulary)",
    )
    parser.add_argument(
        "--unused",
        type=int,
        default=0,
        metavar="N",
        help="unused slots to keep, for words of your own",
    )
    parser.add_argument(
        "--memory", default="1GB", metavar="SIZE", help="for the counts (default 1GB)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument(
        "--beside",
        nargs="+",
        action="extend",
        default=[],
        metavar="VOCAB",
        help="compare with these: folders, vocab.txt or vocab.txt.gz, or models' names that are in "
        "the cache",
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=1000,
        metavar="N",
        help="documents that the vocabularies are compared on (default 1000)",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Learn WordPiece, or extend a model; say how the vocabulary fits the corpus."""
    memory_bytes = size_of(options.memory)
    for name, least in (("workers", 1), ("sample", 1), ("words", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise SettingsError(f"--{name}: expected {least} or more, got {value}")
    if options.out.exists():
        raise SettingsError(f"{options.out} is there already; name another place")
    progress = progress_for(options.quiet)
    if options.extend is None:
        return _learn(options, memory_bytes, progress)
    return _extend(options, memory_bytes, progress)


def _learn(options: argparse.Namespace, memory_bytes: int, progress: Progress) -> int:
    from filbert.cli.corpus_words import count_corpus
    from filbert.disk import atomic_folder
    from filbert.tokenizer import Rules, SpecialTokens, learn_from_counts
    from filbert.tokenizer.learning import check_sizes
    from filbert.tokenizer.vocab_report import describe, lines, write_page

    if options.words is not None:
        raise SettingsError("--words goes with --extend; --size says how many tokens to learn")
    settings = {
        "min_frequency": 2 if options.min_count is None else options.min_count,
        "alphabet_limit": options.alphabet,
        "unused": options.unused,
    }
    check_sizes(options.size, **settings, specials=SpecialTokens())
    others = [_open(named) for named in options.beside]
    rules = Rules(lowercase=not options.cased, strip_accents=not options.cased)
    with count_corpus(
        options.corpus,
        rules,
        workers=options.workers,
        memory_bytes=memory_bytes,
        documents=options.sample,
        progress=progress,
    ) as words:
        learnt = learn_from_counts(words.counter, options.size, **settings, progress=progress)
        measured = _measure([(options.out.name, learnt.tokenizer), *others], words, progress)
    with atomic_folder(options.out) as draft:
        learnt.tokenizer.save(draft)
        write_page(draft / REPORT, learnt, measured, len(words.sampled))
    tokenizer = learnt.tokenizer
    if not options.quiet:
        for name, value in describe(learnt).items():
            say(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
        for line in lines(measured):
            say(line)
        fewer = f" of {options.size:,} asked for: no more pairs occur often enough"
        said = fewer if tokenizer.vocab_size < options.size else ""
        say(f"{options.out}: {tokenizer.vocab_size:,} tokens{said}, {tokenizer.digest[:12]}")
    return 0


def _measure(
    named: Sequence[tuple[str, "Tokenizer"]], words: "CorpusWords", progress: Progress
) -> "list[Measured]":
    from filbert.tokenizer.measuring import measure, telling_words

    with progress.stage("measuring", len(named), "vocabularies") as stage:
        examples = telling_words([tokenizer for _, tokenizer in named], words.sampled)
        measured = []
        for number, (name, tokenizer) in enumerate(named, start=1):
            measured.append(measure(tokenizer, name, words.sampled, examples))
            stage.update(number)
    return measured


def _open(named: str) -> tuple[str, "Tokenizer"]:
    """A vocabulary to compare with, by whatever names it; nothing is fetched."""
    from filbert.tokenizer import Tokenizer
    from filbert.tokenizer.extension import check_wordpiece
    from filbert.tokenizer.storage import read_vocabulary_file

    path = Path(named)
    if path.is_file():
        found = read_vocabulary_file(path)
        tokenizer = Tokenizer(found.vocab, rules=found.rules, where=found.where)
    elif path.is_dir():
        tokenizer = Tokenizer.load(path)
    else:
        from filbert.checkpoint import find_folder
        from filbert.checkpoint.hub import is_cached

        try:
            hint = "" if is_cached(named) else f" (filbert fetch {named} brings it)"
        except CheckpointError:  # no name of a model: a path
            hint = " of that name"
        if hint:
            raise SettingsError(
                f"--beside {named}: expected a folder, a vocab.txt or a model that is in the "
                f"cache; there is none{hint}"
            )
        tokenizer = find_folder(named).tokenizer()
    check_wordpiece(tokenizer)
    return "/".join(path.parts[-2:]) or named, tokenizer


def _extend(options: argparse.Namespace, memory_bytes: int, progress: Progress) -> int:
    from filbert.checkpoint import find_folder
    from filbert.checkpoint.extending import extend
    from filbert.cli.corpus_words import count_corpus
    from filbert.tokenizer.extension import check_wordpiece, choose_words
    from filbert.tokenizer.vocab_report import lines, write_extension_page

    if options.cased or options.alphabet is not None or options.unused:
        raise SettingsError(
            "--cased, --alphabet and --unused go with --size; a model that is extended has rules "
            "of its own"
        )
    others = [_open(named) for named in options.beside]
    folder = find_folder(options.extend, progress=progress)
    tokenizer = folder.tokenizer()
    check_wordpiece(tokenizer)
    with count_corpus(
        options.corpus,
        tokenizer.rules,
        workers=options.workers,
        memory_bytes=memory_bytes,
        documents=options.sample,
        progress=progress,
    ) as words:
        chosen = choose_words(
            tokenizer,
            words.counter.words(),
            _NEW_WORDS if options.words is None else options.words,
            min_count=5 if options.min_count is None else options.min_count,
        )
    extended = extend(folder, options.out, [new.word for new in chosen])
    both = [(options.out.name, extended.folder.tokenizer()), (folder.path.name, tokenizer)]
    measured = _measure([*both, *others], words, progress)
    write_extension_page(options.out / REPORT, tokenizer, chosen, measured, len(words.sampled))
    if not options.quiet:
        for new in chosen[:20]:
            say(f"{new.word}: {new.count:,} times {' '.join(tokenizer.tokens(new.pieces))}")
        for line in lines(measured):
            say(line)
        say(
            f"{options.out}: {len(chosen):,} new words from id {extended.first_id:,} on, "
            f"{extended.rows:,} rows; filbert pretrain … --start {options.out} goes on from it"
        )
    return 0
