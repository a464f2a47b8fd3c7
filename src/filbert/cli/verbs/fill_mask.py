"""filbert fill-mask."""

import argparse

from filbert.cli.options import add_device, add_json, add_long, long_of
from filbert.cli.output import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("text", metavar="TEXT", help='e.g. "Returns a new [MASK] of the list."')
    add_long(parser)
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """The five likeliest tokens for every [MASK]."""
    from filbert.engine import open_model

    model = open_model(options.model, device=options.device)
    (answers,) = model.fill_mask([options.text], **long_of(options))
    if options.json:
        say_json(answers)
        return 0
    for answer in answers:
        say(f"{options.text[: answer.start][-30:]}▁{options.text[answer.end :][:30]}")
        for guess in answer.guesses:
            say(f"  {guess.probability:6.1%}  {guess.token}")
    return 0
