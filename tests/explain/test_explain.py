"""The numbers on the page are the model's; no text leaves its place; nothing is cut in silence."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.cli.main import main
from filbert.engine import Predictor
from filbert.errors import DataError, RequestError
from filbert.explain import explain_text
from filbert.explain.coding import GRADES, code_vectors, decode_vectors
from filbert.explain.data import _code
from filbert.explain.looking import look
from filbert.explain.measures import even_distance, head_measures, rollout
from filbert.explain.words import CHINESE, ENGLISH

TEXT = "the reddish cat ."


def written(model: Predictor, *texts: str, out: Path, **more: Any) -> str:
    return explain_text(model, *texts, out=out / "page.html", **more).read_text(encoding="utf-8")


def facts_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    facts: dict[str, Any] = json.loads(found[1])
    return facts


def raw(block: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(block)), np.uint8)


def wide(raw_bytes: np.ndarray, kind: str) -> np.ndarray:
    """Low bytes first, then the high ones: as the page's script reads them."""
    low, high = raw_bytes.reshape(2, -1).astype(np.uint16)
    return (low | (high << 8)).astype(kind)


def read_vectors(raw_bytes: np.ndarray, count: int, width: int, bits: int) -> np.ndarray:
    exponents = wide(raw_bytes[: 2 * count], "int16")
    rest = raw_bytes[2 * count :]
    numbers = wide(rest, "int16") if bits > 8 else rest.view(np.int8)
    return decode_vectors(exponents, numbers.reshape(count, width))


@pytest.mark.parametrize("grade", GRADES)
def test_what_the_page_carries_is_what_the_model_computed(tiny: Predictor, grade: Any) -> None:
    seen = look(tiny, TEXT, None)
    inside = tiny.inside(TEXT)
    blocks, rounding = _code(seen, grade)
    depth, heads, size, head_width = inside.query.shape

    shares = raw(blocks["attention"])
    if grade.share > 8:
        shares = wide(shares, "uint16")
    shares = (shares.reshape(inside.attention.shape) / grade.share_top) ** 2
    off = np.abs(shares - inside.attention).max()
    assert off == pytest.approx(rounding["shareError"], rel=1e-4)
    assert off < 1.01 / grade.share_top
    for layer in range(depth):
        block, count = raw(blocks[f"vectors-{layer}"]), heads * size
        found = []
        for kind, bits in (("query", grade.match), ("key", grade.match), ("value", grade.value)):
            length = 2 * count + count * head_width * (2 if bits > 8 else 1)
            vectors = read_vectors(block[:length], count, head_width, bits)
            block = block[length:]
            exact = getattr(inside, kind)[layer].reshape(count, head_width)
            # Half a step; the largest number is at least 2^(-1/16) of the top.
            step = np.abs(exact).max(axis=1) / (2 ** (bits - 1) - 1) * 2 ** (1 / 16)
            assert (np.abs(vectors - exact) <= 0.5001 * step[:, None]).all()
            found.append(vectors.reshape(heads, size, head_width))
        assert block.size == 0
        scores = found[0] @ found[1].swapaxes(1, 2) / head_width**0.5
        exact = inside.query[layer] @ inside.key[layer].swapaxes(1, 2) / head_width**0.5
        worst = np.abs(scores - exact).max(axis=(1, 2))
        np.testing.assert_allclose(worst, rounding["scoreErrors"][layer], rtol=0.02, atol=2e-6)
    sums = read_vectors(raw(blocks["sums"]), 4 * size, TINY_WIDTH, grade.value)
    parts = sums.reshape(4, size, TINY_WIDTH)
    normed = parts[:3].sum(axis=0)
    normed = (normed - normed.mean(-1, keepdims=True)) / normed.std(-1, keepdims=True)
    # gain 1 and bias 0: these models' norms are as they were made
    tolerance = {16: 1e-3, 12: 2e-2, 8: 0.2, 6: 0.8}[grade.value]
    np.testing.assert_allclose(parts[3], normed, atol=tolerance)


