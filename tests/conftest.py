"""What every test gets: no network, quiet libraries, one thread a worker, the shared data."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NO_NETWORK = Path(__file__).parent / "no_network"

os.environ["DO_NOT_TRACK"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: without this each would start a thread for every core, and wait.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"


def _guard_sockets() -> Path:
    """Put the guard into this process and all that it starts; returns the file of refusals."""
    handle, name = tempfile.mkstemp(prefix="filbert-refused-sockets-")
    os.close(handle)
    os.environ["FILBERT_REFUSED_SOCKETS"] = name
    path = os.environ.get("PYTHONPATH", "")
    if str(NO_NETWORK) not in path.split(os.pathsep):
        # pytest's own process gets the guard here; an xdist worker has got it from PYTHONPATH.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(NO_NETWORK), path]))
        specification = importlib.util.spec_from_file_location(
            "no_network_guard", NO_NETWORK / "sitecustomize.py"
        )
        assert specification is not None
        assert specification.loader is not None
        specification.loader.exec_module(importlib.util.module_from_spec(specification))
    return Path(name)


_REFUSED = _guard_sockets()


def pytest_unconfigure() -> None:
    """Remove the file of refusals."""
    _REFUSED.unlink(missing_ok=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip GPU tests where there is no GPU."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device: there is none here")


@pytest.fixture
def take_refused_sockets() -> Callable[[], list[str]]:
    """Gives the refusals since the last call and forgets them: for tests that expect one."""

    def take() -> list[str]:
        lines = _REFUSED.read_text(encoding="utf-8").splitlines()
        _REFUSED.write_text("", encoding="utf-8")
        return lines

    return take


@pytest.fixture(autouse=True)
def _no_network(take_refused_sockets: Callable[[], list[str]]) -> Iterator[None]:
    """Fail a test that tried to leave this machine, even if the refusal was swallowed."""
    yield
    if refused := take_refused_sockets():
        pytest.fail(f"tests stay on this machine, but this one tried: {'; '.join(refused)}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared data folder, by FILBERT_DATA."""
    folder = os.environ.get("FILBERT_DATA")
    if not folder:
        pytest.skip("needs the shared data: set FILBERT_DATA to its folder")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"FILBERT_DATA names {folder}, which is no folder")
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for playwright's `executable_path`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("needs a browser: install Debian's package `chromium`")
