import argparse
import collections
import decimal
import email
import inspect
import logging
import multiprocessing
import pickle
import random
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus.duplicates import (
    DROPPED,
    EXACT,
    NEAR,
    Duplicates,
    PartSketches,
    digest,
    find_duplicates,
    proposing,
    sketch,
)
from filbert.corpus.duplicates.leaders import Leaders
from filbert.corpus.duplicates.rows import load
from filbert.corpus.duplicates.settings import bands_for, least_agreeing
from filbert.corpus.near import jaccard, shingles_of
from filbert.errors import DataError, ExtraError, SettingsError
from filbert.language import normalise

TEXT = "The quick brown fox jumps over the lazy dog, and the dog sleeps on in the warm sun of May."
MEMORY = 1 << 16


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """What is tested survives a killed process, not a power cut: nobody waits for the disk."""
    monkeypatch.setattr("filbert.disk.flush", lambda path: None)


def store(folder, digests, sketches, ends):
    """The rows as parts that end at these numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number, (begin, end) in enumerate(zip([0, *ends], [*ends, len(digests)], strict=True)):
        part = PartSketches(folder / f"{number}.d.npy", folder / f"{number}.s.npy")
        np.save(part.digests, digests[begin:end])
        np.save(part.sketches, sketches[begin:end])
        parts.append(part)
    return parts


def find(folder, texts, ends=(), duplicates=None, memory_bytes=MEMORY):
    parts = store(folder / "parts", digest(texts), sketch(texts), list(ends))
    found = find_duplicates(
        parts, folder / "work", duplicates or Duplicates(), memory_bytes=memory_bytes
    )
    return found, gone(found, [0, *ends])


def gone(found, starts):
    """Who goes, in numbers of the whole: {document: (keeper, kind)}."""
    result = {}
    for start, path in zip(starts, found.parts, strict=True):
        records = np.load(path)
        assert records.dtype == DROPPED
        assert (np.diff(records["row"]) > 0).all()
        for row, part, kept, kind in records.tolist():
            result[start + row] = (starts[part] + kept, kind)
    assert found.exact + found.near == len(result)
    assert sum((size - 1) * count for size, count in found.sizes.items()) == len(result)
    return result


def one_after_the_other(digests, sketches, duplicates):
    """What is promised, written plainly, with every bucket looked at in full."""
    bands, least = bands_for(duplicates.threshold), least_agreeing(duplicates.threshold)
    kept, first_of, result = [], {}, {}
    for number, (own, row) in enumerate(zip(digests, sketches, strict=True)):
        first = first_of.setdefault(own.tobytes(), number)
        if first != number:
            result[number] = (result[first][0] if first in result else first, EXACT)
            continue
        equal = sketches[kept] == row
        near = equal.sum(axis=1) >= least
        near &= equal.reshape(len(kept), bands, 128 // bands).all(axis=2).any(axis=1)
        if near.any():
            result[number] = (kept[int(near.argmax())], NEAR)
        else:
            kept.append(number)
    return result


# The sketch.


def test_the_share_of_equal_numbers_is_the_jaccard_index():
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(5000)]
    pairs = [(draw.choices(words, k=300), draw.choices(words, k=150)) for _ in range(60)]
    left = [" ".join(one) for one, _ in pairs]
    right = [" ".join(one[:200] + other) for one, other in pairs]
    true = [jaccard(shingles_of(a), shingles_of(b)) for a, b in zip(left, right, strict=True)]
    estimate = (sketch(left) == sketch(right)).mean(axis=1)
    deviation = np.sqrt(np.mean(true) * (1 - np.mean(true)) / 128)
    assert abs(np.mean(estimate - true)) < 3 * deviation / np.sqrt(len(true))
    assert 0.7 * deviation < np.std(estimate - true) < 1.3 * deviation


def test_case_and_kinds_of_space_make_no_difference():
    again = [
        TEXT.upper().replace(" ", "\n  ", 9),
        TEXT.replace(". ", ".\n\n\n"),
        "中文　句子，很短。",
    ]
    rows = sketch([TEXT, "中文 句子，很短。", *map(normalise, again)])
    assert (rows[[2, 3]] == rows[0]).all()
    assert (rows[4] == rows[1]).all()


@settings(max_examples=60, deadline=None)
@given(st.text("aÀбΣσΩ中😀𐐀𐐨Ꭰꭰ", min_size=5))
def test_small_letters_are_those_of_python(text):
    small = [each if len(each) == 1 else was for was in text for each in [was.lower()]]
    plain = "".join(
        now if was < "\U00010000" else was for was, now in zip(text, small, strict=True)
    )
    assert (sketch([text]) == sketch([plain])).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_a_row_depends_on_its_text_alone(texts):
    rows = sketch(texts)
    assert rows.shape == (len(texts), 128)
    assert rows.dtype == np.uint32
    for text, row in zip(texts, rows, strict=True):
        assert (sketch([text])[0] == row).all()
    assert digest(texts).shape == (len(texts), 2)


@pytest.mark.parametrize("text", ["", "a", "中", "\ud800", "\x00\x00", "abcde"])
def test_the_shortest_texts(text):
    assert (sketch([text]) < 0xFFFFFFFF).all()
    assert (digest([text]) == digest([text])).all()


def test_a_long_text_is_sketched_in_pieces_and_no_shingle_is_lost():
    draw = random.Random(5)
    text = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=200_000))
    halves = sketch([text[:100_004], text[100_000:]])
    assert (sketch([text])[0] == halves.min(axis=0)).all()


def test_digests_differ_where_texts_do():
    texts = ["", " ", "a", "A", "中", "中。"]
    assert len({row.tobytes() for row in digest(texts)}) == len(texts)


def test_without_rensa_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[data\]'"):
        sketch([TEXT])


# Planted pairs: the goals of recall and of false merges.


def english_texts(count, draw):
    """Texts of the words of Python's own documentation."""
    words = []
    for module in (argparse, collections, decimal, email, logging, statistics, pickle, random):
        for thing in [module, *vars(module).values()]:
            if thing is module or callable(thing):
                words += (inspect.getdoc(thing) or "").split()
    return [draw.choices(words, k=draw.randint(60, 200)) for _ in range(count)]


