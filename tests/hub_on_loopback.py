"""A hub on this machine that serves models as huggingface.co does, and can misbehave.

The fixture `hub` (tests/conftest.py) starts one and points HF_ENDPOINT, HF_HUB_CACHE and the
settings of huggingface_hub in this process at it, with an empty cache; processes that the test
starts get the same by their environment.

    def test_from_pretrained(hub, some_folder):
        hub.add("bert-base-uncased", some_folder)          # serves the folder's files
        filbert.BertModel.from_pretrained("bert-base-uncased")

hub.add(…) gives the commit. A second add with the same name makes a new commit of "main", or of the
branch that `revision` names. hub.requests holds what was asked for, in order.

Its layout, as huggingface_hub 2.4 uses it and as the real hub answers:
  GET  /api/models/ID[/revision/REV]?blobs=true   the listing, with sizes and checksums
  GET  /api/models/ID/tree/COMMIT                 the same for snapshot_download
  HEAD, GET /ID/resolve/REV/FILE                  a small file itself, with git's SHA-1 as its ETag;
                                                  for a large one 302 to the CDN: another origin
  a renamed model                                 307 to its new name
  errors                                          X-Error-Code, as the hub has them
"""

import hashlib
import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".ot")
"""What the hub keeps in Git LFS, and so serves from the CDN."""


@dataclass(frozen=True)
class Request:
    """What a client asked. on_cdn: of the CDN, not of the hub itself."""

    method: str
    path: str
    headers: dict[str, str]
    on_cdn: bool


@dataclass
class Model:
    """The files of each commit, and what branches and tags mean."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    gated: bool = False


@dataclass
class Faults:
    """How it misbehaves, by a file's name ("" for the listing)."""

    cuts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    damaged: set[str] = field(default_factory=set)
    no_ranges: bool = False
    pause_seconds: float = 0.0


