"""Stopped in every way, and gone on with: the same bytes as without the interruption."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from filbert.corpus import CorpusSettings, build_corpus, load_report
from filbert.corpus.build import processing
from filbert.corpus.build.crew import _interrupts_wait
from filbert.corpus.build.folder import claimed, remember
from filbert.disk import work_folder
from filbert.errors import FilbertError, SettingsError
from filbert.files import Source

SETTINGS = CorpusSettings(part_bytes=20_000)
COMMAND = [sys.executable, "-m", "filbert", "corpus", "--set", "part_bytes=20000"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """JSON lines for some fifteen parts, with twins of both kinds in distant parts."""
    path = tmp_path_factory.mktemp("text") / "text.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for n in range(900):
            number = n % 700
            body = " ".join(
                f"In {number * 31 + k} the {k}th house of {number} had a door." for k in range(5)
            )
            if n % 3 == 0:
                body = "".join(
                    f"{number * 17 + k}年，第{number}号楼的门是{k}米高的。" for k in range(9)
                )
            tail = "And so it was." if n >= 800 else ""
            file.write(json.dumps({"text": f"{body} {tail}"}, ensure_ascii=False) + "\n")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """All files; of the page without its title, which has the folder's name."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name != "report.html"
    }


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "whole"
    build_corpus(text, folder, SETTINGS, workers=1)
    return contents(folder)


class Stop:
    """Raises in the middle of the part with a number; counts the parts that are done."""

    def __init__(self, monkeypatch, number, error):
        self.done: list[int] = []
        real = processing._Writer.flush

        def flush(writer):
            if self.number is not None and len(self.done) == self.number:
                raise error
            real(writer)

        real_part = processing.process_part

        def process(work):
            result = real_part(work)
            self.done.append(work.part.number)
            return result

        self.number = number
        monkeypatch.setattr(processing._Writer, "flush", flush)
        monkeypatch.setattr("filbert.corpus.build.building.process_part", process)


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (
            OSError(28, "No space left on device"),
            FilbertError,
            r"No space left on device.*what is finished is kept in .*the same command goes on",
        ),
    ],
)
def test_stopped_in_a_part_the_finished_ones_stay(
    text, whole, tmp_path, monkeypatch, error, raised, message
):
    out = tmp_path / "out"
    stop = Stop(monkeypatch, 5, error)
    with pytest.raises(raised, match=message):
        build_corpus(text, out, SETTINGS, workers=1)
    assert stop.done == [0, 1, 2, 3, 4]
    assert not out.exists()
    assert not list(work_folder(out).rglob(".tmp-*")), "no half-written file stays"
    stop.number = None
    build_corpus(text, out, SETTINGS, workers=1)
    assert stop.done == list(range(len(stop.done))), "no finished part was done again"
    assert contents(out) == whole
    assert not work_folder(out).exists()


def test_a_full_disk_in_the_last_step(text, whole, tmp_path, monkeypatch):
    import pyarrow.parquet

    real, left = pyarrow.parquet.ParquetWriter.write_table, [22]

    def write(self, table):
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        real(self, table)

    with monkeypatch.context() as patch:
        patch.setattr(pyarrow.parquet.ParquetWriter, "write_table", write)
        with pytest.raises(FilbertError, match="No space left on device"):
            build_corpus(text, tmp_path / "out", SETTINGS, workers=1)
    assert list(work_folder(tmp_path / "out").glob("written-*.json"))
    build_corpus(text, tmp_path / "out", SETTINGS, workers=1)
    assert contents(tmp_path / "out") == whole


