"""Lost messages distinguished from late ones, against streams whose losses are known."""

import numpy as np
import pytest

from audio2shape_ros.audio.stamps import PUNCTUAL_S, Losses

DURATION = 0.02
LATER = round(PUNCTUAL_S / DURATION) + 2  # messages until a loss is noticed


def noticed(late: np.ndarray, lost: frozenset[int] = frozenset(), *, drift: float = 0.0) -> list[int]:
    """Which messages raise the alarm, when those in `lost` never arrive and the others are stamped `late` (N,) seconds
    too late by a clock that drifts."""
    losses, due = Losses(), 100 + np.arange(len(late)) * DURATION * (1 + drift)
    return [n for n in range(len(late)) if n not in lost and losses.lost(due[n] + late[n], DURATION)]


@pytest.mark.parametrize("drift", [-2e-4, 0.0, 2e-4])
def test_lateness_and_drift_are_no_losses(drift):
    for seed in range(20):
        late = np.random.default_rng(seed).uniform(0, DURATION, 1000)
        assert not noticed(late, drift=drift), seed


def test_what_comes_all_at_once_is_not_lost():
    bursts = 0.2 - np.arange(1000) % 10 * DURATION  # ten messages every fifth of a second
    assert not noticed(bursts)
    held_up = np.maximum(0, 0.24 - np.abs(np.arange(1000) - 500) * DURATION) * (np.arange(1000) >= 500)
    assert not noticed(held_up)


def test_every_lost_message_is_noticed():
    lost = frozenset({100, 300, 301, 700})
    alarms = noticed(np.random.default_rng(0).uniform(0, 0.2 * DURATION, 1000), lost)
    assert len(alarms) == 3  # two in a row are one gap
    for gap, alarm in zip((100, 300, 700), alarms):
        assert gap < alarm <= gap + LATER


def test_steady_losses_are_noticed_again_and_again():
    late = np.random.default_rng(0).uniform(0, 0.1 * DURATION, 1000)
    assert len(noticed(late, frozenset(range(5, 1000, 5)))) > 150