TINY_WIDTH = 24


def test_short_texts_get_the_finest_grade_and_long_ones_a_coarser(tiny: Predictor) -> None:
    from filbert.explain import data

    seen = look(tiny, TEXT, None)
    assert data.coded_arrays(seen)[1]["bits"] == [16, 16, 16]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "FINEST_BYTES", 1000)
        patch.setattr(data, "BLOCKS_BYTES", 10_500)
        blocks, rounding = data.coded_arrays(seen)
        assert rounding["bits"] != [16, 16, 16]
        assert sum(map(len, blocks.values())) <= 10_500


def test_rollout_is_the_product_of_the_layers(tiny: Predictor) -> None:
    attention = tiny.inside(TEXT).attention
    found = rollout(attention)
    expected = np.eye(attention.shape[-1])
    for layer, weights in enumerate(attention):
        expected = (0.5 * weights.mean(0) + 0.5 * np.eye(len(expected))) @ expected
        np.testing.assert_allclose(found[layer], expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    assert np.abs(found[2] - found[0]).max() > 0.01


def test_measures_of_heads_that_are_known() -> None:
    size = 5
    before, after, even = np.eye(size, k=-1), np.eye(size, k=1), np.full((size, size), 1 / size)
    before[0, 0] = after[-1, -1] = 1
    found = head_measures(np.stack([before, after, even])[None], [size - 1])
    np.testing.assert_allclose(found["previous"], [[1, 0, 0.2]])
    np.testing.assert_allclose(found["next"], [[0, 1, 0.2]])
    np.testing.assert_allclose(found["itself"], [[0.2, 0.2, 0.2]])
    np.testing.assert_allclose(found["first"], [[0.4, 0, 0.2]])
    np.testing.assert_allclose(found["separators"], [[0, 0.4, 0.2]])
    np.testing.assert_allclose(found["distance"], [[0.8, 0.8, even_distance(size)]])


HOSTILE = "</script><script>alert('\"&')</script> \u202eשלום\x00 😀 red"


def test_hostile_text_stays_text(tiny: Predictor, tmp_path: Path) -> None:
    page = written(tiny, HOSTILE, HOSTILE, out=tmp_path)
    assert "<script>alert" not in page
    assert not re.search("[\x00\u202a-\u202e\u2066-\u2069]", page)
    assert "U+202E" in page
    facts = facts_of(page)
    inside = tiny.inside(HOSTILE, HOSTILE)
    assert facts["offsets"] == inside.offsets.tolist()
    assert facts["segments"] == inside.segments.tolist()
    assert set(facts["segments"]) == {0, 1}
    red = [at for at, name in enumerate(facts["pieces"]) if name == "red"]
    assert len(red) == 2
    for at in red:
        start, end = facts["offsets"][at]
        assert HOSTILE[start:end] == "red"
        assert f'<span data-tokens="{at}">red</span>' in page
    assert page.count("<script>") == 1
    assert "a&lt;b&gt;model" in page


def test_masks_are_filled_as_the_predictor_fills_them(tiny: Predictor) -> None:
    text = "the [MASK] cat [MASK]"
    seen = look(tiny, text, None)
    ((*answers,),) = tiny.fill_mask([text])
    assert seen.fillings is not None
    assert [filling.position for filling in seen.fillings] == [2, 4]
    for filling, answer in zip(seen.fillings, answers, strict=True):
        assert filling.right_share is None
        assert filling.tokens == tuple(guess.token for guess in answer.guesses)
        np.testing.assert_allclose(
            filling.shares, [guess.probability for guess in answer.guesses], rtol=1e-4
        )


def test_without_a_mask_each_token_is_hidden_in_turn(tiny: Predictor, tmp_path: Path) -> None:
    seen = look(tiny, TEXT, None)
    assert seen.fillings is not None
    assert [filling.position for filling in seen.fillings] == [1, 2, 3, 4, 5]
    ((answer,),) = tiny.fill_mask(["[MASK] reddish cat ."])
    first = seen.fillings[0]
    assert first.tokens == tuple(guess.token for guess in answer.guesses)
    known = dict(zip(first.tokens, first.shares, strict=True))
    assert first.right_share is not None
    if "the" in known:
        assert first.right_share == pytest.approx(known["the"], rel=1e-4)
    else:
        assert first.right_share <= min(first.shares) + 1e-6
    page = written(tiny, "red " * 40, out=tmp_path)
    assert ENGLISH["turn_first"].format(count=32) in page


def test_what_is_too_long_is_refused_or_cut_and_said(tiny: Predictor, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"at most 64 tokens.*this one has 102.*truncate"):
        explain_text(tiny, "red " * 100, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    page = written(tiny, "red " * 100, out=tmp_path, long="truncate")
    assert len(facts_of(page)["pieces"]) == 64
    assert ENGLISH["cut"].format(count=38) in page
    seen = look(tiny, "red " * 100, "cat " * 10, long="truncate")
    assert len(seen.inside.tokens) == 64
    assert seen.inside.tokens.count("cat") == 10
    assert seen.tokens_cut == 113 - 64


def test_models_of_other_kinds(
    open_tiny: Callable[..., Predictor], tiny: Predictor, tmp_path: Path
) -> None:
    plain = written(open_tiny("embed"), TEXT, out=tmp_path)
    assert ENGLISH["fill_title"] not in plain.partition('id="facts"')[0]
    rotary = replace(
        tiny.folder.shape(),
        positions="rotary",
        segments=0,
        norm_place="before",
        gated=True,
        bias=False,
        window=1,
        global_every=2,
        head_activation="gelu",
        attention_heads=3,
        width=24,
    )
    page = written(open_tiny("pretrain", rotary), TEXT, "cat", out=tmp_path)
    facts = facts_of(page)
    assert facts["parts"] == ["tokens"]
    assert facts["windows"] == [0, 1, 0]
    assert ENGLISH["rotary_says"] in page
    assert ENGLISH["no_segments"] in page


def test_chinese_page(tiny: Predictor, tmp_path: Path) -> None:
    page = written(tiny, "我爱[MASK]京", out=tmp_path, language="zh")
    assert '<html lang="zh-CN">' in page
    assert CHINESE["maps_title"] in page
    assert facts_of(page)["pieces"] == ["[CLS]", "我", "爱", "[MASK]", "京", "[SEP]"]
    seen, _, _ = page.partition('id="facts"')
    for key, text in ENGLISH.items():
        if len(text) > 12 and "{" not in text:
            assert text not in seen, key
    with pytest.raises(DataError, match="expected one of en, zh, got 'zhh'"):
        explain_text(tiny, TEXT, out=tmp_path / "page.html", language="zhh")


def test_both_languages_have_the_same_words_and_places() -> None:
    assert list(ENGLISH) == list(CHINESE)
    for key, text in ENGLISH.items():
        places = r"\{\w+\}"
        assert set(re.findall(places, text)) == set(re.findall(places, CHINESE[key])), key


def test_vectors_of_nothing_and_of_all_sizes_are_coded() -> None:
    vectors = np.array([[0, 0, 0], [1e-30, 0, -1e-30], [1e6, -3, 0.5]])
    for bits in (6, 8, 16):
        found = decode_vectors(*code_vectors(vectors, bits))
        assert (np.abs(found - vectors) <= np.abs(vectors).max(1, keepdims=True) / 31 + 1e-15).all()


def test_the_verb_writes_the_page(
    tiny: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "here.html"
    assert main(["explain", str(tiny.folder), "我爱北京", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert '<html lang="zh-CN">' in out.read_text(encoding="utf-8")
    assert main(["explain", str(tiny.folder), "red " * 200, "--out", str(out)]) == 1
    assert "--long truncate" in capsys.readouterr().err
