"""One loop for every task, on one device or many."""

from filbert.train.events import (
    Dropped,
    Evaluated,
    Event,
    Saved,
    Stepped,
    Stopped,
    Told,
    WentBack,
)
from filbert.train.finetune import finetune
from filbert.train.job import Job
from filbert.train.loop import train
from filbert.train.optimizers import OPTIMIZERS
from filbert.train.plan import Plan, Size, load_plan, make_plan
from filbert.train.presets import PRESETS
from filbert.train.pretrain import pretrain
from filbert.train.reproduce import Reproduced, reproduce
from filbert.train.run import RunFolder
from filbert.train.schedules import SCHEDULES
from filbert.train.seeds import Seeds, finetune_seeds, read_seeds, score_folder
from filbert.train.starting import chosen_plan
from filbert.train.state import TrainState
from filbert.train.training import Training

__all__ = [
    "OPTIMIZERS",
    "PRESETS",
    "SCHEDULES",
    "Dropped",
    "Evaluated",
    "Event",
    "Job",
    "Plan",
    "Reproduced",
    "RunFolder",
    "Saved",
    "Seeds",
    "Size",
    "Stepped",
    "Stopped",
    "Told",
    "TrainState",
    "Training",
    "WentBack",
    "chosen_plan",
    "finetune",
    "finetune_seeds",
    "load_plan",
    "make_plan",
    "pretrain",
    "read_seeds",
    "reproduce",
    "score_folder",
    "train",
]
