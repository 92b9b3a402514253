"""Small things of a house: what ticks, clicks, knocks, creaks, pops and flushes."""

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.synthetic.sounds import signals as s
from audio2shape_core.synthetic.sounds.signals import Rng


def _click(rng: Rng, low: float, high: float, decay: float) -> np.ndarray:
    """A knock on something small: a few modes between `low` and `high` Hz that fall by 60 dB in about `decay` s."""
    count = rng.integers(4, 9)
    frequencies = np.sort(rng.uniform(low, high, count))
    click = s.modes(2 * decay, frequencies, decay * rng.uniform(0.5, 1.5, count), rng.uniform(0.2, 1, count))
    return click + 0.7 * s.noise(rng, 2 * decay, low, high) * np.exp(-s.times(2 * decay) / (0.05 * decay))


def clock(rng: Rng, seconds: float) -> np.ndarray:
    """Tick, tock: two clicks in turn, evenly spaced; or an alarm's beeps."""
    total = np.zeros(s.num_samples(seconds))
    if rng.random() < 0.15:
        length, pitch = rng.uniform(0.05, 0.15), rng.uniform(1500, 4000)
        beep = s.harmonics(np.full(s.num_samples(length), pitch), np.array([1, 0.3, 0.3]), rng)
        beep *= s.swell(length, 0.005, 0.005)
        for start in np.arange(rng.uniform(0, 0.2), seconds, 2 * length):
            if start % 1.0 < 8 * length:
                s.place(total, beep, start)
        return total
    low, decay = rng.uniform(800, 3000), rng.uniform(0.01, 0.06)
    clicks = [_click(rng, low, 2.5 * low, decay), rng.uniform(0.5, 1) * _click(rng, 0.8 * low, 2.2 * low, decay)]
    period, lag = 1 / rng.choice([1, 2, 2, 4, 5]), rng.uniform(-0.06, 0.06)  # a worn clock limps
    first = rng.uniform(0, min(period, 0.5 * seconds))
    for i in range(int(seconds / period) + 1):
        s.place(total, clicks[i % 2], first + (i + lag * (i % 2)) * period)
    return total


def keyboard(rng: Rng, seconds: float) -> np.ndarray:
    """Typing: each key goes down with a knock and comes up with a lighter one, in bursts; no two keys sound alike."""
    total, gap, low = np.zeros(s.num_samples(seconds)), rng.uniform(0.08, 0.3), rng.uniform(400, 1800)
    decay = rng.uniform(0.015, 0.05)
    for start in s.event_times(rng, seconds, gap, 0.45):
        pitch, hit = low * rng.uniform(0.8, 1.25), rng.uniform(0.3, 1)
        s.place(total, hit * _click(rng, pitch, 3 * pitch, decay), start)
        s.place(total, 0.4 * hit * _click(rng, 1.3 * pitch, 4 * pitch, 0.6 * decay), start + rng.uniform(0.05, 0.12))
    return total


def door(rng: Rng, seconds: float) -> np.ndarray:
    """Knocks on a panel, a hinge that creaks, or a door that falls shut."""
    total, kind = np.zeros(s.num_samples(seconds)), rng.random()
    if kind < 0.45:
        low, decay, spacing = rng.uniform(80, 250), rng.uniform(0.06, 0.15), rng.uniform(0.15, 0.4)
        for start in s.event_times(rng, seconds, rng.uniform(1.2, 2.5)):
            for i in range(rng.integers(2, 6)):
                s.place(total, rng.uniform(0.7, 1) * _click(rng, low, 6 * low, decay), start + i * spacing)
    elif kind < 0.8:
        for start in s.event_times(rng, seconds, rng.uniform(1.5, 2.5)):
            length = rng.uniform(0.6, 1.8)
            # Stick and slip: the hinge lets go in jerks, faster when the door moves faster.
            rate = rng.uniform(20, 120) * s.contour(length, (0, 0.5), (0.5, rng.uniform(1, 3)), (1, 0.4))
            jerks = (
                np.diff(np.floor(np.cumsum(rate * (1 + 0.3 * s.drift(rng, length, 30))) / SAMPLE_RATE), prepend=0) > 0
            )
            peaks = [(f, 80, 1) for f in rng.uniform(400, 3500, 5)]
            creak = s.formants(jerks * rng.uniform(0.5, 1, len(jerks)), *peaks) * s.swell(length, 0.1, 0.2)
            s.place(total, creak * 30, start)
    else:
        for start in s.event_times(rng, seconds, rng.uniform(1.5, 3)):
            s.place(total, 0.5 * _click(rng, 1200, 4000, 0.05), start)  # the latch
            slam = s.noise(rng, 0.6, 30, 900) * np.exp(-s.times(0.6) / 0.06) + _click(rng, 60, 400, 0.3)
            s.place(total, slam, start + rng.uniform(0.03, 0.1))
    return total


