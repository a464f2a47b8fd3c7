"""The five models beside those of transformers: outputs, losses, gradients, a step, folders."""

import copy as copying

import numpy as np
import pytest
import torch
import transformers

import filbert
from filbert.checkpoint import read_model
from filbert.errors import FilbertError

CLOSE = 1e-5
SEQUENCES, LENGTH, LABELS = 4, 11, 5
RIGHT = [11, 4, 7, 1]

KINDS = [
    "BertModel",
    "BertForMaskedLM",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForQuestionAnswering",
]


def masks():
    """Padding on the right, on the left, and holes; the first place is real in the first only."""
    right = torch.arange(LENGTH) < torch.tensor(RIGHT)[:, None]
    holes = right.clone()
    holes[0, 3:6] = False
    holes[2, 1] = False
    return {"none": torch.ones_like(right), "right": right, "left": right.flip(1), "holes": holes}


def inputs(mask, vocab, seed=3):
    torch.manual_seed(seed)
    ids = torch.randint(0, vocab, mask.shape)
    ids[0, 1] = 0  # a [PAD] that is read as a token
    kinds = torch.randint(0, 2, mask.shape)
    return {
        "input_ids": ids.where(mask, 0),
        "attention_mask": mask.long(),
        "token_type_ids": kinds.where(mask, 0),
    }


def targets(kind, mask, vocab):
    torch.manual_seed(4)
    first = mask.int().argmax(dim=1)
    if kind == "BertForMaskedLM":
        labels = torch.randint(0, vocab, mask.shape)
        return {"labels": labels.where(mask & (torch.rand(mask.shape) < 0.6), -100)}
    if kind == "BertForSequenceClassification":
        return {"labels": torch.randint(0, LABELS, (SEQUENCES,))}
    if kind == "BertForTokenClassification":
        return {"labels": torch.randint(0, LABELS, mask.shape).where(mask, -100)}
    if kind == "BertForQuestionAnswering":
        return {"start_positions": first, "end_positions": torch.tensor([99, 3, 5, 0]).max(first)}
    return {}


def pair(write, kind, **changes):
    labels = {} if kind in ("BertModel", "BertForMaskedLM") else {"num_labels": LABELS}
    if kind == "BertForQuestionAnswering":
        labels = {}
    theirs, folder = write(getattr(transformers, kind), **labels, **changes)
    return getattr(filbert, kind).from_pretrained(folder), theirs


def gradients_by_our_names(theirs, path):
    """Their gradients, as the folder of a model whose weights they are gives them to us."""
    copy = copying.deepcopy(theirs)
    with torch.no_grad():
        for parameter, own in zip(copy.parameters(), theirs.parameters(), strict=True):
            parameter.copy_(own.grad)
    copy.save_pretrained(path)
    return {name: torch.tensor(value) for name, value in read_model(path).tensors.items()}


def assert_close(left, right, close=CLOSE):
    torch.testing.assert_close(left, right, rtol=0, atol=close)


