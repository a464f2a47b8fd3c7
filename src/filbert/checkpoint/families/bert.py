"""BERT (Devlin et al. 2019): every size and casing, Google's miniatures, MiniLM."""

from filbert.checkpoint.families.family import (
    COMMON_FIXED,
    CRF,
    Family,
    Kind,
    Table,
    Whole,
    both,
)

_OURS = "blocks.{i}"
_THEIRS = "encoder.layer.{i}"
_SELF = f"{_THEIRS}.attention.self"

ENCODER: Table = (
    ("embeddings.tokens.weight", ("embeddings.word_embeddings.weight",)),
    ("embeddings.positions.weight", ("embeddings.position_embeddings.weight",)),
    ("embeddings.segments.weight", ("embeddings.token_type_embeddings.weight",)),
    *both("embeddings.norm", "embeddings.LayerNorm"),
    *both(f"{_OURS}.qkv", f"{_SELF}.query", f"{_SELF}.key", f"{_SELF}.value"),
    *both(f"{_OURS}.out", f"{_THEIRS}.attention.output.dense"),
    *both(f"{_OURS}.attention_norm", f"{_THEIRS}.attention.output.LayerNorm"),
    *both(f"{_OURS}.up", f"{_THEIRS}.intermediate.dense"),
    *both(f"{_OURS}.down", f"{_THEIRS}.output.dense"),
    *both(f"{_OURS}.mlp_norm", f"{_THEIRS}.output.LayerNorm"),
)

WHOLE: tuple[Whole, ...] = (
    Whole("depth", "num_hidden_layers", 1_000),
    Whole("width", "hidden_size", 65_536),
    Whole("attention_heads", "num_attention_heads", 1_024),
    Whole("mlp_width", "intermediate_size", 262_144),
    Whole("vocab", "vocab_size", 4_000_000),
    Whole("max_positions", "max_position_embeddings", 1_000_000),
    Whole("segments", "type_vocab_size", 1_000, 2),
)

FRACTIONS: tuple[tuple[str, str, float], ...] = (
    ("norm_epsilon", "layer_norm_eps", 1e-12),
    ("dropout_fraction", "hidden_dropout_prob", 0.1),
    ("attention_dropout_fraction", "attention_probs_dropout_prob", 0.1),
)

FIXED: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("hidden_act", ("gelu",)),
    ("position_embedding_type", ("absolute",)),
    *COMMON_FIXED,
)

WRITTEN = {
    "hidden_act": "gelu",
    "initializer_range": 0.02,
    "position_embedding_type": "absolute",
    "tie_word_embeddings": True,
}

BERT = Family(
    model_type="bert",
    stem="Bert",
    prefix="bert.",
    whole=WHOLE,
    fractions=FRACTIONS,
    fixed=FIXED,
    written=WRITTEN,
    encoder=ENCODER,
    parts={
        "pooler": both("pooler", "pooler.dense"),
        "words": (
            *both("transform", "cls.predictions.transform.dense"),
            *both("norm", "cls.predictions.transform.LayerNorm"),
            ("bias", ("cls.predictions.bias",)),
        ),
        "next_sentence": both("next_sentence", "cls.seq_relationship"),
        "labels": both("output", "classifier"),
        "crf": CRF,
        "span": both("span", "qa_outputs"),
    },
    kinds={
        "encoder": Kind(optional=("pooler",)),
        "masked": Kind(("words",), ("pooler", "next_sentence")),
        "pretraining": Kind(("words", "pooler", "next_sentence")),
        "classify": Kind(("pooler", "labels")),
        "tag": Kind(("labels",), ("crf",)),
        "span": Kind(("span",)),
        "choose": Kind(("pooler", "labels")),
    },
    copies=(
        ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight"),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ),
)
