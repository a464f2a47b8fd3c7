"""A model by its name on the hub, fetched from a hub on this machine, kept, and found again."""

import subprocess
import sys
from contextlib import contextmanager

import huggingface_hub
import pytest

from filbert.checkpoint import Folder, fetch, find_folder
from filbert.checkpoint.hub import is_cached
from filbert.errors import CheckpointError

NAME = "bert-base-uncased"
OTHERS = {
    "pytorch_model.bin": b"a pickle",
    "tf_model.h5": b"tensorflow",
    "flax_model.msgpack": b"flax",
    "onnx/model.onnx": b"onnx",
    "modeling_evil.py": b"import os",
    "model.safetensors.index.json": b"{}",
    "1_Pooling/evil.py": b"import os",
    ".gitattributes": b"",
}


class Seen:
    """A Progress that keeps what it is told."""

    def __init__(self, stop_at=None):
        self.updates, self.notes, self.total, self.stop_at = [], [], None, stop_at

    @contextmanager
    def stage(self, what, total=None, unit=""):
        self.what, self.total, self.unit = what, total, unit
        yield self

    def update(self, done, figures=None):
        self.updates.append((done, figures))
        if self.stop_at is not None and done >= self.stop_at:
            raise KeyboardInterrupt

    def note(self, text):
        self.notes.append(text)


def names(folder):
    return {p.relative_to(folder.path).as_posix() for p in folder.path.rglob("*") if p.is_file()}


def test_a_model_comes_whole_and_then_needs_no_network(hub, save_tiny):
    saved = save_tiny("embed")
    commit = hub.add(NAME, saved.path, more=OTHERS)
    seen = Seen()
    folder = fetch(NAME, progress=seen)
    assert folder.path.name == commit
    assert names(folder) == names(saved), "all that filbert saved, nothing of other libraries"
    assert folder.verify() > 3
    assert folder.digest() == saved.digest()

    total = sum((saved.path / name).stat().st_size for name in names(saved)) / 1e6
    assert (seen.what, seen.unit) == (f"fetching {NAME}", "MB")
    assert seen.updates[-1][0] == pytest.approx(total)
    assert seen.total == pytest.approx(total)
    assert seen.updates[-1][1]["MB/s"] > 0

    # The listing once, each file once, the weights by way of the CDN; nothing else was asked for.
    asked = sorted(r.path.partition("?")[0] for r in hub.requests if not r.on_cdn)
    files = [f"/{NAME}/resolve/{commit}/{name}" for name in names(saved)]
    assert asked == sorted([f"/api/models/{NAME}/revision/main", *files])
    assert len(hub.requests) == len(asked) + 1

    before = len(hub.requests)
    for again in (NAME, f"{NAME}@main", f"{NAME}@{commit}"):
        assert find_folder(again) == folder
    assert is_cached(NAME)
    assert len(hub.requests) == before


@pytest.mark.parametrize(
    "form",
    [
        {"pytorch_model.bin"},
        {"model.safetensors.index.json", "model-00001-of-00001.safetensors"},
    ],
)
def test_weights_come_in_the_form_that_there_is(hub, save_tiny, tmp_path, form):
    saved = save_tiny("pretrain")
    (saved.path / "model.safetensors").unlink()
    index = b'{"weight_map": {"a": "model-00001-of-00001.safetensors"}}'
    files = {name: index if name.endswith("json") else b"weights" for name in form}
    hub.add("org/model", saved.path, more={**files, "pytorch_model.bin.index.json": b"{}"})
    folder = fetch("org/model")
    assert {name for name in names(folder) if "model" in name} == form
    assert len(folder.weight_files()) == 1


