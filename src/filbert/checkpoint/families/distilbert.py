"""DistilBERT (Sanh et al. 2019): half of BERT's layers, no segments, no pooler below."""

from filbert.checkpoint.families.family import COMMON_FIXED, CRF, Family, Kind, Whole, both

_OURS = "blocks.{i}"
_THEIRS = "transformer.layer.{i}"
_ATTENTION = f"{_THEIRS}.attention"

DISTILBERT = Family(
    model_type="distilbert",
    stem="DistilBert",
    prefix="distilbert.",
    whole=(
        Whole("depth", "n_layers", 1_000, 6),
        Whole("width", "dim", 65_536, 768),
        Whole("attention_heads", "n_heads", 1_024, 12),
        Whole("mlp_width", "hidden_dim", 262_144, 3072),
        Whole("vocab", "vocab_size", 4_000_000),
        Whole("max_positions", "max_position_embeddings", 1_000_000, 512),
    ),
    fractions=(
        ("dropout_fraction", "dropout", 0.1),
        ("attention_dropout_fraction", "attention_dropout", 0.1),
    ),
    constants={"segments": 0, "norm_epsilon": 1e-12, "head_activation": "relu"},
    fixed=(("activation", ("gelu",)), *COMMON_FIXED),
    written={
        "activation": "gelu",
        "initializer_range": 0.02,
        "sinusoidal_pos_embds": False,
        "tie_word_embeddings": True,
    },
    encoder=(
        ("embeddings.tokens.weight", ("embeddings.word_embeddings.weight",)),
        ("embeddings.positions.weight", ("embeddings.position_embeddings.weight",)),
        *both("embeddings.norm", "embeddings.LayerNorm"),
        *both(f"{_OURS}.qkv", *(f"{_ATTENTION}.{name}_lin" for name in "qkv")),
        *both(f"{_OURS}.out", f"{_ATTENTION}.out_lin"),
        *both(f"{_OURS}.attention_norm", f"{_THEIRS}.sa_layer_norm"),
        *both(f"{_OURS}.up", f"{_THEIRS}.ffn.lin1"),
        *both(f"{_OURS}.down", f"{_THEIRS}.ffn.lin2"),
        *both(f"{_OURS}.mlp_norm", f"{_THEIRS}.output_layer_norm"),
    ),
    prefixed=(),
    parts={
        "words": (
            *both("transform", "vocab_transform"),
            *both("norm", "vocab_layer_norm"),
            ("bias", ("vocab_projector.bias",)),
        ),
        "pooler": both("pooler", "pre_classifier"),
        "labels": both("output", "classifier"),
        "crf": CRF,
        "span": both("span", "qa_outputs"),
    },
    kinds={
        "encoder": Kind(),
        "masked": Kind(("words",)),
        "classify": Kind(("pooler", "labels")),
        "tag": Kind(("labels",), ("crf",)),
        "span": Kind(("span",)),
        "choose": Kind(("pooler", "labels")),
    },
    copies=(("vocab_projector.weight", "embeddings.word_embeddings.weight"),),
)
