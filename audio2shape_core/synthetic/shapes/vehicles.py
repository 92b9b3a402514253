"""Vehicles, nose towards +x: aeroplanes, helicopters, cars, trains."""

import numpy as np
from numpy.typing import ArrayLike

from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Color, Rng, pick

DARK, GLASS, WHITE, STEEL = (35, 35, 40), (70, 90, 110), (235, 235, 235), (150, 155, 160)
BRASS, RED, LAMP = (200, 160, 60), (170, 30, 30), (255, 250, 200)
PAINTS = ((200, 30, 30), (30, 60, 160), (230, 230, 230), (40, 40, 45), (160, 165, 170), (30, 110, 60), (240, 180, 40))
UPRIGHT = s.rotation(roll=90)  # turns the xy plane into the xz plane


def wing(span: float, root: float, tip: float, sweep: float) -> np.ndarray:
    """Outline of a symmetric wing in the xy plane: leading edge towards +x."""
    half = span / 2
    front, back = tip / 2 - sweep, -tip / 2 - sweep
    return np.array([(root / 2, 0), (front, half), (back, half), (-root / 2, 0), (back, -half), (front, -half)])


def add_fuselage(body: Body, rings: ArrayLike, color: Color) -> None:
    """A round hull through rings of (x, z, radius), tail to nose."""
    x, z, radius = s.smooth(rings).T
    body.add(s.tube(np.column_stack([x, 0 * x, z]), radius, sides=18), color)


def add_fin(body: Body, x: float, y: float, z: float, chord: float, tall: float, color: Color) -> None:
    """A swept tail fin standing on (x, y, z), its foot `chord` long."""
    outline = [(0, 0), (chord, 0), (0.25 * chord, tall), (-0.2 * chord, tall)]
    body.add(s.slab(outline, 0.04, (x, y, z), UPRIGHT), color, 1.5)


def add_wheel(body: Body, x: float, y: float, z: float, radius: float, thick: float = 0.12) -> None:
    """A wheel about an axle along y."""
    half = thick / 2
    profile = [(0, -half), (radius, -half), (radius, half), (0, half)]
    body.add(s.revolution(profile, (x, y, z), UPRIGHT), DARK, 1.2)


def add_gear(body: Body, low: float) -> None:
    """Two main wheels on legs and a tail wheel."""
    for y in (0.35, -0.35):
        body.add(s.tube([(0.6, y * 0.5, -0.12), (0.6, y, low)], 0.03), DARK)
        add_wheel(body, 0.6, y, low, 0.1, 0.06)
    add_wheel(body, -1.7, 0, -0.1, 0.07, 0.05)


def add_propeller(body: Body, x: float, z: float, rng: Rng) -> None:
    """A spinner with a two- or three-bladed propeller facing +x."""
    blades, start, reach = int(rng.integers(2, 4)), rng.uniform(0, 180), rng.uniform(0.38, 0.5)
    body.add(s.ellipsoid((x, 0, z), (0.1, 0.07, 0.07)), DARK)
    for blade in range(blades):
        turn = s.rotation(roll=start + 360 * blade / blades)
        body.add(s.box(turn @ (0, 0, reach / 2) + (x, 0, z), (0.02, 0.08, reach), turn), DARK, 2)


