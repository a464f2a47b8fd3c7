"""The model card: README.md of a folder, with what a stranger must know before using the model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from filbert.encoder.shape import Shape
from filbert.progress import printable

PIPELINES = {
    "pretrain": "fill-mask",
    "classify": "text-classification",
    "embed": "sentence-similarity",
}
"""Our task → the hub's word for it."""

SHOWN_AT_MOST = 200


@dataclass(frozen=True)
class Card:
    """What the card says beyond what the folder itself knows.

    data: (name, licence) of every text that went in; settings: of the run, name → value.
    """

    title: str = ""
    text: str = ""
    languages: tuple[str, ...] = ()
    licence: str = ""
    started_from: str = ""
    data: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def write_card(
    card: Card,
    *,
    shape: Shape,
    task: str,
    settings: Mapping[str, Any],
    scores: Mapping[str, Any] | None,
    family: str = "bert",
) -> str:
    """The whole text of README.md; names, labels and other data cannot become markup in it.

    family: the model_type, for the hub's tags.
    """
    title = card.title or f"A BERT for the task {task}"
    lines = [*_front_matter(card, task, family), f"# {_plain(title)}", ""]
    if card.text:
        lines += [_plain(card.text), ""]
    if card.started_from:
        lines += [f"Training began from: {_plain(card.started_from)}", ""]
    lines += ["## Data and licences", ""]
    if card.data:
        lines += _table(("data", "licence"), card.data)
    else:
        lines += ["Not stated. Ask whoever gave you this folder before you pass it on.", ""]
    lines += ["## Scores", ""]
    if scores:
        lines += _table(("score", "value"), [(name, _value(v)) for name, v in scores.items()])
    else:
        lines += ["Not measured.", ""]
    lines += ["## Shape", "", *_table(("size", "value"), list(asdict(shape).items()))]
    lines += ["## Settings", ""]
    rows = [(f"task.{name}", _value(value)) for name, value in settings.items()]
    lines += _table(("setting", "value"), [*rows, *card.settings])
    lines += ["## Use", "", *_use(task), "Made with filbert. Weights and configuration have "]
    lines[-1] += "Hugging Face's form: transformers opens this folder, too."
    return "\n".join(lines) + "\n"


def _front_matter(card: Card, task: str, family: str) -> list[str]:
    """The hub's YAML; JSON texts are valid YAML, whatever is in them."""
    fields: dict[str, Any] = {}
    if card.languages:
        fields["language"] = list(card.languages)
    if card.licence:
        fields["license"] = card.licence
    if task in PIPELINES:
        fields["pipeline_tag"] = PIPELINES[task]
    fields["tags"] = [family, "filbert"]
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---", ""]


def _use(task: str) -> list[str]:
    call = {"pretrain": "fill_mask", "classify": "classify", "embed": "embed"}.get(task)
    if call is None:
        return []
    text = "Texts of every [MASK]." if task == "pretrain" else "A text."
    return [
        "```python",
        "import filbert",
        "",
        'model = filbert.open_model("this folder")',
        f'print(model.{call}(["{text}"]))',
        "```",
        "",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_plain(str(cell)) for cell in row)} |" for row in rows]
    return [*lines, ""]


def _value(value: object) -> str:
    if isinstance(value, float):
        text = f"{value:.4g}"
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= SHOWN_AT_MOST else text[: SHOWN_AT_MOST - 1] + "…"


def _plain(text: str) -> str:
    """Data as data: no control characters, no HTML, no markup of Markdown."""
    text = " ".join(printable(text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + letter if letter in "\\`*_[]|#!~" else letter for letter in text)
