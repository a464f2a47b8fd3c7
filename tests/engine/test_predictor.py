"""Filling masks and classifying with models that were trained a moment ago."""

from pathlib import Path

import numpy as np
import pytest

import filbert
from filbert.checkpoint import Folder
from filbert.corpus import Document
from filbert.engine import Predictor, evaluate, open_model
from filbert.errors import CheckpointError, DataError, RequestError, SettingsError
from filbert.shards import write_shards
from filbert.tokenizer import learn_wordpiece
from filbert.train import Plan, finetune, make_plan

SENTENCES = [
    f"the {animal} {verb} the {thing} ."
    for animal in ("cat", "dog", "bird", "fox")
    for verb in ("sees", "eats", "likes", "hides")
    for thing in ("ball", "bone", "seed", "nest")
]
EXAMPLES = [
    {"text": sentence, "label": "sees" if "sees" in sentence else "other"} for sentence in SENTENCES
]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(
        {
            "preset": "bert-tiny",
            "shape": {
                "depth": 2,
                "width": 64,
                "attention_heads": 2,
                "mlp_width": 128,
                "max_positions": 32,
                "dropout_fraction": 0.0,
            },
            "task": {"max_tokens": 32},
            "train": {"steps": 150, "batch_tokens": 256, "peak_lr": 3e-3},
        }
    )


