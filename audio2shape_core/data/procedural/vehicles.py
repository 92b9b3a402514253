"""Vehicles, nose towards +x: airliners and light aircraft, helicopters, cars, trains."""

import numpy as np

from audio2shape_core.data.procedural.surfaces import Body, Rng, box, disc, ellipsoid, revolution, rotation, slab, smooth, tube

DARK, GLASS, WHITE, STEEL = (35, 35, 40), (70, 90, 110), (235, 235, 235), (150, 155, 160)
PAINTS = ((200, 30, 30), (30, 60, 160), (230, 230, 230), (40, 40, 45), (160, 165, 170), (30, 110, 60), (240, 180, 40))


def paint(rng: Rng) -> tuple[int, int, int]:
    return PAINTS[rng.integers(len(PAINTS))]


def wing(span: float, root: float, tip: float, sweep: float) -> np.ndarray:
    """Outline of a symmetric wing in the xy plane: leading edge towards +x."""
    half = span / 2
    return np.array([(root / 2, 0), (tip / 2 - sweep, half), (-tip / 2 - sweep, half), (-root / 2, 0),
                     (-tip / 2 - sweep, -half), (tip / 2 - sweep, -half)])  # fmt: skip


def airplane(rng: Rng) -> Body:
    """Airliners with engines under swept wings, and light aircraft with a propeller and straight wings."""
    body, jet = Body(), rng.random() < 0.65
    length, radius = 4.0, rng.uniform(0.2, 0.27)
    skin, accent = WHITE if rng.random() < 0.6 else STEEL, paint(rng)
    profile = smooth([(-2.0, 0.12, 0.04), (-1.2, 0.03, 0.16), (-0.4, 0.0, radius), (1.4, 0.0, radius), (1.85, -0.03, 0.13), (2.0, -0.05, 0.02)])
    path = np.column_stack([profile[:, 0], 0 * profile[:, 0], profile[:, 1]])
    body.add(tube(path, profile[:, 2]), skin)
    span = rng.uniform(3.4, 4.4)
    sweep = rng.uniform(0.6, 1.1) if jet else rng.uniform(-0.05, 0.15)
    height = rng.choice((-0.12, 0.2)) if not jet else -0.1
    body.add(slab(wing(span, 0.9 if jet else 0.6, 0.28 if jet else 0.45, sweep), 0.05, (0.35, 0, height)), skin)
    body.add(slab(wing(1.5, 0.45, 0.22, 0.3), 0.03, (-1.65, 0, 0.15)), skin)
    fin = np.array([(0.0, 0.0), (0.5, 0.0), (0.05, rng.uniform(0.55, 0.75)), (-0.2, 0.7)])
    body.add(slab(fin, 0.04, (-1.85, 0, 0.12), rotation(roll=90)), accent, 1.5)
    if jet:
        for y in (0.65, -0.65, *((1.15, -1.15) if rng.random() < 0.35 else ())):
            x = 0.55 - abs(y) * sweep / 2.1
            body.add(tube([(x - 0.25, y, -0.26), (x + 0.3, y, -0.26)], [0.08, 0.11]), accent, 1.5)
    else:
        body.add(tube([(2.05, 0, -0.05 + s * 0.45 * np.cos(0.4)) for s in (-1, 1)], 0.03, flatten=0.3), DARK, 2)
        for y in (0.35, -0.35, 0.0):
            x = 0.6 if y else -1.6
            body.add(tube([(x, y, -0.1), (x, y, -0.45 if y else -0.2)], 0.03), DARK)
            body.add(ellipsoid((x, y, -0.48 if y else -0.22), (0.1, 0.04, 0.1)), DARK, 1.5)
    return body


