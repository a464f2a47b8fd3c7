"""softmax(QKᵀ/√d)V within each sequence of a pack (Vaswani et al. 2017, section 3.2.1).

One signature, several implementations, all tested against the plain one. No token sees a token of
another sequence; no padding stands between them.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from filbert.encoder.tensors import PackedTensors

QKV = Float[Tensor, "tokens 3 attention_heads attention_head_width"]
Attended = Float[Tensor, "tokens attention_heads attention_head_width"]
Attend = Callable[[QKV, PackedTensors, float], Attended]


def attend_plain(qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0) -> Attended:
    """The formula, sequence by sequence: what the others are measured against."""
    answers = []
    for part in qkv.split(packed.lengths.tolist()):
        query, key, value = part.permute(1, 2, 0, 3)
        weights = attention_weights(query, key)
        weights = functional.dropout(weights, dropout_fraction, training=dropout_fraction > 0)
        answers.append((weights @ value).transpose(0, 1))
    return torch.cat(answers)


def attention_weights(
    query: Float[Tensor, "attention_heads tokens attention_head_width"],
    key: Float[Tensor, "attention_heads tokens attention_head_width"],
) -> Float[Tensor, "attention_heads tokens tokens"]:
    """softmax(QKᵀ/√d) of one sequence: each row says where one token looks."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    weights: Tensor = scores.softmax(dim=-1)
    return weights


def attend_runs(qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0) -> Attended:
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
        answer = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout_fraction
        )
        answers.append(answer.transpose(1, 2).flatten(0, 1))
    return answers[0] if len(answers) == 1 else torch.cat(answers)


def attend_varlen(qkv: QKV, packed: PackedTensors, dropout_fraction: float = 0.0) -> Attended:
    """The flash kernel for packed sequences that comes with torch; CUDA, half precision.

    It has no dropout; `choose_attend` never hands it any.
    """
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = qkv.unbind(dim=1)
    answer = varlen_attn(
        query, key, value, packed.ends, packed.ends, packed.longest, packed.longest
    )
    assert isinstance(answer, Tensor)  # a tuple only where more than the answer is asked for
    return answer


def choose_attend(device: torch.device, dtype: torch.dtype, dropout_fraction: float) -> Attend:
    """The fastest implementation that can do the work."""
    half = dtype in (torch.float16, torch.bfloat16)
    if device.type == "cuda" and half and not dropout_fraction:
        return attend_varlen
    return attend_runs
