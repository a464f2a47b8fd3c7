"""Tiny models with random weights, drawn large enough that their attention is uneven."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from filbert.checkpoint import save
from filbert.encoder import Encoder, Shape
from filbert.engine import Predictor, open_model
from filbert.heads import build_model
from filbert.tasks import TASKS
from filbert.tokenizer import Tokenizer

PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "red", "##dish", "cat", "<", ">", "."),
    *("script", "alert", "(", ")", '"', "'", "/", "&", "我", "爱", "北", "京", "שלום"),
]
TINY = Shape(depth=3, width=24, attention_heads=2, mlp_width=32, vocab=len(PIECES))


@pytest.fixture(scope="session")
def open_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Predictor]:
    """open_tiny("pretrain", shape) → a Predictor."""

    def opened(task: str = "pretrain", shape: Shape = TINY) -> Predictor:
        torch.manual_seed(5)
        tokenizer = Tokenizer(PIECES)
        bound = TASKS[task](max_tokens=64).with_tokenizer(tokenizer)
        model = build_model(Encoder(shape), bound)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "norm" not in name:
                    weights.normal_(std=0.5)
        tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        path: Path = tmp_path_factory.mktemp("tiny") / "a<b>model"
        return open_model(
            save(path, tensors, shape=shape, task=bound, tokenizer=tokenizer), device="cpu"
        )

    return opened


@pytest.fixture(scope="session")
def tiny(open_tiny: Callable[..., Predictor]) -> Predictor:
    """Pre-trained in kind, random in fact."""
    return open_tiny()
