"""One loop for every task, on one device."""

from filbert.train.events import Evaluated, Event, Saved, Stepped, Stopped
from filbert.train.finetune import finetune
from filbert.train.loop import Job, train
from filbert.train.optimizers import OPTIMIZERS
from filbert.train.plan import PRESETS, Plan, Size, Training, load_plan, make_plan
from filbert.train.pretrain import pretrain
from filbert.train.run import RunFolder
from filbert.train.schedules import SCHEDULES
from filbert.train.starting import chosen_plan
from filbert.train.state import TrainState

__all__ = [
    "OPTIMIZERS",
    "PRESETS",
    "SCHEDULES",
    "Evaluated",
    "Event",
    "Job",
    "Plan",
    "RunFolder",
    "Saved",
    "Size",
    "Stepped",
    "Stopped",
    "TrainState",
    "Training",
    "chosen_plan",
    "finetune",
    "load_plan",
    "make_plan",
    "pretrain",
    "train",
]
