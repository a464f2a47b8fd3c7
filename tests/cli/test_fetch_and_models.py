"""filbert fetch and filbert models, as a person meets them."""

import json

import pytest

from filbert.checkpoint import Card, Folder, model_tensors, save
from filbert.checkpoint.guide import read_guide
from filbert.cli.main import main
from filbert.encoder import Encoder, Shape
from filbert.heads import build_model
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "中"]
SHAPE = Shape(depth=2, width=8, attention_heads=2, mlp_width=12, vocab=8, max_positions=16)


@pytest.fixture
def say(capsys):
    """say("models") → exit code and what was printed."""

    def run(*words):
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def saved(tmp_path):
    task = Pretrain(max_tokens=16).with_tokenizer(Tokenizer(TOKENS))
    return save(
        tmp_path / "model",
        model_tensors(build_model(Encoder(SHAPE), task)),
        shape=SHAPE,
        task=task,
        tokenizer=Tokenizer(TOKENS),
        card=Card(licence="apache-2.0"),
    )


def test_fetch_says_where_it_is_how_large_and_what_it_is(hub, saved, say):
    commit = hub.add("bert-base-uncased", saved.path)
    code, out, err = say("fetch", "bert-base-uncased", "--quiet")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].endswith(commit)
    assert Folder(lines[0]).digest() == saved.digest()
    size = sum(path.stat().st_size for path in saved.path.iterdir())
    assert lines[1:] == [
        f"size: {size / 1e6:,.1f} MB",
        "licence: apache-2.0",
        "model: bert, depth 2 × width 8, vocabulary 8, 16 tokens at most, task pretrain",
    ]
    newer = hub.add("bert-base-uncased", saved.path, more={"README.md": b"no licence"})
    assert say("fetch", "bert-base-uncased")[1].splitlines()[0] == lines[0]
    out = say("fetch", "bert-base-uncased", "--refresh")[1]
    assert newer in out
    assert "licence: not stated" in out
    assert say("fetch", "bert-base-uncased", "--revision", commit)[1].splitlines()[0] == lines[0]


def test_fetch_shows_progress_and_says_what_filbert_cannot_open(hub, saved, say):
    config = json.loads((saved.path / "config.json").read_text())
    strange = json.dumps(config | {"model_type": "gpt2", "architectures": ["GPT2Model"]}).encode()
    hub.add("org/gpt", saved.path, more={"config.json": strange, "task.json": b"{}"})
    code, out, err = say("fetch", "org/gpt")
    assert code == 1
    assert out.splitlines()[2] == "licence: apache-2.0"
    assert "fetching org/gpt" in err
    assert "this filbert cannot open it" in err


def test_every_verb_that_takes_a_model_takes_a_name(hub, saved, say):
    hub.add("org/model", saved.path)
    code, out, _ = say("fill-mask", "org/model", "a [MASK] b", "--device", "cpu")
    assert code == 0
    assert out
    assert say("fill-mask", "org/modle", "a")[2].startswith("filbert: org/modle: no folder here")


def test_the_guide_in_both_languages_and_as_json(say, monkeypatch):
    for variable in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    chinese = say("models")[1]
    assert "不访问网络" in chinese
    assert say("models", "--lang", "zh")[1] == chinese
    monkeypatch.setenv("LC_ALL", "C")
    english = say("models")[1]
    assert "calls no network" in english
    listed = [json.loads(line) for line in say("models", "--json")[1].splitlines()]
    assert len(listed) == len(read_guide()) >= 12
    for model in listed:
        for text in (english, chinese):
            assert f"\n{model['name']}\n" in text
            assert model["licence"] in text
        assert model["good_for"] in english
        assert model["good_for_zh"] in chinese
