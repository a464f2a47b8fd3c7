"""The whole way once, as one readable story: raw text → a BERT → a classifier → a page.

Every chapter leaves a folder and is passed over when that folder is there already; the trainings go
on where they were stopped. So Ctrl-C costs nothing, and the same command finishes the work.
"""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filbert.checkpoint import Card, Folder
from filbert.corpus import (
    CorpusSettings,
    Document,
    Duplicates,
    build_corpus,
    no_rules,
    open_documents,
)
from filbert.disk import atomic_file, atomic_folder
from filbert.engine import Attention, Predictor, evaluate, open_model
from filbert.errors import EXTRA_OF, DataError, SettingsError, missing_extra
from filbert.language import is_chinese
from filbert.progress import Progress, quiet
from filbert.quickstart.texts import Texts, examples, gather
from filbert.shards import ShardReader, write_shards
from filbert.tasks import Answered, accuracy, macro_f1
from filbert.tokenizer import Tokenizer, learn_wordpiece
from filbert.train import chosen_plan, finetune, load_plan, pretrain

VOCAB_SIZE = 8000
HELD_OUT_ROWS = 1000
EXTRAS = ("data", "train", "report")
"""What it needs beyond the core."""


@dataclass(frozen=True)
class Baseline:
    """What needs no network: always the most frequent answer.

    answer  that answer
    share   how often it is right on the held-out text
    """

    answer: str
    share: float


@dataclass(frozen=True)
class Filling:
    """A held-out sentence with one word hidden, the word, the whole, and the network's guesses."""

    sentence: str
    hidden: str
    whole: str
    guesses: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Classifiers:
    """Two classifiers, alike but for the pre-training, on the same held-out texts."""

    pretrained: Folder
    fresh: Folder
    answered: Answered
    fresh_answered: Answered
    majority: Baseline
    majority_macro_f1: float
    samples: list[tuple[str, list[tuple[str, float]], str]]
    train_examples: int


@dataclass(frozen=True)
class Story:
    """All that came of it, for the page and for whoever calls from Python."""

    out: Path
    texts: Texts
    counts: dict[str, int]
    chinese: bool
    model: Folder
    masked: dict[str, float]
    guess: Baseline
    fillings: list[Filling]
    classifiers: Classifiers | None
    attention: Attention | None


