"""String instruments: guitar, violin, cello, double bass, banjo, harp.

Necked ones are built lying with the neck toward +x and the strings up (+z), then turned to their heading.
"""

import numpy as np
from numpy.typing import ArrayLike

from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Color, Rng, pick

WOODS = [(176, 112, 54), (140, 74, 34), (206, 158, 92), (112, 52, 26), (90, 44, 28), (222, 178, 112)]
PAINTS = [(24, 24, 26), (190, 30, 34), (30, 70, 150), (236, 232, 220), (214, 128, 40), (80, 160, 150), (120, 40, 30)]
Pair = tuple[float, float]
EBONY, STEEL, GOLD, IVORY = (34, 26, 22), (190, 192, 196), (200, 160, 70), (238, 232, 214)


def waisted(half_widths: ArrayLike, count: int = 40) -> np.ndarray:
    """A closed mirror outline through (x, half width) control points, tail to neck."""
    side = s.smooth(half_widths, count)
    return np.concatenate([side, side[::-1] * [1, -1]])


def arched(outline: np.ndarray, thickness: float, arch: float) -> s.Surface:
    """Like slab, with both plates bulging by `arch` in the middle."""
    middle = outline.mean(0)
    ring = np.concatenate([outline, outline[:1]])
    scales = [(side, scale) for side in (-1, 1) for scale in (0, 0.35, 0.65, 0.85, 1)[::-side]]
    heights = [side * (thickness / 2 + arch * (1 - scale**2)) for side, scale in scales]
    return s.grid(s.layers([middle + (ring - middle) * scale for _, scale in scales], heights))


def add_strings(body: Body, start: Pair, end: Pair, count: int, widths: Pair, color: Color = STEEL) -> None:
    """Strings from (x, z) `start` to (x, z) `end`, spread over y by `widths` at the two ends."""
    for y in np.linspace(-0.5, 0.5, count):
        path = [(start[0], y * widths[0], start[1]), (end[0], y * widths[1], end[1])]
        body.add(s.tube(path, 0.004, sides=4), color, 0.7)


def add_guitar_neck(body: Body, rng: Rng, *, start: float, nut: float, top: float, wood: Color, in_line: bool) -> None:
    """Fingerboard with frets from x `start` to `nut`, then a headstock bent back with six pegs."""
    middle, length, thick = (start + nut) / 2, nut - start, 0.05
    body.add(s.box((middle, 0, top - thick / 2), (length, 0.105, thick)), wood)
    body.add(s.box((middle, 0, top + 0.008), (length, 0.1, 0.016)), EBONY)
    for fret in range(1, 16):
        x = nut - length * 0.98 * (1 - 2 ** (-fret / 9))
        body.add(s.box((x, 0, top + 0.018), (0.008, 0.1, 0.006)), STEEL, 0.7)
    body.add(s.box((nut, 0, top + 0.02), (0.014, 0.1, 0.016)), IVORY)
    head, wide, tilt = rng.uniform(0.3, 0.4), rng.uniform(0.075, 0.1), rng.uniform(4, 15)
    lean = -0.05 if in_line else 0.0
    outline = [(0, 0.05), (0.25, wide), (0.95, wide * 0.9 + lean), (1, 0.02), (1, -0.04), (0.9, lean - wide * 0.85)]
    part = Body()
    part.add(s.slab(np.array([*outline, (0.25, -wide), (0, -0.05)]) * [head, 1], 0.035, center=(0, 0, -0.01)), wood)
    for side in (1,) if in_line else (-1, 1):
        for x in np.linspace(0.2, 0.85, 6 if in_line else 3) * head:
            peg = [(x, side * wide, -0.01), (x, side * (wide + 0.06), -0.01)]
            part.add(s.tube(peg, 0.009, sides=6), STEEL)
            part.add(s.ellipsoid((x, side * (wide + 0.08), -0.01), (0.018, 0.03, 0.012)), STEEL)
    part.turn(s.rotation(pitch=-tilt), (nut, 0, top))
    body.parts += part.parts


