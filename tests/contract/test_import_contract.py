import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = SETTINGS["tool"]["importlinter"]["contracts"]


def lint_imports(root):
    path = os.pathsep.join([str(root / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def broken(done):
    """The names of the contracts that do not hold."""
    return re.findall(r"^(.+) BROKEN", done.stdout, flags=re.MULTILINE)


def plant(root, module, line):
    with (root / "src" / "filbert" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def rooms():
    """The rooms of docs/architecture.md: name → (floor, what it may import)."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = {}
    for line in page.splitlines():
        if row := re.match(r"\| (\d+) \| `(\w+)(?:\.py)?` \| [^|]+ \| ([^|]+) \|", line):
            allowed = re.findall(r"\w+", row[3])
            found[row[2]] = (int(row[1]), set(allowed))
    return found


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_the_contract():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("batch.py", "import filbert.settings", "Floors"),
        ("errors.py", "import filbert.batch", "Floors"),
        ("tokenizer/__init__.py", "import filbert.corpus", "Floors"),
        ("tasks/__init__.py", "def late():\n    import filbert.train", "Floors"),
        ("heads/__init__.py", "import filbert", "No room imports filbert itself"),
        ("progress.py", "from filbert.errors import FilbertError", "Row: progress"),
        ("tasks/__init__.py", "from filbert.corpus import Document", "Row: tasks"),
        ("heads/__init__.py", "import filbert.tokenizer", "Row: heads"),
        ("checkpoint/__init__.py", "import filbert.shards", "Row: checkpoint"),
        ("train/__init__.py", "import filbert.corpus", "Row: train"),
        (
            "encoder/shape.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import filbert.tokenizer",
            "Row: encoder",
        ),
        ("engine/__init__.py", "import filbert.shards", "Row: engine"),
        ("pretrained/__init__.py", "import filbert.tasks", "Row: pretrained"),
        ("tasks/__init__.py", "import torch", "Library: torch"),
        ("engine/__init__.py", "import torch.nn", "Library: torch"),
        ("checkpoint/__init__.py", "from torch import nn", "Library: torch"),
        ("encoder/shape.py", "import torch", "Library: torch is not in the encoder's shape"),
        ("quickstart/__init__.py", "import daft", "Library: daft"),
        ("shards/__init__.py", "import pyarrow.parquet", "Library: pyarrow"),
        ("shards/__init__.py", "import tokenizers", "Library: tokenizers"),
        ("engine/__init__.py", "import safetensors.numpy", "Library: safetensors"),
        ("cli/__init__.py", "import altair", "Library: altair"),
        ("corpus/__init__.py", "import nupunkt", "Library: nupunkt"),
        ("checkpoint/__init__.py", "import msgspec", "Library: msgspec"),
        ("cli/__init__.py", "import rich.console", "Library: rich"),
        ("tokenizer/__init__.py", "import transformers", "Library: no oracle"),
    ],
)
def test_a_planted_violation_breaks_its_contract(copy, module, line, contract):
    plant(copy, module, line)
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(name.startswith(contract) for name in broken(done)), done.stdout


def test_what_is_forbidden_through_others_is_seen_through_others(copy):
    plant(copy, "engine/__init__.py", "import filbert.heads")
    plant(copy, "heads/__init__.py", "import filbert.shards")
    plant(copy, "language/__init__.py", "import sklearn")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert "Reach: engine and explain reach no train, corpus or shards" in broken(done)
    assert any(name.startswith("Library: no oracle") for name in broken(done))


def test_a_room_outside_the_plan_breaks_the_contract(copy):
    (copy / "src" / "filbert" / "attic.py").write_text('"""A room that nobody planned."""\n')
    done = lint_imports(copy)
    assert done.returncode == 1
    assert "filbert.attic" in done.stdout


def test_the_table_of_rooms_and_the_floors_agree():
    floors = next(contract for contract in CONTRACTS if contract["type"] == "layers")["layers"]
    built = [re.findall(r"(?<![(\w])\w+(?![)\w])", floor) for floor in floors]
    in_contract = [room for floor in built for room in floor]
    assert sorted(in_contract) == sorted(rooms())
    numbers = [rooms()[room][0] for room in in_contract]
    assert numbers == sorted(numbers, reverse=True)


def test_every_row_of_the_table_has_its_contract():
    table = rooms()
    rows = {
        contract["source_modules"][0].removeprefix("filbert."): {
            name.removeprefix("filbert.") for name in contract["forbidden_modules"]
        }
        for contract in CONTRACTS
        if contract["name"].startswith("Row: ")
    }
    rows.pop("progress")  # below floor 2 the layers say it all, but for progress
    closed = {}
    for room, (floor, allowed) in table.items():
        if "any" in allowed:
            continue
        below = {other for other, (other_floor, _) in table.items() if 2 <= other_floor < floor}
        if below - allowed:
            closed[room] = below - allowed
    # engine may not import train, its neighbour, by the layers; so a row need not say it.
    assert rows == closed
