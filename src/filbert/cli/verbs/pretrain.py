"""filbert pretrain."""

import argparse
import math
import sys
from pathlib import Path

from filbert.cli.options import add_device, add_quiet, add_set
from filbert.cli.output import progress_for
from filbert.cli.run_report import train_and_report
from filbert.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a .toml file, or the name of one of filbert's own"
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="SHARDS",
        help="may be repeated, with weights: --data english=2 --data chinese=1 reads two rows of "
        "the first for each of the second",
    )
    parser.add_argument("--dev", type=Path, metavar="SHARDS", help="to score on; else split off")
    parser.add_argument("--start", metavar="MODEL", help="go on from this model")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--minutes", type=float, metavar="M", help="the budget; also --set train.…")
    parser.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="start N processes, one a GPU, that train the model together; with --device cpu, so "
        "many on the CPU. For several machines: torchrun or srun",
    )
    add_set(parser)
    add_device(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Train, or go on where the run stands."""
    if options.gpus is not None and options.gpus != 1:
        return _on_many(options)
    from filbert.train import pretrain

    settings = list(options.set)
    if options.minutes is not None:
        settings.append(f"train.minutes={options.minutes}")
    data, out = _mixed(options.data), options.out
    return train_and_report(
        out,
        lambda: pretrain(
            data,
            out,
            plan=options.recipe,
            start=options.start,
            dev=options.dev,
            settings=settings,
            device=options.device,
            progress=progress_for(options.quiet),
        ),
        quiet=options.quiet,
    )


def _on_many(options: argparse.Namespace) -> int:
    """The same command as so many processes on this machine."""
    from filbert.device import gpus_here, pick_device
    from filbert.errors import DeviceError
    from filbert.train.launch import launch, own_command
    from filbert.train.ranks import place

    if (world := place().world) > 1:
        raise DeviceError(
            f"--gpus {options.gpus}: this process is one of {world} already, as its environment "
            "says (torchrun, srun); leave --gpus out there"
        )
    if options.gpus < 1:
        raise DeviceError(f"--gpus: expected 1 or more, got {options.gpus}")
    device = pick_device(options.device)
    if device.kind == "cuda" and options.gpus > (found := gpus_here()):
        raise DeviceError(f"--gpus {options.gpus}: this machine has {found}")
    if device.kind == "cpu" and options.device != "cpu":
        raise DeviceError(
            f"--gpus {options.gpus}: this machine has no GPU; --device cpu starts so many "
            "processes on its CPU"
        )
    return launch(own_command(_without_gpus(sys.argv[1:])), options.gpus)


def _without_gpus(arguments: list[str]) -> list[str]:
    """The command line without --gpus, as far as it was spelt out, and its number."""
    kept, skip = [], False
    for argument in arguments:
        name, sign, _ = argument.partition("=")
        found = not skip and len(name) > len("--") and "--gpus".startswith(name)
        if not skip and not found:
            kept.append(argument)
        skip = found and not sign
    return kept


def _mixed(asked: list[str]) -> list[tuple[Path, float]]:
    """SHARDS or SHARDS=WEIGHT, each; a folder whose name has such an end is a folder."""
    mixed = []
    for text in asked:
        path, sign, weight = text.rpartition("=")
        if not sign or Path(text).is_dir():
            mixed.append((Path(text), 1.0))
            continue
        mixed.append((Path(path), _weight(weight, text)))
    return mixed


def _weight(weight: str, text: str) -> float:
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise SettingsError(
            f"--data {text}: expected SHARDS or SHARDS=WEIGHT, a number above 0, got the weight "
            f"{weight!r}"
        )
    return number
