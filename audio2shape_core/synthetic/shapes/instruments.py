"""Musical instruments: piano and drum here, the others from strings and winds."""

import numpy as np
from numpy.typing import ArrayLike

from audio2shape_core.synthetic.shapes import strings, winds
from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Color, Rng, pick

CASES = [(22, 22, 24), (30, 26, 26), (112, 62, 34), (84, 42, 24), (150, 96, 54), (232, 228, 220)]
SHELLS = [(176, 30, 34), (30, 60, 140), (24, 24, 26), (190, 130, 70), (230, 226, 216), (30, 110, 70), (120, 30, 40)]
WOODS = [(150, 92, 46), (186, 128, 70), (104, 58, 32), (200, 90, 40)]
SKIN, IVORY, BLACK, CHROME, BRONZE = (240, 234, 220), (244, 242, 234), (20, 20, 22), (196, 198, 204), (206, 166, 76)


def add_keyboard(body: Body, *, back: float, front: float, wide: float, z: float) -> None:
    """White keys along y between x `back` and `front`, black keys on them in twos and threes."""
    deep, keys = front - back, 35
    body.add(s.box(((back + front) / 2, 0, z), (deep, wide, 0.02)), IVORY, 1.5)
    for k in (k for k in range(keys) if k % 7 not in (2, 6)):
        y = -wide / 2 + (k + 1) * wide / keys
        body.add(s.box((back + deep * 0.32, y, z + 0.02), (deep * 0.62, wide / keys * 0.55, 0.02)), BLACK, 0.9)


def add_bench(body: Body, x: float, color: Color) -> None:
    """A piano stool on four legs in front of the keyboard."""
    body.add(s.box((x, 0, 0.46), (0.34, 0.6, 0.07)), color)
    for dx in (-0.14, 0.14):
        for y in (-0.26, 0.26):
            body.add(s.box((x + dx, y, 0.22), (0.04, 0.04, 0.44)), color)


def upright_piano(body: Body, rng: Rng) -> None:
    """Upright: tall case, keyboard shelf on two front legs, music desk, pedals; keyboard +x."""
    case, wide, tall = pick(rng, CASES), rng.uniform(1.4, 1.55), rng.uniform(1.0, 1.35)
    deep, shelf, z = rng.uniform(0.28, 0.36), rng.uniform(0.26, 0.32), rng.uniform(0.62, 0.7)
    body.add(s.box((-deep / 2, 0, tall / 2), (deep, wide - 0.06, tall)), case)
    body.add(s.box((-deep / 2, 0, tall), (deep + 0.05, wide + 0.02, 0.03)), case)
    for side in (-1, 1):
        y = side * (wide / 2 - 0.03)
        body.add(s.box((-deep / 2 + 0.01, y, tall / 2), (deep + 0.02, 0.06, tall)), case)
        body.add(s.box((shelf / 2, y, z + 0.03), (shelf, 0.06, 0.16)), case)
        body.add(s.box((shelf - 0.06, y, z / 2), (0.07, 0.06, z)), case)
        if rng.random() < 0.6:
            body.add(s.box((shelf / 2, y, 0.04), (shelf, 0.06, 0.08)), case)
    body.add(s.box((shelf / 2, 0, z - 0.04), (shelf, wide, 0.05)), case)
    add_keyboard(body, back=0.07, front=shelf - 0.02, wide=wide - 0.18, z=z + 0.02)
    body.add(s.box((0.04, 0, z + 0.17), (0.02, wide * 0.9, 0.16), s.rotation(pitch=15)), case)
    if rng.random() < 0.6:
        body.add(s.box((0.07, 0, z + 0.33), (0.015, wide * 0.5, 0.2), s.rotation(pitch=15)), IVORY)
    for y in (-0.1, 0, 0.1):
        body.add(s.box((0.06, y, 0.06), (0.12, 0.04, 0.02)), BRONZE, 1.5)
    if rng.random() < 0.25:
        add_bench(body, shelf + 0.35, case)


