"""Things: bells, clocks, computer keyboards, doors, bottles, toilets. The side a user faces is +x."""

import numpy as np

from audio2shape_core.synthetic.shapes.surfaces import (
    Body,
    Rng,
    box,
    disc,
    ellipsoid,
    grid,
    revolution,
    rotation,
    slab,
    smooth,
    tube,
)

WHITE, DARK, STEEL, BRASS, WOOD = (240, 240, 238), (35, 35, 38), (165, 168, 172), (200, 155, 60), (130, 85, 50)
FACING = rotation(pitch=-90)  # turns +z (a plate's face) towards +x


def bell(rng: Rng) -> Body:
    """Church bells with clapper and yoke, hand bells with a handle, cow bells with flat sides."""
    body, metal = Body(), BRASS if rng.random() < 0.7 else STEEL
    kind = rng.choice(("church", "hand", "cow"), p=(0.6, 0.25, 0.15))
    if kind == "cow":
        deep, wide = rng.uniform(0.3, 0.42), rng.uniform(0.48, 0.62)
        corners = np.array([(deep, wide), (-deep, wide), (-deep, -wide), (deep, -wide), (deep, wide)])
        levels = ((1.0, -0.55), (0.62, 0.5), (0.5, 0.56), (0.0, 0.56))
        body.add(grid(np.stack([np.column_stack([corners * s, np.full(5, z)]) for s, z in levels])), metal)
        body.add(tube(smooth([(0, -0.2, 0.55), (0, 0, 0.85), (0, 0.2, 0.55)], 9), 0.05), metal, 1.5)
        body.add(ellipsoid((0, 0, -0.52), (0.1, 0.1, 0.14)), DARK, 1.5)
        return body
    lip, waist, tall = rng.uniform(0.62, 0.8), rng.uniform(0.32, 0.42), rng.uniform(0.9, 1.25)
    profile = [
        (lip, 0),
        (lip * 0.86, tall * 0.12),
        (waist * 1.12, tall * 0.45),
        (waist, tall * 0.75),
        (waist * 0.8, tall * 0.93),
        (0.05, tall),
    ]
    body.add(revolution(smooth(profile)), metal)
    body.add(tube([(0, 0, tall * 0.9), (0, 0, 0.12)], 0.03), DARK, 1.5)
    body.add(ellipsoid((0, 0, 0.02), (0.11, 0.11, 0.13)), DARK, 1.5)
    if kind == "hand":
        body.add(tube([(0, 0, tall), (0, 0, tall + 0.3), (0, 0, tall + 0.8)], [0.05, 0.09, 0.07]), WOOD, 1.5)
    else:
        loop = np.linspace(0, 2 * np.pi, 14)
        crown = np.column_stack([0 * loop, 0.13 * np.cos(loop), tall + 0.13 + 0.15 * np.sin(loop)])
        body.add(tube(crown, 0.04), metal, 1.5)
        if rng.random() < 0.5:
            body.add(box((0, 0, tall + 0.36), (0.2, 1.3 * lip, 0.18)), WOOD)
    return body


def clock(rng: Rng) -> Body:
    """Round or square wall clocks, and alarm clocks with feet and two bells; the face to +x."""
    body, depth = Body(), rng.uniform(0.1, 0.3)
    rim, face = (WOOD, DARK, BRASS, (180, 40, 40))[rng.integers(4)], WHITE
    if rng.random() < 0.2:
        body.add(box((0, 0, 0), (depth, 2.1, 2.1)), rim)
        body.add(box((depth / 2 + 0.01, 0, 0), (0.01, 1.8, 1.8)), face)
    else:
        profile = [(0, -depth / 2), (1.0, -depth / 2), (1.08, 0), (1.0, depth / 2), (0.92, depth / 2)]
        body.add(revolution(profile, turn=FACING), rim)
        body.add(disc((depth / 2 - 0.02, 0, 0), 0.92, FACING), face)
    front = depth / 2 + 0.02
    for hour in range(12):
        angle = 2 * np.pi * hour / 12
        mark = rotation(roll=np.degrees(angle))
        body.add(box((front, *(0.8 * np.array([-np.sin(angle), np.cos(angle)]))), (0.02, 0.05, 0.16), mark), DARK, 1.5)
    for length, width in ((0.45, 0.08), (0.7, 0.05)):
        angle = rng.uniform(0, 360)
        hand = rotation(roll=angle)
        body.add(box(hand @ (0, 0, length / 2) + (front + 0.02, 0, 0), (0.02, width, length), hand), DARK, 2)
    if rng.random() < 0.3:
        for side in (1, -1):
            body.add(tube([(0, 0.55 * side, -0.8), (0, 0.75 * side, -1.25)], 0.06), STEEL, 1.5)
            body.add(ellipsoid((0, 0.5 * side, 1.12), (0.28, 0.3, 0.2), rotation(roll=-20 * side)), STEEL, 1.2)
        body.add(tube([(0, -0.15, 1.3), (0, 0, 1.45), (0, 0.15, 1.3)], 0.04), STEEL)
    return body


def keyboard(rng: Rng) -> Body:
    """Computer keyboards lying flat: a slab along y, rows of keys, some with a number pad and a palm rest."""
    body = Body()
    width, depth, tall = rng.uniform(2.6, 3.4), rng.uniform(0.95, 1.2), rng.uniform(0.08, 0.16)
    case, caps = ((DARK, (95, 95, 100)), ((200, 198, 190), WHITE), (STEEL, DARK))[rng.integers(3)]
    slope = rotation(pitch=-rng.uniform(0, 6))
    body.add(box((0, 0, 0), (depth, width, tall), slope), case)
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
            body.add(box(slope @ (x, y, tall / 2 + 0.04), (size[1], size[0], 0.08), slope), caps, 0.6)
    if rng.random() < 0.3:
        body.add(box((depth * 0.62, 0, -tall * 0.2), (depth * 0.25, width, tall * 0.6), slope), case)
    return body


