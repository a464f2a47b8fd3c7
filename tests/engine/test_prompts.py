"""Prompts and pooling, beside sentence-transformers on a model with random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from filbert.cli.main import main
from filbert.engine import open_model
from filbert.errors import RequestError, SettingsError
from filbert.tasks import Embed

TEXTS = ["the quick brown fox", "今天天气很好", "a naïve café 🙂 " * 3, "x"]
# The names that sentence-transformers always has, and one more.
PROMPTS = {"query": "query: ", "document": "passage： the ", "none": ""}


def sentence_model(
    place: Path, tokenizer: Path, pooling: str, *, include_prompt: bool, default: str | None
) -> tuple[SentenceTransformer, Path]:
    """A folder as sentence-transformers saves it, and the model that it came from."""
    torch.manual_seed(3)
    words = transformers.AutoTokenizer.from_pretrained(tokenizer)
    if tokenizer.name.startswith("modernbert"):
        config: transformers.PretrainedConfig = transformers.ModernBertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=64, pad_token_id=words.pad_token_id,
            bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
        )  # fmt: skip
        model: Any = transformers.ModernBertModel(config)
    else:
        config = transformers.RobertaConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=66, type_vocab_size=1,
        )  # fmt: skip
        model = transformers.RobertaModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    bare = place / "bare"
    model.save_pretrained(bare)
    words.save_pretrained(bare)
    modules = [
        Transformer(str(bare), max_seq_length=64),
        Pooling(32, pooling_mode=pooling, include_prompt=include_prompt),
        Normalize(),
    ]
    theirs = SentenceTransformer(
        modules=modules, prompts=PROMPTS, default_prompt_name=default, device="cpu"
    )
    theirs.save(str(place / "saved"), create_model_card=False)
    return theirs, place / "saved"


@pytest.mark.parametrize(
    ("kind", "pooling", "include_prompt"),
    [
        ("roberta", "mean", False),
        ("roberta", "cls", True),
        ("modernbert", "mean", True),
        ("modernbert", "max", False),
        ("xlm-roberta", "mean", False),
        ("xlm-roberta", "cls", False),
        ("xlm-roberta", "max", True),
    ],
)
def test_vectors_with_prompts_are_those_of_sentence_transformers(
    tokenizer_kinds: dict[str, Path],
    tmp_path: Path,
    kind: str,
    pooling: str,
    include_prompt: bool,
) -> None:
    default = "document" if pooling == "mean" else None
    theirs, folder = sentence_model(
        tmp_path, tokenizer_kinds[kind], pooling, include_prompt=include_prompt, default=default
    )
    ours = open_model(folder)
    assert isinstance(ours.task, Embed)
    assert dict(ours.task.prompts) == PROMPTS
    assert ours.task.include_prompt == include_prompt
    together = {}
    for name in ("query", "document", "none", None):
        expected = theirs.encode(TEXTS, prompt_name=name)
        together[name] = ours.embed(TEXTS, prompt=name)
        assert np.allclose((together[name] * expected).sum(1), 1, atol=1e-5), name
        assert np.allclose(together[name], expected, atol=1e-4), name
    assert not np.allclose(together["query"], together["document"], atol=1e-2)
    assert np.array_equal(together[None], together[default or "none"])


def test_prompts_of_long_texts_and_unknown_ones(
    tokenizer_kinds: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = sentence_model(
        tmp_path, tokenizer_kinds["modernbert"], "mean", include_prompt=False, default=None
    )
    ours = open_model(folder)
    task, words = ours.task, ours.task.tokenizer
    assert isinstance(task, Embed)
    long = "the quick brown fox jumps over " * 20
    (rows,) = task.rows_of([{"text": long}], prompt="query", overlap_tokens=6)
    prompt = words.encode("query: ", specials=False).token_ids.tolist()
    assert len(rows) > 2
    for row in rows[1:]:
        assert row.token_ids[1 : 1 + len(prompt)].tolist() == prompt
        assert row.prompt_tokens == 1 + len(prompt)
        assert len(row) <= 64
    (answer,) = ours.embeddings([long], prompt="query", overlap_tokens=6)
    text_tokens = len(words.encode("query: " + long, specials=False)) - len(prompt)
    assert answer.tokens == text_tokens + len(rows)  # and a [SEP] for each
    with pytest.raises(RequestError, match=r"'qery' .*: document, none, query; did you mean"):
        ours.embed(["x"], prompt="qery")
    with pytest.raises(RequestError, match=r"prompt: expected the name of a prompt, got \['query'"):
        ours.embed(["x"], prompt=["query"])
    file, out = tmp_path / "t.txt", tmp_path / "v.npy"
    file.write_text("\n".join(TEXTS), encoding="utf-8")
    verb = ["embed", str(folder), str(file), "--out", str(out), "--quiet"]
    assert main([*verb, "--prompt", "query"]) == 0
    assert np.allclose(np.load(out), ours.embed(TEXTS, prompt="query"), atol=1e-6)
    assert main([*verb, "--prompt", "quary"]) == 1
    assert "did you mean 'query'?" in capsys.readouterr().err
    with pytest.raises(SettingsError, match=r"task\.default_prompt 'q' is not one of .*: query$"):
        Embed(prompts={"query": "query: "}, default_prompt="q")
    crowded = Embed(max_tokens=4, prompts=PROMPTS).with_tokenizer(words)
    with pytest.raises(RequestError, match=r"a prompt of \d+ tokens leaves no room"):
        crowded.rows_of([{"text": "x"}], prompt="query")
