"""Animal calls by source and filter: a throat that makes pulses or noise, a mouth that shapes them.

Fant, "Acoustic theory of speech production" (1960); pitches and formants are round numbers of each animal's range.
"""

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.synthetic.sounds import signals as s
from audio2shape_core.synthetic.sounds.signals import Rng


def _call(
    rng: Rng, pitch: np.ndarray, roughness: float, opening: np.ndarray, shut: list[int], open_: list[int]
) -> np.ndarray:
    """(S,) a voice at a moving pitch, through a mouth that opens and shuts.

    Arguments:
        pitch: (S,) Hz.
        roughness: 0..1, trades the throat's pulses for noise and wavers the pitch.
        opening: (S,) 0..1, moves between the formants (Hz) of the `shut` and of the `open_` mouth.
    """
    seconds = len(pitch) / SAMPLE_RATE
    wavering = pitch * (1 + 0.1 * roughness * s.drift(rng, seconds, 60))
    pulses = s.harmonics(wavering, np.arange(1, 41) ** -1.0, rng)
    throat = (1 - roughness) * pulses + roughness * s.noise(rng, seconds)
    size = rng.uniform(0.85, 1.2)  # a smaller animal has a shorter tract

    def tract(frequencies: list[int]) -> np.ndarray:
        return s.formants(throat, *((size * f, 60 + 0.08 * f, 1 / (1 + i)) for i, f in enumerate(frequencies)))

    return (1 - opening) * tract(shut) + opening * tract(open_)


def dog(rng: Rng, seconds: float) -> np.ndarray:
    """Barks: short, rough, falling."""
    total, pitch, gap = np.zeros(s.num_samples(seconds)), rng.uniform(250, 800), rng.uniform(0.3, 0.9)
    roughness, length = rng.uniform(0.2, 0.6), rng.uniform(0.1, 0.25)
    for start in s.event_times(rng, seconds, gap, 0.25):
        f = pitch * rng.uniform(0.9, 1.1) * s.contour(length, (0, 0.8), (0.2, 1.2), (1, 0.6))
        bark = _call(rng, f, roughness, s.swell(length, 0.04, 0.1), [400, 1000, 2500], [900, 1600, 3000])
        s.place(total, bark * s.swell(length, 0.01, 0.7 * length), start)
    return total


def cat(rng: Rng, seconds: float) -> np.ndarray:
    """Meows: a voice that rises and falls while the mouth opens and shuts."""
    total, pitch = np.zeros(s.num_samples(seconds)), rng.uniform(350, 900)
    for start in s.event_times(rng, seconds, rng.uniform(1.0, 2.5)):
        length = rng.uniform(0.4, 1.2)
        peak = rng.uniform(0.2, 0.6)
        f = pitch * s.contour(length, (0, 0.8), (peak, rng.uniform(1.1, 1.5)), (1, rng.uniform(0.6, 0.9)))
        opening = s.contour(length, (0, 0), (peak, 1), (1, 0.1))
        meow = _call(rng, f, rng.uniform(0.02, 0.15), opening, [500, 2200, 3500], [1100, 1800, 3600])
        s.place(total, meow * s.swell(length, 0.08, 0.3 * length), start)
    return total


def cow(rng: Rng, seconds: float) -> np.ndarray:
    """Moos: long and low, opening late."""
    total, pitch = np.zeros(s.num_samples(seconds)), rng.uniform(80, 200)
    for start in s.event_times(rng, seconds, rng.uniform(2.0, 4.0)):
        length = rng.uniform(1.0, 2.2)
        f = pitch * s.contour(length, (0, 0.8), (0.5, rng.uniform(1.0, 1.5)), (0.8, 1.4), (1, 0.9))
        opening = s.contour(length, (0, 0), (0.3, 0.2), (0.7, 1), (1, 0.5))
        moo = _call(rng, f, rng.uniform(0.05, 0.3), opening, [250, 700, 2000], [500, 1100, 2300])
        s.place(total, moo * s.swell(length, 0.15, 0.3), start)
    return total


def sheep(rng: Rng, seconds: float) -> np.ndarray:
    """Bleats: a nasal voice that trembles 6 to 11 times a second."""
    total, pitch, rate = np.zeros(s.num_samples(seconds)), rng.uniform(180, 420), rng.uniform(6, 11)
    for start in s.event_times(rng, seconds, rng.uniform(1.2, 2.5)):
        length = rng.uniform(0.5, 1.4)
        tremble = np.sin(2 * np.pi * rate * s.times(length))
        f = pitch * (1 + 0.04 * tremble) * s.contour(length, (0, 0.9), (0.2, 1.1), (1, 0.9))
        bleat = _call(rng, f, rng.uniform(0.1, 0.4), np.full(len(f), 0.7), [400, 1500, 2600], [800, 1700, 2700])
        s.place(total, bleat * (0.65 + 0.35 * tremble) * s.swell(length, 0.05, 0.15), start)
    return total


def chicken(rng: Rng, seconds: float) -> np.ndarray:
    """Clucks, some of them drawn out into a cackle."""
    total, pitch, gap = np.zeros(s.num_samples(seconds)), rng.uniform(350, 800), rng.uniform(0.2, 0.6)
    for start in s.event_times(rng, seconds, gap, 0.35):
        long = rng.random() < 0.15
        length = rng.uniform(0.4, 0.8) if long else rng.uniform(0.05, 0.12)
        f = pitch * s.contour(length, (0, 0.8), (0.3, 1.8 if long else 1.2), (1, 1.0))
        cluck = _call(rng, f, rng.uniform(0.1, 0.35), s.swell(length, 0.02, 0.05), [700, 1800], [1200, 2600])
        s.place(total, rng.uniform(0.4, 1) * cluck * s.swell(length, 0.008, 0.6 * length), start)
    return total


def bird(rng: Rng, seconds: float) -> np.ndarray:
    """Song: short whistles whose pitch sweeps, the same few syllables over and over."""
    total, base = np.zeros(s.num_samples(seconds)), rng.uniform(2000, 4500)
    syllables = []
    for _ in range(rng.integers(1, 5)):
        length = rng.uniform(0.03, 0.25)
        sweep = s.contour(length, *((x, base * rng.uniform(0.7, 1.5)) for x in (0, 0.5, 1)))
        trill = 1 + rng.choice([0, 0.06]) * np.sin(2 * np.pi * rng.uniform(25, 60) * s.times(length))
        syllables.append(s.harmonics(sweep * trill, np.array([1, 0.15, 0.05]), rng) * s.swell(length, 0.01, 0.02))
    for i, start in enumerate(s.event_times(rng, seconds, rng.uniform(0.12, 0.5), 0.3)):
        s.place(total, rng.uniform(0.5, 1) * syllables[i % len(syllables)], start)
    return total