def bottle(rng: Rng, seconds: float) -> np.ndarray:
    """A cork that pops, glass that clinks, breath across the mouth, or water poured in: the pitch rises as it fills."""
    total, kind = np.zeros(s.num_samples(seconds)), rng.integers(4)
    if kind == 0:
        for start in s.event_times(rng, seconds, rng.uniform(1, 2.5)):
            length, f = 0.25, rng.uniform(300, 900)
            pop = s.harmonics(f * s.contour(length, (0, 0.7), (0.2, 1.2), (1, 1.2)), np.array([1, 0.3, 0.1]), rng)
            s.place(total, pop * np.exp(-s.times(length) / 0.03), start)
            s.place(total, 0.3 * _click(rng, 800, 6000, 0.05), start)
    elif kind == 1:
        f, ratios = rng.uniform(1500, 3200), np.array([1, 1.47, 2.09, 2.5])
        for start in s.event_times(rng, seconds, rng.uniform(0.4, 1.5)):
            s.place(total, rng.uniform(0.4, 1) * s.modes(1.0, f * ratios, 0.7 / ratios, rng.uniform(0.3, 1, 4)), start)
    elif kind == 2:
        f = rng.uniform(110, 350)
        for start in s.event_times(rng, seconds, rng.uniform(1.2, 2)):
            length = rng.uniform(0.6, 1.2)
            air = s.noise(rng, length)
            s.place(total, (40 * s.resonate(air, f, 6) + 0.15 * air) * s.swell(length, 0.15, 0.2), start)
    else:
        fill = np.linspace(rng.uniform(300, 500), rng.uniform(900, 2000), 20)
        piece = seconds / 20
        for i, f in enumerate(fill):
            for start in s.event_times(rng, piece, 0.02, 0.6):
                bubble = s.modes(0.08, f * rng.uniform(0.8, 1.3, 2), np.full(2, 0.06), rng.uniform(0.2, 1, 2))
                s.place(total, bubble, i * piece + start)
        total += 0.2 * s.noise(rng, seconds, 800, 6000)
    return total


def toilet(rng: Rng, seconds: float) -> np.ndarray:
    """A flush: water that rushes, gurgles away and refills the cistern."""
    peak, fade = rng.uniform(0.05, 0.3), rng.uniform(0.5, 1.2)
    rush = s.noise(rng, seconds, 150, rng.uniform(2000, 5000))
    rush *= s.contour(seconds, (0, 0.1), (peak, 1), (fade, 0.3), (2, 0.2))
    rumble = s.noise(rng, seconds, 60, 500) * s.contour(seconds, (0, 0), (peak, 0.8), (fade, 0.2), (2, 0.1))
    gurgle = s.noise(rng, seconds, 250, 900) * np.clip(s.drift(rng, seconds, 12), 0, 2)
    gurgle *= s.contour(seconds, (0, 0), (peak, 0.2), (fade, 1))
    return rush + rumble + rng.uniform(0.2, 0.8) * gurgle + 0.1 * s.noise(rng, seconds, 2500, 7500)