def quickstart(
    paths: Sequence[Path] = (),
    out: Path = Path("runs/quickstart"),
    *,
    settings: Sequence[str] = (),
    classify_settings: Sequence[str] = (),
    vocab_size: int = VOCAB_SIZE,
    progress: Progress | None = None,
) -> Story:
    """Go the whole way; everything lies in `out` afterwards, report.html with it.

    paths              the user's own text; none: the standard library's docstrings
    settings           changes of recipes/quickstart.toml, e.g. ["train.minutes=10"]
    classify_settings  changes of recipes/quickstart_classify.toml

    Raises DataError where there is too little text, KeyboardInterrupt once everything is saved.
    """
    progress = progress or quiet()
    # Before five minutes of work, not after them.
    for module, extra in EXTRA_OF.items():
        if extra in EXTRAS and importlib.util.find_spec(module) is None:
            raise missing_extra(module, extra)
    for recipe, changes in (
        ("quickstart", settings),
        ("quickstart_classify", classify_settings),
    ):
        chosen_plan(recipe, changes)
    for path in paths:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise SettingsError(f"--out {out} lies inside of the text {path}; name another place")
    progress.note("1/5 text")
    texts = gather(paths)
    _claim(out, {"texts": texts.digest(), "vocab_size": vocab_size})
    progress.note(
        f"{len(texts.train):,} documents to learn from; held out: {len(texts.held_out):,} "
        f"({'single documents' if texts.by_document else 'whole files'}); "
        f"{texts.near:,} near duplicates of those left out"
    )
    if texts.labels:
        progress.note(f"labels with enough examples: {', '.join(texts.labels)}")
    train_docs = _corpus(texts.train, out / "corpus" / "train")
    held_docs = _corpus(texts.held_out, out / "corpus" / "held_out")

    progress.note("2/5 tokenizer and shards")
    tokenizer = _tokenizer(train_docs, out / "tokenizer", vocab_size, progress)
    for documents, name in ((train_docs, "train"), (held_docs, "held_out")):
        if not (out / "shards" / name).exists():
            write_shards(open_documents(documents), tokenizer, out / "shards" / name)

    progress.note("3/5 pre-training")
    plan = load_plan("quickstart")
    card = Card(
        data=(texts.licence,), text="Made by filbert quickstart: a small model to learn by."
    )
    reader = ShardReader(out / "shards" / "train", max_tokens=plan.task["max_tokens"])
    held_reader = ShardReader(out / "shards" / "held_out", max_tokens=plan.task["max_tokens"])
    held_rows = [held_reader.row(i) for i in _spread(len(held_reader.lengths), HELD_OUT_ROWS)]
    model = pretrain(
        reader,
        out / "pretrained",
        plan=plan,
        dev=held_rows,
        settings=settings,
        card=card,
        progress=progress,
    )
    predictor = open_model(model)
    guess = _most_frequent(reader, evaluate(model, held_rows), tokenizer)
    progress.note(
        f"masked tokens named right, held-out text: {model.scores()['accuracy']:.1%} "
        f"(always {guess.answer!r}: {guess.share:.1%})"
    )
    fillings = _fill(predictor, held_docs)

    progress.note("4/5 fine-tuning")
    classifiers = _classify(texts, model, out, classify_settings, card, progress)

    progress.note("5/5 report")
    counts = {
        "documents": reader.contents.documents,
        "sentences": reader.contents.sentences,
        "tokens": reader.contents.tokens,
        "held-out documents": held_reader.contents.documents,
        "held-out tokens": held_reader.contents.tokens,
        "vocabulary": tokenizer.vocab_size,
    }
    story = Story(
        out=out,
        texts=texts,
        counts=counts,
        chinese=is_chinese("".join(d.text[:200] for d in texts.train[:200])),
        model=model,
        masked=model.scores(),
        guess=guess,
        fillings=fillings,
        classifiers=classifiers,
        attention=predictor.attention(fillings[0].whole) if fillings else None,
    )
    return story


def _claim(out: Path, story: dict[str, Any]) -> None:
    """Make `out` this story's; another text's chapters that lie there are not its own.

    Raises SettingsError where another story lies there, or something that is none.
    """
    file = out / "quickstart.json"
    if not file.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise SettingsError(f"{out} holds something that is no quickstart; name another place")
        with atomic_file(file) as draft:
            draft.write_text(json.dumps({"format": 1, **story}) + "\n", encoding="utf-8")
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    different = [name for name, value in story.items() if found.get(name) != value]
    if different:
        raise SettingsError(
            f"{out} was made with other {' and '.join(different)}; name another place, or remove it"
        )


def _corpus(documents: list[Document], out: Path) -> Path:
    """Cleaned, without exact duplicates, as Parquet."""
    if not out.exists():
        settings = CorpusSettings(quality=no_rules(), duplicates=Duplicates(near=False))
        build_corpus(documents, out, settings, workers=1)
    return out


def _tokenizer(corpus: Path, out: Path, vocab_size: int, progress: Progress) -> Tokenizer:
    if not out.exists():
        texts = (document.text for document in open_documents(corpus))
        tokenizer = learn_wordpiece(texts, vocab_size, progress=progress)
        with atomic_folder(out) as draft:
            tokenizer.save(draft)
    return Tokenizer.load(out)


def _spread(rows: int, wanted: int) -> list[int]:
    """At most `wanted` row numbers, evenly spread."""
    return sorted({int(i) for i in np.linspace(0, rows - 1, min(rows, wanted))})


