"""The figures of a step as they stand in the live line."""

from filbert.progress import Figures, show_count, show_share
from filbert.train.events import Stepped

_ACCURACY = "_accuracy"


def live_figures(stepped: Stepped) -> Figures:
    """What a person watches, short enough for one line of 80 columns.

    `loss 3.123 · masked 41 % · tokens 1.23M at 12.3k/s · roof 34 % · padding 0`

    loss     of this step, mean over its targets
    masked   of the hidden tokens those that were named right; pairs, labels likewise
    tokens   read since the run began, and by second
    roof     what part of the device's best the network's products reached, where that is known
    padding  none, ever: rows lie end to end
    """
    figures: dict[str, float | int | str] = {"loss": f"{stepped.loss:.4g}"}
    for name, value in stepped.figures.items():
        if name.endswith(_ACCURACY):
            figures[name.removesuffix(_ACCURACY)] = show_share(value)
    read, speed = show_count(stepped.tokens), show_count(stepped.tokens_per_second)
    figures["tokens"] = f"{read} at {speed}/s"
    if roof := stepped.figures.get("roof_share"):
        figures["roof"] = show_share(roof)
    return figures | {"padding": 0}
