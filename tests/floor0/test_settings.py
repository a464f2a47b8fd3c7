"""Settings: TOML and JSON, unknown keys, wrong types, overriding."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import SettingsError
from filbert.settings import from_mapping, load_settings, override, save_settings, to_mapping


@dataclass(frozen=True)
class Inner:
    peak_lr: float = 1e-3
    steps: int | None = None
    name: str = ""
    parts: tuple[str, ...] = ()
    average: Literal["none", "ema"] = "ema"


@dataclass(frozen=True)
class Outer:
    title: str = "x"
    on: bool = False
    train: Inner = field(default_factory=Inner)


settings = st.builds(
    Outer,
    title=st.text(st.characters(codec="utf-8", exclude_characters="\r")),
    on=st.booleans(),
    train=st.builds(
        Inner,
        peak_lr=st.floats(allow_nan=False, allow_infinity=False),
        steps=st.none() | st.integers(-(2**62), 2**62),
        name=st.text(st.characters(codec="utf-8", exclude_characters="\r")),
        parts=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    ),
)


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@given(value=settings)
def test_what_is_saved_comes_back(
    value: Outer, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("settings") / f"a{suffix}"
    save_settings(value, path)
    assert load_settings(path, Outer) == value


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\npeek_lr = 1.0\n")
    with pytest.raises(
        SettingsError, match=r"recipe.toml.*'train.peek_lr'.*did you mean 'train.peak_lr'"
    ):
        load_settings(path, Outer)


def test_a_wrong_type_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"train": {"steps": "many"}}')
    with pytest.raises(SettingsError, match=r"recipe.json.*\$.train.steps"):
        load_settings(path, Outer)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"[train\n", "not valid TOML"),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"[1]", "expected a table"),
        ("a.toml", b"\xff", "not valid TOML"),
        ("a.yaml", b"", "are .toml or .json"),
    ],
)
def test_what_is_no_settings_file_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        load_settings(tmp_path / name, Outer)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml: cannot be read"):
        load_settings(tmp_path / "gone.toml", Outer)


def test_override_reads_numbers_texts_and_none() -> None:
    value = override(
        Outer(train=Inner(steps=3)),
        ["train.peak_lr=3e-4", "train.steps=none", "title=我们", "on=true", 'train.parts=["a"]'],
    )
    assert value == Outer("我们", True, Inner(3e-4, None, "", ("a",)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.peek_lr=1", "did you mean 'train.peak_lr'"),
        ("peak_lr=1", "did you mean 'train.peak_lr'"),
        ("peek_lr=1", "did you mean 'train.peak_lr'"),
        ("trian.steps=1", "no table 'trian'; did you mean 'train'"),
        ("title.a=1", "no table 'title'"),
        ("title", "expected NAME=VALUE"),
        ("train.steps=1.5", "steps"),
    ],
)
def test_override_refuses(change: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        override(Outer(), [change])


def test_none_is_a_word_where_it_is_a_choice() -> None:
    value = override(Outer(train=Inner(steps=3)), ["train.average=none", "train.steps=none"])
    assert value.train == Inner(steps=None, average="none")
    assert from_mapping({"train": {"average": None}}, Outer).train.average == "none"


def test_a_wrong_word_is_said_with_those_that_are_known() -> None:
    message = r"^--set train.average=mean: .*'mean'.*`\$.train.average` \(known: none, ema\)$"
    with pytest.raises(SettingsError, match=message):
        override(Outer(), ["train.peak_lr=1", "train.average=mean"])
    with pytest.raises(SettingsError, match=r"\(known: none, ema\)"):
        from_mapping({"average": "mean"}, Inner)


def test_an_error_names_the_change_that_is_wrong_alone() -> None:
    changes = ["title=a", "train.steps=many", "train.peak_lr=1"]
    with pytest.raises(SettingsError, match=r"^--set train.steps=many: ") as caught:
        override(Outer(), changes)
    assert "title" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"^--set train.peek_lr=1: unknown"):
        override(Outer(), [*changes, "train.peek_lr=1"])


def test_to_mapping_is_plain() -> None:
    assert to_mapping(Outer())["train"] == {
        "peak_lr": 1e-3,
        "steps": None,
        "name": "",
        "parts": [],
        "average": "ema",
    }
    assert from_mapping(to_mapping(Outer()), Outer) == Outer()
    # also of values that msgspec made, whose defaults it would leave out
    assert to_mapping(from_mapping({}, Outer)) == to_mapping(Outer())