def airliner(body: Body, rng: Rng) -> None:
    """Long hull, swept low wings, two or four engines below them or two at the tail; nose +x."""
    radius = rng.uniform(0.19, 0.26)
    skin, accent = WHITE if rng.random() < 0.6 else STEEL, pick(rng, PAINTS)
    rings = [(-2.0, 0.12, 0.04), (-1.2, 0.03, radius * 0.7), (-0.4, 0, radius), (1.4, 0, radius)]
    add_fuselage(body, [*rings, (1.85, -0.03, radius * 0.6), (2.0, -0.05, 0.02)], skin)
    span, sweep = rng.uniform(3.3, 4.2), rng.uniform(0.7, 1.1)
    body.add(s.slab(wing(span, 1.0, 0.25, sweep), 0.05, (0.35, 0, -0.1)), skin)
    add_fin(body, -1.9, 0, 0.12, 0.55, rng.uniform(0.55, 0.75), accent)
    at_tail = rng.random() < 0.2
    body.add(s.slab(wing(1.5, 0.45, 0.22, 0.3), 0.03, (-1.7, 0, 0.75 if at_tail else 0.12)), skin)
    spots = [(-1.1, 0.38, 0.12)] if at_tail else [(0.55 - 0.65 * sweep / 2.1, 0.65, -0.26)]
    if not at_tail and rng.random() < 0.4:
        spots.append((0.55 - 1.2 * sweep / 2.1, 1.2, -0.24))
    for x, y, z in spots:
        for side in (1, -1):
            body.add(s.tube([(x - 0.25, side * y, z), (x + 0.3, side * y, z)], [0.08, 0.12]), accent, 1.5)
    for side in (1, -1):
        body.add(s.box((0.3, side * radius * 0.98, 0.05), (2.6, 0.02, 0.05)), GLASS)


def light_plane(body: Body, rng: Rng) -> None:
    """Single propeller, straight high or low wing, cabin glass, wheels; nose +x."""
    skin, accent = WHITE if rng.random() < 0.5 else pick(rng, PAINTS), pick(rng, PAINTS)
    radius = rng.uniform(0.2, 0.27)
    rings = [(-2.0, 0.08, 0.05), (-1.0, 0.03, 0.13), (0.0, 0, radius), (1.0, 0, radius * 0.95)]
    add_fuselage(body, [*rings, (1.5, -0.02, radius * 0.8), (1.6, -0.02, 0.08)], skin)
    high = rng.random() < 0.5
    body.add(s.ellipsoid((0.3, 0, radius * 0.75), (0.5, radius * 0.75, 0.17)), GLASS)
    outline = wing(rng.uniform(3.6, 4.6), 0.65, rng.uniform(0.4, 0.6), rng.uniform(-0.05, 0.1))
    body.add(s.slab(outline, 0.06, (0.4, 0, radius + 0.13 if high else -0.14)), accent)
    if high:
        for side in (1, -1):
            body.add(s.tube([(0.4, side * radius, -0.1), (0.4, side * 1.0, radius + 0.1)], 0.02), STEEL, 1.2)
    body.add(s.slab(wing(1.4, 0.42, 0.3, 0.08), 0.03, (-1.75, 0, 0.1)), accent)
    add_fin(body, -1.98, 0, 0.1, 0.45, 0.58, accent)
    add_propeller(body, 1.68, -0.02, rng)
    add_gear(body, -0.5)


def fighter(body: Body, rng: Rng) -> None:
    """Pointed jet: delta or swept wings, canopy, one or two fins, nozzle; nose +x."""
    skin = pick(rng, ((120, 125, 130), (90, 105, 85), (160, 165, 170), (60, 65, 75)))
    radius = rng.uniform(0.17, 0.23)
    rings = [(-1.9, 0, radius * 0.7), (-1.3, 0, radius), (0.2, 0, radius), (1.2, -0.02, radius * 0.6)]
    add_fuselage(body, [*rings, (2.0, -0.05, 0.01)], skin)
    body.add(s.ellipsoid((0.75, 0, radius * 0.8), (0.42, 0.11, 0.14)), GLASS, 1.3)
    for side in (1, -1):
        body.add(s.box((0.0, side * radius, -0.05), (1.1, 0.2, 0.24)), skin)
    delta = rng.random() < 0.5
    sweep = rng.uniform(0.75, 0.95) if delta else rng.uniform(0.45, 0.7)
    body.add(s.slab(wing(rng.uniform(2.2, 2.9), 1.9 if delta else 1.1, 0.2, sweep), 0.05, (-0.4, 0, -0.02)), skin)
    if not delta:
        body.add(s.slab(wing(1.5, 0.5, 0.2, 0.3), 0.03, (-1.6, 0, 0)), skin)
    for y in (0.25, -0.25) if rng.random() < 0.5 else (0.0,):
        add_fin(body, -1.75, y, 0.1, 0.6, rng.uniform(0.5, 0.65), skin)
    body.add(s.tube([(-2.05, 0, 0), (-1.85, 0, 0)], radius * 0.6), DARK)


