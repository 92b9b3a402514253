"""Settings: refused out of range, with a line that says what was expected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_core.settings import Listening, Refining, Sampling, Settings, default_of, limits_of

PARCELS = (Listening, Sampling, Refining)
EVERY = [(parcel, name) for parcel in PARCELS for name in limits_of(parcel)]


def test_defaults_are_allowed():
    assert Settings() == Settings(Listening(), Sampling(), Refining())


@pytest.mark.parametrize(("parcel", "name"), EVERY)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(parcel, name):
    limits = limits_of(parcel)[name]
    for value in (limits.low, limits.high):
        assert getattr(parcel(**{name: value}), name) == value
    for value in (limits.low - 1, limits.high + 1, float("nan"), float("inf"), "1", True):
        with pytest.raises(InputError, match=rf"^{name} .*expected"):
            parcel(**{name: value})


@pytest.mark.parametrize(("parcel", "name"), EVERY)
def test_nothing_given_means_the_default(parcel, name):
    if default_of(parcel, name) is None:
        assert getattr(parcel(**{name: None}), name) is None
    else:
        with pytest.raises(InputError):
            parcel(**{name: None})


@given(st.floats())
def test_guidance_is_a_number_of_its_range_or_refused(value):
    if 0 <= value <= 20:
        assert Sampling(guidance=value).guidance == value
    else:
        with pytest.raises(InputError):
            Sampling(guidance=value)


def test_a_count_is_whole():
    with pytest.raises(InputError, match="whole number"):
        Sampling(seed=0.5)
    with pytest.raises(InputError, match="whole number"):
        Sampling(steps=2.5)
