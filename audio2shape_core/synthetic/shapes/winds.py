"""Wind instruments: saxophone, flute, trombone, French horn, clarinet."""

import numpy as np
from numpy.typing import ArrayLike

from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Color, Rng, pick

BRASSES = [(206, 162, 62), (190, 140, 50), (222, 184, 96), (196, 198, 202), (160, 104, 56)]
BLACK, SILVER, PEARL = (26, 24, 26), (204, 206, 210), (236, 232, 224)


def bend(
    center: ArrayLike, radius: float, start: float, end: float, axes: tuple[int, int], count: int = 12
) -> np.ndarray:
    """A circular arc (count, 3) by degrees in the plane of the two axes."""
    angle = np.radians(np.linspace(start, end, count))
    path = np.tile(np.asarray(center, float), (count, 1))
    path[:, axes[0]] += radius * np.cos(angle)
    path[:, axes[1]] += radius * np.sin(angle)
    return path


def add_reed(body: Body, rng: Rng, color: Color, keys: Color, *, top: float, bottom: float, flare: float) -> None:
    """A straight tube of height 1.3 with bell below, beak above and keys facing +x."""
    profile = [(flare, 0), (bottom * 1.5, 0.07), (bottom, 0.18), (top, 1.3)]
    body.add(s.revolution(s.smooth(profile, 16)), color)
    body.add(s.tube([(0, 0, 1.3), (0, 0, 1.38), (-0.01, 0, 1.5)], (top * 1.1, top, 0.008)), BLACK)
    body.add(s.revolution([(top * 1.25, 1.29), (top * 1.25, 1.32)]), keys)
    for z in np.linspace(0.22, 1.2, 12) + rng.uniform(-0.01, 0.01, 12):
        radius = np.interp(z, (0.18, 1.3), (bottom, top))
        body.add(s.disc((radius + 0.012, 0, z), 0.027, s.FACING_X), keys, 1.5)
    for side in (-1, 1):
        path = [(bottom * 0.75, side * bottom * 0.9, 0.25), (top * 0.75, side * top, 1.15)]
        body.add(s.tube(path, 0.006, sides=5), keys, 1.5)
        for z in rng.uniform(0.25, 1.1, 3):
            body.add(s.tube([(0.0, side * bottom, z), (0.03, side * (bottom + 0.03), z + 0.1)], 0.01, sides=5), keys)


def saxophone(body: Body, rng: Rng) -> None:
    """Alto or tenor (curved, bell up and +x, crook to -x), one in ten a straight soprano; standing, keys +x."""
    brass = pick(rng, BRASSES)
    if rng.random() < 0.1:
        add_reed(body, rng, brass, brass, top=0.03, bottom=0.08, flare=0.14)
        return
    tall, gap = rng.uniform(1.2, 1.55), rng.uniform(0.3, 0.36)
    low, bell, wide = gap / 2, rng.uniform(0.62, 0.8), rng.uniform(0.2, 0.26)
    down = np.column_stack([np.zeros(12), np.zeros(12), np.linspace(tall, low, 12)])
    bow = bend((gap / 2, 0, low), gap / 2, 180, 360, (0, 2))
    up = s.smooth([(gap, 0, low), (gap + 0.01, 0, bell * 0.6), (gap + 0.05, 0, bell)], 12)
    path = np.concatenate([down, bow[1:], up[1:]])
    narrow = np.linspace(0.038, 0.088, 12), np.linspace(0.088, 0.115, 12)[1:]
    flare = s.smooth([0.115, 0.125, 0.15, wide], 12)[1:]
    body.add(s.tube(path, np.concatenate([*narrow, flare]), sides=20, closed=False), brass)
    body.add(s.tube(bend((gap + 0.05, 0, bell), wide, 0, 360, (0, 1), 30), 0.012, sides=6), brass)
    bent = [(0, 0, tall), (0, 0, tall + 0.06), (-0.05, 0, tall + 0.14), (-0.16, 0, tall + 0.17)]
    crook = s.smooth([*bent, (-0.28, 0, tall + 0.14), (-0.38, 0, tall + 0.1)], 20)
    body.add(s.tube(crook, np.linspace(0.036, 0.02, 20)), brass, 1.3)
    beak = crook[-1] + np.array([(0.03, 0, 0.012), (-0.07, 0, -0.028), (-0.17, 0, -0.075)])
    body.add(s.tube(beak, (0.03, 0.028, 0.01)), BLACK, 1.5)
    for z in np.linspace(low + 0.08, tall - 0.1, 10):
        radius = np.interp(z, (low, tall), (0.088, 0.038))
        size = radius * rng.uniform(0.6, 0.75)
        body.add(s.disc((radius + 0.025, 0, z), size, s.FACING_X), pick(rng, [PEARL, brass]), 1.3)
    for side in (-1, 1):
        body.add(s.tube([(0.03, side * 0.1, low), (0.02, side * 0.06, tall - 0.08)], 0.008, sides=5), brass, 1.3)
        for z in (low + 0.15, low + 0.15 + 0.18):
            body.add(s.disc((gap, side * 0.145, z), 0.07, s.rotation(roll=-90 * side)), brass, 1.2)
        for z in rng.uniform(low + 0.1, tall - 0.2, 4):
            body.add(s.box((0, side * 0.095, z), (0.06, 0.02, 0.08)), pick(rng, [PEARL, brass]))
    body.add(s.tube([(0.07, 0, bell * 0.8), (gap - 0.1, 0, bell * 0.8)], 0.012, sides=6), brass)