def biplane(body: Body, rng: Rng) -> None:
    """Two straight wings joined by struts, propeller, open cockpit, wheels; nose +x."""
    skin, accent = pick(rng, PAINTS), pick(rng, PAINTS)
    add_fuselage(body, [(-1.8, 0.06, 0.05), (-0.8, 0.02, 0.15), (0.3, 0, 0.22), (1.1, 0, 0.24), (1.2, 0, 0.1)], skin)
    span, gap = rng.uniform(3.2, 4.0), rng.uniform(0.55, 0.68)
    for x, z in ((0.6, -0.18), (0.75, gap - 0.18)):
        body.add(s.slab(wing(span, 0.6, 0.55, 0.0), 0.05, (x, 0, z)), accent)
    for y in (0.35 * span, 0.14 * span, -0.14 * span, -0.35 * span):
        for x in (0.45, 0.85):
            body.add(s.tube([(x, y, -0.18), (x + 0.12, y, gap - 0.18)], 0.02), DARK, 1.2)
    body.add(s.ellipsoid((0.0, 0, 0.24), (0.14, 0.11, 0.1)), DARK)
    body.add(s.slab(wing(1.3, 0.42, 0.35, 0.04), 0.03, (-1.6, 0, 0.08)), accent)
    add_fin(body, -1.8, 0, 0.08, 0.45, 0.58, accent)
    add_propeller(body, 1.28, 0, rng)
    add_gear(body, -0.55)


def helicopter(body: Body, rng: Rng) -> None:
    """Light and transport helicopters: two to five blades, tail boom and rotor, skids or wheels; nose +x."""
    color = pick(rng, PAINTS)
    width, tall, long = rng.uniform(0.38, 0.5), rng.uniform(0.42, 0.55), rng.uniform(0.75, 1.2)
    body.add(s.ellipsoid((0, 0, 0), (long, width, tall)), color)
    body.add(s.ellipsoid((long * 0.45, 0, 0.05), (long * 0.58, width * 0.92, tall * 0.8)), GLASS)
    end, low, top = -rng.uniform(2.1, 2.7), -tall - 0.25, tall + 0.28
    body.add(s.tube([(-long * 0.6, 0, 0.15), (end, 0, 0.28)], [rng.uniform(0.18, 0.28), 0.07]), color, 1.3)
    add_fin(body, end - 0.15, 0, 0.25, 0.35, rng.uniform(0.45, 0.65), color)
    body.add(s.slab(wing(0.8, 0.25, 0.15, 0.05), 0.03, (end + 0.35, 0, 0.28)), color)
    body.add(s.disc((end, 0.1, 0.35), 0.34, UPRIGHT), DARK, 0.5)
    body.add(s.box((-0.1, 0, tall * 0.95), (long * 0.9, width * 0.8, 0.2)), color)
    body.add(s.tube([(0, 0, tall * 0.8), (0, 0, top)], 0.07), DARK, 1.5)
    blades, radius, start = int(rng.integers(2, 6)), rng.uniform(1.9, 2.5), rng.uniform(0, 360)
    for blade in range(blades):
        turn = s.rotation(yaw=start + 360 * blade / blades)
        body.add(s.box(turn @ (radius / 2, 0, 0) + (0, 0, top), (radius, 0.13, 0.02), turn), DARK, 1.8)
    if rng.random() < 0.65:
        for y in (0.42, -0.42):
            body.add(s.tube([(-0.8, y, low), (0.8, y, low), (1.0, y, low + 0.12)], 0.035), DARK, 1.8)
            for x in (-0.4, 0.4):
                body.add(s.tube([(x, y * 0.6, -tall * 0.75), (x, y, low)], 0.03), DARK, 1.5)
    else:
        for x, y in ((0.6, 0.0), (-0.4, 0.4), (-0.4, -0.4)):
            body.add(s.tube([(x, y * 0.7, -tall * 0.7), (x, y, low)], 0.04), DARK, 1.5)
            add_wheel(body, x, y, low, 0.13, 0.1)