def door(rng: Rng) -> Body:
    """Single and double doors in their frame, with panels or glass, and a handle; seen from +x."""
    body = Body()
    color = (WOOD, WHITE, (120, 30, 25), (60, 80, 60), STEEL)[rng.integers(5)]
    tall, leaves = 2.0, 2 if rng.random() < 0.2 else 1
    wide, thick = rng.uniform(0.8, 1.0) * (1.8 if leaves == 2 else 1), rng.uniform(0.04, 0.1)
    body.add(box((0, 0, 0), (thick, wide, tall)), color)
    for side in (1, -1):
        body.add(box((0, side * (wide / 2 + 0.05), 0.02), (thick * 2.2, 0.1, tall + 0.04)), WHITE)
    body.add(box((0, 0, tall / 2 + 0.07), (thick * 2.2, wide + 0.2, 0.1)), WHITE)
    glass, rows = rng.random() < 0.3, int(rng.integers(2, 4))
    leaf = wide / leaves
    for k in range(leaves):
        middle = (k - (leaves - 1) / 2) * leaf
        for row in range(rows):
            z = -tall / 2 + (row + 0.5) * tall / rows
            for y in (middle - leaf * 0.22, middle + leaf * 0.22):
                panel = (90, 120, 140) if glass and row == rows - 1 else tuple(int(c * 0.8) for c in color)
                body.add(box((thick / 2 + 0.01, y, z), (0.02, leaf * 0.32, tall / rows * 0.75)), panel)
        edge = middle + leaf * 0.42 * (1 if k == 0 else -1)
        body.add(ellipsoid((thick / 2 + 0.06, edge, -0.05), (0.05, 0.05, 0.05)), BRASS, 2.5)
    return body


def bottle(rng: Rng) -> Body:
    """Beer, wine, water and round-bellied bottles, with cap and label."""
    body = Body()
    cap = (WHITE, DARK, BRASS)[rng.integers(3)]
    glass = ((30, 90, 50), (95, 55, 25), (180, 215, 225), (40, 40, 45), (230, 235, 235))[rng.integers(5)]
    radius, neck = rng.uniform(0.24, 0.42), rng.uniform(0.09, 0.14)
    shoulder, top = rng.uniform(0.95, 1.35), 2.0
    slope = rng.uniform(0.15, 0.45)
    belly = rng.uniform(0.95, 1.1)
    profile = [
        (0, 0),
        (radius * 0.9, 0),
        (radius, 0.06),
        (radius * belly, shoulder * 0.5),
        (radius, shoulder),
        (neck * 1.15, min(shoulder + slope, 1.75)),
        (neck, top - 0.12),
        (neck, top),
    ]
    body.add(revolution(smooth(profile, 40)), glass)
    body.add(revolution([(neck * 1.25, top - 0.12), (neck * 1.25, top), (0, top)]), cap, 1.5)
    if rng.random() < 0.6:
        around = radius * max(belly, 1) * 1.01
        body.add(revolution([(around, shoulder * 0.25), (around, shoulder * 0.75)]), WHITE, 0.5)
    return body


def toilet(rng: Rng) -> Body:
    """A bowl on its foot, a seat, a raised or closed lid, and the cistern behind; the sitter looks to +x."""
    body = Body()
    long, wide = rng.uniform(0.32, 0.4), rng.uniform(0.26, 0.32)
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    oval = np.column_stack([long * np.cos(angle), wide * np.sin(angle)])
    levels = [(0.45, 0.0), (0.42, 0.12), (0.6, 0.26), (0.98, 0.4), (1.0, 0.44)]
    sheet = [np.column_stack([oval * s - (0.12 * (1 - s), 0), np.full(24, z)]) for s, z in levels]
    closed = np.stack([np.concatenate([ring, ring[:1]]) for ring in sheet])
    body.add(grid(closed), WHITE)
    ring = np.stack([np.column_stack([np.concatenate([oval, oval[:1]]) * s, np.full(25, 0.46)]) for s in (0.62, 1.05)])
    body.add(grid(ring), WHITE, 1.3)
    if rng.random() < 0.5:
        body.add(slab(oval * 1.04, 0.03, (0, 0, 0.5)), WHITE)
    else:
        body.add(slab(oval * 1.0, 0.03, (-long * 0.95, 0, 0.46 + long), rotation(pitch=80)), WHITE)
    tank = rng.uniform(0.4, 0.58)
    body.add(box((-long - 0.14, 0, 0.42 + tank / 2), (0.2, wide * 2 * rng.uniform(0.95, 1.2), tank)), WHITE)
    body.add(box((-long - 0.14, 0, 0.44 + tank), (0.23, wide * 2.3, 0.04)), WHITE)
    body.add(box((-long, 0, 0.2), (0.3, wide * 0.8, 0.4)), WHITE)
    body.add(ellipsoid((-long - 0.03, wide * 0.7, 0.42 + tank * 0.8), (0.03, 0.05, 0.03)), STEEL, 2)
    return body


SHAPES = {"bell": bell, "clock": clock, "keyboard": keyboard, "door": door, "bottle": bottle, "toilet": toilet}
