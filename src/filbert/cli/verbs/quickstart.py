"""filbert quickstart."""

import argparse
from pathlib import Path

from filbert.cli.options import add_quiet
from filbert.cli.output import progress_for, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--text",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="your own text instead of Python's docstrings: .txt, .jsonl, .gz of them, folders; "
        'UTF-8, English or Chinese; labels are the field "label", or the folders\' names',
    )
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"), metavar="DIR")
    parser.add_argument(
        "--minutes", type=float, default=2.5, metavar="M", help="of pre-training (default 2.5)"
    )
    parser.add_argument(
        "--classify-minutes",
        type=float,
        default=0.75,
        metavar="M",
        help="of training for each of the two classifiers (default 0.75)",
    )
    parser.add_argument("--vocab-size", type=int, default=8000, metavar="N")
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Go the whole way; say what was made and what to try next."""
    from filbert.quickstart import next_commands, quickstart, write_page

    story = quickstart(
        options.text,
        options.out,
        settings=[f"train.minutes={options.minutes}"],
        classify_settings=[f"train.minutes={options.classify_minutes}"],
        vocab_size=options.vocab_size,
        progress=progress_for(options.quiet),
    )
    page = write_page(story)
    say("")
    say(f"a pre-trained BERT   {story.model}")
    say(
        f"                     masked tokens named right: {story.masked['accuracy']:.1%} "
        f"(always {story.guess.answer!r}: {story.guess.share:.1%})"
    )
    if story.classifiers:
        ours, fresh = story.classifiers.answered.scores, story.classifiers.fresh_answered.scores
        majority = story.classifiers.majority
        say(f"a classifier         {story.classifiers.pretrained}")
        say(
            f"                     accuracy {ours['accuracy']:.1%}, macro-F1 {ours['macro_f1']:.1%}"
        )
        say(
            f"                     without pre-training {fresh['accuracy']:.1%}, "
            f"{fresh['macro_f1']:.1%}; always {majority.answer!r}: {majority.share:.1%}"
        )
    say(f"a page to look at    {page}")
    say("")
    say("try next:")
    for command in next_commands(story):
        say(f"  {command}")
    return 0
