"""The whole story in seconds; stopped and called again; its page in a real browser."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from filbert.engine import open_model
from filbert.quickstart import Story, next_commands, quickstart, write_page

SMALL = {
    "settings": ["train.minutes=0.05", "shape.width=64", "shape.mlp_width=128"],
    "classify_settings": ["train.minutes=0.02"],
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    made = quickstart((), tmp_path_factory.mktemp("story") / "out", **SMALL)
    write_page(made)
    return made


def test_it_leaves_what_it_promises(story: Story) -> None:
    assert story.model.verify() > 0
    assert story.classifiers is not None
    assert set(story.classifiers.answered.scores) == {
        *("accuracy", "macro_f1", "mcc", "calibration_error", "examples"),
    }
    assert 0 < story.guess.share < 0.3
    assert story.classifiers.answered.scores == story.classifiers.pretrained.scores()
    assert story.classifiers.fresh_answered.scores == story.classifiers.fresh.scores()
    assert len(story.fillings) >= 3
    assert all("[MASK]" in filling.sentence for filling in story.fillings)
    assert len(next_commands(story)) == 3
    card = (story.model.path / "README.md").read_text(encoding="utf-8")
    assert "PSF-2.0" in card


def test_transformers_opens_both_folders_with_equal_answers(story: Story) -> None:
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

    assert story.classifiers is not None
    text = story.fillings[0].sentence
    tokenizer = AutoTokenizer.from_pretrained(story.model.path)
    inputs = tokenizer(text, return_tensors="pt")
    logits = AutoModelForMaskedLM.from_pretrained(story.model.path).eval()(**inputs).logits[0]
    place = int((inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0])
    best = logits[place].softmax(-1).topk(3)
    (ours,) = open_model(story.model).fill_mask(text)
    assert [g.token_id for g in ours[0].guesses[:3]] == best.indices.tolist()
    assert [g.probability for g in ours[0].guesses[:3]] == pytest.approx(
        best.values.tolist(), abs=1e-5
    )
    folder = story.classifiers.pretrained
    theirs = AutoModelForSequenceClassification.from_pretrained(folder.path).eval()
    inputs = tokenizer("Open the window and draw a frame.", return_tensors="pt")
    temperature = folder.task().temperature  # type: ignore[attr-defined]
    probabilities = (theirs(**inputs).logits[0] / temperature).softmax(-1)
    (answer,) = open_model(folder).classify("Open the window and draw a frame.")
    assert answer.label == theirs.config.id2label[int(probabilities.argmax())]
    assert answer.probability == pytest.approx(float(probabilities.max().detach()), abs=1e-5)


def test_the_page_opens_offline_in_a_browser(story: Story, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    requests: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        address = (story.out / "report.html").resolve().as_uri()
        page.goto(address)
        headings = page.locator("h2").all_inner_texts()
        browser.close()
    assert (story.out / "report.html").stat().st_size < 1_500_000
    assert requests == [address]
    assert complaints == []
    assert headings == [
        "What was read",
        "Pre-training",
        "What it would fill in",
        "Fine-tuning",
        "Where the tokens look",
        "What to try next",
    ]


def labelled_texts(path: Path) -> Path:
    """A file of 600 texts of two labels: little to read, learning begins soon."""
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(600):
            label = ("weather", "food")[number % 2]
            words = [f"{label[:3]}{draw.randrange(40)}" for _ in range(24)]
            file.write(json.dumps({"text": f"{' '.join(words)}.", "label": label}) + "\n")
    return path


def test_ctrl_c_and_the_same_command_go_on(tmp_path: Path) -> None:
    """Interrupted in pre-training: exit code 130, everything saved, and no step is made twice."""
    out, texts = tmp_path / "out", labelled_texts(tmp_path / "texts.jsonl")
    command = [sys.executable, "-m", "filbert", "quickstart", "--out", str(out)]
    command += ["--text", str(texts)]
    # Long enough for a busy machine to be interrupted in the middle.
    command += ["--minutes", "0.3", "--classify-minutes", "0.02"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        log = out / "pretrained" / "log.jsonl"
        deadline = time.monotonic() + 120
        while not (log.exists() and log.read_text().count("\n") >= 2):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    stopped = re.search(r"stopped at step (\d+)", errors.decode())
    assert stopped is not None
    done = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if '"spent"' in line]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > int(stopped[1])
    printed = done.stdout.decode()
    assert "a pre-trained BERT" in printed
    assert printed.partition("try next:")[2].rstrip().count("\n  ") == 3
    assert (out / "report.html").stat().st_size < 1_500_000