def test_the_cache_is_hugging_faces_own_both_ways(hub, save_tiny):
    saved = save_tiny("embed")
    hub.add("org/theirs", saved.path)
    theirs = huggingface_hub.snapshot_download("org/theirs")
    before = len(hub.requests)
    assert str(fetch("org/theirs").path) == theirs
    assert len(hub.requests) == before

    hub.add("org/ours", saved.path, more=OTHERS)
    ours = fetch("org/ours")
    before = len(hub.requests)
    wanted = ["config.json", "model.safetensors"]
    assert str(ours.path) == huggingface_hub.snapshot_download(
        "org/ours", local_files_only=True, allow_patterns=wanted
    )
    found = huggingface_hub.try_to_load_from_cache("org/ours", "model.safetensors")
    assert str(ours.path / "model.safetensors") == found
    assert len(hub.requests) == before
    # What filbert left out is still there for the others to fetch.
    whole = huggingface_hub.snapshot_download("org/ours")
    assert set(OTHERS) < names(Folder(whole))


def test_a_bare_encoder_that_another_library_cached_is_asked_about_once(
    hub, save_tiny, monkeypatch
):
    """Whether it is an embedding model, only the hub knows: else its pooling would be guessed."""
    saved = save_tiny("embed")
    hub.add("org/embed", saved.path)
    hub.add("org/masked", save_tiny("pretrain", "masked").path)
    for name in ("org/embed", "org/masked"):
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            huggingface_hub.hf_hub_download(name, file)
    before = len(hub.requests)
    assert (fetch("org/masked").path / "model.safetensors").is_file()
    assert len(hub.requests) == before

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    seen = Seen()
    assert "modules.json" not in names(fetch("org/embed", progress=seen))
    assert "sentence-transformers" in seen.notes[0]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)

    assert names(fetch("org/embed")) == names(saved)
    assert not hub.asked("resolve/")[-1].path.endswith("model.safetensors")
    before = len(hub.requests)
    fetch("org/embed")
    assert len(hub.requests) == before


def test_revisions_are_pinned_and_refreshed(hub, save_tiny):
    first = hub.add("org/model", save_tiny("pretrain", "a", seed=1).path)
    old = fetch("org/model")
    second = hub.add("org/model", save_tiny("pretrain", "b", seed=2).path)
    branch = hub.add("org/model", save_tiny("classify", "c").path, revision="refs/pr/1")
    assert fetch("org/model").path.name == first, "not asked again unless the user says so"
    assert fetch("org/model", refresh=True).path.name == second
    assert fetch("org/model").path.name == second
    assert fetch("org/model", revision="refs/pr/1").path.name == branch
    assert find_folder("org/model@refs/pr/1").task().name == "classify"
    assert fetch(f"org/model@{first}") == old
    # A refresh that fails halfway leaves the old one in its place.
    hub.add("org/model", save_tiny("pretrain", "d", seed=3).path)
    hub.answer("model.safetensors", 401)
    with pytest.raises(CheckpointError):
        fetch("org/model", refresh=True)
    assert fetch("org/model").path.name == second
    hub.close()
    with pytest.raises(CheckpointError, match="the cache has it, but whether it is today's"):
        fetch("org/model", refresh=True)
    assert fetch("org/model").path.name == second


def test_a_renamed_model_is_found_by_its_old_name(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add(NAME, saved.path)
    hub.rename(NAME, f"google-bert/{NAME}")
    assert fetch(NAME).digest() == saved.digest()


def test_two_processes_fetch_at_once_and_the_weights_come_once(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    hub.faults.pause_seconds = 0.05
    program = "from filbert.checkpoint import fetch; print(fetch('org/model').digest())"
    command = [sys.executable, "-c", program]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [out.strip() for out, _ in said] == [saved.digest()] * 2, said
    assert len([request for request in hub.requests if request.on_cdn]) == 1


def test_a_folder_is_opened_without_huggingface_hub(save_tiny):
    program = (
        "import sys; from filbert.checkpoint import find_folder; from pathlib import Path\n"
        "find_folder(sys.argv[1]).tokenizer(); print('huggingface_hub' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(save_tiny("pretrain").path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