def flute(body: Body, rng: Rng) -> None:
    """Concert flute (silver or gold) or a plain wooden one: along y, lip plate at +y, keys +z."""
    wooden = rng.random() < 0.25
    color = pick(rng, [(130, 76, 40), (180, 130, 76), (60, 36, 26)] if wooden else [SILVER, (214, 178, 90)])
    half, lip, radius = 1.0, 0.72, rng.uniform(0.026, 0.036) * (1.3 if wooden else 1.0)
    body.add(s.tube([(0, -half, 0), (0, half, 0)], radius, sides=16), color)
    for y in (-half, -0.66, 0.38, 0.44, half):
        body.add(s.tube([(0, y - 0.015, 0), (0, y + 0.015, 0)], radius * 1.25, sides=16), color)
    body.add(s.ellipsoid((0, lip, radius * 0.7), (0.055, 0.1, 0.03)), color)
    body.add(s.ellipsoid((0, lip, radius + 0.012), (0.012, 0.02, 0.008)), BLACK, 2.0)
    if wooden:
        for y in (-0.45, -0.33, -0.21, -0.03, 0.09, 0.21):
            body.add(s.disc((0, y, radius + 0.004), 0.016), BLACK, 3.0)
        return
    for y in np.linspace(-0.9, 0.3, rng.integers(13, 17)):
        body.add(s.revolution([(0.034, 0), (0.034, 0.012), (0, 0.012)], (0, y, radius + 0.012), sides=14), color, 0.8)
    rod = radius + 0.02
    body.add(s.tube([(0.03, -0.64, rod), (0.03, 0.34, rod)], 0.007, sides=6), color)
    for y in rng.uniform(-0.6, 0.2, 4):
        body.add(s.box((-0.035, y, radius), (0.02, 0.09, 0.01)), color)