def acoustic_guitar(body: Body, rng: Rng) -> None:
    """Dreadnought (wide waist) or classical (narrow waist, wide neck); lying, neck +x, strings +z."""
    wood, back = pick(rng, WOODS), pick(rng, WOODS)
    low, waist = rng.uniform(0.36, 0.41), rng.uniform(0.23, 0.31)
    up, deep = rng.uniform(0.27, 0.31), rng.uniform(0.18, 0.25)
    half = [(0, 0), (0.015, low * 0.5), (0.1, low * 0.88), (0.27, low), (0.45, low * 0.87), (0.6, waist)]
    outline = waisted(half + [(0.72, waist * 1.02), (0.85, up), (0.95, up * 0.8), (0.99, up * 0.4), (1, 0)])
    top = deep / 2
    body.add(s.slab(outline, deep * 0.97, center=(0, 0, -0.01)), back)
    body.add(s.slab(outline, 0.01, center=(0, 0, top)), wood)
    hole, z = 0.105, top + 0.012
    body.add(s.disc((0.66, 0, z), hole), (20, 14, 10), 1.5)
    body.add(s.disc((0.66, 0, z + 0.002), hole + 0.025, inner=hole), pick(rng, [EBONY, (150, 60, 30), IVORY]), 1.5)
    if rng.random() < 0.4:  # pick guard
        body.add(s.disc((0.58, -0.17, z), 0.08), (60, 24, 16))
    body.add(s.box((0.3, 0, top + 0.02), (0.06, 0.3, 0.03)), EBONY)
    nut = rng.uniform(1.62, 1.75)
    add_guitar_neck(body, rng, start=0.77, nut=nut, top=top + 0.015, wood=back, in_line=False)
    add_strings(body, (0.3, top + 0.045), (nut, top + 0.04), 6, (0.12, 0.08), pick(rng, [STEEL, GOLD]))


STRAT = [(0, 0), (0.03, 0.2), (0.2, 0.38), (0.38, 0.34), (0.58, 0.27), (0.75, 0.3), (0.93, 0.36), (1.05, 0.33)]
STRAT += [(0.95, 0.2), (0.86, 0.1), (0.83, 0), (0.84, -0.08), (0.86, -0.18), (0.95, -0.28), (0.88, -0.34)]
STRAT += [(0.72, -0.3), (0.53, -0.26), (0.33, -0.35), (0.15, -0.4), (0.03, -0.22), (0, 0)]
PAUL = [(0, 0), (0.02, 0.2), (0.15, 0.36), (0.3, 0.38), (0.55, 0.25), (0.72, 0.26), (0.88, 0.24), (0.95, 0.1)]
PAUL += [(0.95, 0), (0.83, -0.07), (0.78, -0.16), (0.88, -0.25), (0.8, -0.29), (0.6, -0.25), (0.45, -0.29)]
PAUL += [(0.3, -0.38), (0.15, -0.36), (0.02, -0.2), (0, 0)]
VEE = [(-0.1, 0.5), (0.04, 0.52), (0.75, 0.14), (0.85, 0.06), (0.85, -0.06), (0.75, -0.14), (0.04, -0.52)]
VEE += [(-0.1, -0.5), (0.0, -0.3), (0.22, 0.0), (0.0, 0.3), (-0.1, 0.5)]


