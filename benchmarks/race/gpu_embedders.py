"""Those who race on a GPU: texts in, normalised float32 rows out, whatever they compute in."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from filbert.batch import batches_by_tokens
from filbert.checkpoint import Folder
from filbert.device import pick_device
from filbert.engine import open_model
from filbert.engine.torch_engine import TorchEngine
from race.embedders import Embed

PACK_TOKENS = 32 * 1024
"""Of the network-alone row; about what open_model takes on a GPU."""


def filbert(folder: Path, device: str) -> Embed:
    """filbert as a user calls it, but that "bf16" is said: a CPU would else take float32."""
    return open_model(folder, device=device, precision="bf16").embed


def sentence_transformers(
    folder: Path, device: str, dtype: torch.dtype, batch: int, *, unpadded: bool = False
) -> Embed:
    """`encode` with its own sorting by length.

    unpadded: by the flash-attention wheel; raises ImportError where it is not installed.
    """
    from sentence_transformers import SentenceTransformer

    settings: dict[str, Any] = {"dtype": dtype}
    if unpadded:
        import_module("flash_attn")  # says more than transformers does where it is missing
        settings["attn_implementation"] = "flash_attention_2"
    model = SentenceTransformer(str(folder), device=device, model_kwargs=settings)
    if unpadded and not getattr(model[0], "can_flatten_inputs", False):
        raise ImportError("this sentence-transformers cannot leave padding out here")

    def embed(texts: Sequence[str]) -> Any:
        vectors = model.encode(
            list(texts),
            batch_size=batch,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.asarray(vectors, dtype=np.float32)

    return embed


def network_alone(folder: Path, device: str, texts: Sequence[str]) -> Callable[[], None]:
    """filbert's packs of these texts through the engine, again and again; no tokenising."""
    found = Folder(folder)
    task = found.task().with_tokenizer(found.tokenizer())
    rows = [row for each in task.rows_of([{"text": text} for text in texts]) for row in each]
    packs = [
        task.batch([rows[index] for index in group], 0, 0)
        for group in batches_by_tokens([len(row) for row in rows], PACK_TOKENS)
    ]
    engine = TorchEngine.open(found, task, pick_device(device), precision="bf16")

    def run() -> None:
        for _ in engine.run_all(packs):
            pass

    return run