def grand_piano(body: Body, rng: Rng) -> None:
    """Grand: wing outline (long side -y), three legs, lid open or shut, pedal lyre; keyboard +x."""
    case, wide, long = pick(rng, CASES[:4]), 1.5, rng.uniform(1.3, 2.1)
    z, rim, shelf, side = 0.82, 0.26, 0.32, -wide / 2
    bent = [(0.0, 1.5), (-0.3, 1.48), (-0.5, 1.3), (-0.68, 1.02), (-0.85, 0.86), (-0.97, 0.62), (-1.0, 0.3)]
    curve = s.smooth(bent, 24)
    wing = np.concatenate([curve, [(-0.97, 0.08), (-0.9, 0.0), (0, 0)]]) * [long, 1]
    wing = np.concatenate([wing, np.linspace((0, 0), (0, wide), 8)[1:-1]])
    ring = np.concatenate([wing, wing[:1]])
    for height in np.linspace(-rim / 2, rim / 2, 4):
        body.add(s.tube(np.column_stack([ring + (0, side), np.full(len(ring), z + height)]), 0.03, sides=4), case)
    body.add(s.slab(wing, rim - 0.06, center=(0, side, z - 0.03)), case)
    body.add(s.slab(wing * 0.94 + (-0.03, 0.045), 0.01, center=(0, side, z + rim / 2 - 0.05)), BRONZE)
    if rng.random() < 0.7:
        angle = rng.uniform(28, 42)
        body.add(s.slab(wing, 0.02, center=(0, side, z + rim / 2), turn=s.rotation(roll=angle)), case, 1.1)
        lift = z + rim / 2 + 0.75 * wide * np.sin(np.radians(angle))
        lean = side + 0.75 * wide * np.cos(np.radians(angle))
        body.add(s.tube([(-0.3, wide / 2 - 0.06, z), (-0.3, lean, lift)], 0.012, sides=5), case, 2.0)
    else:
        body.add(s.slab(wing * 1.02, 0.03, center=(0, side, z + rim / 2 + 0.02)), case)
    body.add(s.box((shelf / 2, 0, z - rim / 2 + 0.04), (shelf, wide, 0.08)), case)
    for y in (side + 0.05, -side - 0.05):
        body.add(s.box((shelf / 2, y, z - 0.03), (shelf, 0.1, 0.18)), case)
    add_keyboard(body, back=0.08, front=shelf - 0.02, wide=wide - 0.22, z=z - 0.03)
    body.add(s.box((0.0, 0, z + 0.22), (0.02, 0.7, 0.22), s.rotation(pitch=20)), case)
    for x, y in ((0.05, side + 0.13), (0.05, -side - 0.13), (-long * 0.82, side + 0.32)):
        body.add(s.tube([(x, y, z - rim / 2), (x, y, 0.05)], (0.07, 0.035), sides=8), case, 1.3)
        body.add(s.disc((x, y, 0.03), 0.05), BRONZE)
    for y in (-0.06, 0.06):
        body.add(s.tube([(0, y, z - rim / 2), (0, y, 0.1)], 0.015, sides=5), case, 1.5)
    body.add(s.box((0.03, 0, 0.11), (0.16, 0.26, 0.05)), case)
    if rng.random() < 0.3:
        add_bench(body, shelf + 0.4, case)


def add_drum(
    body: Body, center: ArrayLike, radius: float, tall: float, shell: Color, turn: s.Turn = None, lugs: int = 8
) -> None:
    """A cylinder with two skins, chrome hoops and lugs; its axis is z before `turn`."""
    half = tall / 2
    body.add(s.revolution([(radius, -half), (radius, half)], center, turn), shell)
    for end in (-half, half):
        body.add(s.disc(s.placed(np.array([0, 0, end]), center, turn), radius, turn), SKIN)
        hoop = [(radius * 1.04, end - 0.02), (radius * 1.04, end + 0.02), (radius * 0.97, end + 0.02)]
        body.add(s.revolution(hoop, center, turn), CHROME, 1.2)
    for angle in np.linspace(0, 2 * np.pi, lugs, endpoint=False):
        x, y = 1.04 * radius * np.cos(angle), 1.04 * radius * np.sin(angle)
        path = np.array([(x, y, -half * 0.8), (x, y, half * 0.8)])
        body.add(s.tube(s.placed(path, center, turn), 0.01, sides=4), CHROME)


