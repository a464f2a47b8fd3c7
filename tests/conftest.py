"""What every test gets: no network, quiet libraries, one thread a worker, the shared data."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NO_NETWORK = Path(__file__).parent / "no_network"

os.environ["DO_NOT_TRACK"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: without this each would start a thread for every core, and wait.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"


def _load(name: str, path: Path) -> ModuleType:
    """A file of tests/ as a module, though tests/ is no package."""
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _guard_sockets() -> Path:
    """Put the guard into this process and all that it starts; returns the file of refusals."""
    handle, name = tempfile.mkstemp(prefix="filbert-refused-sockets-")
    os.close(handle)
    os.environ["FILBERT_REFUSED_SOCKETS"] = name
    path = os.environ.get("PYTHONPATH", "")
    if str(NO_NETWORK) not in path.split(os.pathsep):
        # pytest's own process gets the guard here; an xdist worker has got it from PYTHONPATH.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(NO_NETWORK), path]))
        _load("no_network_guard", NO_NETWORK / "sitecustomize.py")
    return Path(name)


_REFUSED = _guard_sockets()


def pytest_unconfigure() -> None:
    """Remove the file of refusals."""
    _REFUSED.unlink(missing_ok=True)


_LONG = ("tests/readme/", "tests/quickstart/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


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
def _close_http_client() -> Iterator[None]:
    """huggingface_hub keeps one client for all; making one takes longer than most tests of it."""
    yield
    from huggingface_hub import close_session

    close_session()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _close_http_client: None) -> Iterator[Any]:
    """A hub on this machine, and an empty cache: see tests/hub_on_loopback.py."""
    from huggingface_hub import constants

    module = _load("hub_on_loopback", Path(__file__).with_name("hub_on_loopback.py"))
    hub, cache = module.HubOnLoopback(), tmp_path / "hub-cache"
    for name, value in {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(cache),
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1,localhost",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # huggingface_hub reads its environment once, when it is imported.
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    yield hub
    hub.close()


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


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """That Chromium, started; a test makes contexts of its own."""
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
        )
        yield browser
        browser.close()


_TAUGHT = [
    "the quick brown fox jumps over the lazy dog . it is not far from the river",
    "机器学习让机器从数据中学习。今天天气很好，我们去公园散步。",
    "a naïve café in Zürich, 3.14 and 2,718; don't panic 🙂 🚀 emoji too 👩‍🚀",
] * 4


@pytest.fixture(scope="session")
def tokenizer_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with tiny tokenizers as RoBERTa, ModernBERT and XLM-R have them, by those names."""
    import json

    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    def specials(*tokens: str) -> list[AddedToken]:
        return [AddedToken(t, lstrip="mask" in t.lower(), special=True) for t in tokens]

    roberta = Tokenizer(models.BPE())
    roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    roberta.decoder = decoders.ByteLevel()
    angular = specials("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=angular, initial_alphabet=alphabet, show_progress=False
    )
    roberta.train_from_iterator(_TAUGHT, trainer)
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))

    modern = Tokenizer(models.BPE())
    modern.normalizer = normalizers.NFC()
    split = r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    modern.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    modern.decoder = decoders.ByteLevel()
    square = specials("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=square, initial_alphabet=alphabet, show_progress=False
    )
    modern.train_from_iterator(_TAUGHT, trainer)
    modern.add_tokens(["|||EMAIL|||"])
    modern.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )

    xlm = Tokenizer(models.Unigram())
    xlm.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    xlm.pre_tokenizer = pre_tokenizers.Metaspace()
    xlm.decoder = decoders.Metaspace()
    unigrams = trainers.UnigramTrainer(
        vocab_size=160, special_tokens=angular, unk_token="<unk>", show_progress=False
    )
    xlm.train_from_iterator(_TAUGHT, unigrams)
    xlm.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )

    folders = {}
    for name, made, kind, names in (
        ("roberta", roberta, "RobertaTokenizer", None),
        ("modernbert", modern, "PreTrainedTokenizerFast", square),
        ("xlm-roberta", xlm, "PreTrainedTokenizerFast", angular),
    ):
        folder = tmp_path_factory.mktemp(name)
        made.save(str(folder / "tokenizer.json"))
        config = {"tokenizer_class": kind, "model_max_length": 512}
        for token in names or ():
            word = {"<s>": "cls", "</s>": "sep"}.get(token.content, token.content[1:-1].lower())
            config[f"{word}_token"] = token.content
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        folders[name] = folder
    return folders
