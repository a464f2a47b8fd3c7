"""filbert embed."""

import argparse
from pathlib import Path

from filbert.cli.options import add_device, add_long, add_quiet, long_of
from filbert.cli.output import complain, progress_for, say
from filbert.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a text a line (.txt), or JSON lines; .gz of them"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="F.npy")
    parser.add_argument(
        "--prompt",
        metavar="NAME",
        help="name of what the model wants before each text, e.g. query; none: the model's default",
    )
    add_long(parser)
    add_device(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Write float32 [texts, width]."""
    if options.out.suffix != ".npy":
        raise SettingsError(f"--out {options.out}: expected a name that ends with .npy")
    import numpy as np

    from filbert.disk import atomic_file
    from filbert.engine import open_model
    from filbert.files import read_texts

    found = list(read_texts(options.file, split="line"))
    texts = [text.text for text in found]
    last_lines = {text.place.path: text.place.line for text in found}
    if empty := sum(last_lines.values()) - len(found):
        complain(f"{options.file}: {empty:,} lines without text passed over; they have no vector")
    model = open_model(options.model, device=options.device)
    done = 0
    with progress_for(options.quiet).stage("embedding", len(texts), "texts") as stage:

        def show(rows: int) -> None:
            nonlocal done
            done += rows
            stage.update(min(done, len(texts)))

        vectors = model.embed(texts, progress=show, prompt=options.prompt, **long_of(options))
    with atomic_file(options.out) as draft, draft.open("wb") as file:
        np.save(file, vectors)
    say(f"{options.out}: {vectors.shape[0]:,} vectors of {vectors.shape[1]}")
    return 0