# Of each kind of car: the roof's height, the bonnet's, the boot's, and x of windscreen foot, roof front, roof back and
# rear-window foot, from a body that spans x -2.1 to 2.1.
CARS = {
    "sedan": (1.42, 0.88, 0.95, (0.95, 0.35, -0.75, -1.35)),
    "hatchback": (1.5, 0.92, 0.9, (1.1, 0.45, -1.5, -2.0)),
    "suv": (1.78, 1.08, 1.08, (1.0, 0.5, -1.75, -2.05)),
    "pickup": (1.75, 1.08, 1.02, (1.0, 0.5, -0.35, -0.5)),
    "sports": (1.15, 0.72, 0.82, (0.8, 0.05, -0.6, -1.6)),
}


def car(body: Body, rng: Rng) -> None:
    """Sedan, hatchback, suv, pickup or sports car: body, glass cabin, roof, four wheels, lamps; nose +x."""
    color = pick(rng, PAINTS)
    kind = pick(rng, list(CARS), p=(0.3, 0.22, 0.2, 0.1, 0.18))
    roof, hood, boot, (screen, front, back, rear) = CARS[kind]
    roof, hood, boot = np.array([roof, hood, boot]) * rng.uniform(0.93, 1.07)
    front, back = np.array([front, back]) + rng.uniform(-0.08, 0.08, 2)
    half, floor = rng.uniform(0.82, 0.95), 0.2 if kind == "sports" else 0.3
    lower = [(2.05, floor), (2.12, hood * 0.7), (1.95, hood * 0.92), (screen, hood + 0.06), (rear, boot)]
    if kind != "pickup":
        lower += [(-2.1, boot), (-2.12, floor)]
    else:
        lower += [(-0.6, 0.62), (-2.1, 0.62), (-2.1, floor)]
        for y in (half, -half):
            body.add(s.box((-1.35, y * 0.97, (boot + 0.62) / 2), (1.55, 0.06, boot - 0.62)), color)
        body.add(s.box((-2.1, 0, (boot + 0.62) / 2), (0.06, 1.94 * half, boot - 0.62)), color)
    body.add(s.slab(lower, 2 * half, turn=UPRIGHT), color)
    cabin = [(screen, hood + 0.05), (front, roof), (back, roof), (rear, boot)]
    body.add(s.slab(cabin, 1.72 * half, turn=UPRIGHT), GLASS)
    body.add(s.box(((front + back) / 2, 0, roof), (front - back, 1.74 * half, 0.05)), color, 1.2)
    for y in (0.86 * half, -0.86 * half):
        for bar in (cabin[:2], cabin[2:], [((front + back) / 2, roof), ((front + back) / 2, hood)]):
            body.add(s.tube([(x, y, z) for x, z in bar], 0.04, sides=6), color)
    radius = rng.uniform(0.36, 0.44) if kind in ("suv", "pickup") else rng.uniform(0.3, 0.37)
    for x in (1.33, -1.33):
        for y in (half, -half):
            add_wheel(body, x, y * 0.95, radius, radius, 0.22)
            body.add(s.disc((x, y * 0.95 + np.sign(y) * 0.12, radius), radius * 0.55, UPRIGHT), STEEL)
    for y in (0.65 * half, -0.65 * half):
        body.add(s.ellipsoid((2.05, y, hood * 0.78), (0.07, 0.17, 0.09)), LAMP)
        body.add(s.ellipsoid((-2.1, y, (0.55 if kind == "pickup" else boot * 0.8)), (0.05, 0.15, 0.08)), (200, 20, 20))
    if kind == "sports" and rng.random() < 0.4:
        body.add(s.box((-1.95, 0, boot + 0.2), (0.25, 1.8 * half, 0.04)), color, 1.3)