def electric_guitar(body: Body, rng: Rng) -> None:
    """Strat (two horns), Les Paul (one cutaway) or flying V with pickups and knobs; lying, neck +x, strings +z."""
    kind = pick(rng, ["strat", "paul", "vee"], p=[0.5, 0.38, 0.12])
    paint, thick = pick(rng, PAINTS + WOODS[:3]), rng.uniform(0.07, 0.11)
    outline = np.array({"strat": STRAT, "paul": PAUL, "vee": VEE}[kind])
    outline = (s.smooth(outline, 100) if kind != "vee" else outline) * [1, rng.uniform(0.9, 1.1)]
    body.add(s.slab(outline, thick), paint)
    z = thick / 2 + 0.006
    if kind != "vee":
        guard = s.smooth([(0.3, 0.1), (0.5, 0.17), (0.8, 0.14), (0.8, -0.14), (0.5, -0.2), (0.25, -0.24), (0.3, 0.1)])
        body.add(s.slab(guard, 0.008, center=(0, 0, z)), pick(rng, [IVORY, EBONY, paint]))
    for x in np.linspace(0.42, 0.68, 3 if kind == "strat" else 2):
        body.add(s.box((x, 0, z + 0.012), (0.045, 0.16, 0.024)), pick(rng, [EBONY, IVORY, STEEL]), 1.3)
    body.add(s.box((0.26, 0, z + 0.015), (0.06, 0.17, 0.03)), pick(rng, [STEEL, GOLD]), 1.3)
    for x, y in ((0.2, -0.2), (0.12, -0.26), (0.28, -0.22)):
        body.add(s.revolution([(0.025, 0), (0.022, 0.035), (0, 0.035)], (x, y, z)), GOLD)
    nut, in_line = rng.uniform(1.65, 1.85), kind == "strat"
    add_guitar_neck(body, rng, start=0.72, nut=nut, top=z + 0.02, wood=pick(rng, WOODS), in_line=in_line)
    add_strings(body, (0.26, z + 0.035), (nut, z + 0.045), 6, (0.12, 0.08))


STANDING = s.rotation(pitch=90) @ s.rotation(roll=180)  # neck +x to +z, strings +z to +x


def violin_body(body: Body, rng: Rng, *, deep: float, neck: float, sloped: float = 0.0) -> None:
    """A violin-family instrument lying with neck +x: body length 1, `deep` ribs, `neck` up to the nut."""
    wood = pick(rng, WOODS)
    low, waist, up = rng.uniform(0.28, 0.32), rng.uniform(0.155, 0.185), rng.uniform(0.22, 0.25)
    half = [(0, 0), (0.01, low * 0.45), (0.08, low * 0.85), (0.2, low), (0.32, low * 0.9), (0.375, low * 0.8)]
    half += [(0.4, waist * 1.15), (0.5, waist), (0.61, waist * 1.08), (0.64, up * 0.88), (0.7, up), (0.8, up)]
    half += [(0.9, up * (0.85 - 0.35 * sloped)), (0.97, up * (0.55 - 0.3 * sloped)), (1, 0)]
    body.add(arched(waisted(half, 60), deep, 0.035), wood)
    z = deep / 2
    for side in (-1, 1):
        hole = [(0.34, side * 0.15, z + 0.03), (0.4, side * 0.13, z + 0.035), (0.5, side * 0.09, z + 0.04)]
        body.add(s.tube(s.smooth(hole, 8), 0.014, sides=6), (18, 10, 8), 2.5)
    body.add(s.box((0.43, 0, z + 0.07), (0.016, 0.12, 0.09)), (214, 170, 110), 1.5)
    tail = [(0.02, 0.03), (0.32, 0.06), (0.34, 0), (0.32, -0.06), (0.02, -0.03)]
    body.add(s.slab(tail, 0.02, center=(0, 0, z + 0.07), turn=s.rotation(pitch=5)), EBONY, 1.3)
    nut, scroll = 1 + neck, 1 + neck + 0.2
    body.add(s.tube([(0.97, 0, z - 0.02), (nut, 0, z + 0.01)], (0.045, 0.035), sides=10), wood)
    body.add(s.slab([(0.62, 0.05), (nut, 0.033), (nut, -0.033), (0.62, -0.05)], 0.025, center=(0, 0, z + 0.055)), EBONY)
    body.add(s.tube([(nut, 0, z + 0.01), (scroll, 0, z - 0.05)], (0.045, 0.032), sides=8), wood)
    turns = np.linspace(0.3 * np.pi, 3.2 * np.pi, 30)
    spiral = 0.065 * (1 - turns / 12)[:, None] * np.column_stack([np.sin(turns), 0 * turns, np.cos(turns)])
    body.add(s.tube(spiral + (scroll, 0, z - 0.09), 0.026, sides=8), wood)
    for side, x in ((1, 0.03), (-1, 0.07), (1, 0.11), (-1, 0.15)):
        body.add(s.tube([(nut + x, 0, z - 0.02), (nut + x, side * 0.1, z - 0.02)], 0.011, sides=6), EBONY)
        body.add(s.ellipsoid((nut + x, side * 0.12, z - 0.02), (0.022, 0.03, 0.01)), EBONY)
    add_strings(body, (0.3, z + 0.09), (0.43, z + 0.118), 4, (0.05, 0.07))
    add_strings(body, (0.43, z + 0.118), (nut, z + 0.075), 4, (0.07, 0.04))