def helicopter(rng: Rng) -> Body:
    """Light and transport helicopters: two to five blades, tail boom and tail rotor, skids or wheels."""
    body, color = Body(), paint(rng)
    width, tall, long = rng.uniform(0.38, 0.5), rng.uniform(0.42, 0.55), rng.uniform(0.75, 1.1)
    body.add(ellipsoid((0, 0, 0), (long, width, tall)), color)
    body.add(ellipsoid((long * 0.45, 0, 0.05), (long * 0.58, width * 0.92, tall * 0.8)), GLASS)
    end = -rng.uniform(2.1, 2.7)
    body.add(tube([(-long * 0.6, 0, 0.15), (end, 0, 0.28)], [rng.uniform(0.18, 0.28), 0.07]), color, 1.3)
    fin = np.array([(0.1, 0.0), (0.3, 0.0), (-0.15, 0.6), (-0.3, 0.6)])
    body.add(slab(fin, 0.04, (end, 0, 0.25), rotation(roll=90)), color, 1.5)
    body.add(slab(wing(0.8, 0.25, 0.15, 0.05), 0.03, (end + 0.35, 0, 0.28)), color)
    body.add(disc((end, 0.1, 0.35), 0.34, rotation(roll=90)), DARK, 0.5)
    body.add(tube([(0, 0, tall * 0.8), (0, 0, tall + 0.28)], 0.07), DARK, 1.5)
    blades, radius, start = int(rng.integers(2, 6)), rng.uniform(1.9, 2.5), rng.uniform(0, 360)
    for blade in range(blades):
        blade_turn = rotation(yaw=start + 360 * blade / blades)
        body.add(box(blade_turn @ (radius / 2, 0, 0) + (0, 0, tall + 0.28), (radius, 0.13, 0.02), blade_turn), DARK, 1.8)
    low = -tall - 0.25
    if rng.random() < 0.65:
        for y in (0.42, -0.42):
            body.add(tube([(-0.8, y, low), (0.8, y, low), (1.0, y, low + 0.12)], 0.035), DARK, 1.8)
            for x in (-0.4, 0.4):
                body.add(tube([(x, y * 0.6, -tall * 0.75), (x, y, low)], 0.03), DARK, 1.5)
    else:
        for x, y in ((0.6, 0.0), (-0.4, 0.4), (-0.4, -0.4)):
            body.add(tube([(x, y * 0.7, -tall * 0.7), (x, y, low)], 0.04), DARK, 1.5)
            body.add(ellipsoid((x, y, low), (0.13, 0.06, 0.13)), DARK, 1.5)
    return body


def car(rng: Rng) -> Body:
    """Saloons, hatchbacks, off-roaders and sports cars: one lofted body, glass, four wheels."""
    body, color = Body(), paint(rng)
    half, roof = rng.uniform(0.82, 0.95), rng.uniform(1.15, 1.8)
    hood, boot = rng.uniform(0.75, 1.0), rng.uniform(0.7, 1.05)
    tail = rng.choice((1.9, 1.2))  # hatchbacks end with the cabin
    lower = np.array([(2.1, 0.3), (2.15, 0.6), (1.9, hood), (0.9, hood + 0.08), (-tail, boot + 0.1), (-2.1, boot), (-2.15, 0.35)])
    cabin = np.array([(1.0, hood), (0.35, roof), (-0.9, roof), (-tail - 0.1, boot + 0.05)])
    upright = rotation(roll=90)
    body.add(slab(lower, 2 * half, (0, 0, 0), upright), color)
    body.add(slab(cabin, 2 * half * 0.86, (0, 0, 0), upright), GLASS)
    body.add(box((-0.28, 0, roof), (1.25, 2 * half * 0.84, 0.05)), color)
    radius = rng.uniform(0.31, 0.4)
    for x in (1.35, -1.35):
        for y in (half, -half):
            wheel = revolution([(0, -0.11), (radius, -0.11), (radius, 0.11), (0, 0.11)], (x, y * 0.95, radius), upright)
            body.add(wheel, DARK, 1.3)
    for y in (0.6 * half, -0.6 * half):
        body.add(ellipsoid((2.1, y, hood * 0.8), (0.06, 0.16, 0.1)), (255, 250, 200))
        body.add(ellipsoid((-2.13, y, boot * 0.8), (0.04, 0.16, 0.08)), (200, 20, 20))
    return body


