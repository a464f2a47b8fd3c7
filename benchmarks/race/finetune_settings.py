"""The tasks of finetune.py: which rows of which files, and what all contestants learn with.

Rates and epochs are those of GLUE and CLUE practice (Devlin et al. 2019, A.3: 2 to 4 epochs), with
the higher rates that networks this small ask for; nothing was tuned for anybody. Where a file has
more rows than are asked for, those that are read are drawn once, whatever the seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from race.finetune_run import Kind


@dataclass(frozen=True)
class Part:
    """Some rows of files below FILBERT_DATA.

    skip, rows  of them, after they were shuffled; rows None: all that are left
    shuffled    off where neighbours belong together
    columns     of a table without a head line, or whose head says too little
    """

    files: tuple[str, ...]
    rows: int | None = None
    skip: int = 0
    shuffled: bool = True
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Setting:
    """A task.

    score       which of filbert's scores decides; as a part of 1
    train       what is learnt from, at most --rows of it
    dev         what is scored at the end of each epoch; nothing is chosen by it
    test        what counts
    tokens      of a training row, on the average: for the forecast alone
    batch_rows  examples of a step
    """

    name: str
    language: str
    kind: Kind
    score: str
    train: Part
    dev: Part
    test: Part
    max_tokens: int
    tokens: int
    epochs: int
    peak_lr: float = 1e-4
    batch_rows: int = 32


def _parts(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


_COLA = {"label": "2", "text": "4"}
_SQUAD, _TRIAL = _parts("qa", "squad-part.json.gz"), _parts("qa", "cmrc2018-trial.json.gz")
_WIKIGOLD = _parts("ner", "wikigold.conll.gz")
_STSB_ZH = _parts("cls", "stsb-zh-train.csv.gz")

SETTINGS = {
    "sst2": Setting(
        "SST-2",
        "en",
        "classify",
        "accuracy",
        Part(_parts("cls", "sst2-train.tsv.gz"), 2000),
        Part(_parts("cls", "sst2-dev.tsv"), 500),
        Part(_parts("cls", "sst2-test.tsv.gz")),
        max_tokens=128,
        tokens=24,
        epochs=3,
    ),
    "cola": Setting(
        "CoLA",
        "en",
        "classify",
        "mcc",
        Part(_parts("cls", "cola-in_domain_train.tsv.gz"), 2000, columns=_COLA),
        Part(_parts("cls", "cola-in_domain_dev.tsv"), columns=_COLA),
        # Both files together are GLUE's dev set, on which figures are given.
        Part(_parts("cls", "cola-in_domain_dev.tsv", "cola-out_of_domain_dev.tsv"), columns=_COLA),
        max_tokens=128,
        tokens=12,
        epochs=4,
    ),
    "stsb": Setting(
        "STS-B",
        "en",
        "regress",
        "spearman",
        Part(_parts("cls", "stsb-en-train.csv.gz"), 2000),
        Part(_parts("cls", "stsb-en-dev.csv.gz"), 500),
        Part(_parts("cls", "stsb-en-test.csv.gz")),
        max_tokens=128,
        tokens=28,
        epochs=3,
    ),
    "rte": Setting(
        "RTE",
        "en",
        "classify",
        "accuracy",
        Part(_parts("cls", "rte-train.tsv.gz"), 1500),
        Part(_parts("cls", "rte-val.tsv"), columns={"text": "2", "pair": "3", "label": "4"}),
        Part(_parts("cls", "rte-dev.tsv")),
        max_tokens=128,
        tokens=66,
        epochs=3,
        peak_lr=5e-5,
    ),
    "wnut17": Setting(
        "WNUT-17",
        "en",
        "tag",
        "f1",
        Part(_parts("ner", "wnut17-train.conll.gz"), 2000),
        Part(_parts("ner", "wnut17-dev.conll"), 500),
        Part(_parts("ner", "wnut17-test.conll.gz")),
        max_tokens=128,
        tokens=31,
        epochs=4,
        peak_lr=2e-4,
        batch_rows=16,
    ),
    "wikigold": Setting(
        "wikigold",
        "en",
        "tag",
        "f1",
        # One file of articles one after another: cut twice, so that hardly one is torn.
        Part(_WIKIGOLD, 1200, shuffled=False),
        Part(_WIKIGOLD, 150, skip=1200, shuffled=False),
        Part(_WIKIGOLD, skip=1350, shuffled=False),
        max_tokens=128,
        tokens=28,
        epochs=4,
        peak_lr=2e-4,
        batch_rows=16,
    ),
    "squad": Setting(
        "SQuAD (part) to XQuAD-en",
        "en",
        "span",
        "f1",
        Part(_SQUAD, 1000),
        Part(_SQUAD, 150, skip=1000),
        Part(_parts("qa", "xquad.en.json.gz")),
        max_tokens=384,
        tokens=160,
        epochs=2,
        peak_lr=2e-4,
        batch_rows=8,
    ),
    "chnsenticorp": Setting(
        "ChnSentiCorp",
        "zh",
        "classify",
        "accuracy",
        Part(_parts("cls", "chnsenticorp-train.tsv.gz"), 2000),
        Part(_parts("cls", "chnsenticorp-dev.tsv.gz"), 300),
        Part(_parts("cls", "chnsenticorp-test.tsv.gz")),
        max_tokens=256,
        tokens=107,
        epochs=2,
    ),
    "stsb-zh": Setting(
        "STS-B zh",
        "zh",
        "regress",
        "spearman",
        Part(_STSB_ZH, 2000),
        Part(_STSB_ZH, 500, skip=2000),
        Part(_parts("cls", "stsb-zh-dev.csv.gz")),
        max_tokens=128,
        tokens=37,
        epochs=3,
    ),
    "uner-zh": Setting(
        "UNER zh (GSDSimp)",
        "zh",
        "tag",
        "f1",
        Part(_parts("ner", "uner-zh-gsdsimp-train.iob2.gz"), 2000),
        Part(_parts("ner", "uner-zh-gsdsimp-dev.iob2.gz"), 300),
        Part(_parts("ner", "uner-zh-gsdsimp-test.iob2.gz")),
        max_tokens=192,
        tokens=41,
        epochs=3,
        peak_lr=2e-4,
        batch_rows=16,
    ),
    "resume-zh": Setting(
        "resume zh",
        "zh",
        "tag",
        "f1",
        Part(_parts("ner", "resume-zh-train.char.bmes.gz"), 2000),
        Part(_parts("ner", "resume-zh-dev.char.bmes"), 300),
        Part(_parts("ner", "resume-zh-test.char.bmes")),
        max_tokens=192,
        tokens=34,
        epochs=3,
        peak_lr=2e-4,
        batch_rows=16,
    ),
    "cmrc": Setting(
        "CMRC 2018 trial to dev",
        "zh",
        "span",
        "f1",
        Part(_TRIAL, 400),
        Part(_TRIAL, 100, skip=400),
        Part(_parts("qa", "cmrc2018-dev.json.gz"), 600),
        max_tokens=384,
        tokens=590,
        epochs=2,
        peak_lr=2e-4,
        batch_rows=8,
    ),
}

_LAYER_WEIGHTS = {"en": 6 * 12 * 384**2, "zh": 2 * 12 * 512**2}
_FLOPS = {"filbert": 88e9, "trainer": 50e9, "grouped": 80e9}
"""Of real tokens, a second, on two cores of a server: a guess for the forecast."""
_START_SECONDS = 12


def forecast(setting: Setting, contestant: str, rows: int, epochs: int) -> float:
    """The seconds of a run and of all its scoring, guessed."""
    scored = sum(part.rows or 1000 for part in (*[setting.dev] * epochs, setting.test))
    flops = 2 * _LAYER_WEIGHTS[setting.language] * setting.tokens
    return flops * (3 * rows * epochs + scored) / _FLOPS[contestant] + _START_SECONDS
