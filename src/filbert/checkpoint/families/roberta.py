"""RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): BERT's network, places from 2 on.

fairseq counts places from the id of [PAD] on, so the first place of a text is pad_token_id + 1.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from filbert.checkpoint.families.bert import ENCODER, FIXED, FRACTIONS, WHOLE, WRITTEN
from filbert.checkpoint.families.family import CRF, Family, Fields, Kind, both
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError

PAD_ID = 1
"""What an absent pad_token_id means."""


def read_places(config: Mapping[str, Any], fields: Fields, where: str) -> Fields:
    """The rows of the position table → what the longest text is, and where its first place is."""
    pad, rows = config.get("pad_token_id", PAD_ID), fields["max_positions"]
    if type(pad) is not int or not 0 <= pad < rows - 1:
        raise CheckpointError(
            f"{where}: pad_token_id: expected a whole number below max_position_embeddings - 1 "
            f"({rows - 1}), for places are counted from it on; got {pad!r:.80}"
        )
    return {"positions_offset": pad + 1, "max_positions": rows - pad - 1}


def write_places(shape: Shape) -> Fields:
    """The same backwards."""
    return {
        "max_position_embeddings": shape.max_positions + shape.positions_offset,
        "pad_token_id": shape.positions_offset - 1,
    }


ROBERTA = Family(
    model_type="roberta",
    stem="Roberta",
    prefix="roberta.",
    whole=WHOLE,
    fractions=FRACTIONS,
    fixed=FIXED,
    written=WRITTEN,
    read_more=read_places,
    write_more=write_places,
    encoder=ENCODER,
    parts={
        "pooler": both("pooler", "pooler.dense"),
        "words": (
            *both("transform", "lm_head.dense"),
            *both("norm", "lm_head.layer_norm"),
            ("bias", ("lm_head.bias",)),
        ),
        # The layer below the labels is the classifier's own here, not the encoder's pooler.
        "classifier": (
            *both("pooler", "classifier.dense"),
            *both("output", "classifier.out_proj"),
        ),
        "labels": both("output", "classifier"),
        "crf": CRF,
        "span": both("span", "qa_outputs"),
    },
    kinds={
        "encoder": Kind(optional=("pooler",)),
        "masked": Kind(("words",), ("pooler",)),
        "classify": Kind(("classifier",)),
        "tag": Kind(("labels",), ("crf",)),
        "span": Kind(("span",)),
        # Here the encoder's own pooler is read.
        "choose": Kind(("pooler", "labels")),
    },
    copies=(
        ("lm_head.decoder.weight", "embeddings.word_embeddings.weight"),
        ("lm_head.decoder.bias", "lm_head.bias"),
    ),
)

XLM_ROBERTA = dataclasses.replace(ROBERTA, model_type="xlm-roberta", stem="XLMRoberta")
"""The same network; another vocabulary, so other class names."""
