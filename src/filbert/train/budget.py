"""How much of a run's budget is spent, whatever it is counted in."""

from filbert.train.state import TrainState
from filbert.train.training import Training


def spent(state: TrainState, settings: Training, rows: int) -> float:
    """The part of the budget that is spent; 1 and more: the run is over. rows: of an epoch."""
    budget = settings.budget
    assert budget is not None
    name, size = budget
    done = {
        "steps": state.step,
        "tokens": state.tokens,
        "minutes": state.seconds / 60,
        "epochs": state.read.epoch + state.read.position / rows,
    }
    return done[name] / size


def middle_of_next(state: TrainState, settings: Training, rows: int, last_seconds: float) -> float:
    """The part of the budget that is spent in the middle of the step to come.

    The middle, so that neither the first step nor the last has a rate of 0.

    last_seconds: that the step before took; 0: there was none yet.
    """
    begun = spent(state, settings, rows)
    half = {
        "steps": 0.5 / (settings.steps or 1),
        "tokens": 0.5 * settings.batch_tokens_at(begun) / (settings.tokens or 1),
        "minutes": 0.5 * (last_seconds or 1.0) / (60 * (settings.minutes or 1)),
        "epochs": 0.5 * (begun / state.step if state.step else 1 / rows),
    }
    assert settings.budget is not None
    return min(begun + half[settings.budget[0]], 1.0)
