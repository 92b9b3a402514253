import numpy as np
from sounds import RATE, tone

from audio2shape_ros.parameters import TABLE, Settings
from audio2shape_ros.trigger import Trigger

DEFAULTS = {p.name: p.default for p in TABLE}


def fired(trigger: Trigger, sound: np.ndarray, *, start: float = 100.0, chunk: int = 320) -> list[float]:
    """When shapes were due, seconds from the beginning of the sound."""
    times = []
    for i in range(0, len(sound), chunk):
        end = start + (i + chunk) / RATE
        if trigger.heard(sound[i : i + chunk], RATE, end):
            times.append(end - start)
    return times


def quiet(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)


def test_onset_fires_once_after_listening_on():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.listen_s": 0.5}))
    times = fired(trigger, np.concatenate([quiet(2), tone(1.5), quiet(2)]))
    assert len(times) == 1
    assert 2.45 < times[0] < 2.65


def test_continuous_keeps_its_period():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.mode": "continuous", "trigger.period_s": 0.5}))
    assert np.allclose(np.diff(fired(trigger, tone(3))), 0.5, atol=0.03)


def test_on_demand_never_fires_by_itself():
    assert not fired(Trigger(Settings({**DEFAULTS, "trigger.mode": "on_demand"})), tone(3))


def test_a_bag_that_starts_again_is_heard_again():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.listen_s": 0.5}))
    sound = np.concatenate([quiet(2), tone(1), quiet(1)])
    first = fired(trigger, sound)
    assert fired(trigger, sound) == first
