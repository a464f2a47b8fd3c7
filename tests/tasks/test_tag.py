"""Tagging: from labels to pieces and back, on text of every kind."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import DataError, RequestError, SettingsError
from filbert.tasks import NO_LABEL, Tag
from filbert.tasks.schemes import labels_for, spans_of
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789.,'-", *"北京大学在中国机构好"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
KINDS = ("PER", "LOC")


def task(scheme: str = "BIO", **settings: object) -> Tag:
    labels = tuple(labels_for(KINDS, scheme))
    return Tag(labels=labels, **{"max_tokens": 64, **settings}).with_tokenizer(TOKENIZER)


def told(tag: Tag, example: dict) -> tuple:
    """What a network that has learnt the example by heart would answer."""
    groups = tag.rows_of([example])
    packed = tag.batch([row for group in groups for row in group], 0, 0)
    labels = packed.targets["labels"]
    logits = np.zeros((len(labels), len(tag.labels)))
    places = np.flatnonzero(labels != NO_LABEL)
    logits[places, labels[places]] = 9
    answer = tag.finish(tag.merge(tag.decode({"logits": logits}, packed)), example)
    return tuple((e.start, e.end, e.type) for e in answer.entities), answer


def test_entities_of_english_and_chinese_come_back():
    text = "Peter Smith's aunt lives in New York."
    entities = [(0, 11, "PER"), (28, 36, "LOC")]
    found, answer = told(task(), {"text": text, "entities": entities})
    assert list(found) == entities
    assert [entity.text for entity in answer.entities] == ["Peter Smith", "New York"]
    assert min(entity.probability for entity in answer.entities) > 0.99
    text = "在北京大学，好"
    found, answer = told(task("BIOES"), {"text": text, "entities": [(1, 5, "LOC")]})
    assert found == ((1, 5, "LOC"),)
    assert str(answer) == "北京大学 [LOC 1.00]"


def test_words_of_a_file_are_kept_whole():
    text = "U.S. is big"
    example = {"text": text, "words": [(0, 4), (5, 7), (8, 11)], "entities": [(0, 4, "LOC")]}
    tag = task()
    (row,) = tag.rows(example)
    assert row.aligned is not None
    # u . s . are units of one word; all of them are learnt, the first decides.
    assert (row.aligned["labels"] >= 0).sum() == 6
    assert told(tag, example)[0] == ((0, 4, "LOC"),)
    packed = tag.batch([row], 0, 0)
    logits = np.zeros((len(row), len(tag.labels)))
    logits[1, tag.labels.index("B-LOC")] = 9
    logits[2:, tag.labels.index("O")] = 9
    answer = tag.finish(tag.merge(tag.decode({"logits": logits}, packed)), example)
    assert [(e.start, e.end, e.text) for e in answer.entities] == [(0, 4, "U.S.")]


def test_characters_are_units_where_data_are_tagged_so():
    example = {
        "text": "在2008好",
        "words": [(n, n + 1) for n in range(6)],
        "entities": [(1, 3, "LOC"), (3, 5, "PER")],
    }
    settings = Tag.settings_for([example], {})
    assert settings["characters"] is True
    tag = task(characters=True)
    assert told(tag, example)[0] == ((1, 3, "LOC"), (3, 5, "PER"))
    bare = {"text": example["text"], "entities": example["entities"]}
    assert told(tag, bare)[0] == ((1, 3, "LOC"), (3, 5, "PER"))


def test_labels_and_scheme_are_the_files():
    examples = [{"text": "a b", "entities": [(0, 1, "X")], "scheme": "BIOES"}]
    found = Tag.settings_for(examples, {})
    assert found["labels"] == ["O", "B-X", "I-X", "E-X", "S-X"]
    plain = [{"text": "a b", "words": [(0, 1), (2, 3)], "scheme": "plain"}]
    plain[0]["entities"] = [(0, 1, "N"), (2, 3, "V")]
    assert Tag.settings_for(plain, {})["labels"] == ["N", "V"]
    with pytest.raises(DataError, match="nothing to learn"):
        Tag.settings_for([{"text": "a", "entities": []}], {})


NASTY = st.text(
    st.sampled_from([*"ab 1.'-北京", "\u0301", "\u200d", "👩", "\u0000", "\n", "é", "İ", "ﬁ"]),
    min_size=1,
    max_size=30,
)


@given(NASTY, st.lists(st.tuples(st.integers(0, 29), st.integers(1, 6), st.sampled_from(KINDS))))
@pytest.mark.parametrize("characters", [False, True])
def test_entities_lie_within_the_text_whatever_it_is(characters, text, drawn):
    entities, behind = [], 0
    for start, length, kind in sorted(drawn):
        if behind <= start < min(start + length, len(text)):
            entities.append((start, min(start + length, len(text)), kind))
            behind = entities[-1][1]
    tag = task("BIOES", characters=characters)
    example = {"text": text, "entities": entities}
    found, answer = told(tag, example)
    for start, end, _ in found:
        assert 0 <= start < end <= len(text)
    # An entity that comes back touches one of its type that was put in.
    for start, end, kind in found:
        assert any(kind == k and start < e and s < end for s, e, k in entities)
    assert [e.text for e in answer.entities] == [text[s:e] for s, e, _ in found]


ODD_WORDS = ["Ann", "北京", "e\u0301", "👩\u200d🚀", "a-b", "U.S.", "\u0130", "ﬁ", "5", "x\u2028y"]
VANISHING = ["\u200b", "\u0301", "\u00ad\ufeff", "\u3000"]
WORDS = st.sampled_from([*ODD_WORDS, *VANISHING, "\u200bAnn", "Ann\u200b", "\ufeff北"])


@given(st.lists(st.tuples(WORDS, st.sampled_from(labels_for(KINDS, "BIO"))), min_size=1))
def test_words_come_back_whole_and_without_those_that_vanish(tagged):
    words = [word for word, _ in tagged]
    stops = np.cumsum([len(word) + 1 for word in words]) - 1
    spans = [(int(stop) - len(word), int(stop)) for word, stop in zip(words, stops, strict=True)]
    wanted, expected = [], []
    for first, behind, kind in spans_of([tag for _, tag in tagged]):
        wanted.append((spans[first][0], spans[behind - 1][1], kind))
        left = [spans[n] for n in range(first, behind) if words[n] not in VANISHING]
        expected += [(left[0][0], left[-1][1], kind)] if left else []
    example = {"text": " ".join(words), "words": spans, "entities": wanted}
    assert list(told(task(), example)[0]) == expected


@given(st.integers(8, 40), st.integers(0, 4))
def test_windows_say_what_one_row_says(max_tokens, overlap):
    words = [f"{'ab'[n % 2]}{n}" for n in range(40)]
    text = " ".join(words)
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])
    entities = [(int(starts[n]), int(starts[n + 2]) - 1, KINDS[n % 2]) for n in range(1, 37, 5)]
    example = {"text": text, "entities": entities}
    whole, _ = told(task(max_tokens=400, overlap_tokens=overlap), example)
    cut, _ = told(task(max_tokens=max_tokens, overlap_tokens=overlap), example)
    assert whole == cut == tuple(entities)


def test_what_is_wrong_is_named():
    tag = task()
    with pytest.raises(DataError, match=r"f:3: entities: characters 0 to 9 are not within"):
        tag.rows({"text": "a", "entities": [(0, 9, "PER")], "place": "f:3"})
    with pytest.raises(DataError, match="the type 'PERS' is none of this task's 2 types"):
        tag.rows({"text": "ab", "entities": [(0, 1, "PERS")]})
    with pytest.raises(DataError, match="a pair of texts cannot be tagged"):
        tag.rows({"text": "a", "pair": "b"})
    with pytest.raises(RequestError, match="at most 64"):
        tag.rows_of([{"text": "a " * 99}], long="error")
    with pytest.raises(SettingsError, match="overlap_tokens must be from 0 on"):
        task(overlap_tokens=-1)
    (row,) = tag.rows_of([{"text": "a " * 99}], long="truncate")[0]
    assert row.tokens_cut == 99 - 62


def answers_of(found: Sequence[Sequence[tuple[int, int, str]]], tag: Tag) -> list:
    return [
        dataclasses.replace(
            tag.merge(
                tag.decode({"logits": np.zeros((2, 5))}, tag.batch(tag.rows({"text": ""}), 0, 0))
            ),
            entities=tuple(_Entity(*one) for one in entities),
        )
        for entities in found
    ]


@dataclasses.dataclass(frozen=True)
class _Entity:
    start: int
    end: int
    type: str


@given(st.lists(st.tuples(*[st.lists(st.sampled_from(labels_for(KINDS, "BIO")), max_size=12)] * 2)))
def test_scores_are_seqevals(pairs):
    from seqeval.metrics import classification_report

    cut = [(a[: min(map(len, (a, b)))], b[: min(map(len, (a, b)))]) for a, b in pairs]
    mine, theirs = [a for a, _ in cut], [b for _, b in cut]
    tag = task()
    references = [tuple(spans_of(tags)) for tags in theirs]
    found = tag.score(answers_of([spans_of(tags) for tags in mine], tag), references)
    if not any(references) and not any(map(spans_of, mine)):
        assert found["f1"] == 0
        return
    report = classification_report(theirs, mine, output_dict=True, zero_division=0)
    assert found["precision"] == pytest.approx(report["micro avg"]["precision"])
    assert found["recall"] == pytest.approx(report["micro avg"]["recall"])
    assert found["f1"] == pytest.approx(report["micro avg"]["f1-score"])
    for kind in KINDS:
        if kind in report:
            assert found.get(f"{kind} f1", 0) == pytest.approx(report[kind]["f1-score"])
