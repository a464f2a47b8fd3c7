"""The pages of fine-tuned runs: real ones of every task, hostile texts in them, and their seeds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import filbert
from filbert.checkpoint import Folder
from filbert.errors import CheckpointError
from filbert.report import Report
from filbert.train import RunFolder, finetune_seeds, read_seeds
from filbert.train.findings import FINDINGS_FILE, FOUND_WORDS, read_findings
from filbert.train.page import language_of, write_report
from filbert.train.page_words import PAGE_WORDS
from filbert.train.seeds_page import write_study

HOSTILE = [
    "<script>alert(1)</script> it is good",
    "\u202egnihtemos\u202c </main><img src=x onerror=alert(2)>",
    "long " * 2000,
    "",
    "مرحبا 👩‍🚀 <b>bold</b> {{7*7}} \u0000",
    "x" * 10_000,
]
LABEL = "<i>neg</i>"
SETTINGS = [
    *("train.steps=4", "train.batch_tokens=512", "train.peak_lr=1e-3"),
    *("train.evaluations=2", "train.tensorboard=false"),
]


def examples_of(task: str) -> list[dict[str, Any]]:
    """A dev set of hostile texts, of which a network that knows nothing says much that is wrong."""
    texts = [f"{text} number {at}" if text else text for at, text in enumerate(HOSTILE * 3)]
    numbered = list(enumerate(texts))
    made: dict[str, list[dict[str, Any]]] = {
        "classify": [{"text": t, "label": ("pos", LABEL, "a")[n % 3]} for n, t in numbered],
        "regress": [{"text": t, "pair": t[::-1], "label": n % 5} for n, t in numbered],
        "tag": [
            {"text": f"Ann {t}", "entities": [(0, 3, ("PER", LABEL)[n % 2])]} for n, t in numbered
        ],
        "span": [
            {
                "question": f"Who is {t}?",
                "context": f"{t} Ann lives here.",
                "answers": [{"text": "Ann", "start": len(t) + 1}] if n % 3 else [],
            }
            for n, t in numbered
        ],
        "rerank": [
            {"text": HOSTILE[n % 2], "pair": t, "label": int(n % 5 == 1)} for n, t in numbered
        ],
        "choose": [{"text": t, "choices": [t, t, "7"], "label": n % 3} for n, t in numbered],
        "embed": [
            {"text": t, "pair": t[::-1], "label": n % 4} if n % 2 else {"text": t, "pair": f"b {t}"}
            for n, t in numbered
        ],
    }
    return made[task]


TASKS = ("classify", "regress", "tag", "span", "rerank", "choose", "embed")
SECTIONS = {
    "classify": ("By label", "Confusion matrix", "Calibration", "worst errors", "95 % interval"),
    "regress": ("Predicted beside gold", "worst errors", "spearman", "95 % interval"),
    "tag": ("By type of entity", "In which way entities are wrong", "worst errors"),
    "span": ("By kind of question", "with an answer", "worst errors", "asked by"),
    "rerank": ("By query", "worst errors", "came first", "relevance"),
    "choose": ("By place of the right ending", "Calibration", "worst errors"),
    "embed": ("Predicted beside gold", "Where pairs were found", "worst errors"),
}


@dataclass(frozen=True)
class Made:
    """A fine-tuned run, and what makes it once more."""

    run: Path
    folder: Folder
    again: Any


@pytest.fixture(scope="module")
def start(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    plan = filbert.Plan(
        name="tiny",
        task={"max_tokens": 64},
        shape=filbert.train.Size(1, 32, 2, 64, 64, dropout_fraction=0.0),
        train=filbert.train.Training(steps=1, batch_tokens=512),
    )
    return filbert.pretrain(world.shards, tmp_path_factory.mktemp("start") / "run", plan=plan)


@pytest.fixture(scope="module")
def made(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs by task, each made once, when it is asked for."""
    runs: dict[str, Made] = {}
    home = tmp_path_factory.mktemp("runs")

    def run(task: str) -> Made:
        if task not in runs:
            examples = examples_of(task)

            def again(*settings: str) -> Folder:
                return filbert.finetune(
                    task,
                    examples,
                    home / task,
                    start=start,
                    dev=examples,
                    settings=[*SETTINGS, *settings],
                )

            runs[task] = Made(home / task, again(), again)
        return runs[task]

    return run


@pytest.fixture(scope="module")
def whole_page(made: Any) -> Path:
    """The page of a whole run."""
    return write_report(made("classify").run)


