"""`filbert` without the seconds that Python needs to import it: for tests that call it often.

One process imports what the verbs import, and computes nothing; each call is a fork of it, with the
caller's folder, environment, arguments and streams. So a shell line runs as it stands: its
`filbert` is a program that hands itself over to the fork, and ends as it ends.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IMPORTED = (
    *("torch", "torch._dynamo", "altair", "vl_convert", "filbert.cli.main"),
    *("filbert.engine", "filbert.train", "filbert.shards", "filbert.checkpoint"),
)

PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
words = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode()
socket.send_fds(line, [len(words).to_bytes(4, "little")], [0, 1, 2])
line.sendall(words)
code = line.recv(4)
sys.exit(int.from_bytes(code, "little") if len(code) == 4 else "the warm process is gone")
"""


@contextmanager
def warm_programs(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A folder with `filbert`, started warm, and `python`, to be put into the PATH.

    environment  of the process that imports; a call has its own, but for what is read at import
    """
    folder.mkdir()
    short = tempfile.mkdtemp(prefix="filbert-")  # a socket's path has room for 100 characters
    address = f"{short}/calls"
    program = folder / "filbert"
    program.write_text(PROGRAM.format(python=sys.executable, address=address), encoding="utf-8")
    program.chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    server = subprocess.Popen([sys.executable, __file__, address], env=environment)
    try:
        while not Path(address).exists():
            assert server.poll() is None, "the warm process ended before the first call"
            time.sleep(0.05)
        yield folder
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(short, ignore_errors=True)


def _serve(address: str) -> None:
    for name in IMPORTED:
        __import__(name)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address + ".new")
    listening.listen(64)
    Path(address + ".new").rename(address)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(line)
        line.close()


def _answer(line: socket.socket) -> None:
    """One call, in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(line, 4, 3)
    left, words = int.from_bytes(size, "little"), b""
    while len(words) < left:
        words += line.recv(left - len(words))
    folder, environment, arguments = json.loads(words)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Python's own streams remember what stood at these numbers when it started.
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["filbert", *arguments]
    # A call may start processes that must not keep the line open.
    line.set_inheritable(False)
    code = 1
    try:
        from filbert.cli import main

        code = main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(code.to_bytes(4, "little"))
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
