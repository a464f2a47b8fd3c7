"""What a hub, a network and a disk can do wrong, and what is said and kept then."""

import os
import resource
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from filbert.checkpoint import fetch, find_folder, hub_client, hub_transfer
from filbert.checkpoint.hub_listing import from_api
from filbert.checkpoint.hub_names import parse
from filbert.errors import CheckpointError
from filbert.progress import quiet

TOKEN = "hf_aVerySecretToken"
WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(hub_transfer, "PAUSE_SECONDS", 0)


@pytest.fixture
def partials():
    """The bytes of files that are not whole yet."""
    return lambda: {p: p.stat().st_size for p in cache().rglob("*.incomplete")}


def cache() -> Path:
    return Path(constants.HF_HUB_CACHE)


def ranges(hub):
    return [request.headers.get("Range") for request in hub.requests if request.on_cdn]


def error_of(*arguments, **options):
    with pytest.raises(CheckpointError) as caught:
        fetch(*arguments, **options)
    said = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in said
    assert "Signature" not in said, "an address with a signature is as good as a token"
    return str(caught.value)


class Stop:
    """A user who presses Ctrl-C when so many MB are there."""

    def __init__(self, megabytes):
        self.megabytes = megabytes

    def stage(self, *_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def update(self, done, figures=None):
        if done >= self.megabytes:
            raise KeyboardInterrupt

    def note(self, text):
        pass


def test_a_cut_connection_goes_on_where_it_was_cut(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    hub.cut(WEIGHTS, 1000, 0, 500)
    assert fetch("org/model").digest() == saved.digest()
    assert ranges(hub) == [None, "bytes=1000-", "bytes=1000-", "bytes=1500-"]


def test_after_a_few_tries_what_came_is_kept_for_the_next_call(hub, save_tiny, partials):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    hub.cut(WEIGHTS, *[700] * hub_transfer.TRIES)
    size = (saved.path / WEIGHTS).stat().st_size
    said = error_of("org/model")
    assert f"org/model: {WEIGHTS}: 2,800 of {size:,} bytes came" in said
    assert "goes on from there" in said
    assert list(partials().values()) == [2800]
    assert fetch("org/model").digest() == saved.digest()
    assert ranges(hub)[-1] == "bytes=2800-"
    assert not partials()


def test_a_stopped_download_goes_on(hub, save_tiny, partials):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    small = sum(p.stat().st_size for p in saved.path.iterdir() if p.name != WEIGHTS)
    hub.faults.pause_seconds = 0.01
    with pytest.raises(KeyboardInterrupt):
        fetch("org/model", progress=Stop((small + 1) / 1e6))
    (have,) = partials().values()
    assert 0 < have < (saved.path / WEIGHTS).stat().st_size
    assert fetch("org/model").digest() == saved.digest()
    assert ranges(hub) == [None, f"bytes={have}-"]


def test_a_server_without_ranges_begins_anew(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    hub.faults.no_ranges = True
    hub.cut(WEIGHTS, 1000)
    assert fetch("org/model").digest() == saved.digest()


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_damaged_file_is_named_and_removed(hub, save_tiny, partials, file):
    saved = save_tiny("pretrain")
    commit = hub.add("org/model", saved.path)
    hub.faults.damaged.add(file)
    said = error_of("org/model")
    assert f"org/model: {file}: damaged: its SHA-" in said
    assert not partials()
    assert not (cache() / "models--org--model/snapshots" / commit / file).exists()
    with pytest.raises(CheckpointError):
        find_folder("org/model")
    hub.faults.damaged.clear()
    assert fetch("org/model").digest() == saved.digest()


def test_a_blob_that_another_library_left_damaged_is_fetched_anew(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    folder = fetch("org/model")
    blob = (folder.path / WEIGHTS).resolve()
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    (folder.path / WEIGHTS).unlink()
    assert fetch("org/model").digest() == saved.digest()


def test_a_fault_that_passes_is_waited_for(hub, save_tiny):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    hub.answer(WEIGHTS, 503, 429)
    assert fetch("org/model").digest() == saved.digest()


@pytest.mark.parametrize(
    ("name", "token", "expected"),
    [
        ("bert-base-uncasd", TOKEN, r"no model of this name; did you mean 'bert-base-uncased'\?"),
        (
            "bert-base-uncasd",
            None,
            r"no such model, or a private one; did you mean .*hf auth login",
        ),
        ("org/private", None, "no such model, or a private one.*hf auth login"),
        ("org/private", f"{TOKEN}2", "no model of this name"),
        (
            "org/gated",
            None,
            "gated.*model.safetensors|gated: ask for access on .*/org/gated; log in",
        ),
        ("org/gated", TOKEN, "gated: ask for access on .*; the token that was sent does not open"),
        ("org/open@v9", None, "no branch, tag or commit 'v9' of this model"),
        ("org/none", None, r"holds no model that filbert reads: .* found 2 files \(.h5, .md\)"),
    ],
)
def test_a_refusal_says_what_to_do(hub, save_tiny, tmp_path, monkeypatch, name, token, expected):
    folder = save_tiny("pretrain").path
    hub.add("org/open", folder)
    hub.add("org/private", folder, token=TOKEN)
    hub.add("org/gated", folder, gated=True)
    (tmp_path / "empty").mkdir()
    hub.add("org/none", tmp_path / "empty", more={"tf_model.h5": b"", "README.md": b""})
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(CheckpointError, match=expected):
        fetch(name)
    error_of(name)


@pytest.mark.parametrize("status", [500, 503, 429, 418])
def test_a_hub_with_a_fault_is_not_asked_twice(hub, save_tiny, status):
    hub.add("org/model", save_tiny("pretrain").path)
    hub.answer("", status)
    assert f"HTTP {status} from {hub.url}" in error_of("org/model")
    assert len(hub.requests) == 1


def test_the_token_goes_to_the_hub_and_nowhere_else(hub, save_tiny, monkeypatch, capfd):
    saved = save_tiny("pretrain")
    hub.add("org/private", saved.path, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetch("org/private").digest() == saved.digest()
    sent = {request.on_cdn: request.headers.get("Authorization") for request in hub.requests}
    assert sent == {False: f"Bearer {TOKEN}", True: None}
    agents = {request.headers["User-Agent"].partition("/")[0] for request in hub.requests}
    assert agents == {"filbert"}
    files = [path for path in cache().rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)
    said = capfd.readouterr()
    assert said.out + said.err == ""


@pytest.mark.parametrize(
    "bad", ["../../evil", "/etc/evil", "a\\..\\evil", "x/../../evil", "C:evil"]
)
def test_a_name_that_leads_out_is_refused_before_anything_is_written(hub, save_tiny, bad):
    hub.add("org/model", save_tiny("pretrain").path)
    hub.extra_names = [bad]
    assert "is not a file inside of the folder" in error_of("org/model")
    assert not list(cache().rglob("*evil*"))
    assert not [p for p in cache().rglob("*") if p.is_file() and ".locks" not in p.parts]


@pytest.mark.parametrize(
    ("sha", "file", "expected"),
    [
        ("../../x", {}, "is not a commit"),
        (None, {}, "is not a commit"),
        ("a" * 40, {"rfilename": "config.json", "size": 3, "blobId": "../x"}, "is not a checksum"),
        (
            "a" * 40,
            {"rfilename": "config.json", "size": -3, "blobId": "b" * 40},
            "not a file's size",
        ),
        ("a" * 40, {"rfilename": "config.json", "size": True, "blobId": "b" * 40}, "a file's size"),
        ("a" * 40, {"rfilename": 7, "size": 3, "blobId": "b" * 40}, "not a file inside"),
        (
            "a" * 40,
            {"rfilename": "x.bin", "size": 3, "blobId": "b" * 40, "lfs": {"sha256": "", "size": 3}},
            "is not a checksum",
        ),
    ],
)
def test_an_answer_that_no_hub_gives_is_refused(sha, file, expected):
    with pytest.raises(CheckpointError, match=expected):
        from_api({"sha": sha, "siblings": [file] if file else []}, "hub")
    for answer in (None, [], {"sha": sha}, {"sha": sha, "siblings": [3]}):
        with pytest.raises(CheckpointError, match="lists no files"):
            from_api(answer, "hub")


@pytest.fixture
def attempts(monkeypatch):
    """The connections that were tried, counted where Python's sockets make them."""
    tried = []
    real = socket.socket.connect

    class Counting(socket.socket):
        def connect(self, address):
            tried.append(address)
            return real(self, address)

    monkeypatch.setattr(socket, "socket", Counting)
    return tried


def test_without_a_network_there_is_one_attempt_and_an_error(hub, save_tiny, monkeypatch, attempts):
    hub.close()
    said = error_of("bert-base-uncasd")
    assert len(attempts) == 1
    assert f"bert-base-uncasd: not in {cache()}, and {hub.url} was not reached" in said
    assert "did you mean 'bert-base-uncased'" in said
    assert "filbert fetch bert-base-uncasd" in said
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in error_of("org/model")
    assert len(attempts) == 1


def test_a_network_that_never_answers_is_given_up(hub, monkeypatch):
    waiting = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: waiting.wait())
    monkeypatch.setattr(hub_client, "PROBE_SECONDS", 0.05)
    assert "was not reached: no answer within 0.05 seconds" in error_of("org/model")
    waiting.set()


@pytest.mark.parametrize("endpoint", ["", "ftp://127.0.0.1", "http://", "http://[::1", "nonsense"])
def test_an_endpoint_that_is_none_is_said(hub, monkeypatch, endpoint):
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    assert "HF_ENDPOINT is no address of a hub" in error_of("org/model")


def test_a_password_in_the_endpoint_is_not_shown(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", hub.url.replace("//", f"//user:{TOKEN}@"))
    assert f"from {hub.url}" in error_of("org/model")


def test_a_cache_that_cannot_be_written_is_named(hub, save_tiny, tmp_path, monkeypatch):
    hub.add("org/model", save_tiny("pretrain").path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    said = error_of("org/model")
    assert "the cache could not be written" in said
    assert "HF_HUB_CACHE" in said


def test_a_full_disk_is_said_and_what_came_is_kept(hub, save_tiny, partials):
    saved = save_tiny("pretrain")
    hub.add("org/model", saved.path)
    size = (saved.path / WEIGHTS).stat().st_size

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 100, size - 100))

    done = subprocess.run(
        [sys.executable, "-m", "filbert", "fetch", "org/model", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_disk,
        env={**os.environ, "HF_HUB_CACHE": str(cache())},
    )
    assert done.returncode == 1
    assert "the cache could not be written" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert sum(partials().values()) > 0
    assert fetch("org/model", progress=quiet()).digest() == saved.digest()


def test_a_disk_that_is_too_small_is_seen_beforehand(hub, save_tiny, monkeypatch):
    hub.add("org/model", save_tiny("pretrain").path)
    full = os.statvfs(cache().parent)
    usage = type("Usage", (), {"free": 100, "total": full.f_blocks, "used": 0})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert "make room, or name another place in HF_HUB_CACHE" in error_of("org/model")
    assert not hub.asked("resolve")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a/b/c",
        "../x",
        "-x",
        "x.git",
        "a--b",
        "a..b",
        "x@",
        "x@../y",
        "x@a//b",
        "é",
        "x\n",
    ],
)
def test_what_cannot_be_a_name_is_not_asked_for(hub, name):
    with pytest.raises(CheckpointError, match="cannot be"):
        parse(name)
    assert not hub.requests


def test_two_revisions_are_one_too_many():
    with pytest.raises(CheckpointError, match="name one of the two"):
        parse("org/model@v1", "v2")
    assert parse("org/model@v1", "v1").revision == "v1"


def test_a_slip_in_a_path_is_not_told_to_the_hub(hub, save_tiny, tmp_path, monkeypatch):
    save_tiny("pretrain", "runs/first")
    monkeypatch.chdir(tmp_path)
    for name in ("./runs/frist", "runs/frist", "runs/frist/", "/nowhere/x", "~/x", "a\\b"):
        with pytest.raises(CheckpointError, match=r"did you mean 'first'|there is nothing$"):
            find_folder(name)
    with pytest.raises(CheckpointError, match="there is nothing"):
        find_folder(Path("bert-base-uncased"))
    assert not hub.requests
    with pytest.raises(
        CheckpointError, match=r"rusn: no folder here; did you mean 'runs'.*; by name: no such"
    ):
        find_folder("rusn")
    assert len(hub.requests) == 1


def test_behind_a_proxy_it_is_the_proxy_that_is_tried(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", hub.url)
    monkeypatch.delenv("NO_PROXY")
    close_session()  # the client reads the proxy once
    assert "HTTP 401 from http://hub.invalid" in error_of("org/model")
    assert [r.path.partition("?")[0] for r in hub.requests] == [
        "http://hub.invalid/api/models/org/model/revision/main"
    ]
    close_session()
