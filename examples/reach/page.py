"""The findings as a page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.report import Report
from reach.measures import FAR, Cut, HeadReach, Reach
from reach.words import WORDS

LEARNT = 0.1
"""Nats; a copier this good is right in nine of ten cases or more."""
LEAST = 1e-12
"""Below this a gradient's strength is drawn at the bottom of the figure."""


@dataclass(frozen=True)
class Run:
    """How a network learnt: weights between embeddings and head, seconds, the loss of each step."""

    weights: int
    seconds: float
    losses: Sequence[float]


@dataclass(frozen=True)
class Findings:
    """All that was measured; networks by name, "BERT" and "LSTM" first.

    heads      by network; the last one would look at all tokens alike
    example    tokens of a held-out row with a planted word, once BERT can copy
    attention  [depth, attention_heads, tokens, tokens] of the example
    copies     how often the planted word is copied over each of `distances`
    lessons    the loss of each step of learning to copy
    """

    runs: Mapping[str, Run]
    steps: int
    copy_steps: int
    heads: Mapping[str, Sequence[HeadReach]]
    example: Sequence[str]
    attention: NDArray[np.float32]
    gradients: Mapping[str, Reach]
    cuts: Mapping[str, Sequence[Cut]]
    distances: Sequence[int]
    copies: Mapping[str, Sequence[float]]
    lessons: Mapping[str, Sequence[float]]
    seconds: float


def write_page(findings: Findings, out: Path, language: str) -> Path:
    """The page, in English ("en") or Chinese ("zh")."""
    words = WORDS[language]
    page = Report(words["title"], language=language)
    page.text(words["lead"])
    page.table(
        [words["question"], *findings.runs],
        [[words[name], *values] for name, values in summary(findings).items()],
        caption=words["summary_caption"],
    )
    _copying(page, findings, words)
    _gradients(page, findings, words)
    page.heading(words["cut"])
    page.text(words["cut_text"])
    page.lines(
        {
            words[name]: ([cut.tokens for cut in cuts[:-1]], [cut.loss for cut in cuts[:-1]])
            for name, cuts in findings.cuts.items()
        },
        x=words["cut_x"],
        y=words["cut_y"],
    )
    _heads(page, findings, words)
    page.heading(words["run"])
    facts: dict[str, str] = {words["steps"]: f"{findings.steps:,} + {findings.copy_steps:,}"}
    for name, run in findings.runs.items():
        facts[words["weights"].format(name=words[name])] = f"{run.weights:,}"
        facts[words["learning"].format(name=words[name])] = f"{run.seconds:,.0f} s"
    facts[words["seconds"]] = f"{findings.seconds:,.0f} s"
    page.facts(facts)
    return page.write(out)


def summary(findings: Findings) -> dict[str, list[str]]:
    """What came out, a row a question, a column a network: for the page and for docs."""
    bert_and_lstm = list(findings.runs)
    far = len(findings.distances) - 1
    gradients = [findings.gradients[name] for name in bert_and_lstm]
    cuts = [findings.cuts[name] for name in bert_and_lstm]
    return {
        "sum_steps": [steps_to_copy(findings.lessons[name]) for name in bert_and_lstm],
        "sum_copy_far": [f"{findings.copies[name][far]:.0%}" for name in bert_and_lstm],
        "sum_beyond": [f"{reach.beyond[1]:.2%}" for reach in gradients],
        "sum_far": [f"{reach.strength[-1] / reach.strength[0]:.1g}" for reach in gradients],
        "sum_rise": [f"{one[1].rise:+.3f} ± {one[1].error:.3f}" for one in cuts],
        "sum_loss": [f"{one[-1].loss:.3f}" for one in cuts],
    }


def steps_to_copy(losses: Sequence[float], mean_of: int = 20) -> str:
    """The step from which the mean loss of so many steps is below LEARNT."""
    means = np.convolve(losses, np.ones(mean_of) / mean_of, "valid")
    below = np.flatnonzero(means < LEARNT)
    return f"{below[0] + mean_of:,}" if len(below) else "–"


def _copying(page: Report, findings: Findings, words: Mapping[str, str]) -> None:
    page.heading(words["copy"])
    page.text(words["copy_text"])
    page.table(
        [words["distance"], *map(str, findings.distances)],
        [
            [words[name], *(f"{share:.0%}" for share in shares)]
            for name, shares in findings.copies.items()
        ],
        caption=words["copy_y"],
    )
    page.lines(
        {
            words[name]: (np.arange(1, len(losses) + 1), losses)
            for name, losses in findings.lessons.items()
        },
        x=words["step"],
        y=words["cut_y"],
        title=words["lesson_title"],
    )
    page.text(words["attention_text"])
    page.attention(findings.example, np.clip(findings.attention, 0, 1))


def _gradients(page: Report, findings: Findings, words: Mapping[str, str]) -> None:
    page.heading(words["gradient"])
    page.text(words["gradient_text"])
    page.lines(
        {
            words[name]: (
                np.arange(1, len(reach.strength) + 1),
                np.log10(np.maximum(reach.strength, LEAST)),
            )
            for name, reach in findings.gradients.items()
        },
        x=words["distance"],
        y=words["gradient_y"],
    )
    page.table(
        [words["network"], *(words["beyond"].format(tokens=limit) for limit in FAR)],
        [
            [words[name], *(f"{share:.2%}" for share in reach.beyond)]
            for name, reach in findings.gradients.items()
        ],
    )


def _heads(page: Report, findings: Findings, words: Mapping[str, str]) -> None:
    page.heading(words["heads"])
    page.text(words["heads_text"])
    for name, heads in findings.heads.items():
        *own, even = heads
        page.table(
            [
                words["head"],
                words["mean_distance"],
                *(words["beyond"].format(tokens=limit) for limit in FAR),
                words["same_word"],
            ],
            [
                [_named(head, words) if head is not even else words["even"], *_figures(head)]
                for head in [*chosen(own), even]
            ],
            caption=words["heads_caption"].format(name=words.get(name, name), count=len(own)),
        )


def chosen(heads: Sequence[HeadReach]) -> list[HeadReach]:
    """The farthest heads, the best finders of the same word and the nearest, or all if few."""
    far = sorted(heads, key=lambda head: head.distance, reverse=True)
    found = [head for head in far if math.isfinite(head.same_word)]
    finders = sorted(found, key=lambda head: head.same_word, reverse=True)
    wanted = {*far[:5], *finders[:4], *far[-4:]}
    return [head for head in far if head in wanted]


def _named(head: HeadReach, words: Mapping[str, str]) -> str:
    return words["head_name"].format(layer=head.layer + 1, head=head.attention_head + 1)


def _figures(head: HeadReach) -> list[str]:
    return [
        f"{head.distance:.1f}",
        *(f"{share:.0%}" for share in head.beyond),
        f"{head.same_word:.2f} ×" if math.isfinite(head.same_word) else "–",
    ]
