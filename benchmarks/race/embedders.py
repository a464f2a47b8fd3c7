"""Three ways to make the vectors of a folder: texts in, normalised float32 rows out."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]

SENTENCE_TRANSFORMERS_BATCH = 32  # its default
CTRANSLATE2_BATCH = 8  # the fastest found on AVX2


def filbert(folder: Path, scratch: Path, threads: int) -> Embed:
    """filbert as a user calls it, all settings left alone."""
    from filbert.engine import open_model

    return open_model(folder, device="cpu").embed


def sentence_transformers(folder: Path, scratch: Path, threads: int) -> Embed:
    """`encode` with its own sorting by length."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def embed(texts: Sequence[str]) -> Vectors:
        return np.asarray(
            model.encode(
                list(texts),
                batch_size=SENTENCE_TRANSFORMERS_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        )

    return embed


def convert_to_ctranslate2(folder: Path, scratch: Path) -> Path:
    """CTranslate2's form of the folder, by its own converter; made once."""
    import transformers  # noqa: F401  (the converter reads the model by it)
    from ctranslate2.converters import TransformersConverter

    converted = scratch / "ctranslate2"
    if not converted.exists():
        TransformersConverter(str(folder)).convert(str(converted))
    return converted


def ctranslate2_alone(folder: Path, scratch: Path, threads: int) -> Embed:
    """CTranslate2 as it answers a single text fastest: one worker, all threads inside of it."""
    return ctranslate2(folder, scratch, threads, workers=1)


def ctranslate2(folder: Path, scratch: Path, threads: int, workers: int = 0) -> Embed:
    """CTranslate2 in float32, batches of like length.

    workers: 0 is one of one thread for each thread, the fastest for many texts.
    """
    import ctranslate2
    from tokenizers import Tokenizer

    workers = workers or threads
    encoder = ctranslate2.Encoder(
        str(convert_to_ctranslate2(folder, scratch)),
        device="cpu",
        compute_type="float32",
        inter_threads=workers,
        intra_threads=threads // workers,
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer.enable_truncation(limit)
    # forward_batch gives the GIL back and takes a free worker: a caller each keeps all at work.
    callers = ThreadPoolExecutor(workers)

    def answer(ids: list[list[int]]) -> Vectors:
        output: Any = encoder.forward_batch(ids)
        hidden = np.array(output.last_hidden_state)
        sums = [vectors[: len(i)].sum(axis=0) for vectors, i in zip(hidden, ids, strict=True)]
        # The mean's divisor falls out of the normalised vector.
        summed = np.stack(sums)
        normalised: Vectors = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        return normalised

    def embed(texts: Sequence[str]) -> Vectors:
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]), reverse=True)
        batches = [
            [ids[index] for index in order[start : start + CTRANSLATE2_BATCH]]
            for start in range(0, len(order), CTRANSLATE2_BATCH)
        ]
        sorted_vectors = np.concatenate(list(callers.map(answer, batches)))
        vectors = np.empty_like(sorted_vectors)
        vectors[order] = sorted_vectors
        return vectors

    return embed