def add_bow(body: Body, *, y: float, length: float, z: float) -> None:
    """A bow lying along x beside the instrument."""
    stick = s.smooth([(0, y, z), (0.5 * length, y + 0.02, z), (length, y + 0.01, z)], 12)
    body.add(s.tube(stick, 0.011, sides=6), (96, 44, 22), 1.5)
    body.add(s.box((length / 2, y + 0.06, z), (length * 0.96, 0.006, 0.02)), IVORY, 1.2)
    body.add(s.box((0.08, y + 0.035, z), (0.08, 0.06, 0.03)), EBONY)
    body.add(s.box((length * 0.985, y + 0.035, z), (0.03, 0.06, 0.02)), EBONY)


def violin(body: Body, rng: Rng) -> None:
    """Violin with chin rest, at times with a bow beside it; standing, neck +z, strings +x."""
    violin_body(body, rng, deep=rng.uniform(0.09, 0.13), neck=rng.uniform(0.35, 0.42))
    body.add(s.ellipsoid((0.06, 0.13, 0.1), (0.07, 0.1, 0.02)), EBONY)
    if rng.random() < 0.3:
        add_bow(body, y=pick(rng, [-0.5, 0.42]), length=rng.uniform(1.75, 2.0), z=0.0)
    body.turn(STANDING)


def cello(body: Body, rng: Rng) -> None:
    """Cello with deep ribs and an end pin, at times with a bow; standing, neck +z, strings +x."""
    violin_body(body, rng, deep=rng.uniform(0.17, 0.21), neck=rng.uniform(0.36, 0.44))
    body.add(s.tube([(0.02, 0, 0), (-rng.uniform(0.15, 0.4), 0, 0)], (0.014, 0.008), sides=6), STEEL, 2.0)
    if rng.random() < 0.2:
        add_bow(body, y=0.45, length=0.95, z=0.0)
    body.turn(STANDING)


def double_bass(body: Body, rng: Rng) -> None:
    """Double bass: sloped shoulders, long neck, deep ribs and an end pin; standing, neck +z, strings +x."""
    violin_body(body, rng, deep=rng.uniform(0.18, 0.24), neck=rng.uniform(0.45, 0.58), sloped=1.0)
    body.add(s.tube([(0.02, 0, 0), (-rng.uniform(0.05, 0.18), 0, 0)], (0.02, 0.01), sides=6), STEEL, 2.0)
    body.turn(STANDING)


def banjo(body: Body, rng: Rng) -> None:
    """Banjo: round pot with white skin, brackets, long neck; lying, neck +x, strings +z."""
    wood, radius, deep = pick(rng, WOODS), rng.uniform(0.3, 0.36), rng.uniform(0.1, 0.16)
    top = deep / 2
    body.add(s.revolution([(radius, -top), (radius, top)]), wood)
    body.add(s.disc((0, 0, top), radius * 0.97), (244, 240, 228))
    body.add(s.disc((0, 0, top + 0.004), radius * 1.03, inner=radius * 0.95), STEEL, 1.5)
    if rng.random() < 0.6:  # resonator
        body.add(s.revolution([(0, -top - 0.03), (radius * 0.9, -top - 0.02), (radius * 1.12, -top * 0.4)]), wood)
    for angle in np.linspace(0, 2 * np.pi, 20, endpoint=False):
        x, y = 1.05 * radius * np.cos(angle), 1.05 * radius * np.sin(angle)
        body.add(s.tube([(x, y, -top * 0.5), (x, y, top)], 0.01, sides=4), STEEL)
    body.add(s.box((-radius * 0.35, 0, top + 0.03), (0.02, 0.14, 0.05)), (214, 170, 110))
    nut = radius + rng.uniform(0.7, 0.95)
    add_guitar_neck(body, rng, start=radius * 0.95, nut=nut, top=top + 0.01, wood=wood, in_line=False)
    add_strings(body, (-radius, top + 0.01), (-radius * 0.35, top + 0.055), 5, (0.08, 0.1))
    add_strings(body, (-radius * 0.35, top + 0.055), (nut, top + 0.04), 5, (0.1, 0.08))


