"""Texts longer than the model: windows, cut, or refused; and what is said of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from filbert.checkpoint import model_tensors, save
from filbert.cli.main import main
from filbert.encoder import Encoder, Shape
from filbert.engine import Predictor, open_model
from filbert.errors import DataError, RequestError
from filbert.heads import build_model
from filbert.tasks import Classify, Embed, Pretrain, Task
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "中"]
SHAPE = Shape(
    depth=2, width=16, attention_heads=2, mlp_width=32, vocab=len(TOKENS), max_positions=16
)
LONG = "a b c d e f g h 中 " * 4  # 36 tokens


def opened(place: Path, task: Task) -> Predictor:
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tokenizer = Tokenizer(TOKENS)
    return open_model(
        save(place, model_tensors(model), shape=SHAPE, task=task, tokenizer=tokenizer)
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("long")


@pytest.fixture(scope="module")
def embedder(place: Path) -> Predictor:
    return opened(place / "embed", Embed(max_tokens=16, normalise=False))


@pytest.fixture(scope="module")
def classifier(place: Path) -> Predictor:
    return opened(place / "classify", Classify(labels=("x", "y", "z"), max_tokens=16))


@pytest.fixture(scope="module")
def filler(place: Path) -> Predictor:
    return opened(place / "fill", Pretrain(max_tokens=16))


def test_truncated_texts_are_what_transformers_cuts(
    classifier: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    folder = classifier.folder.path
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = LONG.split()
    pairs: list[Any] = [LONG, *[(" ".join(words[:n]), " ".join(words[:m]))
                                for n in (2, 6, 7, 30) for m in (3, 6, 7, 30)]]  # fmt: skip
    with caplog.at_level("WARNING", "filbert"):
        answers = classifier.classify(pairs, long="truncate")
    cuts = []
    for pair, answer in zip(pairs, answers, strict=True):
        texts = [pair] if isinstance(pair, str) else list(pair)
        cut = tokenizer(*texts, truncation=True, max_length=16, return_tensors="pt")
        with torch.no_grad():
            theirs = model(**cut).logits.softmax(1)[0].numpy()
        assert np.allclose(list(answer.probabilities.values()), theirs, atol=1e-5), pair
        cuts.append(len(tokenizer(*texts)["input_ids"]) - cut["input_ids"].shape[1])
    assert [answer.tokens_cut for answer in answers] == cuts
    assert max(cuts) == 36 + 2 - 16 + 25
    assert f"{sum(cuts)} tokens were cut from texts longer than 16 tokens" in caplog.text


def test_an_error_names_the_text_its_tokens_and_the_limit(
    classifier: Predictor, embedder: Predictor
) -> None:
    with pytest.raises(RequestError, match=r"^text 2 has 38 tokens, special ones included; .* 16$"):
        classifier.classify(["a", LONG], long="error")
    with pytest.raises(RequestError, match=r"^text 1 has 40 tokens, .*; expected at most 16$"):
        classifier.classify([("a", LONG)], long="error")
    assert len(embedder.embed(["a " * 14], long="error")) == 1
    with pytest.raises(RequestError, match="text 1 has 17 tokens"):
        embedder.embed(["a " * 15], long="error")
    with pytest.raises(RequestError, match=r"long: expected windows, truncate, error, got 'cut'"):
        embedder.embed(["a"], long="cut")
    for wrong in (-1, 1.5, "3", None):
        with pytest.raises(RequestError, match="overlap_tokens: expected a whole number from 0 on"):
            embedder.embed(["a"], overlap_tokens=wrong)
    with pytest.raises(RequestError, match=r"overlap_tokens is for windows; long is 'truncate'"):
        embedder.embed(["a"], long="truncate", overlap_tokens=2)
    with pytest.raises(DataError, match=r"windows of 14 .* overlap by 14; .* at most 13$"):
        embedder.embed(["a"], overlap_tokens=14)


@pytest.mark.parametrize("overlap", [0, 1, 5, 9])
def test_a_long_texts_vector_is_its_windows_mean_by_own_tokens(
    embedder: Predictor, overlap: int
) -> None:
    task = embedder.task
    (rows,) = task.rows_of([{"text": LONG}], overlap_tokens=overlap)
    words = LONG.split()
    (answer,) = embedder.embeddings([LONG], overlap_tokens=overlap)
    starts = [int(row.offsets[1, 0]) // 2 for row in rows if row.offsets is not None]
    vectors = embedder.embed(
        [" ".join(words[s : s + len(r) - 2]) for s, r in zip(starts, rows, strict=True)]
    )
    # Each token's weight is shared by the windows that it counts to: whole tokens, half an overlap.
    weights = np.array([len(row) for row in rows], float)
    weights[1:] -= overlap // 2
    weights[:-1] -= overlap - overlap // 2
    assert weights.sum() == answer.tokens == 36 + 2 * len(rows)
    expected = (vectors * weights[:, None]).sum(0) / weights.sum()
    assert np.allclose(answer.vector, expected, atol=1e-6)
    assert answer.tokens_cut == 0
    assert np.array_equal(embedder.embed([LONG], overlap_tokens=overlap)[0], answer.vector)


def test_a_mask_is_answered_where_it_has_most_context(filler: Predictor) -> None:
    words = LONG.split()
    for place in (0, 3, 13, 14, 20, 35):
        text = " ".join([*words[:place], "[MASK]", *words[place + 1 :]])
        ((answer,),) = filler.fill_mask([text])
        assert text[answer.start : answer.end] == "[MASK]"
        # Windows of 14 tokens that share 7 begin at 0, 7, 14, 21 (and a token to make them even).
        (rows,) = filler.task.rows_of([{"text": text}], overlap_tokens=7)
        contexts = {}
        for row in rows:
            for token in np.flatnonzero(row.token_ids == 4):
                assert row.offsets is not None
                first = int(np.flatnonzero(row.offsets[:, 1] > 0)[0])
                start = int(row.offsets[first, 0])
                piece = text[start : int(row.offsets[-2, 1])]
                contexts[piece] = min(token, len(row) - 1 - token)
        best = max(contexts, key=lambda piece: contexts[piece])
        ((alone,),) = filler.fill_mask([best])
        assert [g.token for g in alone.guesses] == [g.token for g in answer.guesses]
        assert np.allclose(
            [g.probability for g in alone.guesses], [g.probability for g in answer.guesses]
        )
    both = f"[MASK] {LONG} [MASK] a [MASK]"
    (answers,) = filler.fill_mask([both])
    assert [both[a.start : a.end] for a in answers] == ["[MASK]"] * 3
    assert answers[0].start == 0
    (cut,) = filler.fill_mask([both], long="truncate")
    assert (len(cut), cut[0].tokens_cut) == (1, 36 + 4 - 14)
    with pytest.raises(RequestError, match=r"no \[MASK\] in what is left after 23 tokens were cut"):
        filler.fill_mask([f"{LONG} [MASK]"], long="truncate")


def test_looking_inside_needs_one_sequence(classifier: Predictor) -> None:
    for look in (classifier.attention, classifier.hidden_states, classifier.inside):
        with pytest.raises(RequestError, match="text 1 has 38 tokens"):
            look(LONG)
        with pytest.raises(RequestError, match="long is 'error' or 'truncate', not 'windows'"):
            look(LONG, long="windows")
        assert look(LONG, long="truncate").tokens_cut == 22
    inside = classifier.inside("a b", "中 c")
    assert inside.tokens == ("[CLS]", "a", "b", "[SEP]", "中", "c", "[SEP]")
    assert inside.segments.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert inside.offsets.tolist() == [[0, 0], [0, 1], [2, 3], [0, 0], [0, 1], [2, 3], [0, 0]]
    assert {name: part.shape for name, part in inside.parts.items()} == dict.fromkeys(
        ("tokens", "positions", "segments"), (7, 16)
    )
    states = classifier.hidden_states("a b", "中 c")
    assert np.allclose(states.values, inside.hidden, atol=1e-5)
    assert states.values.shape == (3, 7, 16)
    seen = classifier.attention("a b", "中 c").weights
    assert np.array_equal(seen, inside.attention)
    assert seen.shape == (2, 2, 7, 7)
    assert inside.query.shape == inside.key.shape == inside.value.shape == (2, 2, 7, 8)
    scores = inside.query @ inside.key.swapaxes(2, 3) / np.sqrt(8)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert np.allclose(weights, inside.attention, atol=1e-5)
    theirs = transformers.AutoModel.from_pretrained(classifier.folder.path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier.folder.path)
    with torch.no_grad():
        outputs = theirs(**tokenizer("a b", "中 c", return_tensors="pt"), output_hidden_states=True)
    for ours, layer in zip(states.values, outputs.hidden_states, strict=True):
        assert np.allclose(ours, layer[0].numpy(), atol=1e-5)


def test_the_verbs_take_long_and_say_what_was_cut(
    filler: Predictor,
    classifier: Predictor,
    embedder: Predictor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "t.txt"
    file.write_text(f"a\n{LONG}\n", encoding="utf-8")
    verb = ["predict", str(classifier.folder.path), str(file), "--json"]
    assert main([*verb, "--long", "truncate"]) == 0
    answers = [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()]
    assert [answer["tokens_cut"] for answer in answers] == [0, 22]
    assert "22 tokens were cut from texts longer than 16 tokens" in caplog.text
    assert main([*verb, "--long", "error"]) == 1
    assert "t.txt:2 has 38 tokens" in capsys.readouterr().err
    embed = str(embedder.folder.path)
    assert main(["predict", embed, str(file), "--json", "--long", "truncate"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["tokens_cut"] for line in lines] == [0, 22]
    assert len(lines[0]["answer"]) == 16
    out = str(tmp_path / "v.npy")
    assert main(["embed", embed, str(file), "--out", out, "--overlap", "4", "--quiet"]) == 0
    assert np.allclose(np.load(out), embedder.embed(["a", LONG], overlap_tokens=4), atol=1e-6)
    fill = ["fill-mask", str(filler.folder.path), f"{LONG} [MASK]", "--json"]
    assert main(fill) == 0
    capsys.readouterr()
    assert main([*fill, "--long", "truncate"]) == 1
    assert "23 tokens were cut" in capsys.readouterr().err
