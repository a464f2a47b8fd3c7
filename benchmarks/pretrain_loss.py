"""Loss against wall clock: filbert beside transformers' run_mlm, the same minutes for each.

    python benchmarks/pretrain_loss.py [--minutes 10] [--contestants filbert lines …]

All begin from the same weights (one folder that both libraries open: depth 4, width 256, 30,522
tokens), read the same paragraphs of English, have the same threads and float32, and have the
machine to themselves for the same minutes, one after another. Every --every seconds the clock is
stopped and the held-out loss taken: the same paragraphs, none of which anybody learns from, the
same 15 % of their tokens hidden, by the same scorer (race/scoring.py). A Trainer is saved by its
own library for that and opened by filbert.

filbert    `filbert pretrain` with the recipe of --recipe: each paragraph a document, cut at
           sentences into rows of at most 128 tokens.
third      the same with a third of the minutes: the schedule of filbert follows the clock, so a
           run that is meant to be short is another run than the first third of a long one.
lines      run_mlm.py --line_by_line: a row a paragraph, cut at 128 tokens, padded to the longest
           of a batch. Its defaults: 8 rows a step, 15 % masked, dropout 0.1, AdamW.
group128   run_mlm.py's group_texts: all text end to end, cut every 128 tokens; 8 rows a step.
group512   the same, cut every 512 tokens.
tuned      group128 with what filbert's recipe has: masked fraction, beta2, epsilon, dropout, decay.
           What is left of the lead is not the recipe's.
plain      filbert with run_mlm's 15 %, dropout and beta2: what is left is not the recipe's either.

run_mlm's own rate (5e-5, no warm-up) learns next to nothing in ten minutes, so all have filbert's
peak rate and its schedule (--peer-lr for the peers' own); it follows the clock for the peers, too,
which Trainer by itself cannot do: it would have to know its steps beforehand.

Curves are kept in --out and who has one does not run again; report.html there shows them.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from race import options

from filbert.disk import atomic_file
from filbert.encoder.shape import Shape
from filbert.errors import FilbertError

if TYPE_CHECKING:
    from race.scoring import Curve, Sampling

    from filbert.batch import Row
    from filbert.tokenizer import Tokenizer
    from filbert.train import Plan

MAX_TOKENS, LONG = 128, 512
OURS, THIRD, PLAIN = "filbert", "filbert, a third of the time", "filbert, run_mlm's recipe"
NAMES = {
    "filbert": OURS,
    "third": THIRD,
    "lines": "run_mlm, line by line",
    "group128": "run_mlm, group_texts at 128",
    "group512": "run_mlm, group_texts at 512",
    "tuned": "run_mlm, group_texts at 128, filbert's recipe",
    "plain": PLAIN,
}
USUAL = ("filbert", "third", "lines", "group128", "group512")
GOAL = 3.0
PEER_ROWS = 8
_PACKAGES = ("transformers", "accelerate", "tokenizers", "numpy")


def main() -> None:
    asked = _options()
    options.prepare(asked.threads)
    from race import english, machine

    from filbert.train import chosen_plan

    # Once, before the work: afterwards the load would be the benchmark's own.
    described = machine.describe(asked.threads, _PACKAGES)
    print(f"# Loss against wall clock\n\n{described}")
    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as folder:
        tokenizer = english.bert_tokenizer(Path(folder))
        texts, source = english.paragraphs()
        try:
            plan = chosen_plan(asked.recipe, [f"train.minutes={asked.minutes}", *asked.set])
            field = Field(asked, plan, texts, tokenizer, Path(folder))
        except FilbertError as error:
            sys.exit(str(error))
        print(f"- text: {source}; {field.in_words()}")
        kept = Kept(asked.out / "curves.json", field.identity())
        for key in asked.contestants:
            name = NAMES[key]
            if name in kept.curves:
                print(f"- {name}: there already, loss {kept.curves[name].final:.3f}", flush=True)
                continue
            curve = field.run(key)
            kept.add(name, curve)
            print(
                f"- {name}: loss {curve.final:.3f} after {curve.points[-1][0]:.0f} s, "
                f"{curve.steps:,} steps, {curve.tokens:,} tokens",
                flush=True,
            )
    facts = {"machine": described, "text": source}
    _show(kept.curves, asked, facts | {"data": field.in_words()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="loss against wall clock, filbert beside run_mlm",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10, help="of training, for each")
    parser.add_argument("--every", type=float, default=30, help="seconds between two scores")
    parser.add_argument("--contestants", nargs="+", choices=NAMES, default=USUAL)
    parser.add_argument("--recipe", default="quickstart", help="filbert's")
    parser.add_argument("--set", nargs="*", default=[], help="changes of it, train.peak_lr=2e-3 …")
    parser.add_argument("--peer-lr", type=float, help="the peers' peak rate; none: the recipe's")
    parser.add_argument("--threads", type=int, default=options.cores(), help="of each alike")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain-loss"))
    return parser.parse_args()


class Field:
    """The text in two parts, the weights that all begin from, and how each contestant runs."""

    def __init__(
        self,
        asked: argparse.Namespace,
        plan: "Plan",
        texts: Sequence[str],
        tokenizer: "Tokenizer",
        scratch: Path,
    ):
        """Split the text, write shards and the first folder."""
        from race.filbert_training import make_task
        from race.held_out import held_out_rows, in_two, shards_of
        from race.scoring import Scorer

        self._asked, self._plan, self._tokenizer, self._scratch = asked, plan, tokenizer, scratch
        self._texts, held_out = in_two(texts)
        self._held_out = held_out_rows(held_out, tokenizer, MAX_TOKENS)
        task = make_task({"max_tokens": MAX_TOKENS}, tokenizer)
        self._scorer = Scorer(self._held_out, task)
        self._start = _first_folder(scratch / "start", tokenizer)
        self._reader = shards_of(self._texts, tokenizer, scratch / "shards", MAX_TOKENS)

    def in_words(self) -> str:
        """What is learnt from and what is scored."""
        tokens = int(self._reader.lengths[:].sum())
        return (
            f"{len(self._texts):,} paragraphs, in filbert's rows {tokens:,} tokens; held out: "
            f"{len(self._held_out):,} others, {self._scorer.masked:,} of their tokens hidden"
        )

    def identity(self) -> dict[str, Any]:
        """What must be the same for curves to be shown together."""
        from filbert.settings import to_mapping

        digest = hashlib.sha256("\n".join(self._texts).encode()).hexdigest()
        return {
            "minutes": self._asked.minutes,
            "threads": self._asked.threads,
            "peer_lr": self._peer_lr,
            "text": digest,
            "plan": json.loads(json.dumps(to_mapping(self._plan))),
        }

    @property
    def _peer_lr(self) -> float:
        asked: float | None = self._asked.peer_lr
        return self._plan.train.peak_lr if asked is None else asked

    def run(self, key: str) -> "Curve":
        """One contestant, alone, from the first weights on."""
        from race.clock import Clock
        from race.scoring import Sampling

        minutes = self._asked.minutes / (3 if key == "third" else 1)
        sampling = Sampling(Clock(), minutes, self._asked.every)
        if key in ("filbert", "third", "plain"):
            return self._filbert(sampling, key)
        return self._peer(sampling, key)

    def _filbert(self, sampling: "Sampling", key: str) -> "Curve":
        from race.filbert_training import events

        from filbert.checkpoint import load
        from filbert.train import RunFolder, Stepped, chosen_plan

        changes = [
            f"train.minutes={sampling.minutes}",
            "train.precision=fp32",
            "train.save_every_seconds=1e9",
        ]
        if key == "plain":
            changes += ["task.mask_fraction=0.15", "train.beta2=0.999"]
            changes += ["train.dropout_fraction=0.1"]
        plan = chosen_plan(self._plan, changes)
        task = plan.make_task("pretrain", max_tokens=MAX_TOKENS).with_tokenizer(self._tokenizer)
        model = load(self._start, task=task)
        train, curve, clock = plan.train, sampling.curve, sampling.clock
        if train.dropout_fraction is None:  # the folder's is run_mlm's; the recipe has its own
            train = chosen_plan(
                plan, [f"train.dropout_fraction={plan.shape.dropout_fraction}"]
            ).train
        run = self._scratch / f"run-{key}"
        sampling.note(self._scorer.loss(model), 0.0)
        clock.start()
        for event in events(model, task, self._reader, train, run):
            if isinstance(event, Stepped):
                curve.steps, curve.tokens = event.step, event.tokens
                seconds, over = clock.seconds, event.spent >= 1
                if over or sampling.due:
                    with clock.stopped():
                        sampling.note(self._scorer.loss(model), seconds)
        # What counts in the end is the folder that the user gets.
        newest = RunFolder(run).newest()
        assert newest is not None
        curve.points[-1] = (curve.points[-1][0], self._scorer.loss_of(newest.path))
        return curve

    def _peer(self, sampling: "Sampling", key: str) -> "Curve":
        try:
            from race.trainer_learning import Learning, learn
            from race.trainer_setting import Setting
        except ImportError as error:
            sys.exit(f"{NAMES[key]}: {error} (pip install 'filbert[bench]')")
        train, task = self._plan.train, self._plan.make_task("pretrain")
        learning = Learning(self._peer_lr, train.warmup_fraction)
        setting = Setting("random", PEER_ROWS)
        if key != "lines":
            tokens = LONG if key == "group512" else MAX_TOKENS
            setting = Setting("chunks", PEER_ROWS, chunk_tokens=tokens)
        if key == "tuned":
            learning = Learning(
                self._peer_lr,
                train.warmup_fraction,
                train.beta2,
                train.weight_decay,
                train.epsilon,
                dropout_fraction=self._plan.shape.dropout_fraction,
            )
            fraction: Any = task.mask_fraction  # type: ignore[attr-defined]
            fraction = fraction if isinstance(fraction, float) else fraction[0]
            setting = Setting(
                "chunks",
                max(1, train.batch_tokens // MAX_TOKENS),
                tuned=True,
                mask_fraction=fraction,
            )
        rows = self._rows(MAX_TOKENS if key == "lines" else None)
        return learn(
            self._start, rows, setting, learning, sampling, self._scorer.loss_of, self._scratch
        )

    def _rows(self, max_tokens: int | None) -> "list[Row]":
        """A row a paragraph; with None nothing is cut off, as group_texts needs it."""
        from race.rows import lines

        longest = max(map(len, self._texts)) + 2
        return lines(self._texts, self._tokenizer, max_tokens or longest)


def _first_folder(path: Path, tokenizer: "Tokenizer") -> Path:
    """The weights that all begin from; transformers opens the folder, too."""
    import torch
    from race.filbert_training import make_task

    from filbert.checkpoint import model_tensors, save
    from filbert.encoder import Encoder
    from filbert.heads import build_model

    torch.manual_seed(1)
    shape = Shape(depth=4, width=256, attention_heads=4, mlp_width=1024, vocab=tokenizer.vocab_size)
    task = make_task({"max_tokens": MAX_TOKENS}, tokenizer)
    tensors = model_tensors(build_model(Encoder(shape), task))
    return save(path, tensors, shape=shape, task=task, tokenizer=tokenizer).path


class Kept:
    """The curves on disk."""

    def __init__(self, file: Path, identity: Mapping[str, Any]):
        """Open them. Ends the run where they are of other settings."""
        from race.scoring import Curve

        self._file, self._identity = file, dict(identity)
        self.curves: dict[str, Curve] = {}
        if not file.exists():
            return
        found = json.loads(file.read_text(encoding="utf-8"))
        others = [key for key in identity if found["identity"].get(key) != identity[key]]
        if others:
            sys.exit(f"{file} has curves of another {', '.join(others)}: name another --out")
        for name, curve in found["curves"].items():
            points = [(float(seconds), float(loss)) for seconds, loss in curve["points"]]
            self.curves[name] = Curve(points, curve["steps"], curve["tokens"])

    def add(self, name: str, curve: "Curve") -> None:
        """Keep one more."""
        self.curves[name] = curve
        self._file.parent.mkdir(parents=True, exist_ok=True)
        curves = {name: asdict(curve) for name, curve in self.curves.items()}
        with atomic_file(self._file) as draft:
            draft.write_text(json.dumps({"identity": self._identity, "curves": curves}, indent=1))


def _show(
    curves: Mapping[str, "Curve"], asked: argparse.Namespace, facts: Mapping[str, str]
) -> None:
    times = [asked.minutes * tenth / 10 for tenth in range(1, 11)]
    columns = ["minutes", *curves]
    rows = [
        [f"{minutes:.3g}", *(_loss_at(curve, 60 * minutes) for curve in curves.values())]
        for minutes in times
    ]
    print("\n| " + " | ".join(columns) + " |\n|" + "---:|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    verdicts = _verdicts(curves)
    print("\n" + "\n".join(f"- {line}" for line in verdicts))
    _write_page(curves, columns, rows, verdicts, facts, asked.out)


def _loss_at(curve: "Curve", seconds: float) -> str:
    """The loss then; none once the run is over for longer than a step takes."""
    over = seconds > curve.points[-1][0] * 1.05
    return "–" if over else f"{curve.at(seconds):.3f}"


def _verdicts(curves: Mapping[str, "Curve"]) -> list[str]:
    lines: list[str] = []
    for name, peer in curves.items():
        if name in (OURS, THIRD, PLAIN):
            continue
        seconds, said = peer.points[-1][0], f"{name}'s final loss of {peer.final:.3f}"
        if OURS in curves:
            after = curves[OURS].reaches(peer.final)
            if after is None:
                lines.append(f"{OURS} does not reach {said}")
            elif after == 0:
                lines.append(f"{said} is no better than the first weights: it has learnt nothing")
            else:
                lines.append(
                    f"{OURS} reaches {said} after {after:.0f} s = 1/{seconds / after:.1f} of the "
                    f"time; goal ≤ 1/{GOAL:.0f}: "
                    f"{'reached' if seconds / after >= GOAL else 'missed'}"
                )
        if THIRD in curves:
            third = curves[THIRD]
            better = "reached" if third.final <= peer.final else "missed"
            lines.append(f"{THIRD}: {third.final:.3f}; {said}: {better}")
    return lines


def _write_page(
    curves: Mapping[str, "Curve"],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    verdicts: Sequence[str],
    facts: Mapping[str, str],
    out: Path,
) -> None:
    from filbert.report import Report

    page = Report("Loss against wall clock")
    page.text("\n\n".join(verdicts))
    drawn: dict[str, tuple[list[float], list[float]]] = {
        name: ([s / 60 for s, _ in curve.points], [loss for _, loss in curve.points])
        for name, curve in curves.items()
    }
    page.lines(
        drawn, x="minutes of training", y="loss (nats a token)", title="held-out masked tokens"
    )
    page.table(columns, rows, "held-out loss of masked tokens, nats a token")
    page.table(
        ["contestant", "steps", "real tokens", "tokens a second"],
        [
            (name, curve.steps, curve.tokens, round(curve.tokens / curve.points[-1][0]))
            for name, curve in curves.items()
        ],
    )
    for name, said in facts.items():
        page.text(f"{name}: {said}")
    print(f"\n{page.write(out / 'report.html')}")


if __name__ == "__main__":
    main()