def add_wheels(body: Body, xs: ArrayLike, radius: float, half: float) -> None:
    """Wheels on both rails at each x, standing on z = 0."""
    for x in np.asarray(xs):
        for y in (half, -half):
            add_wheel(body, x, y, radius, radius)


def steam(body: Body, color: Color, rng: Rng) -> float:
    """Boiler, chimney, dome, cab, coupled wheels, sometimes a tender; gives x of its back."""
    chimney = rng.uniform(1.95, 2.25)
    body.add(s.tube([(-1.0, 0, 1.15), (1.6, 0, 1.15), (1.75, 0, 1.15)], [0.48, 0.48, 0.4], sides=18), DARK)
    body.add(s.tube([(1.3, 0, 1.5), (1.3, 0, chimney - 0.15), (1.3, 0, chimney)], [0.14, 0.14, 0.22]), DARK, 2)
    body.add(s.ellipsoid((0.4, 0, 1.65), (0.22, 0.22, 0.2)), BRASS)
    body.add(s.ellipsoid((1.78, 0, 1.2), (0.04, 0.25, 0.25)), color)
    body.add(s.box((-1.45, 0, 1.35), (0.9, 1.15, 1.4)), color)
    body.add(s.box((-1.45, 0, 2.1), (1.15, 1.35, 0.08)), DARK)
    body.add(s.box((-1.4, 0, 1.65), (0.45, 1.18, 0.4)), GLASS)
    body.add(s.box((0.0, 0, 0.6), (3.5, 0.9, 0.14)), color)
    body.add(s.slab([(0.0, 0.45), (0.5, 0.0), (0.0, -0.45)], 0.3, (1.75, 0, 0.35)), RED)
    add_wheels(body, np.linspace(-1.2, 0.7, 3), 0.42, 0.5)
    add_wheels(body, (1.2, 1.6), 0.2, 0.5)
    for y in (0.58, -0.58):
        body.add(s.tube([(-1.2, y, 0.4), (1.0, y, 0.4)], 0.04, sides=6), STEEL, 1.2)
    if rng.random() < 0.5:
        return -2.0
    body.add(s.box((-2.65, 0, 0.85), (1.2, 1.1, 0.8)), color)
    body.add(s.ellipsoid((-2.65, 0, 1.25), (0.5, 0.45, 0.2)), DARK)
    add_wheels(body, (-3.0, -2.3), 0.28, 0.45)
    return -3.35


def diesel(body: Body, color: Color, rng: Rng) -> float:
    """A full-width cab, or a cab behind a lower bonnet; gives x of its back."""
    outline = [(2.0, 0.4), (2.05, 1.1), (1.75, 2.0), (-2.0, 2.0), (-2.0, 0.4)]
    if rng.random() < 0.4:
        body.add(s.box((0.0, 0, 0.95), (4.0, 0.95, 1.0)), color)
        body.add(s.box((-0.9, 0, 1.35), (1.0, 1.25, 1.5)), color)
        body.add(s.box((-0.9, 0, 1.75), (1.04, 1.29, 0.35)), GLASS)
        body.add(s.box((0, 0, 0.42), (4.2, 1.3, 0.1)), DARK)
    else:
        body.add(s.slab(outline, 1.25, turn=UPRIGHT), color)
        body.add(s.box((1.87, 0, 1.55), (0.2, 1.05, 0.42), s.rotation(pitch=18)), GLASS)
        body.add(s.box((0, 0, 0.95), (4.0, 1.29, 0.18)), WHITE)
    add_wheels(body, (-1.5, -1.0, 1.0, 1.5), 0.25, 0.5)
    return -2.1