@pytest.mark.parametrize("place", ["none", "right", "left", "holes"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_at_real_tokens(write, kind, place):
    ours, theirs = pair(write, kind)
    mask = masks()[place]
    given = inputs(mask, theirs.config.vocab_size)
    more = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        mine, other = ours(**given, **more), theirs(**given, **more)
    assert list(mine.keys()) == [name for name in other if name != "cross_attentions"]
    for name in ("last_hidden_state", "logits", "start_logits", "end_logits"):
        if name in mine:
            if mine[name].shape[:2] == mask.shape:
                assert_close(mine[name][mask], other[name][mask])
                lowest = torch.finfo(torch.float32).min if "_logits" in name else 0
                assert (mine[name][~mask] == lowest).all()
    if place != "left":  # there it is of the first real token: the test below
        for name in {"pooler_output", "logits"} & {*mine.keys()}:
            if len(mine[name].shape) == 2:
                assert_close(mine[name], other[name])
    for state, expected in zip(mine.hidden_states, other.hidden_states, strict=True):
        assert_close(state[mask], expected[mask])
        assert not state[~mask].any()
    for weights, expected in zip(mine.attentions, other.attentions, strict=True):
        assert weights.shape == expected.shape
        assert_close(weights.transpose(1, 2)[mask], expected.transpose(1, 2)[mask])
        assert not weights.transpose(1, 2)[~mask].any()


def test_with_padding_on_the_left_the_first_real_token_is_pooled(write):
    ours, theirs = pair(write, "BertModel")
    mask = masks()["left"]
    given = inputs(mask, theirs.config.vocab_size)
    with torch.no_grad():
        hidden = theirs(**given).last_hidden_state
        first = hidden[torch.arange(SEQUENCES), mask.int().argmax(dim=1)]
        expected = theirs.pooler(first[:, None])
        assert_close(ours(**given).pooler_output, expected)


def losses(kind, ours, theirs, given, more):
    """Our loss of the batch; theirs, of which a span's is the mean of unpadded texts."""
    mine = ours(**given, **more)
    if kind == "BertModel":
        real = given["attention_mask"].bool()
        other = theirs(**given)
        torch.manual_seed(5)
        weights = torch.randn(int(real.sum()), 16)
        return tuple(
            (out.last_hidden_state[real] * weights).sum() + out.pooler_output.pow(2).sum()
            for out in (mine, other)
        )
    if kind != "BertForQuestionAnswering":
        return mine.loss, theirs(**given, **more).loss
    parts = []
    for row, length in enumerate(RIGHT):
        alone = {name: value[row : row + 1, :length] for name, value in given.items()}
        out = theirs(**alone)
        for name in ("start", "end"):
            place = more[f"{name}_positions"][row : row + 1]
            if place < LENGTH:
                logits = out[f"{name}_logits"]
                parts.append((name, torch.nn.functional.cross_entropy(logits, place)))
    means = [
        torch.stack([loss for n, loss in parts if n == name]).mean() for name in ("start", "end")
    ]
    return mine.loss, sum(means) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_loss_gradients_and_a_step(write, tmp_path, kind):
    ours, theirs = pair(write, kind)
    mask = masks()["right"]
    given = inputs(mask, theirs.config.vocab_size)
    more = targets(kind, mask, theirs.config.vocab_size)
    mine, other = losses(kind, ours, theirs, given, more)
    assert_close(mine, other)
    mine.backward()
    other.backward()
    gradients = gradients_by_our_names(theirs, tmp_path / "gradients")
    own = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert gradients.keys() == own.keys()
    for name, gradient in own.items():
        assert_close(gradient, gradients[name])
    for model in (ours, theirs):
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    ours.save_pretrained(tmp_path / "out")
    again, report = getattr(transformers, kind).from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, value in theirs.state_dict().items():
        assert_close(again.state_dict()[name], value, close=1e-6)


@pytest.mark.parametrize(
    ("count", "problem", "labels"),
    [
        (1, None, torch.tensor([0.5, -1.0, 2.0, 0.0])),
        (3, None, torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])),
        (3, None, torch.tensor([0, 2, 1, 1])),
        (3, "regression", torch.randn(4, 3)),
        (2, "multi_label_classification", torch.ones(4, 2)),
    ],
)
def test_kinds_of_classification(write, tmp_path, count, problem, labels):
    theirs, folder = write(
        transformers.BertForSequenceClassification, num_labels=count, problem_type=problem
    )
    ours = filbert.BertForSequenceClassification.from_pretrained(folder)
    given = inputs(masks()["right"], theirs.config.vocab_size)
    assert_close(ours(**given, labels=labels).loss, theirs(**given, labels=labels).loss)
    ours.save_pretrained(tmp_path / "out")
    again = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert (again.problem_type, again.num_labels) == (problem, count)


def test_positions_and_defaults(write):
    ours, theirs = pair(write, "BertModel")
    mask = masks()["holes"]
    given = inputs(mask, theirs.config.vocab_size)
    with torch.no_grad():
        for extra in (
            {"position_ids": torch.arange(LENGTH).flip(0)[None]},
            {"position_ids": torch.randint(0, 24, mask.shape)},
        ):
            mine, other = ours(**given, **extra), theirs(**given, **extra)
            assert_close(mine.last_hidden_state[mask], other.last_hidden_state[mask])
        ids = given["input_ids"]
        assert_close(ours(ids)[0], theirs(ids, attention_mask=torch.ones_like(ids))[0])
        both = ours(ids, mask), ours(ids, mask.float())
        assert torch.equal(both[0].last_hidden_state, both[1].last_hidden_state)


def test_dropout_is_what_the_config_says(write):
    ours, _ = pair(
        write,
        "BertForTokenClassification",
        hidden_dropout_prob=0.25,
        attention_probs_dropout_prob=0.4,
        classifier_dropout=0.75,
    )
    encoder = ours.encoder
    assert (encoder.dropout_fraction, encoder.attention_dropout_fraction) == (0.25, 0.4)
    assert ours.head.dropout_fraction == 0.75
    given = inputs(masks()["right"], ours.config.vocab_size)
    assert torch.equal(ours(**given).logits, ours(**given).logits)
    ours.train()
    assert not torch.equal(ours(**given).logits, ours(**given).logits)
    for part in ("dropout_fraction", "attention_dropout_fraction"):
        # each of the two alone makes a difference in training
        encoder.dropout_fraction = encoder.attention_dropout_fraction = 0.0
        ours.head.dropout_fraction = 0.0
        assert torch.equal(ours(**given).logits, ours(**given).logits)
        setattr(encoder, part, 0.5)
        assert not torch.equal(ours(**given).logits, ours(**given).logits)