def test_begin_anew(text, whole, tmp_path, monkeypatch):
    stop = Stop(monkeypatch, 3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build_corpus(text, tmp_path / "out", SETTINGS, workers=1)
    stop.number, stop.done = None, []
    build_corpus(text, tmp_path / "out", SETTINGS, workers=1, restart=True)
    assert stop.done[0] == 0
    assert contents(tmp_path / "out") == whole


@pytest.fixture
def own_text(text, tmp_path):
    """A copy for a test that changes it."""
    return Path(shutil.copy(text, tmp_path))


@pytest.fixture
def begun(own_text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Stop(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build_corpus(own_text, tmp_path / "out", SETTINGS, workers=1)
    return tmp_path / "out"


def test_other_settings_are_an_error_that_names_them(own_text, begun):
    other = CorpusSettings(part_bytes=20_000, simplified=True, languages=("zh",))
    with pytest.raises(SettingsError) as error:
        build_corpus(own_text, begun, other, workers=1)
    assert "languages was [] and is ['zh'] now; simplified was False and is True now" in str(
        error.value
    )
    assert "--restart" in str(error.value)


def test_a_changed_source_is_an_error_that_names_it(own_text, begun):
    with own_text.open("a", encoding="utf-8") as file:
        file.write('{"text": "one more line"}\n')
    with pytest.raises(SettingsError, match=r"text\.jsonl has changed.*--restart"):
        build_corpus(own_text, begun, SETTINGS, workers=1)
    build_corpus(own_text, begun, SETTINGS, workers=1, restart=True)
    assert load_report(begun).documents


def test_new_and_lost_sources_are_errors(own_text, begun, tmp_path):
    (tmp_path / "new.txt").write_text("A new text that nobody has seen.", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"the source \S*new\.txt is new"):
        build_corpus([own_text, tmp_path / "new.txt"], begun, SETTINGS, workers=1)
    with pytest.raises(SettingsError, match=r"the source \S*text\.jsonl is gone"):
        build_corpus([tmp_path / "new.txt"], begun, SETTINGS, workers=1)


def test_addresses_that_are_shown_alike_are_told_apart(tmp_path):
    """The query of an address may be secret, and is kept nowhere."""
    sources = [Source(f"https://a.test/file?id={n}", 10, f"stamp {n}") for n in range(2)]
    remember(tmp_path, SETTINGS, sources)
    (tmp_path / "part-00000.json").touch()
    remember(tmp_path, SETTINGS, sources)
    changed = [replace(sources[0], stamp="another"), sources[1]]
    with pytest.raises(SettingsError, match=r"the source https://a\.test/file has changed"):
        remember(tmp_path, SETTINGS, changed)
    with pytest.raises(SettingsError, match=r"the source https://a\.test/file has changed"):
        remember(tmp_path, SETTINGS, sources[::-1])


def test_a_lock_that_was_removed_meanwhile_is_not_ours(tmp_path, monkeypatch):
    """The one that held it gave up, and removed the folder, between our opening and locking it."""
    import fcntl

    real = fcntl.flock

    def flock(*arguments):
        shutil.rmtree(work_folder(tmp_path / "out"))
        real(*arguments)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(SettingsError, match="another filbert"), claimed(tmp_path / "out"):
        pytest.fail("it is not ours")


def test_workers_of_a_killed_driver_are_waited_for(tmp_path):
    """They look for their token: what they still finish must not come into the next one's work."""
    folder = work_folder(tmp_path / "out")
    folder.mkdir()
    token = folder / "running-abc"
    token.touch()
    code = "import pathlib, sys, time\nwhile pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", code, str(token)]) as worker:
        Path(f"{token}-{worker.pid}").touch()
        with claimed(tmp_path / "out"):
            assert not is_alive(worker.pid)


def test_two_at_once_are_an_error(text, tmp_path, monkeypatch):
    def second(*_):
        with pytest.raises(SettingsError, match="another filbert is working on it"):
            build_corpus(text, tmp_path / "out", SETTINGS, workers=1)
        return None

    monkeypatch.setattr("filbert.corpus.build.building._find_duplicates", second)
    build_corpus(text, tmp_path / "out", SETTINGS, workers=1)


def start(text, tmp_path, out, *more):
    return subprocess.Popen(
        [
            *COMMAND,
            str(text),
            "--out",
            out,
            "--workers",
            "2",
            "--memory",
            "1GB",
            *more,
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_a_part(process, folder):
    """Until the first part is finished, or the process has ended."""
    while not list(folder.glob("part-*.json")):
        if process.poll() is not None:
            pytest.fail(f"it ended before: {process.communicate()}")
        os.sched_yield()


def workers_of(folder: Path) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in folder.glob("running-*-*")]


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return False
    return state[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_driver_takes_its_workers_along_and_nothing_is_lost(text, whole, tmp_path, number):
    """Two worker processes; then the same command finishes the work."""
    folder = work_folder(tmp_path / "out")
    process = start(text, tmp_path, "out")
    wait_for_a_part(process, folder)
    workers = workers_of(folder)
    process.send_signal(number)
    _, said = process.communicate()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "stopped; the same command goes on where it was" in said
    assert workers
    while any(map(is_alive, workers)):
        os.sched_yield()
    assert not (tmp_path / "out").exists()
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.json")}
    process = start(text, tmp_path, "out")
    assert done
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "parts are finished already" in said
    assert contents(tmp_path / "out") == whole


def test_an_interrupt_that_a_library_swallows_is_raised_behind_it():
    def swallow():
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), _interrupts_wait():
            swallow()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with _interrupts_wait():
            swallow()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


# Ray's head process asks the clouds' services on the machine's own link in which of them it runs.
CLOUDS = ("169.254.169.254", "metadata.google.internal")


def test_a_local_ray_of_two_workers_gives_the_same_files(
    text, whole, tmp_path, take_refused_sockets
):
    pytest.importorskip("ray")
    process = start(text, tmp_path, "out", "--runner", "ray")
    _, said = process.communicate()
    assert process.returncode == 0, said[-3000:]
    assert [line for line in take_refused_sockets() if not any(c in line for c in CLOUDS)] == []
    assert contents(tmp_path / "out") == whole
