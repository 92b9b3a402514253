"""Scenes of what plays no melody: vehicles (what turns, pulses and rushes), animals, what is struck, small things of a
house. Each adds its sound to `total` (S,), which is silent before.

Animals call by source and filter: a throat that makes pulses or noise, a mouth that shapes them. Fant, "Acoustic theory
of speech production" (1960); pitches and formants are round numbers of each animal's range.
"""

from collections.abc import Sequence

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.synthetic.sounds import signals as s
from audio2shape_core.synthetic.sounds.signals import Rng


def _passing(rng: Rng, seconds: float) -> np.ndarray:
    """(S,) loudness of something far away that comes nearer, passes, or stays."""
    edges = rng.uniform(0.2, 1, 2)
    loudness = s.contour(seconds, (0, edges[0]), (rng.uniform(0.2, 0.8), 1), (1, edges[1]))
    return loudness * (1 + 0.08 * s.drift(rng, seconds, 6))


def airplane(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A jet (rushing air, the whine of its fan) or a propeller (harmonics of its blades) that passes."""
    approach = s.contour(seconds, (0, rng.uniform(1, 1.1)), (1, rng.uniform(0.9, 1)))  # Doppler shift
    rush = s.noise(rng, seconds, 60, rng.uniform(600, 2500)) + 0.3 * s.noise(rng, seconds, 500, 6000)
    if rng.random() < 0.5:
        whine = s.harmonics(rng.uniform(900, 3000) * approach, np.array([1, 0.4, 0.2]), rng)
        sound = rush + rng.uniform(0.05, 0.5) * whine
    else:
        blades = rng.uniform(60, 130) * approach * (1 + 0.005 * s.drift(rng, seconds, 5))
        sound = 0.3 * rush + s.harmonics(blades, np.arange(1, 30) ** -rng.uniform(0.5, 1.0), rng)
    total += sound * _passing(rng, seconds)


def helicopter(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A rotor that beats the air 9 to 25 times a second, over the hiss of a turbine."""
    rate, sharpness = rng.uniform(9, 25), rng.uniform(2, 12)
    beat = ((1 + np.cos(2 * np.pi * rate * s.times(seconds) * (1 + 0.003 * s.drift(rng, seconds, 1)))) / 2) ** sharpness
    chop = beat * (s.noise(rng, seconds, 30, rng.uniform(250, 1500)) + 0.4 * s.noise(rng, seconds, 200, 3000))
    tail = s.harmonics(np.full(s.num_samples(seconds), rate * rng.uniform(4, 6)), np.arange(1, 15) ** -1.0, rng)
    turbine = s.noise(rng, seconds, 1500, 5000)
    turbine += s.harmonics(np.full(s.num_samples(seconds), rng.uniform(1500, 3500)), np.ones(1), rng)
    sound = chop + rng.uniform(0.05, 0.3) * tail + rng.uniform(0.02, 0.15) * turbine
    total += sound * _passing(rng, seconds)


def car(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """An engine that idles, revs or pulls away; sometimes only its horn."""
    if rng.random() < 0.2:
        total += _horn(rng, seconds, (rng.uniform(330, 450), rng.uniform(400, 560)), rng.uniform(0.2, 1.0))
        return
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
    total += (engine / engine.std() + rng.uniform(0.1, 0.5) * s.noise(rng, seconds, 100, 3000)) * load


def train(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Wheels over rail joints, or a steam engine's chuffs, above a rumble; often a horn of several notes."""
    total += rng.uniform(0.1, 0.5) * s.noise(rng, seconds, 30, 400) * (1 + 0.2 * s.drift(rng, seconds, 4))
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


def _horn(rng: Rng, seconds: float, pitches: Sequence[float], length: float) -> np.ndarray:
    """Blasts of a chord of reeds, Hz."""
    total = np.zeros(s.num_samples(seconds))
    for start in s.event_times(rng, seconds, 1.3 * length + 0.2):
        for pitch in pitches:
            reed = s.harmonics(pitch * (1 + 0.003 * s.drift(rng, length, 5)), np.arange(1, 20) ** -0.8, rng)
            s.place(total, reed * s.swell(length, 0.04, 0.08) / len(pitches), start)
    return total


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


def dog(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Barks: short, rough, falling."""
    pitch, gap = rng.uniform(250, 800), rng.uniform(0.3, 0.9)
    roughness, length = rng.uniform(0.2, 0.6), rng.uniform(0.1, 0.25)
    for start in s.event_times(rng, seconds, gap, 0.25):
        f = pitch * rng.uniform(0.9, 1.1) * s.contour(length, (0, 0.8), (0.2, 1.2), (1, 0.6))
        bark = _call(rng, f, roughness, s.swell(length, 0.04, 0.1), [400, 1000, 2500], [900, 1600, 3000])
        s.place(total, bark * s.swell(length, 0.01, 0.7 * length), start)


def cat(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Meows: a voice that rises and falls while the mouth opens and shuts."""
    pitch = rng.uniform(350, 900)
    for start in s.event_times(rng, seconds, rng.uniform(1.0, 2.5)):
        length, peak = rng.uniform(0.4, 1.2), rng.uniform(0.2, 0.6)
        f = pitch * s.contour(length, (0, 0.8), (peak, rng.uniform(1.1, 1.5)), (1, rng.uniform(0.6, 0.9)))
        opening = s.contour(length, (0, 0), (peak, 1), (1, 0.1))
        meow = _call(rng, f, rng.uniform(0.02, 0.15), opening, [500, 2200, 3500], [1100, 1800, 3600])
        s.place(total, meow * s.swell(length, 0.08, 0.3 * length), start)


def cow(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Moos: long and low, opening late."""
    pitch = rng.uniform(80, 200)
    for start in s.event_times(rng, seconds, rng.uniform(2.0, 4.0)):
        length = rng.uniform(1.0, 2.2)
        f = pitch * s.contour(length, (0, 0.8), (0.5, rng.uniform(1.0, 1.5)), (0.8, 1.4), (1, 0.9))
        opening = s.contour(length, (0, 0), (0.3, 0.2), (0.7, 1), (1, 0.5))
        moo = _call(rng, f, rng.uniform(0.05, 0.3), opening, [250, 700, 2000], [500, 1100, 2300])
        s.place(total, moo * s.swell(length, 0.15, 0.3), start)


def sheep(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Bleats: a nasal voice that trembles 6 to 11 times a second."""
    pitch, rate = rng.uniform(180, 420), rng.uniform(6, 11)
    for start in s.event_times(rng, seconds, rng.uniform(1.2, 2.5)):
        length = rng.uniform(0.5, 1.4)
        tremble = np.sin(2 * np.pi * rate * s.times(length))
        f = pitch * (1 + 0.04 * tremble) * s.contour(length, (0, 0.9), (0.2, 1.1), (1, 0.9))
        bleat = _call(rng, f, rng.uniform(0.1, 0.4), np.full(len(f), 0.7), [400, 1500, 2600], [800, 1700, 2700])
        s.place(total, bleat * (0.65 + 0.35 * tremble) * s.swell(length, 0.05, 0.15), start)


def chicken(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Clucks, some of them drawn out into a cackle."""
    pitch, gap = rng.uniform(350, 800), rng.uniform(0.2, 0.6)
    for start in s.event_times(rng, seconds, gap, 0.35):
        long = rng.random() < 0.15
        length = rng.uniform(0.4, 0.8) if long else rng.uniform(0.05, 0.12)
        f = pitch * s.contour(length, (0, 0.8), (0.3, 1.8 if long else 1.2), (1, 1.0))
        cluck = _call(rng, f, rng.uniform(0.1, 0.35), s.swell(length, 0.02, 0.05), [700, 1800], [1200, 2600])
        s.place(total, rng.uniform(0.4, 1) * cluck * s.swell(length, 0.008, 0.6 * length), start)


def bird(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Song: short whistles whose pitch sweeps, the same few syllables over and over."""
    base = rng.uniform(2000, 4500)
    syllables = []
    for _ in range(rng.integers(1, 5)):
        length = rng.uniform(0.03, 0.25)
        sweep = s.contour(length, *((x, base * rng.uniform(0.7, 1.5)) for x in (0, 0.5, 1)))
        trill = 1 + rng.choice([0, 0.06]) * np.sin(2 * np.pi * rng.uniform(25, 60) * s.times(length))
        syllables.append(s.harmonics(sweep * trill, np.array([1, 0.15, 0.05]), rng) * s.swell(length, 0.01, 0.02))
    for i, start in enumerate(s.event_times(rng, seconds, rng.uniform(0.12, 0.5), 0.3)):
        s.place(total, rng.uniform(0.5, 1) * syllables[i % len(syllables)], start)


def bell(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A struck bell: a church bell's partials (hum, prime, minor third, fifth, nominal, ...) or a small bell's few."""
    if rng.random() < 0.5:
        f, ratios = rng.uniform(150, 600), np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3.0, 4.0, 5.3, 6.7])
        gap, decay = rng.uniform(0.8, 3.0), rng.uniform(2, 8)
    else:
        f, ratios = rng.uniform(900, 2600), np.array([1, 2.0, 2.74, 3.76, 5.2])
        gap, decay = rng.choice([0.06, 0.3, 1.5]) * rng.uniform(0.7, 1.3), rng.uniform(0.5, 3)
    ratios = ratios * (1 + 0.01 * rng.standard_normal(len(ratios)))
    levels, decays = rng.uniform(0.2, 1, len(ratios)), decay / ratios**0.7
    strike = s.modes(seconds, f * ratios, decays, levels) + s.modes(seconds, f * ratios * 1.0015, decays, 0.5 * levels)
    strike += 0.4 * s.noise(rng, seconds, 2000) * np.exp(-s.times(seconds) / 0.004)
    for start in s.event_times(rng, seconds, gap, 0.1):
        s.place(total, rng.uniform(0.6, 1) * strike, start)


def drum(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A struck membrane: the modes of a circular skin that starts sharp, noise of snares or of the stroke."""
    skin = np.array([1, 1.59, 2.14, 2.3, 2.65, 2.92, 3.5])  # zeros of Bessel functions, relative to the first
    f, decay, snares = rng.uniform(50, 300), rng.uniform(0.15, 0.8), rng.choice([0.05, 0.2, 1.5])
    drop, length = rng.uniform(0, 0.5), 1.0
    bend = 1 + drop * np.exp(-s.times(length) / 0.03)
    beat = rng.uniform(0.12, 0.6)
    for start in s.event_times(rng, seconds, beat, 0.05):
        hit = rng.uniform(0.4, 1)
        levels = rng.uniform(0.2, 1, len(skin)) * hit ** np.arange(len(skin))
        phase = 2 * np.pi * np.cumsum(f * bend) / SAMPLE_RATE
        tone = sum(a * np.sin(r * phase) * 10 ** (-3 * r * s.times(length) / decay) for a, r in zip(levels, skin))
        fall = s.contour(length, (0, 1), (0.02, 0.5), (0.15, 0.05), (0.3, 0), (1, 0))
        rattle = snares * s.noise(rng, length, 1000, 7000) * fall
        s.place(total, hit * (tone + rattle), start)


def _click(rng: Rng, low: float, high: float, decay: float) -> np.ndarray:
    """A knock on something small: a few modes between `low` and `high` Hz that fall by 60 dB in about `decay` s."""
    count = rng.integers(4, 9)
    frequencies = np.sort(rng.uniform(low, high, count))
    click = s.modes(2 * decay, frequencies, decay * rng.uniform(0.5, 1.5, count), rng.uniform(0.2, 1, count))
    return click + 0.7 * s.noise(rng, 2 * decay, low, high) * np.exp(-s.times(2 * decay) / (0.05 * decay))


def clock(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Tick, tock: two clicks in turn, evenly spaced; or an alarm's beeps."""
    if rng.random() < 0.15:
        length, pitch = rng.uniform(0.05, 0.15), rng.uniform(1500, 4000)
        beep = s.harmonics(np.full(s.num_samples(length), pitch), np.array([1, 0.3, 0.3]), rng)
        beep *= s.swell(length, 0.005, 0.005)
        for start in np.arange(rng.uniform(0, 0.2), seconds, 2 * length):
            if start % 1.0 < 8 * length:
                s.place(total, beep, start)
        return
    low, decay = rng.uniform(800, 3000), rng.uniform(0.01, 0.06)
    clicks = [_click(rng, low, 2.5 * low, decay), rng.uniform(0.5, 1) * _click(rng, 0.8 * low, 2.2 * low, decay)]
    period, lag = 1 / rng.choice([1, 2, 2, 4, 5]), rng.uniform(-0.06, 0.06)  # a worn clock limps
    first = rng.uniform(0, min(period, 0.5 * seconds))
    for i in range(int(seconds / period) + 1):
        s.place(total, clicks[i % 2], first + (i + lag * (i % 2)) * period)


def keyboard(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Typing: each key goes down with a knock and comes up with a lighter one, in bursts; no two keys sound alike."""
    gap, low, decay = rng.uniform(0.08, 0.3), rng.uniform(400, 1800), rng.uniform(0.015, 0.05)
    for start in s.event_times(rng, seconds, gap, 0.45):
        pitch, hit = low * rng.uniform(0.8, 1.25), rng.uniform(0.3, 1)
        s.place(total, hit * _click(rng, pitch, 3 * pitch, decay), start)
        s.place(total, 0.4 * hit * _click(rng, 1.3 * pitch, 4 * pitch, 0.6 * decay), start + rng.uniform(0.05, 0.12))


def door(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Knocks on a panel, a hinge that creaks, or a door that falls shut."""
    kind = rng.random()
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


def bottle(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A cork that pops, glass that clinks, breath across the mouth, or water poured in: the pitch rises as it fills."""
    kind = rng.integers(4)
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
        fill, piece = np.linspace(rng.uniform(300, 500), rng.uniform(900, 2000), 20), seconds / 20
        for i, f in enumerate(fill):
            for start in s.event_times(rng, piece, 0.02, 0.6):
                bubble = s.modes(0.08, f * rng.uniform(0.8, 1.3, 2), np.full(2, 0.06), rng.uniform(0.2, 1, 2))
                s.place(total, bubble, i * piece + start)
        total += 0.2 * s.noise(rng, seconds, 800, 6000)


def toilet(total: np.ndarray, rng: Rng, seconds: float) -> None:
    """A flush: water that rushes, gurgles away and refills the cistern."""
    peak, fade = rng.uniform(0.05, 0.3), rng.uniform(0.5, 1.2)
    rush = s.noise(rng, seconds, 150, rng.uniform(2000, 5000))
    rush *= s.contour(seconds, (0, 0.1), (peak, 1), (fade, 0.3), (2, 0.2))
    rumble = s.noise(rng, seconds, 60, 500) * s.contour(seconds, (0, 0), (peak, 0.8), (fade, 0.2), (2, 0.1))
    gurgle = s.noise(rng, seconds, 250, 900) * np.clip(s.drift(rng, seconds, 12), 0, 2)
    gurgle *= s.contour(seconds, (0, 0), (peak, 0.2), (fade, 1))
    total += rush + rumble + rng.uniform(0.2, 0.8) * gurgle + 0.1 * s.noise(rng, seconds, 2500, 7500)


ALL = [airplane, helicopter, car, train, dog, cat, cow, sheep, chicken, bird, bell, drum]
ALL += [clock, keyboard, door, bottle, toilet]
SCENES = {scene.__name__: scene for scene in ALL}
