"""padding=, truncation= and max_length= of a tokenizer's call → what is to be done."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from filbert.errors import RequestError
from filbert.pretrained.cutting import STRATEGIES

ENDLESS = int(1e30)
"""model_max_length of a tokenizer whose folder says nothing of it, as transformers writes it."""

LARGE = int(1e20)
SIDES = ("right", "left")
PADDINGS: dict[str | bool | None, str | None] = {
    True: "longest",
    "longest": "longest",
    "max_length": "max_length",
    False: None,
    None: None,
    "do_not_pad": None,
}
TRUNCATIONS: dict[str | bool | None, str | None] = {
    True: "longest_first",
    **{name: name for name in STRATEGIES},
    False: None,
    None: None,
    "do_not_truncate": None,
}


@dataclass(frozen=True)
class Asked:
    """What a call wants.

    truncation  the strategy, or None; max_length then says how long
    padding     "longest", "max_length" or None; multiple: lengths are rounded up to one of it
    """

    truncation: str | None
    padding: str | None
    max_length: int | None
    multiple: int | None
    side: str

    def padded_length(self, longest: int) -> int:
        """How long sequences become of which the longest has `longest` tokens."""
        length = longest
        if self.padding == "max_length" and self.max_length is not None:
            length = self.max_length
        return length + (-length % self.multiple if self.multiple else 0)


def read_asked(
    padding: Any,
    truncation: Any,
    max_length: int | None,
    *,
    multiple: int | None,
    side: str,
    model_max_length: int,
    verbose: bool = True,
) -> Asked:
    """Settle defaults as transformers does; raises RequestError naming a word it does not know."""
    if max_length is not None and padding is False and truncation is None:
        truncation = True
    pads = _word("padding", padding, PADDINGS)
    cuts = _word("truncation", truncation, TRUNCATIONS)
    _word("padding_side", side, dict.fromkeys(SIDES))
    if padding is True and max_length is not None and cuts is None and verbose:
        warnings.warn(
            "max_length does nothing where padding=True and nothing is truncated; for texts padded "
            "up to it say padding='max_length'",
            stacklevel=4,
        )
    if max_length is None and model_max_length <= LARGE:
        max_length = model_max_length if cuts or pads == "max_length" else None
    elif max_length is None:
        # No length is known: there is nothing to cut at or to pad to.
        cuts, pads = None, None if pads == "max_length" else pads
    is_number = isinstance(max_length, int | np.integer) and not isinstance(max_length, bool)
    if max_length is not None and (not is_number or max_length < 0):
        raise RequestError(f"max_length: expected a whole number of tokens, got {max_length!r}")
    if cuts and pads and multiple and max_length is not None and max_length % multiple:
        raise RequestError(
            f"texts are cut at {max_length} tokens and padded to a multiple of {multiple}, which "
            f"{max_length} is not; choose a max_length that is"
        )
    return Asked(cuts, pads, max_length, multiple, side)


def _word(name: str, value: Any, known: dict[Any, Any]) -> Any:
    if not isinstance(value, str | bool | None) or value not in known:
        words = ", ".join(repr(word) for word in known if word is not None)
        raise RequestError(f"{name}: expected one of {words}; got {value!r:.60}")
    return known[value]
