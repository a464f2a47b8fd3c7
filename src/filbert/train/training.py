"""How to train: the settings that the loop follows."""

from dataclasses import dataclass
from typing import Literal

from filbert.errors import SettingsError

BUDGETS = ("steps", "tokens", "epochs", "minutes")


@dataclass(frozen=True)
class Training:
    """How to train.

    The budget, exactly one of them; everything that changes on the way follows it:

    steps, tokens, epochs, minutes
                                tokens are those read; minutes count training alone, not evaluation
                                and saving

    What a step is:

    batch_tokens                tokens of one optimizer step, over all GPUs
    batch_start_tokens          None: all steps are equal; else the batch begins with so many tokens
                                and grows in a straight line over batch_warmup_fraction
    length_phases               (part of the budget, longest row) pairs: (0, 128), (0.9, 512) reads
                                rows of 128 tokens first and of 512 for the last tenth (Devlin et
                                al. 2019, A.2); the last is task.max_tokens. Empty: always that
    micro_tokens                tokens that go through the network at once on one GPU; None: all of
                                them (on a CPU 8,192), and half of that whenever the memory does
                                not suffice

    How it learns:

    optimizer                   a key of OPTIMIZERS
    peak_lr, warmup_fraction    the rate rises to peak_lr over this part of the budget
    schedule                    how it goes on: a key of SCHEDULES
    decay_fraction              "wsd" alone: the last part of the budget, in which it falls
    end_lr_fraction             of peak_lr, where it ends
    matrix_lr                   "muon" alone: the peak for the layers' matrices; None: peak_lr
    momentum                    "muon" alone
    lora_rank, lora_scale       "lora" alone: the rank of what is learnt of each layer's matrix, and
                                by what it is multiplied (the paper's alpha / rank)
    layer_decay                 each layer learns at this part of the rate of the one above it, the
                                embeddings at that of a layer below the first (Clark et al. 2020,
                                ELECTRA, A); 1: all alike
    clip_norm                   gradients are scaled down to this norm; 0: never
    dropout_fraction            None: what the shape says
    attention_dropout_fraction  0 by default, because the fast kernels have none; the paper's 0.1
                                takes the slower path
    average                     the weights that are scored and saved: "none", the last ones; "ema",
                                a running mean with average_decay; "last", the mean of the last
                                average_count, taken every average_every_steps

    How it is computed:

    precision                   "auto": bfloat16 products where they are faster
    compile                     "auto": torch.compile where it helps
    sharding                    over several GPUs: "none", each has the whole model; "full", each
                                has a part of the weights, gradients and the optimizer's memory

    What goes wrong, and what is kept:

    spike_deviations            a step whose loss lies so many deviations above the last ones' is
                                dropped; 0: none is
    patience_steps              so many dropped steps on end take the run back to its last good
                                checkpoint
    evaluate_every_steps        0: at the end only
    evaluations                 how often the dev set is scored, evenly over the budget; 0: as
                                evaluate_every_steps says
    patience_evaluations        the run ends when its main score has not risen for so many
                                evaluations; 0: when its budget is spent
    save_every_seconds          between checkpoints; there is always one at the end
    give_up_fraction            at this part of the budget the run ends as failed if the network
                                says the same of all that it is asked (Task.says_nothing); 0: never
    keep_folders                how many checkpoints stay on disk
    keep_best                   and the one with the best score, beside them
    keep_texts                  fine-tuning alone: whether findings.json, and so the run's page,
                                shows texts of the dev set beside what is wrongly said of them
    tensorboard                 the figures of each step as event files, in the run's tensorboard/:
                                on, for they cost a tenth of a second at the start and some 75 µs a
                                step, and cannot be had afterwards of a run that was not watched
    """

    steps: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch_tokens: int = 8192
    batch_start_tokens: int | None = None
    batch_warmup_fraction: float = 0.0
    length_phases: tuple[tuple[float, int], ...] = ()
    micro_tokens: int | None = None
    optimizer: str = "adamw"
    peak_lr: float = 5e-4
    schedule: str = "linear"
    warmup_fraction: float = 0.06
    decay_fraction: float = 0.1
    end_lr_fraction: float = 0.0
    matrix_lr: float | None = None
    momentum: float = 0.95
    layer_decay: float = 1.0
    lora_rank: int = 8
    lora_scale: float = 2.0
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    clip_norm: float = 1.0
    dropout_fraction: float | None = None
    attention_dropout_fraction: float = 0.0
    average: Literal["none", "ema", "last"] = "none"
    average_decay: float = 0.999
    average_count: int = 5
    average_every_steps: int = 50
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    sharding: Literal["none", "full"] = "none"
    spike_deviations: float = 0.0
    patience_steps: int = 3
    seed: int = 1
    evaluate_every_steps: int = 0
    evaluations: int = 0
    patience_evaluations: int = 0
    save_every_seconds: float = 300.0
    give_up_fraction: float = 0.0
    keep_folders: int = 2
    keep_best: bool = False
    keep_texts: bool = True
    tensorboard: bool = True

    def __post_init__(self) -> None:
        """Refuse what no loop could follow."""
        budgets = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(budgets) > 1:
            raise SettingsError(
                f"train: exactly one of {', '.join(BUDGETS)} is the budget; got {budgets}"
            )
        for name, low in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not low <= value < 1e15:
                least = "above 0" if 0 < low < 1 else f"from {low} on"
                raise SettingsError(f"train.{name} must be a number {least}; got {value}")
        for name in _FRACTIONS:
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise SettingsError(f"train.{name} must be in [0, 1); got {value}")
        if self.seed >= 2**40:
            raise SettingsError(f"train.seed must be below 2**40; got {self.seed}")
        self._check_optimizer()
        self._check_growth()
        left = 1 - self.warmup_fraction
        if self.schedule == "wsd" and not 0 < self.decay_fraction <= left + 1e-9:
            raise SettingsError(
                f"train.decay_fraction must be above 0 and at most {left:g}, "
                f"what train.warmup_fraction leaves; got {self.decay_fraction}"
            )

    def _check_optimizer(self) -> None:
        if not 0 < self.layer_decay <= 1:
            raise SettingsError(f"train.layer_decay must be in (0, 1]; got {self.layer_decay}")
        if self.layer_decay < 1 and self.optimizer in ("muon", "lamb", "lora"):
            raise SettingsError(
                f"train.layer_decay is for adamw and stable_adamw; got {self.layer_decay} and "
                f"train.optimizer {self.optimizer!r}"
            )
        if self.optimizer == "lora" and self.sharding != "none":
            raise SettingsError(
                f"train.optimizer 'lora' needs train.sharding 'none'; got {self.sharding!r}"
            )
        if self.evaluations and self.evaluate_every_steps:
            raise SettingsError(
                "train: only one of evaluations and evaluate_every_steps says when the dev set is "
                f"scored; got {self.evaluations} and {self.evaluate_every_steps}"
            )

    def _check_growth(self) -> None:
        if self.batch_start_tokens is not None and self.batch_start_tokens > self.batch_tokens:
            raise SettingsError(
                f"train.batch_start_tokens must be at most batch_tokens, {self.batch_tokens}; "
                f"got {self.batch_start_tokens}"
            )
        if self.batch_start_tokens is not None and not self.batch_warmup_fraction:
            raise SettingsError(
                "train.batch_start_tokens needs train.batch_warmup_fraction, the part of the "
                "budget over which the batch grows, above 0"
            )
        starts = [start for start, _ in self.length_phases]
        lengths = [length for _, length in self.length_phases]
        rising = sorted(set(starts)) == starts and sorted(set(lengths)) == lengths
        if starts and not (starts[0] == 0 and starts[-1] < 1 and rising and lengths[0] >= 4):
            raise SettingsError(
                "train.length_phases must begin at 0, with parts of the budget below 1 and lengths "
                f"of at least 4 tokens, both rising; got {[list(p) for p in self.length_phases]}"
            )

    @property
    def budget(self) -> tuple[str, float] | None:
        """The budget's name and size."""
        given = [(name, getattr(self, name)) for name in BUDGETS]
        return next(((name, float(size)) for name, size in given if size is not None), None)

    def batch_tokens_at(self, spent: float) -> int:
        """The tokens of a step when this part of the budget is spent."""
        first, full = self.batch_start_tokens, self.batch_tokens
        if first is None or spent >= self.batch_warmup_fraction:
            return full
        return first + int((full - first) * spent / self.batch_warmup_fraction)

    def phase_at(self, spent: float) -> int:
        """Which of the length phases it is then; 0 where there are none."""
        starts = [start for start, _ in self.length_phases]
        return max(0, sum(start <= spent for start in starts) - 1)


_LEAST: dict[str, float] = {
    "steps": 1,
    "tokens": 1,
    "epochs": 1e-9,
    "minutes": 1e-9,
    "batch_tokens": 1,
    "batch_start_tokens": 1,
    "micro_tokens": 1,
    "peak_lr": 0.0,
    "matrix_lr": 0.0,
    "keep_folders": 1,
    "weight_decay": 0.0,
    "clip_norm": 0.0,
    "epsilon": 1e-15,
    "seed": 0,
    "evaluate_every_steps": 0,
    "evaluations": 0,
    "patience_evaluations": 0,
    "save_every_seconds": 0.0,
    "average_count": 1,
    "average_every_steps": 1,
    "spike_deviations": 0.0,
    "lora_rank": 1,
    "lora_scale": 0.0,
    "patience_steps": 1,
}
_FRACTIONS = (
    "warmup_fraction",
    "decay_fraction",
    "batch_warmup_fraction",
    "end_lr_fraction",
    "momentum",
    "beta1",
    "beta2",
    "average_decay",
    "give_up_fraction",
    "dropout_fraction",
    "attention_dropout_fraction",
)
