"""Things: bells, clocks, computer keyboards, doors, bottles, toilets, bowls, cups, sinks, stairs.

The side a user faces is +x; who climbs stairs comes from there.
"""

import numpy as np

from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Rng, pick

WHITE, DARK, STEEL, BRASS, WOOD = (240, 240, 238), (35, 35, 38), (165, 168, 172), (200, 155, 60), (130, 85, 50)
GLASS = (180, 215, 225)
GLAZES = ((235, 230, 215), (60, 100, 160), (190, 80, 50), (90, 130, 90), WOOD)


def bell(body: Body, rng: Rng) -> None:
    """Church bells with clapper and yoke, hand bells with a handle, cow bells with flat sides."""
    metal = BRASS if rng.random() < 0.7 else STEEL
    kind = pick(rng, ("church", "hand", "cow"), p=(0.6, 0.25, 0.15))
    if kind == "cow":
        deep, wide = rng.uniform(0.3, 0.42), rng.uniform(0.48, 0.62)
        corners = np.array([(deep, wide), (-deep, wide), (-deep, -wide), (deep, -wide), (deep, wide)])
        levels = ((1.0, -0.55), (0.62, 0.5), (0.5, 0.56), (0.0, 0.56))
        body.add(s.grid(s.layers([corners * scale for scale, _ in levels], [z for _, z in levels])), metal)
        body.add(s.tube(s.smooth([(0, -0.2, 0.55), (0, 0, 0.85), (0, 0.2, 0.55)], 9), 0.05), metal, 1.5)
        body.add(s.ellipsoid((0, 0, -0.52), (0.1, 0.1, 0.14)), DARK, 1.5)
        return
    lip, waist, tall = rng.uniform(0.62, 0.8), rng.uniform(0.32, 0.42), rng.uniform(0.9, 1.25)
    profile = [(lip, 0), (lip * 0.86, tall * 0.12), (waist * 1.12, tall * 0.45), (waist, tall * 0.75)]
    body.add(s.revolution(s.smooth([*profile, (waist * 0.8, tall * 0.93), (0.05, tall)])), metal)
    body.add(s.tube([(0, 0, tall * 0.9), (0, 0, 0.12)], 0.03), DARK, 1.5)
    body.add(s.ellipsoid((0, 0, 0.02), (0.11, 0.11, 0.13)), DARK, 1.5)
    if kind == "hand":
        body.add(s.tube([(0, 0, tall), (0, 0, tall + 0.3), (0, 0, tall + 0.8)], [0.05, 0.09, 0.07]), WOOD, 1.5)
    else:
        loop = np.linspace(0, 2 * np.pi, 14)
        crown = np.column_stack([0 * loop, 0.13 * np.cos(loop), tall + 0.13 + 0.15 * np.sin(loop)])
        body.add(s.tube(crown, 0.04), metal, 1.5)
        if rng.random() < 0.5:
            body.add(s.box((0, 0, tall + 0.36), (0.2, 1.3 * lip, 0.18)), WOOD)


def clock(body: Body, rng: Rng) -> None:
    """Round or square wall clocks, and alarm clocks with feet and two bells; the face to +x."""
    depth = rng.uniform(0.1, 0.3)
    rim, face = pick(rng, (WOOD, DARK, BRASS, (180, 40, 40))), WHITE
    if rng.random() < 0.2:
        body.add(s.box((0, 0, 0), (depth, 2.1, 2.1)), rim)
        body.add(s.box((depth / 2 + 0.01, 0, 0), (0.01, 1.8, 1.8)), face)
    else:
        profile = [(0, -depth / 2), (1.0, -depth / 2), (1.08, 0), (1.0, depth / 2), (0.92, depth / 2)]
        body.add(s.revolution(profile, turn=s.FACING_X), rim)
        body.add(s.disc((depth / 2 - 0.02, 0, 0), 0.92, s.FACING_X), face)
    front = depth / 2 + 0.02
    for hour in range(12):
        angle = 2 * np.pi * hour / 12
        mark = s.rotation(roll=np.degrees(angle))
        body.add(
            s.box((front, *(0.8 * np.array([-np.sin(angle), np.cos(angle)]))), (0.02, 0.05, 0.16), mark), DARK, 1.5
        )
    for length, width in ((0.45, 0.08), (0.7, 0.05)):
        angle = rng.uniform(0, 360)
        hand = s.rotation(roll=angle)
        body.add(s.box(hand @ (0, 0, length / 2) + (front + 0.02, 0, 0), (0.02, width, length), hand), DARK, 2)
    if rng.random() < 0.3:
        for side in (1, -1):
            body.add(s.tube([(0, 0.55 * side, -0.8), (0, 0.75 * side, -1.25)], 0.06), STEEL, 1.5)
            body.add(s.ellipsoid((0, 0.5 * side, 1.12), (0.28, 0.3, 0.2), s.rotation(roll=-20 * side)), STEEL, 1.2)
        body.add(s.tube([(0, -0.15, 1.3), (0, 0, 1.45), (0, 0.15, 1.3)], 0.04), STEEL)


