"""Encodings that were made one by one → a batch of one length."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filbert.errors import RequestError
from filbert.pretrained.asked import read_asked
from filbert.pretrained.encoding import BatchEncoding
from filbert.pretrained.tensors import as_kind, check_kind, kind_of, plain

if TYPE_CHECKING:
    from filbert.pretrained.tokenizer import BertTokenizer


def pad_batch(
    tokenizer: "BertTokenizer",
    encoded_inputs: Any,
    padding: bool | str,
    *,
    max_length: int | None = None,
    pad_to_multiple_of: int | None = None,
    padding_side: str | None = None,
    return_attention_mask: bool = True,
    return_tensors: str | None = None,
) -> BatchEncoding:
    """input_ids, attention_mask, token_type_ids and special_tokens_mask padded; others as they are.

    encoded_inputs: a list of dictionaries, or a dictionary of lists (of one sequence or of many).
    """
    check_kind(return_tensors)
    data = _columns(encoded_inputs)
    return_tensors = return_tensors or kind_of(data["input_ids"])
    data = {name: plain(value) for name, value in data.items()}
    asked = read_asked(
        padding,
        False,
        max_length,
        multiple=pad_to_multiple_of,
        side=padding_side or tokenizer.padding_side,
        model_max_length=tokenizer.model_max_length,
        verbose=False,
    )
    ids = data["input_ids"]
    single = bool(ids) and not isinstance(ids[0], list)
    if single:
        data = {name: [value] for name, value in data.items()}
    lengths = [len(row) for row in data["input_ids"]]
    if return_attention_mask and "attention_mask" not in data:
        data["attention_mask"] = [[1] * length for length in lengths]
    if asked.padding and lengths:
        goal = asked.padded_length(max(lengths))
        fill = {
            "input_ids": tokenizer.pad_token_id,
            "attention_mask": 0,
            "token_type_ids": 0,
            "special_tokens_mask": 1,
        }
        for name in fill.keys() & data.keys():
            data[name] = [_filled(row, goal, fill[name], asked.side) for row in data[name]]
    if single:
        data = {name: value[0] for name, value in data.items()}
    return BatchEncoding(as_kind(data, return_tensors))


def _filled(row: list[int], goal: int, value: int, side: str) -> list[int]:
    lacking = [value] * (goal - len(row))
    return lacking + row if side == "left" else row + lacking


def _columns(encoded: Any) -> dict[str, Any]:
    if isinstance(encoded, list | tuple) and encoded and isinstance(encoded[0], Mapping):
        encoded = {name: [example[name] for example in encoded] for name in encoded[0]}
    if not isinstance(encoded, Mapping) or "input_ids" not in encoded:
        came = list(encoded) if isinstance(encoded, Mapping) else type(encoded).__name__
        raise RequestError(
            f"pad: expected encodings with input_ids (a dictionary of lists, or a list of "
            f"dictionaries), got {came!r:.80}"
        )
    return dict(encoded)
