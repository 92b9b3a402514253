"""Vehicles: what turns, pulses and rushes."""

from collections.abc import Sequence

import numpy as np

from audio2shape_core.synthetic.sounds import signals as s
from audio2shape_core.synthetic.sounds.signals import Rng


def _passing(rng: Rng, seconds: float) -> np.ndarray:
    """(S,) loudness of something far away that comes nearer, passes, or stays."""
    edges = rng.uniform(0.2, 1, 2)
    loudness = s.contour(seconds, (0, edges[0]), (rng.uniform(0.2, 0.8), 1), (1, edges[1]))
    return loudness * (1 + 0.08 * s.drift(rng, seconds, 6))


def airplane(rng: Rng, seconds: float) -> np.ndarray:
    """A jet (rushing air, the whine of its fan) or a propeller (harmonics of its blades) that passes."""
    approach = s.contour(seconds, (0, rng.uniform(1, 1.1)), (1, rng.uniform(0.9, 1)))  # Doppler shift
    rush = s.noise(rng, seconds, 60, rng.uniform(600, 2500)) + 0.3 * s.noise(rng, seconds, 500, 6000)
    if rng.random() < 0.5:
        whine = s.harmonics(rng.uniform(900, 3000) * approach, np.array([1, 0.4, 0.2]), rng)
        sound = rush + rng.uniform(0.05, 0.5) * whine
    else:
        blades = rng.uniform(60, 130) * approach * (1 + 0.005 * s.drift(rng, seconds, 5))
        sound = 0.3 * rush + s.harmonics(blades, np.arange(1, 30) ** -rng.uniform(0.5, 1.0), rng)
    return sound * _passing(rng, seconds)


def helicopter(rng: Rng, seconds: float) -> np.ndarray:
    """A rotor that beats the air 9 to 25 times a second, over the hiss of a turbine."""
    rate = rng.uniform(9, 25)
    sharpness = rng.uniform(2, 12)
    beat = ((1 + np.cos(2 * np.pi * rate * s.times(seconds) * (1 + 0.003 * s.drift(rng, seconds, 1)))) / 2) ** sharpness
    chop = beat * (s.noise(rng, seconds, 30, rng.uniform(250, 1500)) + 0.4 * s.noise(rng, seconds, 200, 3000))
    tail = s.harmonics(np.full(s.num_samples(seconds), rate * rng.uniform(4, 6)), np.arange(1, 15) ** -1.0, rng)
    turbine = s.noise(rng, seconds, 1500, 5000)
    turbine += s.harmonics(np.full(s.num_samples(seconds), rng.uniform(1500, 3500)), np.ones(1), rng)
    sound = chop + rng.uniform(0.05, 0.3) * tail + rng.uniform(0.02, 0.15) * turbine
    return sound * _passing(rng, seconds)


def car(rng: Rng, seconds: float) -> np.ndarray:
    """An engine that idles, revs or pulls away; sometimes only its horn."""
    if rng.random() < 0.2:
        return _horn(rng, seconds, (rng.uniform(330, 450), rng.uniform(400, 560)), rng.uniform(0.2, 1.0))
    idle, rev = rng.uniform(22, 45), rng.uniform(1, 4)
    rise, fall = (rng.uniform(0.2, 0.5), rev), (rng.uniform(0.6, 0.8), rev)
    firing = idle * s.contour(seconds, (0, 1), rise, fall, (1, rng.uniform(1, rev)))
    firing = firing * (1 + 0.02 * s.drift(rng, seconds, 10))
    # Cylinders differ: half orders of the firing frequency are heard too.
    orders = np.arange(1, 60)
    levels = orders**-0.9 * np.where(orders % 2 == 0, 1.0, rng.uniform(0.1, 0.6)) * rng.uniform(0.4, 1, len(orders))
    engine = s.harmonics(firing / 2, levels, rng)
    engine = s.formants(engine, (rng.uniform(80, 200), 60, 1), (rng.uniform(300, 700), 200, 0.8), (1500, 800, 0.5))
    load = (firing / firing.max()) ** 0.7
    return (engine / engine.std() + rng.uniform(0.1, 0.5) * s.noise(rng, seconds, 100, 3000)) * load


def train(rng: Rng, seconds: float) -> np.ndarray:
    """Wheels over rail joints, or a steam engine's chuffs, above a rumble; often a horn of several notes."""
    total = rng.uniform(0.1, 0.5) * s.noise(rng, seconds, 30, 400) * (1 + 0.2 * s.drift(rng, seconds, 4))
    if rng.random() < 0.5:
        gap = rng.uniform(0.35, 0.9)
        for start in s.event_times(rng, seconds, gap, 0.02):
            for offset in (0, 0.14 * gap, 0.45 * gap, 0.59 * gap):
                clack = s.noise(rng, 0.12, 80, 1800) * np.exp(-s.times(0.12) / 0.02)
                s.place(total, rng.uniform(1, 2) * clack, start + offset)
    else:
        gap = rng.uniform(0.15, 0.6)
        for start in s.event_times(rng, seconds, gap, 0.03):
            length = 0.8 * gap
            s.place(total, s.noise(rng, length, 300, 4000) * s.contour(length, (0, 0), (0.1, 1), (1, 0)), start)
    if rng.random() < 0.5:
        root = rng.uniform(220, 400)
        chord = [root * ratio for ratio in (1, 1.19, 1.5, 1.78)]
        total += rng.uniform(0.5, 2) * _horn(rng, seconds, chord, rng.uniform(0.5, 2.0))
    return total


def _horn(rng: Rng, seconds: float, pitches: Sequence[float], length: float) -> np.ndarray:
    """Blasts of a chord of reeds, Hz."""
    total = np.zeros(s.num_samples(seconds))
    for start in s.event_times(rng, seconds, 1.3 * length + 0.2):
        for pitch in pitches:
            reed = s.harmonics(pitch * (1 + 0.003 * s.drift(rng, length, 5)), np.arange(1, 20) ** -0.8, rng)
            s.place(total, reed * s.swell(length, 0.04, 0.08) / len(pitches), start)
    return total
