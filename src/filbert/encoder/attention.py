"""softmax(QKᵀ/√d)V within each sequence of a pack (Vaswani et al. 2017, section 3.2.1).

One signature, several implementations, all tested against the plain one. No token sees a token of
another sequence; no padding stands between them. With a window a token sees itself and so many
neighbours on each side (Beltagy et al. 2020, section 3.1); window 0 is all of its sequence.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from filbert.encoder.tensors import PackedTensors

QKV = Float[Tensor, "tokens 3 attention_heads attention_head_width"]
Attended = Float[Tensor, "tokens attention_heads attention_head_width"]
Attend = Callable[[QKV, PackedTensors, float, int], Attended]
"""(qkv, packed, dropout_fraction, window) → what each token has gathered."""

QUERIES_AT_ONCE = 64
"""Of a local layer, or as many as its window; on a CPU 128 took half as long again."""

BLOCKS_NOT_WORTH_IT = 4
"""Sequences of so many blocks are quicker in one piece, with a mask."""


def attend_plain(
    qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0, window: int = 0
) -> Attended:
    """The formula, sequence by sequence: what the others are measured against."""
    answers = []
    for part in qkv.split(packed.lengths.tolist()):
        query, key, value = part.permute(1, 2, 0, 3)
        weights = attention_weights(query, key, window)
        weights = functional.dropout(weights, dropout_fraction, training=dropout_fraction > 0)
        answers.append((weights @ value).transpose(0, 1))
    return torch.cat(answers)


def attention_weights(
    query: Float[Tensor, "attention_heads tokens attention_head_width"],
    key: Float[Tensor, "attention_heads tokens attention_head_width"],
    window: int = 0,
) -> Float[Tensor, "attention_heads tokens tokens"]:
    """softmax(QKᵀ/√d) of one sequence: each row says where one token looks; 0 beyond the window."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if window:
        scores = scores.masked_fill(~_within(window, query.shape[1], query.device), float("-inf"))
    weights: Tensor = scores.softmax(dim=-1)
    return weights


def attend_runs(
    qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0, window: int = 0
) -> Attended:
    """Neighbours of equal length go through one scaled_dot_product_attention each.

    Batches sorted by length have few runs, and none of them has a padded place to compute.
    """
    attention_heads, attention_head_width = qkv.shape[-2:]
    answers = []
    sizes = [sequences * length for sequences, length in packed.runs]
    for part, (sequences, length) in zip(qkv.split(sizes), packed.runs, strict=True):
        query, key, value = part.view(
            sequences, length, 3, attention_heads, attention_head_width
        ).permute(2, 0, 3, 1, 4)
        if window and length > window + 1:
            answer = _attend_nearby(query, key, value, dropout_fraction, window)
        else:
            answer = functional.scaled_dot_product_attention(
                query, key, value, dropout_p=dropout_fraction
            )
        answers.append(answer.transpose(1, 2).flatten(0, 1))
    return answers[0] if len(answers) == 1 else torch.cat(answers)


_Parts = Float[Tensor, "sequences attention_heads length attention_head_width"]


def _attend_nearby(
    query: _Parts, key: _Parts, value: _Parts, dropout_fraction: float, window: int
) -> _Parts:
    """A block of queries at a time against the keys that its window reaches, and no others."""
    length = query.shape[2]
    step = max(QUERIES_AT_ONCE, window)
    if length <= BLOCKS_NOT_WORTH_IT * step:
        step = length
    answers = []
    for start in range(0, length, step):
        end = min(start + step, length)
        first, last = max(0, start - window), min(length, end + window)
        answers.append(
            functional.scaled_dot_product_attention(
                query[:, :, start:end],
                key[:, :, first:last],
                value[:, :, first:last],
                attn_mask=_within(window, last - first, query.device)[start - first : end - first],
                dropout_p=dropout_fraction,
            )
        )
    return answers[0] if len(answers) == 1 else torch.cat(answers, dim=2)


def _within(window: int, tokens: int, device: torch.device) -> Bool[Tensor, "tokens tokens"]:
    """Which tokens of a stretch stand no further apart than the window."""
    places = torch.arange(tokens, device=device)
    near: Tensor = (places[:, None] - places).abs() <= window
    return near


def attend_varlen(
    qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0, window: int = 0
) -> Attended:
    """The flash kernel for packed sequences that comes with torch; CUDA, half precision.

    It has no dropout; `choose_attend` never hands it any.
    """
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = qkv.unbind(dim=1)
    answer = varlen_attn(
        query,
        key,
        value,
        packed.ends,
        packed.ends,
        packed.longest,
        packed.longest,
        window_size=(window, window) if window else (-1, -1),
    )
    assert isinstance(answer, Tensor)  # a tuple only where more than the answer is asked for
    return answer


def choose_attend(
    device: torch.device,
    dtype: torch.dtype,
    dropout_fraction: float,
    attention_head_width: int = 64,
) -> Attend:
    """The fastest implementation that can do the work."""
    half = dtype in (torch.float16, torch.bfloat16)
    # The flash kernel takes rows of 16 bytes, up to 256 numbers.
    fits = attention_head_width % 8 == 0 and attention_head_width <= 256
    if device.type == "cuda" and half and fits and not dropout_fraction and _has_flash(device):
        return attend_varlen
    return attend_runs


def _has_flash(device: torch.device) -> bool:
    """Whether the GPU is an Ampere or a later one; where there is none, nobody can say no."""
    return not torch.cuda.is_available() or torch.cuda.get_device_capability(device) >= (8, 0)
