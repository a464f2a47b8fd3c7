"""Errors that help."""

import subprocess
import sys
import textwrap

import pytest

from filbert.errors import ExtraError, FilbertError, did_you_mean, explain_missing, missing_extra


def test_a_missing_extra_is_named_with_its_command() -> None:
    assert str(missing_extra("daft", "data")).endswith("pip install 'filbert[data]'")
    said = explain_missing(ModuleNotFoundError("no", name="torch.nn"))
    assert isinstance(said, ExtraError)
    assert isinstance(said, FilbertError)
    other = ModuleNotFoundError("no", name="else")
    assert explain_missing(other) is other


def test_the_nearest_name_is_offered_if_one_is_near() -> None:
    assert did_you_mean("peek_lr", ["peak_lr", "steps"]) == "; did you mean 'peak_lr'?"
    assert did_you_mean("xyz", ["peak_lr"]) == ""


WITHOUT = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
import filbert
from filbert.cli import main
{code}
"""


@pytest.mark.parametrize(
    ("missing", "code", "extra"),
    [
        ("torch", "finetune classify --train a.jsonl --start b --out", "train"),
        ("jaxtyping", "pretrain quickstart --data a --out", "train"),
        ("torch", None, "train"),
        ("daft", "quickstart --out", "data"),
        ("rensa", "quickstart --out", "data"),
        ("altair", "quickstart --out", "report"),
    ],
)
def test_verbs_without_their_extra_say_so(
    missing: str, code: str | None, extra: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = f"sys.exit(main([*{code.split()!r}, sys.argv[1]]))" if code else "filbert.finetune"
    script = textwrap.dedent(WITHOUT).format(missing=missing, code=run)
    out = str(tmp_path_factory.mktemp("out") / "q")
    done = subprocess.run(
        [sys.executable, "-c", script, out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"pip install 'filbert[{extra}]'" in done.stderr