def concert_harp(body: Body, rng: Rng) -> None:
    """Curved neck, column at +x, slanted soundbox at -x, base with pedals; in the xz plane."""
    wood = pick(rng, WOODS + [GOLD])
    tall, front, back = rng.uniform(1.65, 1.9), rng.uniform(0.35, 0.45), -rng.uniform(0.38, 0.5)
    high = tall * rng.uniform(0.66, 0.74)
    body.add(s.tube([(front, 0, 0.1), (front, 0, tall)], (0.05, 0.04)), wood, 1.2)
    crown = [(0.04, 0), (0.07, 0.04), (0.05, 0.08), (0.08, 0.13), (0.03, 0.17), (0, 0.18)]
    body.add(s.revolution(crown, (front, 0, tall - 0.03)), GOLD, 1.3)
    dip = high + 0.05
    bent = [(front, tall - 0.03), (front - 0.18, tall - 0.08), (0.0, dip), (back + 0.15, dip), (back, high)]
    neck = s.smooth(bent, 20)
    body.add(s.tube(np.insert(neck, 1, 0, axis=1), 0.05, flatten=0.6), wood, 1.2)
    foot, end = np.array([front - 0.06, 0, 0.12]), np.array([back, 0, high])
    body.add(s.tube([foot, end], (0.17, 0.07), sides=16), wood, 1.1)
    body.add(s.box((front - 0.08, 0, 0.07), (0.4, 0.36, 0.14)), wood)
    for y in (-0.2, -0.1, 0.0, 0.1, 0.2):
        body.add(s.box((front - 0.3, y, 0.03), (0.12, 0.03, 0.02)), GOLD)
    for share in np.linspace(0.06, 0.92, rng.integers(18, 28)):
        low = foot + share * (end - foot)
        top = np.interp(low[0], neck[::-1, 0], neck[::-1, 1])
        color = pick(rng, [IVORY, IVORY, STEEL, (170, 50, 40), EBONY])
        body.add(s.tube([low, (low[0], 0, top)], 0.004, sides=4), color, 1.6)


def lyre_harp(body: Body, rng: Rng) -> None:
    """Lyre: rounded soundbox below, two curved horns and a crossbar; strings facing +x."""
    wood, wide, tall = pick(rng, WOODS + [GOLD]), rng.uniform(0.32, 0.42), rng.uniform(1.1, 1.4)
    body.add(s.ellipsoid((0, 0, 0.25), (0.1, wide, 0.25)), wood)
    for side in (-1, 1):
        horn = [(0, side * wide * 0.8, 0.35), (0, side * wide * 1.1, 0.6), (0, side * wide * 0.75, tall * 0.85)]
        body.add(s.tube(s.smooth(horn + [(0, side * wide, tall + 0.08)]), 0.045), wood, 1.2)
    body.add(s.tube([(0, -wide, tall * 0.92), (0, wide, tall * 0.92)], 0.03), wood, 1.2)
    for y in np.linspace(-0.45, 0.45, rng.integers(6, 11)) * wide:
        body.add(s.tube([(0.1, y, 0.25), (0.03, y * 1.3, tall * 0.92)], 0.005, sides=4), IVORY, 2.0)


guitar = s.one_of(acoustic_guitar, electric_guitar, p=(0.5, 0.5))
harp = s.one_of(lyre_harp, concert_harp, p=(0.17, 0.83))
SHAPES = {"guitar": guitar, "violin": violin, "harp": harp, "cello": cello, "double_bass": double_bass, "banjo": banjo}
