"""The story as a page."""

import shlex
from pathlib import Path

import numpy as np

from filbert.quickstart.story import Classifiers, Story
from filbert.quickstart.words import WORDS
from filbert.report import Report
from filbert.tasks import confusion
from filbert.train import RunFolder


def write_page(story: Story) -> Path:
    """Write report.html into the story's folder: Chinese for Chinese text, else English."""
    language = "zh" if story.chinese else "en"
    words = WORDS[language]
    page = Report(words["title"], language=language)
    page.text(words["lead"])
    page.heading(words["text"])
    page.facts({words.get(name, name): f"{value:,}" for name, value in story.counts.items()})
    page.text(words["by_document" if story.texts.by_document else "by_file"])
    _pretraining(page, story, words)
    if story.classifiers is None:
        page.text(words["no_classifier"])
    else:
        _classifiers(page, story, story.classifiers, words)
    if story.attention is not None:
        page.heading(words["attention"])
        page.text(words["attention_text"])
        page.attention(story.attention.tokens, np.clip(story.attention.weights, 0, 1))
    page.heading(words["next"])
    page.code("\n".join(next_commands(story)))
    return page.write(story.out / "report.html")


def next_commands(story: Story) -> list[str]:
    """Three commands that work with what the story made."""
    model = shlex.quote(str(story.out / "pretrained"))
    classifier = shlex.quote(str(story.out / "classifier"))
    masked = story.fillings[0].sentence if story.fillings else "[MASK]"
    text = "".join(f" {shlex.quote(str(path))}" for path in story.texts.paths)
    longer = f"filbert quickstart{' --text' + text if text else ''} --minutes 10 --out runs/longer"
    commands = [f"filbert fill-mask {model} {shlex.quote(masked)}"]
    if story.classifiers:
        asked = " ".join(story.classifiers.samples[0][0].split()[:12])[:80]
        commands.append(f"echo {shlex.quote(asked)} | filbert predict {classifier}")
    else:
        commands.append(f"filbert show {shlex.quote(str(story.out / 'shards' / 'train'))}")
    return [*commands, longer]


def _pretraining(page: Report, story: Story, words: dict[str, str]) -> None:
    page.heading(words["pretraining"])
    page.text(words["pretraining_text"])
    page.lines(
        {words["pretraining"]: _loss_curve(story.out / "pretrained")},
        x=words["seconds"],
        y=words["loss"],
        title=words["loss_title"],
    )
    page.bars(
        {
            words["masked_right"]: story.masked["accuracy"],
            words["masked_top5"]: story.masked["top5_accuracy"],
            words["always"].format(answer=story.guess.answer): story.guess.share,
        },
        title=words["masked_title"],
        value=words["share"],
    )
    if story.fillings:
        page.heading(words["filling"])
        page.text(words["filling_text"])
        page.table(
            [words["sentence"], words["hidden"], words["guesses"]],
            [
                (f.sentence, f.hidden, ", ".join(f"{token} {p:.0%}" for token, p in f.guesses))
                for f in story.fillings
            ],
        )


def _classifiers(page: Report, story: Story, made: Classifiers, words: dict[str, str]) -> None:
    page.heading(words["finetuning"])
    labels, truth = story.texts.labels, made.answered.references
    page.text(words["finetuning_text"].format(labels=len(labels), examples=made.train_examples))
    if story.texts.standard_library:
        page.text(words["labels_stripped"])
    ours, fresh = made.answered.scores, made.fresh_answered.scores
    page.table(
        [words["way"], words["accuracy"], words["macro_f1"]],
        [
            (
                words["majority"].format(answer=made.majority.answer),
                f"{made.majority.share:.1%}",
                f"{made.majority_macro_f1:.1%}",
            ),
            (words["without"], f"{fresh['accuracy']:.1%}", f"{fresh['macro_f1']:.1%}"),
            (words["with"], f"{ours['accuracy']:.1%}", f"{ours['macro_f1']:.1%}"),
        ],
        words["scores_caption"].format(examples=f"{len(truth):,}"),
    )
    points = 100 * (ours["accuracy"] - fresh["accuracy"])
    page.text(words["helped" if points > 0 else "hurt"].format(points=f"{points:+.1f}"))
    page.lines(
        {
            words["with"]: _loss_curve(story.out / "classifier"),
            words["without"]: _loss_curve(story.out / "classifier_without_pretraining"),
        },
        x=words["seconds"],
        y=words["loss"].split("(")[0].split("（")[0].strip(),
        title=words["curves"],
    )
    predicted = [answer.label for answer in made.answered.answers]
    page.matrix(confusion(predicted, truth, labels), labels, title=words["confusion"])
    page.samples(made.samples, title=words["samples"])


def _loss_curve(run: Path) -> tuple[list[float], list[float]]:
    """(seconds, loss) of a run's log, at most some 300 points, each the mean of its neighbours."""
    steps = [line for line in RunFolder(run).read_log() if "loss" in line]
    parts = np.array_split(
        np.array([(s["seconds"], s["loss"]) for s in steps]), min(300, len(steps))
    )
    means = np.array([part.mean(axis=0) for part in parts])
    return means[:, 0].tolist(), means[:, 1].tolist()