def keyboard(body: Body, rng: Rng) -> None:
    """Computer keyboards lying flat: a slab along y, rows of keys, some with a number pad and a palm rest."""
    width, depth, tall = rng.uniform(2.6, 3.4), rng.uniform(0.95, 1.2), rng.uniform(0.08, 0.16)
    case, caps = pick(rng, ((DARK, (95, 95, 100)), ((200, 198, 190), WHITE), (STEEL, DARK)))
    slope = s.rotation(pitch=-rng.uniform(0, 6))
    body.add(s.box((0, 0, 0), (depth, width, tall), slope), case)
    pitch_y = width * 0.94 / rng.integers(17, 22)
    count, rows = int(width * 0.94 / pitch_y), 5 + int(rng.random() < 0.6)
    step = depth * 0.9 / rows
    for row in range(rows):
        x = depth * 0.43 - (row + 0.5) * step
        wide = (int(count * 0.2), int(count * 0.55)) if row == 0 else (0, 0)  # the space bar
        ys = [(k, k + 1) for k in range(count) if not wide[0] <= k < wide[1]] + ([wide] if row == 0 else [])
        for first, last in ys:
            size = ((last - first) * pitch_y * 0.86, step * 0.86)
            y = width * 0.47 - (first + last) / 2 * pitch_y
            body.add(s.box(slope @ (x, y, tall / 2 + 0.04), (size[1], size[0], 0.08), slope), caps, 0.6)
    if rng.random() < 0.3:
        body.add(s.box((depth * 0.62, 0, -tall * 0.2), (depth * 0.25, width, tall * 0.6), slope), case)


def door(body: Body, rng: Rng) -> None:
    """Single and double doors in their frame, with panels or glass, and a handle; seen from +x."""
    color = pick(rng, (WOOD, WHITE, (120, 30, 25), (60, 80, 60), STEEL))
    tall, leaves = 2.0, 2 if rng.random() < 0.2 else 1
    wide, thick = rng.uniform(0.8, 1.0) * (1.8 if leaves == 2 else 1), rng.uniform(0.04, 0.1)
    body.add(s.box((0, 0, 0), (thick, wide, tall)), color)
    for side in (1, -1):
        body.add(s.box((0, side * (wide / 2 + 0.05), 0.02), (thick * 2.2, 0.1, tall + 0.04)), WHITE)
    body.add(s.box((0, 0, tall / 2 + 0.07), (thick * 2.2, wide + 0.2, 0.1)), WHITE)
    glass, rows, leaf = rng.random() < 0.3, int(rng.integers(2, 4)), wide / leaves
    for k in range(leaves):
        middle = (k - (leaves - 1) / 2) * leaf
        for row in range(rows):
            z = -tall / 2 + (row + 0.5) * tall / rows
            for y in (middle - leaf * 0.22, middle + leaf * 0.22):
                panel = (90, 120, 140) if glass and row == rows - 1 else s.shade(color, 0.8)
                body.add(s.box((thick / 2 + 0.01, y, z), (0.02, leaf * 0.32, tall / rows * 0.75)), panel)
        edge = middle + leaf * 0.42 * (1 if k == 0 else -1)
        body.add(s.ellipsoid((thick / 2 + 0.06, edge, -0.05), (0.05, 0.05, 0.05)), BRASS, 2.5)


def bottle(body: Body, rng: Rng) -> None:
    """Beer, wine, water and round-bellied bottles, with cap and label."""
    cap = pick(rng, (WHITE, DARK, BRASS))
    glass = pick(rng, ((30, 90, 50), (95, 55, 25), (180, 215, 225), (40, 40, 45), (230, 235, 235)))
    radius, neck = rng.uniform(0.24, 0.42), rng.uniform(0.09, 0.14)
    shoulder, top = rng.uniform(0.95, 1.35), 2.0
    slope, belly = rng.uniform(0.15, 0.45), rng.uniform(0.95, 1.1)
    profile = [(0, 0), (radius * 0.9, 0), (radius, 0.06), (radius * belly, shoulder * 0.5), (radius, shoulder)]
    profile += [(neck * 1.15, min(shoulder + slope, 1.75)), (neck, top - 0.12), (neck, top)]
    body.add(s.revolution(s.smooth(profile, 40)), glass)
    body.add(s.revolution([(neck * 1.25, top - 0.12), (neck * 1.25, top), (0, top)]), cap, 1.5)
    if rng.random() < 0.6:
        around = radius * max(belly, 1) * 1.01
        body.add(s.revolution([(around, shoulder * 0.25), (around, shoulder * 0.75)]), WHITE, 0.5)


