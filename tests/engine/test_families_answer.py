"""Folders of other families, saved by transformers: the answers of its pipelines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from filbert.engine import open_model

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "DistilBert": (
        "distilbert",
        "modernbert",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 64},
    ),
    "Roberta": (
        "roberta",
        "roberta",
        SIZES | {"intermediate_size": 48, "max_position_embeddings": 66, "type_vocab_size": 1},
    ),
    "XLMRoberta": (
        "xlm-roberta",
        "xlm-roberta",
        SIZES | {"intermediate_size": 48, "max_position_embeddings": 66, "type_vocab_size": 1},
    ),
    "ModernBert": (
        "modernbert",
        "modernbert",
        SIZES | {"intermediate_size": 48, "max_position_embeddings": 64, "local_attention": 8,
                 "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
    ),
}  # fmt: skip
LABELS = ("不好", "good", "fine")


def saved(place: Path, name: str, suffix: str, tokenizer: Path) -> Any:
    """A random model of transformers, saved with a tokenizer; and that tokenizer."""
    torch.manual_seed(1)
    kind, _, sizes = MODELS[name]
    words = transformers.AutoTokenizer.from_pretrained(tokenizer)
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=len(words),
        pad_token_id=words.pad_token_id,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
        **sizes,
    )
    model = getattr(transformers, f"{name}{suffix}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(place)
    words.save_pretrained(place)
    return model, words


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_of_transformers(
    tokenizer_kinds: dict[str, Path], tmp_path: Path, name: str
) -> None:
    tokenizer = tokenizer_kinds[MODELS[name][1]]
    model, words = saved(tmp_path / "masked", name, "ForMaskedLM", tokenizer)
    mask = words.mask_token
    texts = [f"the {mask} fox 今天 {mask} 🙂", f"{mask}"]
    pipe = transformers.pipeline("fill-mask", model=model, tokenizer=words, device="cpu")
    ours = open_model(tmp_path / "masked")
    for text, answers in zip(texts, ours.fill_mask(texts), strict=True):
        theirs = pipe(text)
        theirs = theirs if isinstance(theirs[0], list) else [theirs]
        for answer, guesses in zip(answers, theirs, strict=True):
            assert text[answer.start : answer.end] == mask
            assert [g.token_id for g in answer.guesses] == [g["token"] for g in guesses]
            ours_likely = [g.probability for g in answer.guesses]
            assert np.allclose(ours_likely, [g["score"] for g in guesses], atol=1e-5)

    base = model.base_model
    plain = ["the fox", "a naïve café 🙂"]
    for text, vector in zip(plain, ours.embed(plain), strict=True):
        with torch.no_grad():
            hidden = base(**words(text, return_tensors="pt")).last_hidden_state[0]
        expected = torch.nn.functional.normalize(hidden.mean(0), dim=0)
        assert np.allclose(vector, expected.numpy(), atol=1e-5)

    model, words = saved(tmp_path / "classify", name, "ForSequenceClassification", tokenizer)
    pipe = transformers.pipeline(
        "text-classification", model=model, tokenizer=words, device="cpu", top_k=None
    )
    pairs = [("the quick fox", "今天天气 很好"), ("x", "a café 🙂")]
    ours = open_model(tmp_path / "classify")
    for pair, classified in zip(pairs, ours.classify(pairs), strict=True):
        theirs = {
            row["label"]: row["score"] for row in pipe({"text": pair[0], "text_pair": pair[1]})
        }
        assert theirs.keys() == dict(classified.probabilities).keys()
        for label, probability in classified.probabilities.items():
            assert probability == pytest.approx(theirs[label], abs=1e-5)
    inside = ours.inside(*pairs[0])
    second = [text for text, segment in zip(inside.tokens, inside.segments, strict=True) if segment]
    assert second[-1] == words.sep_token
    assert not any(token in ("the", "▁quick") for token in second)
    (start, end) = inside.offsets[len(inside.tokens) - 2].tolist()
    assert pairs[0][1][start:end] != ""


def test_a_tagger_tags_and_gives_vectors(tokenizer_kinds: dict[str, Path], tmp_path: Path) -> None:
    saved(tmp_path, "ModernBert", "ForTokenClassification", tokenizer_kinds["modernbert"])
    model = open_model(tmp_path)
    assert model.embed(["the quick fox"]).shape == (1, 32)
    (tagged,) = model.tag("the quick fox")
    # LABEL_0 and LABEL_1 are plain tags: each word has one.
    assert [entity.text for entity in tagged.entities] == ["the", "quick", "fox"]
