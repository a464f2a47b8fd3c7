"""What the story reads, and what it hides from itself."""

import importlib
import json
import random
from pathlib import Path

import pytest

from filbert.corpus import Document, near_duplicates
from filbert.errors import DataError, SettingsError
from filbert.quickstart import quickstart
from filbert.quickstart.texts import Texts, examples, gather, strip_names


@pytest.fixture(scope="module")
def library() -> Texts:
    return gather([])


def test_whole_files_are_held_out_with_their_near_duplicates(library: Texts) -> None:
    train = {document.source for document in library.train}
    held = {document.source for document in library.held_out}
    assert not train & held
    assert not library.by_document
    assert 0.08 < len(library.held_out) / len(library.train) < 0.25
    assert library.near > 0
    again = near_duplicates([d.text for d in library.train], of=[d.text for d in library.held_out])
    assert not again.any()


def test_every_label_can_be_learnt_and_scored(library: Texts) -> None:
    assert len(library.labels) >= 8
    for label in library.labels:
        learn = {d.source for d in library.train if d.label == label}
        scored = {d.source for d in library.held_out if d.label == label}
        assert learn
        assert scored


def test_no_label_can_be_read_off_the_text(library: Texts) -> None:
    for documents in (library.train, library.held_out):
        found = examples(documents, library.labels, strip=True)
        assert {e["label"] for e in found} <= set(library.labels)
        for example in found:
            assert example["label"].lower() not in example["text"].lower()


def test_names_go_with_all_that_holds_them() -> None:
    document = Document(
        "See email.message.Message and the emails of Email_x; message body.",
        "email/message.py",
        "line 1",
        "email",
    )
    assert strip_names(document) == "See and the of ; body."


def test_the_choice_is_the_same_each_time(library: Texts) -> None:
    again = gather([])
    assert [d.text for d in again.held_out] == [d.text for d in library.held_out]


WORDS = "river stone apple doctor window garden letter market bridge winter silver forest".split()


def write_folders(place: Path) -> None:
    for label in ("猫", "狗"):
        (place / label).mkdir(parents=True)
        for number in range(12):
            text = "\n\n".join(
                f"第{number}篇第{i}段讲{label}的故事，编号{i * 7 + number}。" * 30
                for i in range(30)
            )
            (place / label / f"{number}.txt").write_text(text, encoding="utf-8")


def test_folders_are_labels_of_the_users_text(tmp_path: Path) -> None:
    write_folders(tmp_path)
    texts = gather([tmp_path])
    assert set(texts.labels) <= {"猫", "狗"}
    assert {d.label for d in texts.train} == {"猫", "狗"}
    assert not texts.standard_library
    assert not {d.source for d in texts.train} & {d.source for d in texts.held_out}


def test_a_single_file_holds_out_documents(tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {"text": f"text number {n} about {'cats' if n % 2 else 'dogs'} " * 4, "label": n % 2}
        )
        for n in range(400)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    texts = gather([tmp_path / "a.jsonl"])
    assert texts.by_document
    assert len(texts.held_out) == 60


def test_too_little_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("just one text")
    with pytest.raises(DataError, match="too few to hold any out"):
        gather([tmp_path / "a.txt"])


def test_a_label_of_few_large_files_is_scored_too(tmp_path: Path) -> None:
    for label in ("x", "y", "z"):
        for number in range(3):
            file = tmp_path / label / f"{number}.jsonl"
            file.parent.mkdir(exist_ok=True)
            chance = random.Random(f"{label}{number}")
            texts = [
                " ".join(chance.choice(WORDS) for _ in range(12)) + f" {label}" for _ in range(60)
            ]
            file.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    found = gather([tmp_path])
    assert set(found.labels) == {"x", "y", "z"}
    assert {d.label for d in found.held_out} == {"x", "y", "z"}


def test_another_text_does_not_take_over_a_storys_folder(tmp_path: Path) -> None:
    claim = importlib.import_module("filbert.quickstart.story")._claim
    claim(tmp_path / "out", {"texts": "1", "vocab_size": 8000})
    claim(tmp_path / "out", {"texts": "1", "vocab_size": 8000})
    with pytest.raises(SettingsError, match="was made with other texts; name another place"):
        claim(tmp_path / "out", {"texts": "2", "vocab_size": 8000})
    with pytest.raises(SettingsError, match="other vocab_size"):
        claim(tmp_path / "out", {"texts": "1", "vocab_size": 80})
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds something that is no quickstart"):
        claim(tmp_path / "thesis", {})


def test_nonsense_is_refused_before_any_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(SettingsError, match="minutes"):
        quickstart((), out, classify_settings=["train.minutes=nan"])
    with pytest.raises(SettingsError, match=r"train\.minutes must be a number above 0"):
        quickstart((), out, settings=["train.minutes=0"])
    with pytest.raises(SettingsError, match="lies inside of the text"):
        quickstart((tmp_path,), out)
    assert not out.exists()
