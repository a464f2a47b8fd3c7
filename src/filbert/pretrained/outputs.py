"""What a model's call gives: tensors by name, by number, or one after the other."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any


class ModelOutput:
    """Tensors by attribute, by key and by number; `loss, logits = model(…)` unpacks them.

    Fields that there are none of (the loss where no labels were given) are left out of numbers,
    keys and unpacking, and are None as attributes. Unlike transformers' class of this name it
    gives values, not names, when it is iterated; the names are in `keys()`.
    """

    def __init__(self, fields: Mapping[str, Any]):
        """Hold the fields, in this order; None: not there."""
        self._all = dict(fields)
        self._there = {name: value for name, value in fields.items() if value is not None}

    def __getattr__(self, name: str) -> Any:
        """A field; None where it is not there, AttributeError where this model has no such."""
        try:
            return self.__dict__["_all"][name]
        except KeyError:
            raise AttributeError(f"this output has no {name!r}") from None

    def __getitem__(self, key: str | int | slice) -> Any:
        """A field by name or number; several by a slice."""
        return self._there[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[Any]:
        """The values that are there, in order."""
        return iter(self._there.values())

    def __len__(self) -> int:
        """How many are there."""
        return len(self._there)

    def __contains__(self, name: object) -> bool:
        """Whether the field of this name is there."""
        return name in self._there

    def keys(self) -> KeysView[str]:
        """The names of what is there."""
        return self._there.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._there.values()

    def items(self) -> ItemsView[str, Any]:
        """Names and values."""
        return self._there.items()

    def get(self, name: str, default: Any = None) -> Any:
        """A field by name, or `default` where it is not there."""
        return self._there.get(name, default)

    def to_tuple(self) -> tuple[Any, ...]:
        """The values, as return_dict=False gives them."""
        return tuple(self._there.values())

    def __repr__(self) -> str:
        """Names, and the sizes of tensors."""
        shown = ", ".join(
            f"{name}={list(value.shape) if hasattr(value, 'shape') else f'{len(value)} tensors'}"
            for name, value in self._there.items()
        )
        return f"ModelOutput({shown})"
