"""A real embedding model: the same vectors as transformers and sentence-transformers give."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import filbert
from filbert.checkpoint import Folder
from filbert.device import pick_device
from filbert.engine import Predictor, open_model, predictor
from filbert.engine.torch_engine import TorchEngine

TEXTS = [
    "A man is eating food.",
    "The cheetah is running behind its prey.",
    "我喜欢编程。",
    "",
    "naïve café — “quotes” & <b>tags</b>",
    "word " * 90,
    "Hello",
    *[
        f"This is sentence number {number}, and it {'goes on ' * (number % 7)}."
        for number in range(40)
    ],
]


@pytest.fixture(scope="module")
def model(minilm: Path) -> Predictor:
    return open_model(minilm)


def test_vectors_are_sentence_transformers(minilm: Path, model: Predictor) -> None:
    from sentence_transformers import SentenceTransformer

    wanted = SentenceTransformer(str(minilm), device="cpu").encode(TEXTS)
    got = model.embed(TEXTS)
    assert got.shape == (len(TEXTS), 384)
    assert got.dtype == np.float32
    cosine = (got * wanted).sum(axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.min() >= 0.99999
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)


def test_hidden_states_are_transformers(minilm: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    from filbert.checkpoint import load
    from filbert.encoder import to_tensors

    theirs, tokenizer = (
        AutoModel.from_pretrained(minilm).eval(),
        AutoTokenizer.from_pretrained(minilm),
    )
    folder = Folder(minilm)
    ours, task = load(folder).eval(), folder.task().with_tokenizer(folder.tokenizer())
    for text in TEXTS[:8]:
        (row,) = task.rows({"text": text})
        with torch.no_grad():
            hidden = ours.encoder(to_tensors(task.batch([row], 0, 0), folder.shape()))
            inputs = tokenizer(text, return_tensors="pt")
            assert inputs["input_ids"][0].tolist() == row.token_ids.tolist()
            wanted = theirs(**inputs).last_hidden_state[0]
        assert (hidden - wanted).abs().max() <= 1e-5


def test_a_text_has_one_vector_whatever_stands_beside_it(model: Predictor) -> None:
    together = model.embed(TEXTS)
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() <= 1e-6
    order = list(range(len(TEXTS)))
    random.Random(3).shuffle(order)
    assert np.abs(model.embed([TEXTS[i] for i in order]) - together[order]).max() <= 1e-6
    tiny = open_model(model.folder, batch_tokens=16, workers=1)
    assert np.abs(tiny.embed(TEXTS) - together).max() <= 1e-6


def test_long_texts_are_read_whole_and_said(
    model: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    limit = model.task.max_tokens
    start = "the same beginning of a text " * (limit // 6)
    ends = [start + "ends with a cat", start + "ends with quantum field theory"]
    with caplog.at_level("WARNING", "filbert"):
        vectors = model.embed(ends)
    assert f"2 of 2 texts are longer than {limit} tokens" in caplog.text
    assert vectors[0] @ vectors[1] < 0.9999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_many_threads_may_ask_at_once(model: Predictor) -> None:
    wanted = model.embed(TEXTS)
    answers: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        answers[number] = model.embed(TEXTS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(np.abs(answer - wanted).max() <= 1e-6 for answer in answers.values())


def test_the_number_of_threads_is_given_back(model: Predictor) -> None:
    before = torch.get_num_threads()
    model.embed(TEXTS * 3)
    assert torch.get_num_threads() == before


def test_runs_side_by_side_leave_all_threads_behind(minilm: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        folder = Folder(minilm)
        task = folder.task().with_tokenizer(folder.tokenizer())
        engine = TorchEngine.open(folder, task, pick_device("cpu"), workers=2)
        packs = [task.scored_batch(task.rows({"text": text}), 0) for text in TEXTS[:3]]
        first = engine.run_all(packs)
        next(first)
        with ThreadPoolExecutor(1) as other:
            second = other.submit(engine.run_all, packs).result()
            other.submit(next, second).result()
            list(first)
            other.submit(list, second).result()
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_the_models_own_attention_sums_to_one(model: Predictor) -> None:
    attention = model.attention("Tokens look at tokens")
    assert attention.tokens == ("[CLS]", "token", "##s", "look", "at", "token", "##s", "[SEP]")
    assert attention.weights.shape == (6, 12, 8, 8)
    assert np.allclose(attention.weights.sum(axis=-1), 1, atol=1e-5)


def test_what_it_was_not_made_for_it_says(
    model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(filbert.FilbertError, match="cannot fill_mask: it was made for embed"):
        model.fill_mask(["a [MASK]"])
    with pytest.raises(filbert.FilbertError, match="cannot classify"):
        model.classify(["a"])
    with pytest.raises(filbert.FilbertError, match="text 2: expected a text, got 3"):
        model.embed(["a", 3])  # type: ignore[list-item, unused-ignore]
    for nothing in (None, 3, {"text": "a"}):
        with pytest.raises(filbert.FilbertError, match="a string or a list of them; got"):
            model.embed(nothing)  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(filbert.FilbertError, match="at least one text"):
        model.embed([])
    with pytest.raises(filbert.FilbertError, match=r"text 1 has 602 tokens.* at most 256"):
        model.attention("word " * 600)
    monkeypatch.setattr(predictor, "MOST_WEIGHTS", 6 * 12 * 10**2)
    assert len(model.attention("one two three four five six seven eight").tokens) == 10
    with pytest.raises(filbert.FilbertError, match="which is 10 tokens of this model"):
        model.attention("one two three four five six seven eight nine")