def _most_frequent(reader: ShardReader, answered: Answered, tokenizer: Tokenizer) -> Baseline:
    """The training text's most frequent token, and how often it stands in a hidden place."""
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for index in range(len(reader.lengths)):
        counts += np.bincount(reader.row(index).token_ids, minlength=len(counts))
    counts[tokenizer.is_special] = 0
    best = int(counts.argmax())
    hidden = [label for reference in answered.references for label in reference]
    return Baseline(tokenizer.tokens([best])[0], hidden.count(best) / len(hidden))


def _fill(predictor: Predictor, corpus: Path, wanted: int = 8) -> list[Filling]:
    """Hide a word in some held-out sentences and ask for it."""
    tokenizer = predictor.task.tokenizer
    asked: list[tuple[str, str, str]] = []
    for document in open_documents(corpus):
        start = 0
        for end in document.sentence_ends:
            sentence, start = document.text[start:end].strip(), end
            encoded = tokenizer.encode(sentence, specials=False)
            words = encoded.word_ids
            if not 12 <= len(encoded) <= 32 or "\n" in sentence:
                continue
            # A word of one piece, near the middle, that is more than a mark.
            whole = [
                i
                for i in range(len(words))
                if (words == words[i]).sum() == 1 and sentence[slice(*encoded.offsets[i])].isalpha()
            ]
            if whole:
                place = min(whole, key=lambda i: abs(i - len(words) // 2))
                low, high = (int(part) for part in encoded.offsets[place])
                text = f"{sentence[:low]}{tokenizer.specials.mask}{sentence[high:]}"
                asked.append((text, sentence[low:high], sentence))
                break
    chosen = [asked[i] for i in _spread(len(asked), wanted)] if asked else []
    answers = predictor.fill_mask([text for text, _, _ in chosen]) if chosen else []
    return [
        Filling(text, word, whole, tuple((g.token, g.probability) for g in answer[0].guesses))
        for (text, word, whole), answer in zip(chosen, answers, strict=True)
    ]


def _classify(
    texts: Texts,
    model: Folder,
    out: Path,
    settings: Sequence[str],
    card: Card,
    progress: Progress,
) -> Classifiers | None:
    """A classifier on the pre-trained network, and its twin on one that never saw text."""
    if not texts.labels:
        progress.note(
            "no classifier: these texts have no two labels with enough examples; give JSON lines "
            'with "text" and "label", or one folder for each label'
        )
        return None
    own = texts.standard_library
    learn = [e for e in examples(texts.train, texts.labels, strip=own) if e["text"].strip()]
    held = [e for e in examples(texts.held_out, texts.labels, strip=own) if e["text"].strip()]
    if not learn or not held:
        raise DataError("no labelled text is left once the labels' own names are taken out")

    def train(name: str, fresh: bool, budget: Sequence[str]) -> Folder:
        return finetune(
            "classify",
            learn,
            out / name,
            start=model,
            dev=held,
            fresh=fresh,
            plan=load_plan("quickstart_classify"),
            settings=budget,
            card=card,
            progress=progress,
        )

    pretrained = train("classifier", False, settings)
    # The twin makes as many steps: a machine that is busier the second time decides nothing.
    steps = pretrained.train()["state"]["step"]
    twin = train("classifier_without_pretraining", True, [*settings, *_only_steps(steps)])
    answered, fresh_answered = evaluate(pretrained, held), evaluate(twin, held)
    truth = answered.references
    majority = max(texts.labels, key=[e["label"] for e in learn].count)
    always = [majority] * len(truth)
    samples = [
        (held[i]["text"], answered.answers[i].best(3), truth[i]) for i in _spread(len(held), 10)
    ]
    return Classifiers(
        pretrained=pretrained,
        fresh=twin,
        answered=answered,
        fresh_answered=fresh_answered,
        majority=Baseline(majority, accuracy(always, truth)),
        majority_macro_f1=macro_f1(always, truth),
        samples=samples,
        train_examples=len(learn),
    )


def _only_steps(steps: int) -> list[str]:
    return ["train.minutes=none", "train.epochs=none", f"train.steps={steps}"]
