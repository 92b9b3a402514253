import numpy as np
from sounds import RATE, tone

from audio2shape_ros.parameters import TABLE, Settings
from audio2shape_ros.trigger import Trigger

DEFAULTS = {p.name: p.default for p in TABLE}


def fired(trigger: Trigger, sound: np.ndarray, *, start: float = 100.0, chunk: int = 320) -> list[tuple[float, float]]:
    """When shapes were due, seconds from the beginning of the sound, and of how much sound."""
    calls = []
    for i in range(0, len(sound), chunk):
        end = start + (i + chunk) / RATE
        if seconds := trigger.heard(sound[i : i + chunk], RATE, end):
            calls.append((end - start, seconds))
    return calls


def quiet(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)


def test_onset_fires_once_after_listening_on():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.listen_s": 0.5}))
    ((when, seconds),) = fired(trigger, np.concatenate([quiet(2), tone(1.5), quiet(2)]))
    assert 2.45 < when < 2.65
    assert 1.8 <= when - seconds <= 2.0  # from shortly before the onset


def test_continuous_keeps_its_period():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.mode": "continuous", "trigger.period_s": 0.5}))
    times, seconds = zip(*fired(trigger, tone(3)))
    assert np.allclose(np.diff(times), 0.5, atol=0.03)
    assert set(seconds) == {4.0}


def test_on_demand_never_fires_by_itself():
    assert not fired(Trigger(Settings({**DEFAULTS, "trigger.mode": "on_demand"})), tone(3))


def test_a_bag_that_starts_again_is_heard_again():
    trigger = Trigger(Settings({**DEFAULTS, "trigger.listen_s": 0.5}))
    sound = np.concatenate([quiet(2), tone(1), quiet(1)])
    first = fired(trigger, sound)
    assert fired(trigger, sound) == first