def toilet(body: Body, rng: Rng) -> None:
    """A bowl on its foot, a seat, a raised or closed lid, and the cistern behind; the sitter looks to +x."""
    long, wide = rng.uniform(0.32, 0.4), rng.uniform(0.26, 0.32)
    angle = np.linspace(0, 2 * np.pi, 25)
    angle[-1] = 0  # the outline ends where it begins
    oval = np.column_stack([long * np.cos(angle), wide * np.sin(angle)])
    scales, heights = (0.45, 0.42, 0.6, 0.98, 1.0), (0.0, 0.12, 0.26, 0.4, 0.44)
    body.add(s.grid(s.layers([oval * scale - (0.12 * (1 - scale), 0) for scale in scales], heights)), WHITE)
    body.add(s.grid(s.layers([oval * scale for scale in (0.62, 1.05)], (0.46, 0.46))), WHITE, 1.3)
    if rng.random() < 0.5:
        body.add(s.slab(oval[:-1] * 1.04, 0.03, (0, 0, 0.5)), WHITE)
    else:
        body.add(s.slab(oval[:-1], 0.03, (-long * 0.95, 0, 0.46 + long), s.rotation(pitch=80)), WHITE)
    tank = rng.uniform(0.4, 0.58)
    body.add(s.box((-long - 0.14, 0, 0.42 + tank / 2), (0.2, wide * 2 * rng.uniform(0.95, 1.2), tank)), WHITE)
    body.add(s.box((-long - 0.14, 0, 0.44 + tank), (0.23, wide * 2.3, 0.04)), WHITE)
    body.add(s.box((-long, 0, 0.2), (0.3, wide * 0.8, 0.4)), WHITE)
    body.add(s.ellipsoid((-long - 0.03, wide * 0.7, 0.42 + tank * 0.8), (0.03, 0.05, 0.03)), STEEL, 2)


def bowl(body: Body, rng: Rng) -> None:
    """Deep, shallow or nearly closed bowls on a foot ring."""
    glaze = pick(rng, GLAZES)
    tall, foot, belly = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.5), rng.uniform(0.8, 1.1)
    outside = s.smooth([(foot, 0.05), (belly * 0.85, tall * 0.35), (max(belly, 0.95), tall * 0.75), (1.0, tall)])
    body.add(s.revolution(outside), glaze)
    body.add(s.revolution(outside * (0.95, 1) + (0, 0.03)), WHITE)
    body.add(s.disc((0, 0, 0.08), foot), WHITE)
    body.add(s.revolution([(foot * 0.9, 0.0), (foot, 0.05)]), glaze)


def cup(body: Body, rng: Rng) -> None:
    """Mugs with a handle at -y, tapered beakers, and stemmed glasses."""
    kind = pick(rng, ("mug", "beaker", "goblet"), p=(0.45, 0.35, 0.2))
    glaze = GLASS if kind == "goblet" else pick(rng, GLAZES)
    if kind == "goblet":
        wide, stem = rng.uniform(0.38, 0.48), rng.uniform(0.7, 0.95)
        body.add(s.revolution(s.smooth([(0.04, stem), (wide, stem + 0.25), (wide * 0.9, stem + 0.8)])), glaze)
        body.add(s.revolution([(0.42, 0), (0.06, 0.08), (0.04, stem)]), glaze, 1.3)
        return
    tall = rng.uniform(0.9, 1.3)
    bottom, top = (0.5, 0.5) if kind == "mug" else (rng.uniform(0.3, 0.42), 0.52)
    for radius in (1.0, 0.93):  # outside and inside
        body.add(s.revolution([(bottom * radius, 0.03), (top * radius, tall)]), glaze)
    body.add(s.disc((0, 0, 0.03), bottom), glaze)
    if kind == "mug":
        angle = np.linspace(-np.pi / 2, np.pi / 2, 14)
        loop = np.column_stack([0 * angle, -0.48 - 0.32 * np.cos(angle), tall * (0.52 + 0.32 * np.sin(angle))])
        body.add(s.tube(loop, 0.06), glaze, 1.5)