def page_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def found_in(run: Path, folder: Path, language: str = "en") -> str:
    """What was found alone, as a page: without the run's curves, which cost most of the drawing."""
    findings = read_findings(run)
    assert findings is not None
    report = Report("found", language)
    words = {**FOUND_WORDS[language], **PAGE_WORDS[language]}
    findings.show_scores(report, words)
    findings.found.show(report, words)
    return report.write(folder / f"{language}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("task", TASKS)
def test_what_is_found_of_every_task_can_be_shown(made: Any, task: str, tmp_path: Path) -> None:
    run = made(task)
    findings = read_findings(run.run)
    assert findings is not None
    # What training logged of this checkpoint, and what stands on the page.
    assert findings.about.scores == run.folder.scores()
    assert findings.about.folder == run.folder.path.name
    main = run.folder.task().main_score
    interval = findings.about.intervals[main]
    assert interval.low <= interval.score <= interval.high
    assert interval.score == pytest.approx(run.folder.scores()[main])
    page = found_in(run.run, tmp_path)
    for section in SECTIONS[task]:
        assert section in page
    assert f"{run.folder.scores()[main]:.4f}" in page
    assert f"{interval.low:.4f} – {interval.high:.4f}" in page
    for outlaw in ("<script", "<img", "<b>", "<i>", "\u202e", "\0"):
        assert outlaw not in page
    assert "U+202E" in page
    assert len(page) < 1_500_000
    assert "x" * 800 not in page
    assert (run.run / FINDINGS_FILE).stat().st_size < 200_000
    chinese = found_in(run.run, tmp_path, "zh")
    assert 'lang="zh-CN"' in chinese
    assert "最严重的错误" in chinese
    assert "The worst errors" not in chinese


def test_the_page_of_a_run_has_it_all(whole_page: Path) -> None:
    page = whole_page.read_text(encoding="utf-8")
    for title in ("Overview", "95 % interval", "By label", "What it learnt", "How it went"):
        assert title in page
    assert page.index("Scores of the dev set") < page.index("By label") < page.index("How it went")
    for outlaw in ("<script", "<img", "<b>", "<i>", "\u202e", "\0"):
        assert outlaw not in page


def test_found_once_and_never_again(made: Any) -> None:
    run = made("tag")
    before = (run.run / FINDINGS_FILE).stat().st_mtime_ns
    run.again()
    assert (run.run / FINDINGS_FILE).stat().st_mtime_ns == before


def test_texts_can_be_left_out(made: Any, tmp_path: Path) -> None:
    run = made("span")
    run.again("train.keep_texts=false")
    raw = (run.run / FINDINGS_FILE).read_text(encoding="utf-8")
    assert "Ann" not in raw
    assert "number" not in raw.replace('"number"', "")
    page = found_in(run.run, tmp_path)
    assert "train.keep_texts is false" in page
    assert "their texts were left out" in page
    run.again()
    assert "Ann lives here" in (run.run / FINDINGS_FILE).read_text(encoding="utf-8")


def test_a_run_from_before_has_its_page(made: Any) -> None:
    run = made("regress")
    kept = (run.run / FINDINGS_FILE).read_bytes()
    (run.run / FINDINGS_FILE).unlink()
    recipe = json.loads((run.run / "run.json").read_text())
    del recipe["places"]["language"]
    (run.run / "run.json").write_text(json.dumps(recipe))
    page = page_of(run.run)
    assert "Scores of the dev set" in page
    assert "The worst errors" not in page
    # The same call has it anew, byte for byte.
    run.again()
    assert (run.run / FINDINGS_FILE).read_bytes() == kept


def test_what_is_damaged_is_named_and_made_anew(made: Any) -> None:
    run = made("choose")
    file = run.run / FINDINGS_FILE
    whole = file.read_bytes()
    for broken, message in (
        (whole[:-50], "findings.json: not valid JSON"),
        (whole.replace(b'"wrong"', b'"wrang"', 1), "findings.json: found.*wrang"),
        (whole.replace(b'"task": "choose"', b'"task": "chose"'), "'chose' is unknown; did you"),
        (b'{"format": 1, "findings": {}}', "expected objects in the fields 'about' and 'found'"),
    ):
        file.write_bytes(broken)
        with pytest.raises(CheckpointError, match=message):
            write_report(run.run)
        run.again()
        assert file.read_bytes() == whole


def test_an_interrupted_run_has_its_page(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [{"text": "今天天气很好", "label": "好"}, {"text": "不好", "label": "坏"}] * 6

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def call() -> Folder:
        return filbert.finetune(
            "classify", examples, tmp_path / "run", start=start, settings=SETTINGS
        )

    with monkeypatch.context() as patch:
        patch.setattr("filbert.train.findings.keeping.answer_rows", stopped)
        with pytest.raises(KeyboardInterrupt):
            call()
    page = page_of(tmp_path / "run")
    # The vocabulary is English; what it was taught is not.
    assert 'lang="zh-CN"' in page
    assert "验证集得分" in page
    assert "最严重的错误" not in page
    assert call().scores()
    assert read_findings(tmp_path / "run") is not None


def test_a_disk_that_refuses_fails_no_run(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filbert.errors import FilbertError
    from filbert.progress import quiet

    said: list[str] = []
    progress = quiet()
    monkeypatch.setattr(type(progress), "note", lambda self, text: said.append(text))

    def refuse(*_: Any) -> None:
        raise FilbertError("findings.json could not be written: No space left on device")

    monkeypatch.setattr("filbert.train.findings.findings.write_ours", refuse)
    examples = [{"text": "good", "label": "a"}, {"text": "bad", "label": "b"}] * 6
    folder = filbert.finetune(
        "classify", examples, tmp_path / "run", start=start, settings=SETTINGS, progress=progress
    )
    assert folder.scores()
    assert any("No space left on device" in line for line in said)
    assert not (tmp_path / "run" / FINDINGS_FILE).exists()
    assert not list((tmp_path / "run").glob(".tmp-*"))


def test_several_labels_a_text(start: Any, tmp_path: Path) -> None:
    names = ["<b>a</b>", "b", "c"]
    examples = [
        {"text": f"text {at}", "labels": [n for n in names if at % (2 + names.index(n))]}
        for at in range(20)
    ]
    folder = filbert.finetune(
        "classify", examples, tmp_path / "run", start=start, dev=examples, settings=SETTINGS
    )
    findings = read_findings(tmp_path / "run")
    assert findings is not None
    assert findings.about.scores == folder.scores()
    page = found_in(tmp_path / "run", tmp_path)
    assert "Confusion matrix" not in page
    assert 'class="is-' in page
    assert "<b>" not in page


def test_many_labels_are_pairs(start: Any, tmp_path: Path) -> None:
    examples = [{"text": f"text {at}", "label": f"label {at % 35}"} for at in range(70)]
    filbert.finetune(
        "classify", examples, tmp_path / "run", start=start, dev=examples, settings=SETTINGS
    )
    page = found_in(tmp_path / "run", tmp_path)
    assert '<table class="matrix' not in page
    assert "The 30 most frequent of" in page


@pytest.fixture(scope="module")
def study(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one task."""
    out = tmp_path_factory.mktemp("study") / "seeds of <b>"
    examples = [{"text": f"good {n}", "label": ("a", "b")[n % 2]} for n in range(20)]
    finetune_seeds(
        "classify", examples, out, 2, start=start, dev=examples, test=examples[:7],
        settings=[*SETTINGS, "train.give_up_fraction=0"],
    )  # fmt: skip
    return out


def test_a_study_has_one_page_over_all_runs(study: Path) -> None:
    page = (study / "report.html").read_text(encoding="utf-8")
    seeds = read_seeds(study)
    for part in ("dev", "test"):
        values = seeds.values(part)
        assert f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}" in page
    losses = [tries[-1].dev["calibration_error"] for tries in seeds.tries]
    assert f"{np.mean(losses):.4f} ± {np.std(losses, ddof=1):.4f}" in page
    for tries in seeds.tries:
        for one in tries:
            assert f'<a href="{one.run}/report.html">' in page
            assert (study / one.run / "report.html").is_file()
            best = RunFolder(study / one.run).best("accuracy")
            assert best is not None
            assert best.path.name in page
    assert "seeds of &lt;b&gt;" in page
    assert "<b>" not in page
    assert "Learning curves" in page
    assert language_of(RunFolder(study / "seed-1")) == "en"


def test_failed_starts_are_told_apart(study: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    seeds = read_seeds(study)
    (first,), *others = seeds.tries
    failed = replace(first, run="<gone>", failed=True, dev={"accuracy": 0.5}, test={})
    told = replace(seeds, tries=((failed, first), *others))
    page = write_study(study, told, language="zh").read_text(encoding="utf-8")
    values = told.values("dev", restarted=False)
    assert values[0] == 0.5
    assert f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}" in page
    assert "失败的起步" in page
    assert "&lt;gone&gt;" in page
    assert page.count("<a href=") - page.count('<a href="#') == 2  # its folder is gone: no link


@pytest.fixture(scope="module")
def found_pages(made: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Chinese pages of what was found, by three tasks."""
    pages = []
    for task in ("tag", "span", "regress"):
        place = tmp_path_factory.mktemp(task)
        found_in(made(task).run, place, "zh")
        pages.append(place / "zh.html")
    return pages


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_pages_fit_and_ask_for_nothing(
    browser: Any, whole_page: Path, found_pages: list[Path], study: Path, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    heard: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    paths = [whole_page, *found_pages, study / "report.html"]
    for path in paths:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="seed-2").click()
    assert page.title() == "Run seed-2"
    paths.append(study / "seed-2" / "report.html")
    context.close()
    assert (heard, asked) == ([], [path.as_uri() for path in paths])
