"""The mask fraction over a training's budget, and the settings of masking in files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.errors import SettingsError
from filbert.settings import from_mapping, load_settings, override, save_settings, to_mapping
from filbert.tasks import Pretrain
from filbert.tasks.mask_schedule import Change, fraction_at
from filbert.tokenizer import Tokenizer

PIECES = [f"w{number}" for number in range(50)]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
FALLING = Pretrain(mask_fraction=(0.3, 0.15, 0.05)).with_tokenizer(TOKENIZER)
ROW = Row(np.arange(5, 55, dtype=np.int32).repeat(2), np.zeros(100, np.uint8), origin=(2, 3))


def hidden(task: Pretrain) -> int:
    return len(task.batch([ROW], 1, 0).targets["labels"])


@pytest.mark.parametrize(
    ("spent", "count"),
    [(0.0, 30), (0.33, 30), (0.34, 15), (0.66, 15), (0.67, 5), (0.99, 5), (1.0, 5)],
)
def test_by_steps_each_fraction_holds_for_an_equal_part(spent: float, count: int) -> None:
    assert hidden(FALLING.at(spent)) == count


@pytest.mark.parametrize(
    ("spent", "fraction"), [(0.0, 0.3), (0.25, 0.225), (0.5, 0.15), (0.75, 0.1), (1.0, 0.05)]
)
def test_in_straight_lines_the_last_one_is_reached_at_the_end(
    spent: float, fraction: float
) -> None:
    task = Pretrain(mask_fraction=(0.3, 0.15, 0.05), mask_change="linear").at(spent)
    assert task.mask_fraction == pytest.approx(fraction)


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6),
    st.sampled_from(["step", "linear"]),
    st.floats(0, 1),
)
def test_never_outside_the_fractions_given(
    fractions: list[float], change: Change, spent: float
) -> None:
    found = fraction_at(fractions, change, spent)
    assert min(fractions) * (1 - 1e-12) <= found <= max(fractions) * (1 + 1e-12)
    assert change == "linear" or found in fractions


def test_a_schedule_before_it_runs_stands_at_its_beginning() -> None:
    assert hidden(FALLING) == 30
    assert len(FALLING.scored_batch([ROW], 1).targets["labels"]) == 15


def test_a_single_fraction_never_changes() -> None:
    task = Pretrain().with_tokenizer(TOKENIZER)
    assert task.at(0.7) is task
    assert FALLING.at(0.7).tokenizer is TOKENIZER
    with pytest.raises(SettingsError, match="has no tokenizer"):
        _ = Pretrain(mask_fraction=(0.3, 0.1)).at(0.5).tokenizer


@pytest.mark.parametrize("ending", ["json", "toml"])
def test_settings_survive_a_file(ending: str, tmp_path: Path) -> None:
    for fraction in (0.4, 1.0, (0.3, 0.15), (0.4,)):
        task = Pretrain(
            mask_fraction=fraction, mask_change="linear", masked_unit="word", spans="geometric"
        )
        save_settings(task, tmp_path / f"task.{ending}")
        assert load_settings(tmp_path / f"task.{ending}", Pretrain) == task
        assert from_mapping(to_mapping(task), Pretrain) == task


def test_a_folder_from_before_there_were_units_and_spans_opens() -> None:
    old = {
        "max_tokens": 64,
        "mask_fraction": 0.3,
        "keep_fraction": 0.1,
        "random_fraction": 0.1,
        "scored_mask_fraction": 0.15,
    }
    assert from_mapping(old, Pretrain) == Pretrain(64, mask_fraction=0.3)


def test_a_list_and_whole_numbers_are_taken_as_they_come() -> None:
    from_list = Pretrain(mask_fraction=[0.3, 0.15])
    assert from_list == Pretrain(mask_fraction=(0.3, 0.15))
    assert override(Pretrain(), ["mask_fraction=[0.3, 0.15]"]) == from_list
    assert override(Pretrain(), ["mask_fraction=1"]).mask_fraction == 1.0
    assert hash(from_list) == hash(Pretrain(mask_fraction=(0.3, 0.15)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mask_fraction=[0.3, 0]", r"task.mask_fraction must be in \(0, 1\]; got 0"),
        ("mask_fraction=[]", "task.mask_fraction needs a number or a list of some"),
        ("mask_fraction=much", "Expected `float | array`, got `str`"),
        ("scored_mask_fraction=0", r"task.scored_mask_fraction must be in \(0, 1\]"),
        ("mask_change=cosine", "Invalid enum value 'cosine'"),
        ("masked_unit=sentence", "Invalid enum value 'sentence'"),
        ("spans=long", "Invalid enum value 'long'"),
    ],
)
def test_settings_of_files_that_cannot_be(change: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        override(Pretrain(), [change])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_change": "cosine"}, "task.mask_change must be one of step, linear; got 'cosine'"),
        ({"masked_unit": "wrd"}, "task.masked_unit must be one of token, word; got 'wrd'"),
        ({"spans": "x"}, "task.spans must be one of single, ngram, geometric; got 'x'"),
    ],
)
def test_settings_of_python_that_cannot_be(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Pretrain(**changes)