def trombone(body: Body, rng: Rng) -> None:
    """Tenor trombone, with or without valve loop: slide U and bell toward +x, tuning loop at -x."""
    brass, pipe = pick(rng, BRASSES[:4]), 0.02
    reach, gap = rng.uniform(1.0, 1.7), rng.uniform(0.11, 0.15)
    for y in (0.0, gap):
        body.add(s.tube([(0, y, 0), (reach, y, 0)], pipe, sides=10), pick(rng, [SILVER, brass]), 1.3)
        body.add(s.tube([(0.05, y, 0), (0.55, y, 0)], pipe * 1.25, sides=10), SILVER)
    body.add(s.tube(bend((reach, gap / 2, 0), gap / 2, -90, 90, (0, 1)), pipe, sides=10), brass, 1.5)
    for x in (0.1, rng.uniform(0.58, reach * 0.7)):
        body.add(s.tube([(x, 0, 0), (x, gap, 0)], 0.014, sides=8), brass, 1.5)
    body.add(s.tube([(-0.1, 0, 0), (-0.06, 0, 0), (0, 0, 0)], (0.045, 0.022, pipe)), SILVER, 1.5)
    back, high = -rng.uniform(0.55, 0.7), rng.uniform(0.24, 0.3)
    body.add(s.tube([(0.0, gap, 0), (back, gap, 0)], pipe * 1.1, sides=10), brass, 1.3)
    body.add(s.tube(bend((back, gap, high / 2), high / 2, 270, 90, (0, 2)), pipe * 1.3, sides=10), brass, 1.5)
    end, wide = rng.uniform(0.45, 0.6), rng.uniform(0.19, 0.23)
    flare = s.smooth([(back, 0.027), (0.0, 0.034), (end - 0.25, 0.06), (end - 0.08, 0.11), (end, wide)], 24)
    line = np.column_stack([flare[:, 0], np.full(24, gap), np.full(24, high)])
    body.add(s.tube(line, flare[:, 1], sides=24, closed=False), brass)
    for x in (back + 0.12, -0.12):
        body.add(s.tube([(x, gap, 0), (x, gap, high)], 0.014, sides=8), brass, 1.5)
    if rng.random() < 0.4:  # F attachment
        loop = bend((back * 0.45, gap + 0.04, high / 2), 0.09, 0, 360, (0, 2), 24)
        body.add(s.tube(loop, pipe, sides=8), brass)


def french_horn(body: Body, rng: Rng) -> None:
    """Coiled tubing in the xz plane with rotary valves, mouthpiece at the top, wide bell toward +x."""
    brass, size = pick(rng, BRASSES), rng.uniform(0.36, 0.42)
    for k, share in enumerate((1.0, 0.88, 0.74)):
        path = bend((0, 0.05 * (k - 1), 0), size * share, -60 + 30 * k, 290 + 30 * k, (0, 2), 50)
        body.add(s.tube(path, 0.03 - 0.004 * k, sides=10), brass)
    center = np.array([0.05, 0.0, -size])
    flare = s.smooth([(-0.3, 0.04), (0.1, 0.055), (0.35, 0.1), (0.46, 0.18), (0.52, rng.uniform(0.28, 0.33))], 24)
    line = center + np.column_stack([flare[:, 0], np.zeros(24), 0.15 * (flare[:, 0] + 0.3) ** 2])
    body.add(s.tube(line, flare[:, 1], sides=24, closed=False), brass)
    for x in (-0.12, 0.0, 0.12):
        body.add(s.box((x, 0, 0.05), (0.1, 0.1, 0.1)), brass)
        body.add(s.tube([(x, 0, 0.05), (x, 0, 0.2)], 0.012, sides=6), SILVER)
        body.add(s.tube(bend((x, 0.04, -0.08), 0.045, 0, 360, (0, 2), 16), 0.014, sides=6), brass)
    lead = s.smooth([(-0.05, 0.03, size), (-0.3, 0.03, size * 1.1), (-0.5, 0.03, size * 1.35)], 10)
    body.add(s.tube(lead, 0.018, sides=8), brass, 1.4)
    body.add(s.tube([lead[-1] + (0.03, 0, -0.02), lead[-1] + (-0.06, 0, 0.06)], (0.016, 0.035)), SILVER, 1.5)


def clarinet(body: Body, rng: Rng) -> None:
    """Black or dark wooden straight tube, silver keys; standing, beak +z, bell below, keys +x."""
    keys = pick(rng, [SILVER, (206, 170, 80)])
    color = pick(rng, [BLACK, (40, 30, 28), (70, 40, 28)])
    add_reed(body, rng, color, keys, top=0.036, bottom=0.045, flare=0.1)
    for z in (0.16, 0.7, 1.18):
        body.add(s.revolution([(0.055, z - 0.01), (0.055, z + 0.01)]), SILVER)


SHAPES = {f.__name__: f for f in (saxophone, flute, trombone, french_horn, clarinet)}