def wheels_along(body: Body, xs: np.ndarray, radius: float, half: float) -> None:
    for x in xs:
        for y in (half, -half):
            body.add(revolution([(0, -0.06), (radius, -0.06), (radius, 0.06), (0, 0.06)], (x, y, radius), rotation(roll=90)), DARK)


def train(rng: Rng) -> Body:
    """Steam locomotives, diesel locomotives and high-speed sets, alone or with a wagon or two behind."""
    body, color, kind = Body(), paint(rng), rng.choice(("steam", "diesel", "fast"))
    if kind == "steam":
        body.add(tube([(-1.0, 0, 1.15), (1.6, 0, 1.15), (1.75, 0, 1.15)], [0.48, 0.48, 0.4], sides=18), DARK)
        body.add(tube([(1.3, 0, 1.55), (1.3, 0, 2.0), (1.3, 0, 2.15)], [0.14, 0.14, 0.22]), DARK, 2)
        body.add(ellipsoid((0.4, 0, 1.65), (0.22, 0.22, 0.2)), (200, 160, 60))
        body.add(box((-1.45, 0, 1.35), (0.9, 1.15, 1.4)), color)
        body.add(box((-1.45, 0, 2.1), (1.15, 1.35, 0.08)), DARK)
        body.add(slab([(0.0, 0.45), (0.5, 0.0), (0.0, -0.45)], 0.3, (1.75, 0, 0.35)), (160, 30, 30))
        wheels_along(body, np.linspace(-1.2, 0.7, 3), 0.42, 0.5)
        wheels_along(body, np.array([1.2, 1.6]), 0.2, 0.5)
        back = -2.1
    elif kind == "diesel":
        outline = np.array([(2.0, 0.4), (2.05, 1.1), (1.75, 2.0), (-2.0, 2.0), (-2.0, 0.4)])
        body.add(slab(outline, 1.25, (0, 0, 0), rotation(roll=90)), color)
        body.add(box((0, 0, 0.95), (4.06, 1.29, 0.18)), WHITE)
        body.add(box((1.9, 0, 1.6), (0.2, 1.0, 0.4)), GLASS)
        wheels_along(body, np.array([-1.5, -1.0, 1.0, 1.5]), 0.25, 0.5)
        back = -2.2
    else:
        nose = smooth([(2.6, 0.05, 0.5), (2.2, 0.3, 0.7), (1.6, 0.5, 0.95), (1.0, 0.62, 1.1), (-2.0, 0.62, 1.1)])
        path = np.column_stack([nose[:, 0], 0 * nose[:, 0], nose[:, 2]])
        body.add(tube(path, nose[:, 1], flatten=1.15, sides=18), WHITE)
        body.add(box((-0.4, 0, 1.3), (3.2, 1.28, 0.28)), GLASS)
        wheels_along(body, np.array([-1.6, -1.2, 0.9, 1.3]), 0.2, 0.45)
        back = -2.1
    length = rng.uniform(2.2, 3.2)
    for wagon in range(int(rng.integers(0, 3))):
        x = back - length / 2 - wagon * (length + 0.2)
        roof = 2.0 if kind == "diesel" else 1.75
        body.add(box((x, 0, (roof + 0.45) / 2), (length, 1.2, roof - 0.45)), WHITE if kind == "fast" else color)
        body.add(box((x, 0, roof * 0.72), (length * 0.92, 1.24, 0.32)), GLASS)
        wheels_along(body, x + length * np.array([-0.38, -0.24, 0.24, 0.38]), 0.22, 0.45)
    return body


SHAPES = {"airplane": airplane, "helicopter": helicopter, "car": car, "train": train}