def sink(body: Body, rng: Rng) -> None:
    """A basin sunk in a counter, alone, on a pedestal or on a cabinet; the tap behind it at -x."""
    kind = pick(rng, ("counter", "pedestal", "cabinet"))
    deep, wide, drop = rng.uniform(0.5, 0.65), rng.uniform(0.7, 1.1), rng.uniform(0.16, 0.26)
    color = STEEL if rng.random() < 0.4 else WHITE
    around = np.linspace(0, 2 * np.pi, 33)
    # A power of the cosine between 0.4 and 1 bends the rim from a rounded rectangle to an oval.
    power = rng.uniform(0.4, 1.0)
    circle = np.stack([np.cos(around), np.sin(around)], axis=-1)
    oval, square = (np.sign(circle) * np.abs(circle) ** p / 2 for p in (power, 0.2))
    rings = [square * (deep, wide), oval * (deep * 0.72, wide * 0.8), oval * (deep * 0.6, wide * 0.68), oval * 0.08]
    rim = s.layers(rings, (0.0, 0.0, -drop, -drop))
    rim[1:, :, 0] += 0.05
    body.add(s.grid(rim), color)
    rise, back = rng.uniform(0.14, 0.3), -0.4 * deep
    tap = s.smooth([(back, 0, 0), (back, 0, rise), (back + 0.1, 0, rise + 0.05), (back + 0.2, 0, rise - 0.04)], 14)
    body.add(s.tube(tap, 0.02), STEEL, 2)
    for side in (1, -1):
        body.add(s.ellipsoid((back, 0.14 * side, 0.04), (0.03, 0.03, 0.04)), STEEL, 1.5)
    if kind == "pedestal":
        body.add(s.revolution(s.smooth([(0.16, -0.8), (0.1, -0.6), (0.1, -0.3), (0.2, -drop)]), (0.03, 0, 0)), color)
    elif kind == "cabinet":
        for side in (1, -1):  # walls only: a lid would hide the basin
            body.add(s.box((side * deep * 0.47, 0, -0.42), (0.02, wide * 0.97, 0.8)), WOOD)
            body.add(s.box((0, side * wide * 0.48, -0.42), (deep * 0.95, 0.02, 0.8)), WOOD)
            body.add(s.ellipsoid((deep * 0.5, 0.06 * side, -0.35), (0.02, 0.015, 0.05)), STEEL, 1.5)
    else:
        for side in (1, -1):
            body.add(s.box((0, side * wide / 2, -0.03), (deep, 0.02, 0.06)), color)


def stairs(body: Body, rng: Rng) -> None:
    """Straight flights that climb towards -x, open or closed, often with railings; one in five winds up a column."""
    steps = int(rng.integers(7, 14))
    tread, rise, wide = rng.uniform(0.24, 0.32), rng.uniform(0.15, 0.2), rng.uniform(0.7, 1.4)
    color = pick(rng, (WOOD, WHITE, STEEL))
    if rng.random() < 0.2:
        high, wind = 1.4 * steps * rise, rng.uniform(24, 32)
        body.add(s.tube([(0, 0, 0), (0, 0, high)], 0.06), STEEL)
        for step in range(steps):
            turn = s.rotation(yaw=step * wind)
            z = (step + 0.5) * high / steps
            body.add(s.box(turn @ (wide / 2, 0, 0) + (0, 0, z), (wide, tread, 0.04), turn), color)
            body.add(s.tube([turn @ (wide, 0, 0) + (0, 0, z), turn @ (wide, 0, 0) + (0, 0, z + 0.8)], 0.015), STEEL)
        return
    closed = rng.random() < 0.6
    for step in range(steps):
        x, z = -step * tread, (step + 1) * rise
        body.add(s.box((x, 0, z - 0.02), (tread * 1.1, wide, 0.04)), color)
        if closed:
            body.add(s.box((x + tread / 2, 0, z - rise / 2), (0.02, wide, rise)), color, 0.8)
    last = np.array((-(steps - 1) * tread, 0, steps * rise))
    railing = rng.random() < 0.6
    for y in (wide / 2, -wide / 2):
        body.add(s.tube(np.array([(0, y, rise * 0.5), last + (0, y, -rise * 0.5)]), 0.06, flatten=0.4), color)
        if railing:
            body.add(s.tube(np.array([(0, y, rise + 0.8), last + (0, y, 0.8)]), 0.03), WOOD, 1.3)
            for step in range(0, steps, 2):
                foot = np.array((-step * tread, y, (step + 1) * rise))
                body.add(s.tube([foot, foot + (0, 0, 0.8)], 0.015), STEEL)


SHAPES = {f.__name__: f for f in (bell, clock, keyboard, door, bottle, toilet, bowl, cup, sink, stairs)}
