"""Lost messages told from late ones, against streams whose losses are known."""

import numpy as np
import pytest

from audio2shape_ros.losses import MESSAGES, Losses

DURATION = 0.02


def noticed(lost: set[int], *, lateness: float, drift: float = 0.0, count: int = 1000, seed: int = 0) -> list[int]:
    """Which of `count` messages raise the alarm, when those in `lost` never arrive and the others are stamped up to
    `lateness` seconds too late by a clock that drifts."""
    rng, losses = np.random.default_rng(seed), Losses()
    alarms = []
    for number in range(count):
        late = rng.uniform(0, lateness)
        if number not in lost and losses.lost(100 + number * DURATION * (1 + drift) + late, DURATION):
            alarms.append(number)
    return alarms


@pytest.mark.parametrize("drift", [-2e-4, 0.0, 2e-4])
def test_lateness_and_drift_are_no_losses(drift):
    assert not noticed(set(), lateness=DURATION, drift=drift)


def test_every_lost_message_is_noticed_soon():
    lost = {100, 300, 301, 700}
    alarms = noticed(lost, lateness=0.2 * DURATION)
    assert len(alarms) == 3  # two in a row are one gap
    for gap, alarm in zip((100, 300, 700), alarms):
        assert gap < alarm <= gap + MESSAGES + 2


def test_steady_losses_are_noticed_again_and_again():
    assert len(noticed(set(range(5, 1000, 5)), lateness=0.1 * DURATION)) > 150