def add_tripod(body: Body, x: float, y: float, *, top: float, spread: float) -> None:
    """A chrome stand with three feet."""
    body.add(s.tube([(x, y, spread * 0.7), (x, y, top)], 0.014, sides=6), CHROME, 1.3)
    for angle in np.radians((0, 120, 240)):
        foot = (x + spread * np.cos(angle), y + spread * np.sin(angle), 0)
        body.add(s.tube([(x, y, spread * 0.8), foot], 0.014, sides=6), CHROME, 1.2)


def add_cymbal(body: Body, x: float, y: float, z: float, *, radius: float, tilt: float) -> None:
    """A bronze cymbal on its tripod, tilted toward -x."""
    profile = [(0, 0.035), (0.05, 0.025), (0.06, 0.012), (radius, -0.025)]
    body.add(s.revolution(profile, (x, y, z), s.rotation(pitch=tilt)), BRONZE, 1.2)
    add_tripod(body, x, y, top=z, spread=0.2)


def snare(body: Body, rng: Rng) -> None:
    """Snare or field drum, on a tripod or bare, at times with sticks; skin +z."""
    radius, tall = rng.uniform(0.3, 0.38), pick(rng, [0.2, 0.3, 0.5]) * rng.uniform(0.85, 1.15)
    stand = rng.random() < 0.4
    z = 0.75 if stand else tall / 2
    add_drum(body, (0, 0, z), radius, tall, pick(rng, SHELLS + [CHROME]), lugs=10)
    if stand:
        add_tripod(body, 0, 0, top=z - tall / 2, spread=0.3)
    if rng.random() < 0.5:
        z += tall / 2 + 0.025
        for side in (-1, 1):
            stick = [(0.4, side * 0.12, z), (-0.4, -side * 0.08, z + 0.01)]
            body.add(s.tube(stick, (0.016, 0.009), sides=6), WOODS[1], 1.5)


def bass_drum(body: Body, rng: Rng) -> None:
    """Bass drum on its side: skins toward +x and -x, two spurs."""
    radius, tall = rng.uniform(0.45, 0.6), rng.uniform(0.4, 0.7)
    add_drum(body, (0, 0, radius), radius, tall, pick(rng, SHELLS), turn=s.FACING_X, lugs=12)
    body.add(s.disc((tall / 2 + 0.01, 0, radius), radius * 0.3, s.FACING_X), pick(rng, SHELLS))
    for side in (-1, 1):
        body.add(s.tube([(0.1, side * radius * 0.8, radius * 0.5), (0.2, side * radius * 1.15, 0)], 0.018), CHROME, 1.5)