class HubOnLoopback:
    """The hub and its CDN, each a server in a thread. Close it when done."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.moved: dict[str, str] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.extra_names: list[str] = []
        self.hub_server = _serve(self, on_cdn=False)
        self.cdn_server = _serve(self, on_cdn=True)
        self.url = f"http://127.0.0.1:{self.hub_server.server_port}"
        self.cdn_url = f"http://127.0.0.1:{self.cdn_server.server_port}"

    def add(
        self,
        name: str,
        folder: Path,
        *,
        revision: str = "main",
        token: str | None = None,
        gated: bool = False,
        more: dict[str, bytes] | None = None,
    ) -> str:
        """Serve a folder's files under a name; the commit.

        token: only who sends it may see the model. gated: all see the listing, nobody gets files.
        more: further files by name, e.g. {"tf_model.h5": b"…"}.
        """
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }
        files |= more or {}
        model = self.models.setdefault(name, Model())
        text = json.dumps([[name, _sha256(content)] for name, content in sorted(files.items())])
        commit = hashlib.sha1(f"{len(model.commits)}{text}".encode()).hexdigest()
        model.commits[commit] = files
        model.refs[revision] = commit
        model.token, model.gated = token, gated
        return commit

    def rename(self, old: str, new: str) -> None:
        """The model `old` is now called `new`; the old name still leads to it."""
        self.models[new] = self.models.pop(old)
        self.moved[old] = new

    def cut(self, file: str, *after_bytes: int) -> None:
        """End the next answers for a file after so many bytes each."""
        self.faults.cuts[file] += after_bytes

    def answer(self, file: str, *statuses: int) -> None:
        """Answer the next questions for a file ("": for the listing) with these HTTP statuses."""
        self.faults.statuses[file] += statuses

    def asked(self, part: str = "") -> list[Request]:
        """The requests whose path holds `part`."""
        return [request for request in self.requests if part in request.path]

    def close(self) -> None:
        """Stop both servers."""
        for server in (self.hub_server, self.cdn_server):
            server.shutdown()
            server.server_close()


def _serve(hub: HubOnLoopback, *, on_cdn: bool) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "on_cdn": on_cdn})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: HubOnLoopback
    on_cdn: bool
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Find what is meant, and answer it."""
        self.hub.requests.append(
            Request(self.command, self.path, dict(self.headers.items()), self.on_cdn)
        )
        path = unquote(urlsplit(self.path).path).strip("/")
        if self.on_cdn:
            content = self._blob(path)
            return self._send_file(parse_qs(urlsplit(self.path).query)["name"][0], content, {})
        if path.startswith("api/models/"):
            return self._api(path.removeprefix("api/models/"))
        name, _, rest = path.partition("/resolve/")
        return self._resolve(name, rest)

    def _api(self, path: str) -> None:
        if self._fails(""):
            return None
        for word in ("/revision/", "/tree/"):
            if word in path:
                name, _, revision = path.partition(word)
                break
        else:
            name, word, revision = path, "", "main"
        found = self._model(name, revision, f"/api/models/{{}}{path.removeprefix(name)}")
        if found is None:
            return None
        model, commit = found
        files = model.commits[commit]
        if word == "/tree/":
            return self._send_json([_tree_entry(file, files[file]) for file in files])
        siblings = [_sibling(file, content) for file, content in files.items()]
        siblings += [
            {"rfilename": bad, "size": 1, "blobId": "0" * 40} for bad in self.hub.extra_names
        ]
        answer = {"id": self._new_name(name), "sha": commit, "siblings": siblings}
        return self._send_json(answer | {"gated": "auto" if model.gated else False})

    def _resolve(self, name: str, rest: str) -> None:
        model = self.hub.models.get(self._new_name(name), Model())
        known = sorted({*model.refs, *model.commits}, key=len, reverse=True)
        revision = next((one for one in known if rest.startswith(f"{one}/")), rest.split("/")[0])
        file = rest[len(revision) + 1 :]
        if self._fails(file):
            return None
        found = self._model(name, revision, f"/{{}}/resolve/{rest}")
        if found is None:
            return None
        model, commit = found
        if model.gated:
            return self._refuse(403, "GatedRepo")
        content = model.commits[commit].get(file)
        if content is None:
            return self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_sha1(content)}"'}
        if not file.endswith(LARGE):
            return self._send_file(file, content, headers)
        headers |= {
            "X-Linked-Etag": f'"{_sha256(content)}"',
            "X-Linked-Size": str(len(content)),
            "Location": f"{self.hub.cdn_url}/{_sha256(content)}?name={file}&Signature=s3cret",
        }
        return self._send(302, b"", headers)

    def _model(self, name: str, revision: str, path: str) -> tuple[Model, str] | None:
        """The model and the commit that are meant; None if that has been answered."""
        if name in self.hub.moved:
            self._send(307, b"", {"Location": path.format(self.hub.moved[name])})
            return None
        model = self.hub.models.get(name)
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if model is None or (model.token is not None and model.token != sent):
            # Who is not logged in cannot tell a private model from none.
            self._refuse(404 if sent else 401, "RepoNotFound")
            return None
        commit = revision if revision in model.commits else model.refs.get(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound")
            return None
        return model, commit

    def _new_name(self, name: str) -> str:
        return self.hub.moved.get(name, name)

    def _blob(self, checksum: str) -> bytes:
        for model in self.hub.models.values():
            for files in model.commits.values():
                for content in files.values():
                    if _sha256(content) == checksum:
                        return content
        raise AssertionError(f"the CDN was asked for {checksum}")

    def _fails(self, file: str) -> bool:
        statuses = self.hub.faults.statuses[file]
        if statuses and self.command == "GET":
            self._refuse(statuses.pop(0), "")
            return True
        return False

    def _send_file(self, file: str, content: bytes, headers: dict[str, str]) -> None:
        if file in self.hub.faults.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        wanted = self.headers.get("Range")
        if wanted and not self.hub.faults.no_ranges:
            start, total = int(wanted.removeprefix("bytes=").rstrip("-")), len(content)
            if start >= total:
                return self._refuse(416, "")
            headers |= {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
            return self._send(206, content[start:], headers, self._cut_after(file))
        return self._send(200, content, headers, self._cut_after(file))

    def _cut_after(self, file: str) -> int | None:
        cuts = self.hub.faults.cuts[file]
        return cuts.pop(0) if cuts and self.command == "GET" else None

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        # A hub that repeats the token: filbert must not.
        said = f"no, not with {self.headers.get('Authorization')}"
        more = {"X-Error-Code": code} if code else {}
        self._send(status, b"{}", {"X-Error-Message": said, **more, **(headers or {})})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cut_after: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = body if cut_after is None else body[:cut_after]
        for start in range(0, len(body), 4096):
            time.sleep(self.hub.faults.pause_seconds)
            self.wfile.write(body[start : start + 4096])
        if cut_after is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)


def _sibling(file: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": file, "size": len(content)}
    entry["blobId"] = _git_sha1(content)
    if file.endswith(LARGE):
        entry["lfs"] = {"size": len(content), "sha256": _sha256(content), "pointerSize": 134}
    return entry


def _tree_entry(file: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": file, "size": len(content)}
    entry["oid"] = _git_sha1(content)
    if file.endswith(LARGE):
        entry["lfs"] = {"size": len(content), "oid": _sha256(content), "pointerSize": 134}
    return entry


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