@pytest.fixture(scope="module")
def pretrained(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    place = tmp_path_factory.mktemp("engine")
    documents = [
        Document(s, "s", f"line {n}", sentence_ends=[len(s)]) for n, s in enumerate(SENTENCES)
    ]
    tokenizer = learn_wordpiece(SENTENCES, 100)
    write_shards(documents, tokenizer, place / "shards")
    return filbert.pretrain(place / "shards", place / "run", plan=plan)


@pytest.fixture(scope="module")
def classifier(pretrained: Folder, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    place = tmp_path_factory.mktemp("classifier")
    return finetune("classify", EXAMPLES, place / "run", start=pretrained, dev=EXAMPLES, plan=plan)


@pytest.fixture(scope="module")
def filler(pretrained: Folder) -> Predictor:
    return open_model(pretrained)


def test_it_learnt_what_can_stand_there(filler: Predictor) -> None:
    (answer,) = filler.fill_mask(["the [MASK] sees the ball ."])
    assert {guess.token for guess in answer[0].guesses[:4]} == {"cat", "dog", "bird", "fox"}
    assert (answer[0].start, answer[0].end) == (4, 10)
    probabilities = [guess.probability for guess in answer[0].guesses]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1 + 1e-6


def test_every_mask_of_a_long_text_is_answered_once_in_its_place(
    filler: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    text = "the [MASK] sees the ball . the cat [MASK] the bone . " * 12
    with caplog.at_level("WARNING", "filbert"):
        (answer,) = filler.fill_mask([text])
    assert "1 of 1 texts are longer than 32 tokens" in caplog.text
    places = [place for place in range(len(text)) if text.startswith("[MASK]", place)]
    assert [filled.start for filled in answer] == places
    assert all(text[filled.start : filled.end] == "[MASK]" for filled in answer)


def test_answers_come_in_the_order_of_the_texts(filler: Predictor) -> None:
    texts = ["the cat [MASK] the ball .", "[MASK] cat", "the cat sees the [MASK] . " * 3]
    together = filler.fill_mask(texts)
    assert [len(answer) for answer in together] == [1, 1, 3]
    for text, answer in zip(texts, together, strict=True):
        (alone,) = filler.fill_mask(text)
        for mine, other in zip(alone, answer, strict=True):
            assert [g.token for g in mine.guesses] == [g.token for g in other.guesses]


def test_a_text_without_a_mask_is_named(filler: Predictor) -> None:
    with pytest.raises(RequestError, match=r"text 2 has no \[MASK\]: 'the cat'"):
        filler.fill_mask(["[MASK]", "the cat"])


def test_a_pretrained_model_embeds_too(filler: Predictor) -> None:
    vectors = filler.embed(["the cat", "the dog"])
    assert vectors.shape == (2, 64)


def test_classification_and_its_evaluation(classifier: Folder) -> None:
    model = open_model(classifier)
    answers = model.classify([example["text"] for example in EXAMPLES])
    right = np.mean([a.label == e["label"] for a, e in zip(answers, EXAMPLES, strict=True)])
    assert right == classifier.scores()["accuracy"] > 0.9
    answered = evaluate(classifier, EXAMPLES)
    assert answered.scores == classifier.scores()
    with pytest.raises(RequestError, match="cannot fill_mask: it was made for classify"):
        model.fill_mask("a [MASK]")


def test_pairs_and_long_texts_classify(
    classifier: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    model = open_model(classifier)
    with caplog.at_level("WARNING", "filbert"):
        answers = model.classify([("the cat", "sees it"), "the dog sees the bone . " * 20])
    assert len(answers) == 2
    assert "1 of 2 texts are longer than 32 tokens" in caplog.text
    assert abs(sum(answers[1].probabilities.values()) - 1) < 1e-6


def test_a_run_folder_opens_at_its_newest_checkpoint(pretrained: Folder) -> None:
    assert open_model(pretrained.path.parent).folder.path == pretrained.path


def test_what_cannot_be_opened_or_learnt_is_said(
    pretrained: Folder, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="there is nothing"):
        open_model(tmp_path / "gone")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        open_model(tmp_path)
    out = tmp_path / "a"
    with pytest.raises(DataError, match="example 1: expected a label, there is none"):
        finetune("classify", [{"text": "a"}] * 20, out, start=pretrained, plan=plan)
    with pytest.raises(SettingsError, match="at least two different labels"):
        finetune("classify", [{"text": "a", "label": "x"}] * 20, out, start=pretrained, plan=plan)
    with pytest.raises(SettingsError, match="no task 'clasify'; did you mean 'classify'"):
        finetune("clasify", EXAMPLES, out, start=pretrained, plan=plan)
    with pytest.raises(DataError, match="expected a number as its label, got '好'"):
        finetune("regress", [{"text": "a", "label": "好"}] * 9, out, start=pretrained, plan=plan)


def test_fresh_weights_are_not_the_pretrained_ones(
    pretrained: Folder, plan: Plan, tmp_path: Path
) -> None:
    one = ["train.steps=1", "train.peak_lr=1e-9"]
    folders = [
        finetune(
            "classify",
            EXAMPLES,
            tmp_path / str(fresh),
            start=pretrained,
            dev=EXAMPLES,
            fresh=fresh,
            plan=plan,
            settings=one,
        )
        for fresh in (False, True)
    ]
    base = open_model(pretrained).embed(["the cat sees"])
    assert np.allclose(open_model(folders[0]).embed(["the cat sees"]), base, atol=1e-4)
    assert not np.allclose(open_model(folders[1]).embed(["the cat sees"]), base, atol=1e-2)


def test_without_a_dev_set_a_tenth_is_split_off_and_said(
    pretrained: Folder, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from filbert.progress import plain

    folder = finetune(
        "classify",
        EXAMPLES,
        tmp_path / "run",
        start=pretrained,
        plan=plan,
        settings=["train.steps=2"],
        progress=plain(),
    )
    assert "no dev set given: 6 examples split off" in capsys.readouterr().err
    assert folder.scores()["examples"] == 6


def test_a_label_that_falls_into_the_dev_part_alone_is_known(
    pretrained: Folder, plan: Plan, tmp_path: Path
) -> None:
    rare = [{"text": f"the cat {number}", "label": f"l{number}"} for number in range(30)]
    folder = finetune(
        "classify", rare, tmp_path / "run", start=pretrained, plan=plan, settings=["train.steps=1"]
    )
    assert len(folder.labels()) == 30


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([{"text": "a"}], "example 1: expected a label, there is none"),
        ([{"text": "a", "label": "sees"}, {"text": "b"}], "example 2: expected a label"),
        ([{"text": None, "label": "sees"}], "example 1: expected text under 'text', got"),
        ([{"txt": "a", "label": "sees"}], "example 1: expected text under 'text'"),
        ([], "at least one; got 0"),
    ],
)
def test_examples_that_cannot_be_scored_are_named(
    classifier: Folder, examples: list[dict[str, str]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(classifier, examples)


def test_scored_texts_of_equal_length_hide_different_places(pretrained: Folder) -> None:
    answered = evaluate(pretrained, [{"text": sentence} for sentence in SENTENCES])
    places = {filled.position for answer in answered.answers for filled in answer}
    assert len(places) > 3


def test_unknown_precision_is_refused(pretrained: Folder) -> None:
    with pytest.raises(filbert.FilbertError, match="precision 'fp16': expected auto, fp32 or bf16"):
        open_model(pretrained, precision="fp16").embed(["a"])
