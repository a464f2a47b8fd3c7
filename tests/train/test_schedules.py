"""Schedules: a rise, a way down, the floor; never a jump."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import SettingsError
from filbert.train import SCHEDULES, Training

FRACTION = st.floats(0, 0.99)
names = pytest.mark.parametrize("name", SCHEDULES)


@st.composite
def trainings(draw: st.DrawFn) -> Training:
    warmup = draw(st.one_of(st.just(0.0), st.floats(0.01, 0.98)))
    return Training(
        steps=100,
        warmup_fraction=warmup,
        decay_fraction=draw(st.floats(0.01, min(0.99, 1 - warmup))),
        end_lr_fraction=draw(FRACTION),
    )


@names
@given(settings=trainings(), spent=st.floats(0, 1.5))
def test_it_is_a_part_of_the_peak(name: str, settings: Training, spent: float) -> None:
    assert 0 <= SCHEDULES[name](spent, settings) <= 1


@names
@given(settings=trainings(), places=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_it_rises_over_the_warm_up_and_never_afterwards(
    name: str, settings: Training, places: tuple[float, float]
) -> None:
    rate_of, warmup = SCHEDULES[name], settings.warmup_fraction
    first, second = sorted(places)
    if warmup:
        low, high = rate_of(first * warmup, settings), rate_of(second * warmup, settings)
        assert low == pytest.approx(first)
        assert high == pytest.approx(second)
    rest = [rate_of(warmup + (1 - warmup) * place, settings) for place in (first, second)]
    assert rest[1] <= rest[0] + 1e-9


@names
@given(settings=trainings())
def test_it_begins_at_the_bottom_peaks_after_the_warm_up_and_ends_at_the_floor(
    name: str, settings: Training
) -> None:
    rate_of, warmup = SCHEDULES[name], settings.warmup_fraction
    assert rate_of(0.0, settings) == (0.0 if warmup else 1.0)
    assert rate_of(warmup, settings) == pytest.approx(1.0)
    floor = 1.0 if name == "constant" else settings.end_lr_fraction
    for spent in (1.0, 1.2):
        assert rate_of(spent, settings) == pytest.approx(floor)


@names
@given(settings=trainings(), spent=st.floats(0, 1))
def test_it_makes_no_jump(name: str, settings: Training, spent: float) -> None:
    """A millionth of the budget further on, and a millionth of the steepest part's length."""
    near = 1e-6 * min(settings.warmup_fraction or 1.0, settings.decay_fraction)
    change = SCHEDULES[name](spent + near, settings) - SCHEDULES[name](spent, settings)
    # 1 - √x falls by a thousandth over its first millionth: steep, but no jump.
    assert abs(change) <= (1.1e-3 if name == "wsd" else 1e-4)


@given(settings=trainings(), place=st.floats(0, 1))
def test_the_shapes_are_those_of_their_papers(settings: Training, place: float) -> None:
    warmup, decay, end = (
        settings.warmup_fraction,
        settings.decay_fraction,
        settings.end_lr_fraction,
    )
    halfway = warmup + (1 - warmup) / 2
    for name in ("linear", "cosine"):
        assert SCHEDULES[name](halfway, settings) == pytest.approx((1 + end) / 2)
    quarter = warmup + (1 - warmup) / 4
    cosine = end + (1 - end) * (1 + 0.5**0.5) / 2
    assert SCHEDULES["cosine"](quarter, settings) == pytest.approx(cosine)
    stable = warmup + (1 - decay - warmup) * place
    assert SCHEDULES["wsd"](stable, settings) == pytest.approx(1.0, abs=1e-6)
    falling = 1 - decay + decay / 4
    assert SCHEDULES["wsd"](falling, settings) == pytest.approx((1 + end) / 2)


def test_a_warm_up_and_a_decay_that_do_not_fit_into_the_budget_are_refused() -> None:
    fits = Training(steps=1, schedule="wsd", warmup_fraction=0.9, decay_fraction=0.1)
    for changes in ({"warmup_fraction": 0.91}, {"decay_fraction": 0.2}, {"decay_fraction": 0.0}):
        with pytest.raises(
            SettingsError, match=r"train\.decay_fraction must be above 0 and at mos"
        ):
            replace(fits, **changes)
        replace(fits, schedule="linear", **changes)
