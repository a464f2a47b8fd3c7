"""Networks whose weights come from a file: no memory is taken and nothing is drawn for them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def undrawn() -> Iterator[None]:
    """Modules that are made here have sizes and names only, on the meta device."""
    with torch.device("meta"), _NothingInPlace():
        yield


class _NothingInPlace(TorchFunctionMode):
    """Leaves out what would fill a tensor (normal_, zero_, …), for there is nothing to fill.

    torch does these on the meta device by way of Python, and imports 800 modules for it: half of
    the time from a cold start to the first answer (docs/log.md).
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        named = named or {}
        name = getattr(function, "__name__", "")
        fills = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
        target = arguments[0] if arguments else named.get("tensor")
        if fills and isinstance(target, torch.Tensor):
            return target
        return function(*arguments, **named)
