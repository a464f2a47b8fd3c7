"""filbert explain."""

import argparse
from pathlib import Path

from filbert.cli.options import add_device
from filbert.cli.output import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("text", metavar="TEXT", help="at most 128 tokens; may hold a [MASK]")
    parser.add_argument(
        "pair", nargs="?", metavar="TEXT_B", help="a second text, read together with the first"
    )
    parser.add_argument("--out", type=Path, default=Path("explain.html"), metavar="F.html")
    parser.add_argument(
        "--lang", choices=("en", "zh"), help="of the page's own words (as the text's, if silent)"
    )
    parser.add_argument(
        "--long",
        choices=("error", "truncate"),
        default="error",
        help="a text that is too long is refused, or cut (the page says by how much)",
    )
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Write one page that opens without a network."""
    from filbert.engine import open_model
    from filbert.explain import explain_text
    from filbert.language import is_chinese

    model = open_model(options.model, device=options.device)
    language = options.lang or ("zh" if is_chinese(options.text) else "en")
    if options.out.suffix not in (".html", ".htm"):
        complain(f"{options.out}: browsers open a page by its name: .html would be better")
    path = explain_text(
        model,
        options.text,
        options.pair,
        out=options.out,
        language=language,
        long=options.long,
        name=None if Path(options.model).exists() else options.model,
    )
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser")
    return 0
