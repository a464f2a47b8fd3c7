"""model.config: what config.json says, by the names of transformers, to be read only."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NoReturn

from filbert.checkpoint import Folder
from filbert.encoder.shape import Shape
from filbert.errors import SettingsError

OF_SHAPE = {
    "num_hidden_layers": "depth",
    "hidden_size": "width",
    "num_attention_heads": "attention_heads",
    "intermediate_size": "mlp_width",
    "vocab_size": "vocab",
    "max_position_embeddings": "max_positions",
    "type_vocab_size": "segments",
    "layer_norm_eps": "norm_epsilon",
    "hidden_dropout_prob": "dropout_fraction",
    "attention_probs_dropout_prob": "attention_dropout_fraction",
}
"""Their name → the field of Shape that has the number."""

SETTINGS: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "classifier_dropout": None,
    "problem_type": None,
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
}
"""What an absent one means."""

OPTIONS = (
    "num_labels",
    "id2label",
    "label2id",
    "problem_type",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "output_hidden_states",
    "output_attentions",
    "return_dict",
)
"""What from_pretrained lets one change."""

PROBLEMS = (
    None,
    "regression",
    "single_label_classification",
    "multi_label_classification",
)


class Config:
    """A model's configuration by attribute; nothing in it can be changed.

    The sizes are the network's own: hidden_size, num_hidden_layers, … ; labels: num_labels,
    id2label, label2id.
    """

    def __init__(self, values: Mapping[str, Any]):
        """Hold the values."""
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        """A value by its name in config.json."""
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"this config has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuse: the network is built already."""
        raise AttributeError(
            f"config.{name} is read only, for the network is built already; "
            f"give it to from_pretrained: from_pretrained(…, {name}={value!r:.40})"
        )

    def __dir__(self) -> list[str]:
        """The names."""
        return [*super().__dir__(), *self.__dict__["_values"]]

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.id2label)

    def to_dict(self) -> dict[str, Any]:
        """All values, as a copy."""
        return dict(self.__dict__["_values"])

    def __repr__(self) -> str:
        """All values."""
        return f"Config({self.to_dict()!r})"


def read_config(folder: Folder, options: Mapping[str, Any]) -> tuple[Config, Shape]:
    """The configuration of a folder with some options changed, and the Shape that it means.

    Raises CheckpointError for a config.json that cannot be, SettingsError for such an option.
    """
    stored = folder.config()
    values = {**SETTINGS, **stored, **options}
    values.pop("num_labels", None)
    values["id2label"] = dict(enumerate(_labels(folder, options)))
    values["label2id"] = {label: number for number, label in values["id2label"].items()}
    if values["problem_type"] not in PROBLEMS:
        known = ", ".join(str(name) for name in PROBLEMS)
        raise SettingsError(f"problem_type {values['problem_type']!r:.60}: expected {known}")
    changed: dict[str, Any] = {
        OF_SHAPE[name]: _fraction(name, options[name])
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")
        if name in options
    }
    shape = dataclasses.replace(folder.shape(), **changed)
    values.update({theirs: getattr(shape, ours) for theirs, ours in OF_SHAPE.items()})
    return Config(values), shape


def _fraction(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise SettingsError(f"{name}: expected 0 to less than 1, got {value!r:.40}")
    return float(value)


def _labels(folder: Folder, options: Mapping[str, Any]) -> tuple[str, ...]:
    given, back, count = (options.get(name) for name in ("id2label", "label2id", "num_labels"))
    if given is None and isinstance(back, Mapping):
        given = {number: label for label, number in back.items()}
    if given is not None:
        table = {int(number): label for number, label in dict(given).items()}
        labels = tuple(str(table[number]) for number in range(len(table)) if number in table)
        if len(labels) != len(table) or len(set(labels)) != len(labels) or not labels:
            raise SettingsError(
                f"id2label: expected ids from 0 on, each label once; got {given!r:.80}"
            )
        if count not in (None, len(labels)):
            raise SettingsError(f"num_labels {count}: id2label has {len(labels)} labels")
        return labels
    if count is None:
        return folder.labels()
    if type(count) is not int or count < 1:
        raise SettingsError(f"num_labels: expected a whole number from 1 on, got {count!r:.40}")
    own = folder.labels()
    return own if len(own) == count else tuple(f"LABEL_{number}" for number in range(count))
