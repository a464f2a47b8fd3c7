"""Shapes by name: what a recipe starts from, as plain tables of settings."""

import dataclasses
from typing import Any

from filbert.encoder.shape import MODERN_BASE


def _classic(depth: int, width: int) -> dict[str, Any]:
    """Google's rule: attention heads of 64, an inner width of four times the width."""
    return {
        "shape": {
            "depth": depth,
            "width": width,
            "attention_heads": width // 64,
            "mlp_width": 4 * width,
        }
    }


def _modern(**changes: Any) -> dict[str, Any]:
    """ModernBERT-base's shape with some fields changed."""
    fields = dataclasses.asdict(MODERN_BASE) | changes
    del fields["vocab"]
    return {"shape": fields}


PRESETS: dict[str, dict[str, Any]] = {
    "bert-tiny": _classic(2, 128),
    "bert-mini": _classic(4, 256),
    "bert-small": _classic(4, 512),
    "bert-medium": _classic(8, 512),
    "bert-base": _classic(12, 768),
    "bert-large": _classic(24, 1024),
    "modern-small": _modern(depth=10, width=384, attention_heads=6, mlp_width=576),
    "modern-base": _modern(),
    "cramming": _modern(
        depth=16,
        mlp_width=1536,
        max_positions=128,
        norm_epsilon=1e-12,
        window=0,
        global_every=1,
        theta=10_000.0,
    ),
    **{
        f"bert-{depth}x{width}": _classic(depth, width)
        for depth in (2, 4, 6, 8, 10, 12)
        for width in (128, 256, 512, 768)
    },
}
"""Shapes by name.

bert-base, bert-large  Devlin et al. 2019
bert-tiny … medium     Google's miniatures with names (Turc et al. 2019)
bert-DEPTHxWIDTH       all 24 of them: bert-2x128 is bert-tiny, bert-12x768 is bert-base
modern-base            ModernBERT-base (Warner et al. 2024)
modern-small           the same at 32 million parameters: Ettin's encoder-32m (Weller et al. 2025)
cramming               the final shape of Geiping and Goldstein 2023, as near as a Shape comes: 16
                       layers, pre-norm, no biases, a gated inner part whose two halves have 3,072
                       together. Theirs adds scaled sinusoids for positions, here they are rotary;
                       theirs normalises before the first layer's attention once more; theirs has no
                       layer between network and vocabulary, and no bias in the latter
"""