def hand_drum(body: Body, rng: Rng) -> None:
    """Djembe (goblet), conga (barrel) or a bongo pair along y; skins +z."""
    wood, kind = pick(rng, WOODS), pick(rng, ["djembe", "conga", "bongo"])
    tall, width = rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1)
    if kind == "bongo":
        for y, radius in ((0.22, 0.19), (-0.21, 0.16)):
            body.add(s.revolution([(radius * 0.82, 0), (radius, 0.28 * tall)], (0, y, 0)), wood)
            body.add(s.disc((0, y, 0.29 * tall), radius), SKIN)
            body.add(s.revolution([(radius * 1.05, 0.24), (radius * 1.06, 0.28)], (0, y, 0)), CHROME, 1.3)
            body.add(s.revolution([(radius * 0.86, 0), (radius * 0.86, 0.03)], (0, y, 0)), CHROME)
        body.add(s.box((0, 0, 0.15), (0.1, 0.1, 0.08)), wood)
        return
    djembe = [(0.17, 0), (0.13, 0.2), (0.11, 0.45), (0.17, 0.65), (0.27, 0.85), (0.28, 1)]
    conga = [(0.16, 0), (0.2, 0.25), (0.24, 0.6), (0.22, 0.85), (0.19, 1)]
    profile = s.smooth(djembe if kind == "djembe" else conga) * [width, tall]
    top = profile[-1, 0]
    body.add(s.revolution(profile), wood)
    body.add(s.disc((0, 0, tall), top), SKIN)
    for z in (tall * 0.99, tall * 0.92):
        body.add(s.revolution([(top * 1.05, z - 0.01), (top * 1.05, z + 0.01)]), pick(rng, [BLACK, CHROME]), 1.3)
    low = 0.66 if kind == "djembe" else 0.78
    for angle in np.linspace(0, 2 * np.pi, 18 if kind == "djembe" else 7, endpoint=False):
        way = np.array([np.cos(angle), np.sin(angle), 0])
        heights = np.linspace(low, 0.97, 6) * tall
        path = np.interp(heights, profile[:, 1], profile[:, 0])[:, None] * 1.04 * way
        path[:, 2] = heights
        body.add(s.tube(path, 0.008, sides=4), IVORY if kind == "djembe" else CHROME)


def drum_kit(body: Body, rng: Rng) -> None:
    """Whole kit: bass drum skin toward +x, two toms on it, snare and floor tom behind, hi-hat, one or two cymbals."""
    shell, radius = pick(rng, SHELLS), rng.uniform(0.27, 0.32)
    add_drum(body, (0.2, 0, radius), radius, 0.42, shell, turn=s.FACING_X)
    body.add(s.disc((0.42, 0, radius), radius * 0.35, s.FACING_X), shell)
    for y in (-0.19, 0.19):
        turn = s.rotation(pitch=rng.uniform(10, 20))
        add_drum(body, (0.1, y, 2 * radius + 0.22), 0.16, 0.2, shell, turn=turn, lugs=6)
        body.add(s.tube([(0.12, y * 0.3, 2 * radius), (0.1, y * 0.6, 2 * radius + 0.15)], 0.015), CHROME)
    add_drum(body, (-0.3, 0.36, 0.6), 0.18, 0.14, pick(rng, [shell, CHROME]))
    add_tripod(body, -0.3, 0.36, top=0.53, spread=0.2)
    add_drum(body, (-0.25, -0.52, 0.42), 0.21, 0.38, shell)
    for angle in np.radians((0, 120, 240)):
        x, y = -0.25 + 0.22 * np.cos(angle), -0.52 + 0.22 * np.sin(angle)
        body.add(s.tube([(x, y, 0), (x, y, 0.5)], 0.012, sides=5), CHROME)
    add_cymbal(body, -0.05, 0.68, 0.88, radius=0.18, tilt=0)
    body.add(s.disc((-0.05, 0.68, 0.85), 0.18), BRONZE)
    add_cymbal(body, 0.25, -0.62, rng.uniform(1.1, 1.25), radius=rng.uniform(0.22, 0.27), tilt=15)
    if rng.random() < 0.7:
        add_cymbal(body, 0.28, 0.52, rng.uniform(1.15, 1.3), radius=rng.uniform(0.2, 0.24), tilt=15)
    if rng.random() < 0.5:
        body.add(s.revolution([(0, 0.5), (0.17, 0.49), (0.17, 0.43), (0, 0.42)], (-0.6, 0, 0)), BLACK)
        add_tripod(body, -0.6, 0, top=0.45, spread=0.2)


piano = s.one_of(upright_piano, grand_piano, p=(0.5, 0.5))
drum = s.one_of(drum_kit, snare, bass_drum, hand_drum, p=(0.35, 0.25, 0.15, 0.25))
SHAPES = {"piano": piano, "drum": drum} | strings.SHAPES | winds.SHAPES