def high_speed(body: Body, color: Color, rng: Rng) -> float:
    """A long drooping nose before a smooth hull with a window band; gives x of its back."""
    long = rng.uniform(0.8, 1.6)
    nose = [(1.2 + long, 0.06, 0.5), (1.0 + 0.7 * long, 0.3, 0.7), (1.0 + 0.3 * long, 0.52, 0.98)]
    x, radius, z = s.smooth([*nose, (1.0, 0.62, 1.1), (-2.0, 0.62, 1.1)]).T
    body.add(s.tube(np.column_stack([x, 0 * x, z]), radius, flatten=1.15, sides=18), WHITE)
    body.add(s.box((-0.5, 0, 1.3), (2.8, 1.38, 0.26)), GLASS)
    body.add(s.box((-0.4, 0, 0.85), (2.9, 1.36, 0.12)), color)
    body.add(s.ellipsoid((1.0 + 0.35 * long, 0, 1.35), (0.3, 0.35, 0.14)), DARK)
    add_wheels(body, (-1.6, -1.2, 0.6, 1.0), 0.2, 0.45)
    return -2.05


def tram(body: Body, color: Color, rng: Rng) -> float:
    """A boxy car with upright ends, big windows and a current collector; gives x of its back."""
    body.add(s.slab([(1.9, 0.25), (2.0, 1.0), (1.85, 1.95), (-2.0, 1.95), (-2.0, 0.25)], 1.2, turn=UPRIGHT), color)
    body.add(s.box((0, 0, 1.95), (3.6, 1.0, 0.14)), WHITE)
    body.add(s.box((1.92, 0, 1.45), (0.12, 1.0, 0.6)), GLASS)
    for x in np.linspace(-1.6, 1.3, 5):
        body.add(s.box((x, 0, 1.4), (0.5, 1.24, 0.55)), GLASS)
    body.add(s.tube([(0.4, 0, 2.0), (0.0, 0, 2.3), (0.4, 0, 2.6)], 0.04, sides=6), DARK, 2)
    body.add(s.box((0.4, 0, 2.62), (0.06, 0.8, 0.04)), DARK, 2)
    add_wheels(body, (-1.4, -0.9, 0.9, 1.4), 0.22, 0.45)
    return -2.1


def train(body: Body, rng: Rng) -> None:
    """Steam engine alone or with wagons; diesel, high-speed train or tram with one or two behind; nose +x."""
    color = pick(rng, PAINTS)
    engine = pick(rng, (steam, diesel, high_speed, tram), p=(0.3, 0.25, 0.25, 0.2))
    back = engine(body, color, rng)
    length, roof = rng.uniform(2.4, 3.4), 1.78 if engine is high_speed else 1.95
    for wagon in range(int(rng.integers(0 if engine is steam else 1, 3))):
        x = back - length / 2 - 0.15 - wagon * (length + 0.2)
        body.add(s.box((x, 0, (roof + 0.4) / 2), (length, 1.2, roof - 0.4)), WHITE if engine is high_speed else color)
        body.add(s.box((x, 0, roof), (length * 0.97, 0.9, 0.12)), STEEL)
        body.add(s.box((x, 0, roof * 0.72), (length * 0.92, 1.24, 0.32)), GLASS)
        body.add(s.box((x + length / 2 + 0.1, 0, 0.5), (0.3, 0.2, 0.15)), DARK)
        add_wheels(body, x + length * np.array([-0.38, -0.24, 0.24, 0.38]), 0.22, 0.45)


airplane = s.one_of(airliner, light_plane, fighter, biplane, p=(0.5, 0.22, 0.18, 0.1))
SHAPES = {"airplane": airplane, "helicopter": helicopter, "car": car, "train": train}
