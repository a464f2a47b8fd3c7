"""README.md of a folder: what a stranger must know, and no markup from data."""

import json
import re

from filbert.checkpoint import Card

HOSTILE = "<script>alert(1)</script> | [x](http://evil) `a` *b* \x1b[31m \u202e\n# head"


def test_the_card_names_data_licences_settings_and_scores(save_tiny):
    card = Card(
        title="Docstrings",
        text="Which part of the library?",
        languages=("en", "zh"),
        licence="apache-2.0",
        started_from="all-MiniLM-L6-v2",
        data=(("Python's docstrings", "PSF-2.0"),),
        settings=(("train.peak_lr", "0.0003"),),
    )
    folder = save_tiny("classify", card=card, scores={"macro_f1": 0.61234567, "by_label": {"x": 1}})
    text = (folder.path / "README.md").read_text(encoding="utf-8")
    assert text.startswith('---\nlanguage: ["en", "zh"]\nlicense: "apache-2.0"\npipeline_tag: ')
    for part in (
        "# Docstrings\n",
        "Which part of the library?",
        "all-MiniLM-L6-v2",
        "| Python's docstrings | PSF-2.0 |",
        "| macro\\_f1 | 0.6123 |",
        "| train.peak\\_lr | 0.0003 |",
        "| task.max\\_tokens | 16 |",
        "| depth | 2 |",
        "model.classify(",
    ):
        assert part in text, part


def test_a_card_without_words_says_so(save_tiny):
    for name, call in (("pretrain", "fill_mask"), ("embed", "embed")):
        text = (save_tiny(name, place=name).path / "README.md").read_text(encoding="utf-8")
        assert "Not stated. Ask whoever gave you this folder" in text
        assert "Not measured." in text
        assert f"model.{call}(" in text


def test_the_card_is_read_by_the_hub(save_tiny):
    from huggingface_hub import ModelCard

    card = Card(languages=("zh",), licence='a: "b"\n---\nx: 1', data=(("x", "y"),))
    folder = save_tiny(card=card)
    found = ModelCard.load(folder.path / "README.md").data
    assert found.license == 'a: "b"\n---\nx: 1'
    assert found.language == ["zh"]
    assert found.pipeline_tag == "sentence-similarity"
    assert found.tags == ["bert", "filbert"]


def test_no_markup_from_data(save_tiny):
    card = Card(
        title=HOSTILE,
        text=HOSTILE,
        started_from=HOSTILE,
        data=((HOSTILE, HOSTILE),),
        settings=((HOSTILE, HOSTILE),),
    )
    folder = save_tiny("classify", card=card, scores={HOSTILE: HOSTILE, "n": [1] * 999})
    text = (folder.path / "README.md").read_text(encoding="utf-8")
    body = text.split("---\n", 2)[2]
    assert "<" not in body
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"(?<!\\)\[x", body)
    assert len(re.findall(r"^# ", body, re.MULTILINE)) == 1
    assert max(len(line) for line in text.splitlines()) < 2_000
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert json.loads((folder.path / "scores.json").read_text())["scores"][HOSTILE] == HOSTILE
