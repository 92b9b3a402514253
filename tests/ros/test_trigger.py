import numpy as np
import pytest
from sounds import RATE, tone

from audio2shape_ros.audio.trigger import Trigger
from audio2shape_ros.parameters import TABLE, Settings

DEFAULTS = {p.name: p.default for p in TABLE}


def fired(
    trigger: Trigger, sound: np.ndarray, *, start: float = 100.0, chunk: int = 320, since: float = 0.0
) -> list[tuple[float, float]]:
    """When shapes were due, seconds from the beginning of the sound, and of how much sound. The steady clock is `since`
    seconds ahead of the sound's."""
    calls = []
    for i in range(0, len(sound), chunk):
        end = start + (i + chunk) / RATE
        if seconds := trigger.heard(sound[i : i + chunk], RATE, end, steady=end + since):
            calls.append((end - start, seconds))
    return calls


def quiet(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)


def onset(**settings) -> Trigger:
    changes = {f"trigger.{name}": value for name, value in {"listen_s": 0.5, "period_s": 0.1, **settings}.items()}
    return Trigger(Settings({**DEFAULTS, **changes}))


@pytest.mark.parametrize("chunk", [37, 320, 8000])
def test_a_lasting_sound_makes_a_first_shape_and_one_when_it_was_heard_to_its_end(chunk):
    calls = fired(onset(), np.concatenate([quiet(2), tone(1.5), quiet(4)]), chunk=chunk)
    (first, _), (second, _) = calls
    late = chunk / RATE
    assert 2.48 < first < 2.55 + late
    assert 3.5 < second < 3.8 + late  # it takes a moment of quiet to be sure
    for when, seconds in calls:
        assert 1.9 <= when - seconds <= 2.0  # from shortly before the onset, however large the messages


def test_a_very_long_sound_is_looked_at_again_when_the_window_is_full():
    (_, first), (when, second) = fired(onset(), np.concatenate([quiet(2), tone(8), quiet(1)]))
    assert first < 0.6
    assert second == 4.0
    assert 5.9 < when < 6.05


def test_a_short_sound_is_not_waited_for_longer_than_it_lasts():
    ((when, seconds),) = fired(onset(listen_s=3.0), np.concatenate([quiet(2), tone(0.6), quiet(4)]))
    assert 2.6 < when < 2.95
    assert when - seconds <= 2.0


def test_shapes_keep_their_distance():
    sound = np.concatenate([quiet(2), *[part for _ in range(6) for part in (tone(0.3), quiet(0.5))], quiet(1)])
    times = [when for when, _ in fired(onset(period_s=1.5), sound)]
    assert len(times) >= 2
    assert (np.diff(times) >= 1.5).all()


def test_continuous_keeps_its_period():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.mode": "continuous", "trigger.period_s": 0.5}))
    times, seconds = zip(*fired(trigger, tone(3)))
    assert np.allclose(np.diff(times), 0.5, atol=0.03)
    assert set(seconds) == {4.0}


def test_on_demand_never_fires_by_itself():
    assert not fired(Trigger(Settings({**DEFAULTS, "trigger.mode": "on_demand"})), tone(3))


def test_a_bag_that_starts_again_is_heard_again():
    trigger = onset()
    sound = np.concatenate([quiet(2), tone(1), quiet(1)])
    first = fired(trigger, sound)
    assert fired(trigger, sound, since=60.0) == first


@pytest.mark.parametrize("stamps", ["back", "alternating", "constant", "ahead"])
def test_no_stamps_get_round_the_period(stamps):
    """0.5 s of steady time between two shapes, whatever the sound's clock says."""
    trigger = Trigger(Settings({**DEFAULTS, "trigger.mode": "continuous", "trigger.period_s": 0.5}))
    ends = {"back": lambda n: 100 - n, "alternating": lambda n: 100 + 2 * (n % 2), "constant": lambda n: 100.0}
    end = ends.get(stamps, lambda n: 100.0 + 1e7 * n)
    times = [n * 0.02 for n in range(250) if trigger.heard(tone(0.02), RATE, end(n), 1000 + n * 0.02)]
    assert times == pytest.approx([0.5 * n for n in range(10)])