def chinese_texts(count, draw):
    """Texts of characters of which some are far more frequent than others."""
    characters = [chr(code) for code in draw.sample(range(0x4E00, 0x9FA5), 3000)]
    weights = [1 / (place + 5) for place in range(len(characters))]
    return [draw.choices(characters, weights, k=draw.randint(150, 500)) for _ in range(count)]


def changed(units, target, draw, join, pool):
    """The units, changed in random places until the true Jaccard index is the target, ±0.01."""
    left, units = shingles_of(join(units)), list(units)
    places = draw.sample(range(len(units)), len(units))
    index = 1.0
    while places and index > target + 0.01:
        for _ in range(max(1, int((index - target - 0.05) * len(units) / 8))):
            units[places.pop()] = draw.choice(pool)
        index = jaccard(left, shingles_of(join(units)))
    return join(units) if abs(index - target) <= 0.01 else None


def planted(target, count, seed):
    """Pairs of a true Jaccard index, half of them English, half Chinese, one after the other."""
    draw = random.Random(seed)
    texts = []
    for make, join in ((english_texts, " ".join), (chinese_texts, "".join)):
        sources = make(2 * count, draw)
        pool = [unit for source in sources for unit in source]
        pairs = ((join(one), changed(one, target, draw, join, pool)) for one in sources)
        good = [pair for pair in pairs if pair[1] is not None][: count // 2]
        assert len(good) == count // 2
        texts += [text for pair in good for text in pair]
    return texts


def test_recall_of_planted_pairs_at_the_threshold(tmp_path):
    texts = planted(0.8, 400, seed=8)
    _, found = find(tmp_path, texts, memory_bytes=1 << 24)
    assert np.mean([found.get(place + 1, (-1,))[0] == place for place in range(0, 800, 2)]) >= 0.95
    assert all(place % 2 for place in found)


def test_false_merges_of_planted_pairs_far_below_the_threshold(tmp_path):
    texts = planted(0.5, 200, seed=5)
    _, found = find(tmp_path, texts, memory_bytes=1 << 24)
    assert len(found) <= 0.01 * 200


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_propose_what_the_threshold_asks_for(threshold):
    bands = bands_for(threshold)
    assert 128 % bands == 0
    assert 1 - (1 - threshold ** (128 // bands)) ** bands >= 0.999 or bands == 128
    assert threshold - 0.1 <= least_agreeing(threshold) / 128 <= threshold


# Who goes.


def test_exact_and_near_in_both_languages_with_their_keepers(tmp_path):
    chinese = (
        "北京是中华人民共和国的首都，也是全国的政治中心、文化中心、国际交往中心和科技创新中心。"
    )
    texts = [TEXT, chinese, TEXT, "Something else entirely.", chinese + "好", TEXT[:-1], TEXT[:-1]]
    found, went = find(tmp_path, texts, [3])
    assert went == {2: (0, EXACT), 4: (1, NEAR), 5: (0, NEAR), 6: (0, EXACT)}
    assert (found.exact, found.near, found.sizes) == (2, 2, {4: 1, 2: 1})
    first = found.largest[0]
    assert (first.keeper, first.size) == ((0, 0), 4)
    assert first.members == [(0, 2, "exact"), (1, 2, "near"), (1, 3, "exact")]


def test_each_kind_can_be_turned_off(tmp_path):
    texts = [TEXT, TEXT, TEXT[:-1], "other"]
    assert find(tmp_path / "1", texts, duplicates=Duplicates(near=False))[1] == {1: (0, EXACT)}
    only_near = find(tmp_path / "2", texts, duplicates=Duplicates(exact=False))[1]
    assert only_near == {1: (0, NEAR), 2: (0, NEAR)}


def rows_of_families(seed, documents, families, changes):
    """Sketches of few families, in which some documents are also equal."""
    draw = np.random.default_rng(seed)
    centres = draw.integers(0, 1 << 32, (families, 128), dtype=np.uint32)
    rows = centres[draw.integers(0, families, documents)]
    for row in rows:
        count = int(draw.integers(0, changes + 1))
        places = draw.integers(0, 128, count)
        row[places] = draw.integers(0, 1 << 32, count, dtype=np.uint32)
    copied = draw.integers(0, documents, documents // 5)
    rows[draw.integers(0, documents, len(copied))] = rows[copied]
    return np.ascontiguousarray(rows[:, :4]).view(np.uint64), rows


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    documents=st.integers(1, 260),
    families=st.integers(1, 60),
    changes=st.integers(0, 90),
    cuts=st.lists(st.integers(0, 260), max_size=5),
    memory_bytes=st.sampled_from([MEMORY, 1 << 17, 1 << 26]),
    bucket=st.sampled_from([2, 8, 64]),
)
def test_any_parts_and_any_memory_give_what_one_pass_in_order_gives(
    tmp_path_factory, seed, documents, families, changes, cuts, memory_bytes, bucket
):
    folder = tmp_path_factory.mktemp("any")
    digests, sketches = rows_of_families(seed, documents, families, changes)
    ends = sorted(cut for cut in cuts if cut <= documents)
    parts = store(folder / "parts", digests, sketches, ends)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proposing, "LARGEST_BUCKET", bucket)
        patch.setattr("filbert.corpus.duplicates.leaders.MOST_LEADERS", documents)
        found = find_duplicates(parts, folder / "work", Duplicates(), memory_bytes=memory_bytes)
    went = gone(found, [0, *ends])
    expected = one_after_the_other(digests, sketches, Duplicates())
    assert {n: kind for n, (_, kind) in went.items()} == {n: k for n, (_, k) in expected.items()}
    for document, (keeper, _) in went.items():
        assert keeper < document
        assert keeper not in went


def test_one_bucket_larger_than_the_memory(tmp_path):
    draw = np.random.default_rng(1)
    sketches = np.repeat(draw.integers(0, 1 << 32, (1, 128), dtype=np.uint32), 2000, axis=0)
    sketches[np.arange(2000), draw.integers(0, 128, 2000)] = np.arange(2000)
    digests = np.stack([np.arange(2000), np.arange(2000)], axis=1).astype(np.uint64)
    parts = store(tmp_path / "parts", digests, sketches, [700])
    looked_at = []

    def run(function, steps):
        for step in steps:
            yield function(step)
            pairs = step.folder.glob(f"pairs-{step.number:06d}-*.table")
            looked_at.append(sum(load(path).shape[1] for path in pairs))

    found = find_duplicates(parts, tmp_path / "work", Duplicates(), memory_bytes=MEMORY, run=run)
    assert found.near == 1999
    assert found.sizes == {2000: 1}
    assert max(looked_at) <= 2000  # members of a crowd, not its two million pairs


# Steps: killed, in other processes, with other settings.


def test_a_killed_search_goes_on_and_gives_the_same(tmp_path):
    digests, sketches = rows_of_families(3, 200, 30, 40)
    parts = store(tmp_path / "parts", digests, sketches, [50, 120])
    whole = find_duplicates(parts, tmp_path / "whole", Duplicates(), memory_bytes=MEMORY)
    done, tries = [], 0

    def killed_after_12(function, steps):
        for number, step in enumerate(steps):
            if number == 12:
                raise KeyboardInterrupt
            done.append(step.mark)
            yield function(step)

    while True:
        tries += 1
        try:
            found = find_duplicates(
                parts,
                tmp_path / "work",
                Duplicates(),
                memory_bytes=MEMORY * tries,  # more memory is no reason to begin again
                run=killed_after_12,
            )
            break
        except KeyboardInterrupt:
            continue
    assert tries > 2
    assert len(done) == len(set(done))
    for left, right in zip(found.parts, whole.parts, strict=True):
        assert left.read_bytes() == right.read_bytes()
    assert found.largest == whole.largest
    left_over = {path.name.split("-")[0] for path in (tmp_path / "work").glob("*.table")}
    assert left_over <= {"part", "chosen", "counted"}


def test_steps_in_other_processes(tmp_path):
    digests, sketches = rows_of_families(4, 150, 20, 40)
    parts = store(tmp_path / "parts", digests, sketches, [70])
    here = find_duplicates(parts, tmp_path / "here", Duplicates(), memory_bytes=1 << 20)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        there = find_duplicates(
            parts, tmp_path / "there", Duplicates(), memory_bytes=1 << 20, run=pool.map
        )
    for left, right in zip(here.parts, there.parts, strict=True):
        assert left.read_bytes() == right.read_bytes()


def test_other_settings_or_other_parts_begin_again(tmp_path):
    texts = [TEXT, TEXT, TEXT[:-1]]
    assert len(find(tmp_path, texts)[1]) == 2
    assert len(find(tmp_path, texts, duplicates=Duplicates(near=False))[1]) == 1
    assert len(find(tmp_path, [*texts, TEXT], duplicates=Duplicates(near=False))[1]) == 2


# Bad input.


def test_no_documents_and_no_parts(tmp_path):
    assert find_duplicates([], tmp_path / "1", Duplicates(), memory_bytes=MEMORY).parts == []
    found, went = find(tmp_path / "2", [], [0])
    assert went == {}
    assert len(found.parts) == 2


def test_files_that_are_no_such_arrays_are_named(tmp_path):
    parts = store(tmp_path, digest([TEXT, "b"]), sketch([TEXT, "b"]), [])

    def search():
        find_duplicates(parts, tmp_path / "work", Duplicates(), memory_bytes=MEMORY)

    np.save(parts[0].sketches, sketch([TEXT]))
    with pytest.raises(DataError, match=r"0\.s\.npy: expected 2 rows.*got 1"):
        search()
    np.save(parts[0].sketches, np.zeros((2, 64), np.uint32))
    with pytest.raises(DataError, match=r"0\.s\.npy: expected rows of 128 numbers"):
        search()
    parts[0].sketches.write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.s\.npy: expected an array"):
        search()
    parts[0].digests.unlink()
    with pytest.raises(DataError, match=r"0\.d\.npy"):
        search()


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_threshold_outside(threshold):
    with pytest.raises(SettingsError, match="threshold"):
        Duplicates(threshold=threshold)


def test_too_little_memory(tmp_path):
    with pytest.raises(SettingsError, match="memory_bytes"):
        find_duplicates([], tmp_path, Duplicates(), memory_bytes=1000)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=400), st.integers(0, 200_000))
def test_leaders_are_the_same_in_memory_and_on_the_disk(tmp_path_factory, asked, memory):
    plain = {}
    path = tmp_path_factory.mktemp("leaders") / "scratch"
    with Leaders(path, memory) as leaders:
        for document, (number, add) in enumerate(asked):
            crowd = (1 << 62) + number
            own = np.full((1, 128), document, np.uint32)
            numbers, sketches = leaders.of(crowd)
            assert numbers == plain.get(crowd, [])
            assert sketches.shape == (len(numbers), 128)
            assert (sketches == np.array(numbers).reshape(-1, 1)).all()
            if add:
                leaders.add(crowd, document, own)
                plain[crowd] = [*plain.get(crowd, []), document][:64]
    assert not path.exists()