def test_an_output_by_name_by_number_and_unpacked(write):
    ours, _ = pair(write, "BertForMaskedLM")
    mask = masks()["right"]
    given = inputs(mask, ours.config.vocab_size)
    output = ours(**given)
    assert output.loss is None
    assert output.logits is output["logits"] is output[0]
    assert (len(output), list(output.keys())) == (1, ["logits"])
    loss, logits = ours(**given, labels=given["input_ids"].where(mask, -100))
    assert (loss.shape, logits.shape) == ((), (SEQUENCES, LENGTH, ours.config.vocab_size))
    as_tuple = ours(**given, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], output.logits)
    assert dict(output).keys() == {"logits"}
    with pytest.raises(AttributeError, match="pooler_output"):
        _ = output.pooler_output


def test_what_the_folder_lacks_is_drawn_and_named(write):
    theirs, folder = write(transformers.BertForMaskedLM)
    with pytest.warns(UserWarning, match=r"no head.pooler.weight, .*head.output.bias; drawn anew"):
        model = filbert.BertForSequenceClassification.from_pretrained(folder, num_labels=3)
    assert model.config.num_labels == 3
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    given = inputs(masks()["right"], theirs.config.vocab_size)
    assert model(**given).logits.shape == (SEQUENCES, 3)
    assert torch.equal(model.get_input_embeddings().weight, theirs.get_input_embeddings().weight)
    with pytest.warns(UserWarning, match="head.pooler.weight"):
        filbert.BertModel.from_pretrained(folder)


def test_labels_by_name(write):
    names = {0: "neg", 1: "pos"}
    theirs, folder = write(transformers.BertForSequenceClassification, id2label=names)
    model = filbert.BertForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == names
    assert model.config.label2id == {"neg": 0, "pos": 1}
    with pytest.raises(FilbertError, match=r"head.output.weight has the sizes \[2, 16\]"):
        filbert.BertForSequenceClassification.from_pretrained(folder, num_labels=4)
    with pytest.warns(UserWarning, match="has no head.output.weight, head.output.bias"):
        model = filbert.BertForSequenceClassification.from_pretrained(
            folder, id2label={0: "a", 1: "b", 2: "c"}, ignore_mismatched_sizes=True
        )
    assert model.config.num_labels == 3
    assert torch.equal(model.head.pooler.weight, theirs.bert.pooler.dense.weight)


def test_the_module_is_like_any_other(write):
    ours, theirs = pair(write, "BertForMaskedLM")
    assert ours.num_parameters() == theirs.num_parameters()
    assert not ours.training
    assert ours.train().training
    assert ours.device == torch.device("cpu")
    assert ours.to(torch.float64).dtype == torch.float64
    copy, theirs = pair(write, "BertForMaskedLM", place="other", seed=9)
    twin = copying.deepcopy(copy)
    with torch.no_grad():
        twin.get_input_embeddings().weight.zero_()
    ids = torch.tensor([[2, 5, 3]])
    assert torch.equal(twin(ids).logits[0, 1], twin.head.bias), "tied in the copy, too"
    assert copy(ids).logits.abs().max() > 1
    copy.load_state_dict(ours.state_dict())
    for name, value in copy.state_dict().items():
        assert_close(value.double(), ours.state_dict()[name])


def test_config_is_read_only(write):
    ours, theirs = pair(write, "BertModel")
    for name in (
        "hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size "
        "max_position_embeddings type_vocab_size layer_norm_eps hidden_dropout_prob "
        "attention_probs_dropout_prob hidden_act model_type num_labels id2label pad_token_id"
    ).split():
        assert getattr(ours.config, name) == getattr(theirs.config, name), name
    with pytest.raises(AttributeError, match=r"read only.*from_pretrained\(…, num_labels=3"):
        ours.config.num_labels = 3
    with pytest.raises(AttributeError, match="no 'rope_theta'"):
        _ = ours.config.rope_theta


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu(write, kind):
    ours, theirs = pair(write, kind)
    given = inputs(masks()["holes"], theirs.config.vocab_size)
    more = targets(kind, masks()["holes"], theirs.config.vocab_size)
    expected = ours(**given, **more)
    ours.to("cuda")
    mine = ours(**{name: value.to("cuda") for name, value in {**given, **more}.items()})
    for name, value in expected.items():
        torch.testing.assert_close(mine[name].cpu(), value, rtol=0, atol=1e-4)
    with torch.autocast("cuda", torch.bfloat16):
        half = ours(**{name: value.to("cuda") for name, value in {**given, **more}.items()})
    (half.loss if "loss" in half else half[0].float().sum()).backward()
    assert np.isfinite(float(next(ours.parameters()).grad.sum()))
