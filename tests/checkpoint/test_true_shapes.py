"""Every tensor of published models, by true names and sizes, on torch's meta device."""

import gzip
import math

import pytest
import torch
import transformers

from filbert.checkpoint.config import family_of, kind_of, shape_of
from filbert.checkpoint.rename import expected_tensors, match
from filbert.tokenizer.storage import read_vocabulary

# The sizes in the models' own config.json; what is not named is the default of the class.
BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
LARGE = {**BASE, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
         "intermediate_size": 4096}  # fmt: skip
PLACES = {**BASE, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
PUBLISHED = {
    "bert-base-uncased": ("bert", {**BASE, "vocab_size": 30522}, 110_106_428),
    "bert-base-chinese": ("bert", {**BASE, "vocab_size": 21128}, 102_882_442),
    "bert-base-multilingual-cased": ("bert", {**BASE, "vocab_size": 119547}, 178_566_653),
    "bert-large-uncased": ("bert", {**LARGE, "vocab_size": 30522}, 336_226_108),
    "distilbert-base-uncased": ("distilbert", {"vocab_size": 30522}, 66_985_530),
    "roberta-base": ("roberta", {**PLACES, "vocab_size": 50265}, 124_697_433),
    "xlm-roberta-base": ("xlm-roberta", {**PLACES, "vocab_size": 250002}, 278_295_186),
    "ModernBERT-base": (
        "modernbert",
        {
            "global_attn_every_n_layers": 3,
            "global_rope_theta": 160000.0,
            "local_rope_theta": 10000.0,
            "local_attention": 128,
            "max_position_embeddings": 8192,
        },
        149_655_232,
    ),
}
"""model_type, sizes, and how many parameters the model with its own head has."""

CASES = [
    (name, kind)
    for name in PUBLISHED
    for kind in ("Model", "ForMaskedLM", "ForPreTraining", "ForSequenceClassification",
                 "ForTokenClassification", "ForQuestionAnswering")
    if kind != "ForPreTraining" or name.startswith("bert")
]  # fmt: skip


def on_meta(name, kind):
    family, sizes, _ = PUBLISHED[name]
    config = type(transformers.AutoConfig.for_model(family))(**sizes)
    stem = family_of({"model_type": family}, "").stem
    config.architectures = [stem + kind]
    with torch.device("meta"):
        model = getattr(transformers, stem + kind)(config)
    return model, config.to_dict()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_tensor_maps_there_and_back(name, kind):
    model, config = on_meta(name, kind)
    there = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    shape, family = shape_of(config, name), family_of(config, name)
    ours = kind_of(config, name)
    row = family.kinds[ours]
    count = 2 if ours in ("classify", "tag") else 0
    found = match(there, shape, family, required=row.parts, labels=count, where=name)
    copies = {left for left, _ in found.copies}
    back = {
        key: tensor.their_sizes
        for part in ("encoder", *row.parts, *row.optional)
        if part in found.sources
        for tensor in expected_tensors(part, family, shape, count, prefixed=kind != "Model")
        for key in tensor.theirs
    }
    assert back == {key: sizes for key, sizes in there.items() if key not in copies}
    used = {key for names in found.of((*row.parts, *row.optional)).values() for key in names}
    assert used == set(back)


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name):
    """That of the meta device is the published model, not another of the same class."""
    kind = "ForPreTraining" if name.startswith("bert") else "ForMaskedLM"
    model, _ = on_meta(name, kind)
    tied = {id(parameter): parameter for parameter in model.parameters()}
    assert sum(math.prod(one.shape) for one in tied.values()) == PUBLISHED[name][2]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("bert-base-uncased", "vocab-bert-base-uncased.txt.gz"),
        ("bert-base-chinese", "vocab-bert-base-chinese.txt"),
        ("bert-base-multilingual-cased", "vocab-mbert-cased-tydiqa-modified.txt.gz"),
    ],
)
def test_the_true_vocabulary_fits(shared_data, tmp_path, name, file):
    raw = (shared_data / "ckpt" / file).read_bytes()
    path = tmp_path / "vocab.txt"
    path.write_bytes(gzip.decompress(raw) if file.endswith(".gz") else raw)
    _, config = on_meta(name, "Model")
    assert len(read_vocabulary(path)) == shape_of(config, name).vocab
