"""Things never trained on: bowls, cups, sinks, stairs. They open upwards; who uses or climbs them comes from +x."""

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
    smooth,
    tube,
)

WHITE, STEEL, WOOD, GLASS = (240, 240, 238), (165, 168, 172), (130, 85, 50), (180, 215, 225)
GLAZES = ((235, 230, 215), (60, 100, 160), (190, 80, 50), (90, 130, 90), (130, 85, 50))


def bowl(rng: Rng) -> Body:
    """Deep, shallow or nearly closed bowls on a foot ring."""
    body, glaze = Body(), GLAZES[rng.integers(len(GLAZES))]
    tall, foot, belly = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.5), rng.uniform(0.8, 1.1)
    outside = smooth([(foot, 0.05), (belly * 0.85, tall * 0.35), (max(belly, 0.95), tall * 0.75), (1.0, tall)])
    body.add(revolution(outside), glaze)
    body.add(revolution(outside * (0.95, 1) + (0, 0.03)), WHITE)
    body.add(disc((0, 0, 0.08), foot), WHITE)
    body.add(revolution([(foot * 0.9, 0.0), (foot, 0.05)]), glaze)
    return body


def cup(rng: Rng) -> Body:
    """Mugs with a handle at -y, tapered beakers, and stemmed glasses."""
    body, kind = Body(), rng.choice(("mug", "beaker", "goblet"), p=(0.45, 0.35, 0.2))
    glaze = GLASS if kind == "goblet" else GLAZES[rng.integers(len(GLAZES))]
    if kind == "goblet":
        wide, stem = rng.uniform(0.38, 0.48), rng.uniform(0.7, 0.95)
        body.add(revolution(smooth([(0.04, stem), (wide, stem + 0.25), (wide * 0.9, stem + 0.8)])), glaze)
        body.add(revolution([(0.42, 0), (0.06, 0.08), (0.04, stem)]), glaze, 1.3)
        return body
    tall = rng.uniform(0.9, 1.3)
    bottom, top = (0.5, 0.5) if kind == "mug" else (rng.uniform(0.3, 0.42), 0.52)
    for radius in (1.0, 0.93):  # outside and inside
        body.add(revolution([(bottom * radius, 0.03), (top * radius, tall)]), glaze)
    body.add(disc((0, 0, 0.03), bottom), glaze)
    if kind == "mug":
        angle = np.linspace(-np.pi / 2, np.pi / 2, 14)
        loop = np.column_stack([0 * angle, -0.48 - 0.32 * np.cos(angle), tall * (0.52 + 0.32 * np.sin(angle))])
        body.add(tube(loop, 0.06), glaze, 1.5)
    return body


def sink(rng: Rng) -> Body:
    """A basin sunk in a counter, alone, on a pedestal or on a cabinet; the tap behind it at -x."""
    body, kind = Body(), rng.choice(("counter", "pedestal", "cabinet"))
    deep, wide, drop = rng.uniform(0.5, 0.65), rng.uniform(0.7, 1.1), rng.uniform(0.16, 0.26)
    color = STEEL if rng.random() < 0.4 else WHITE
    around = np.linspace(0, 2 * np.pi, 33)
    # A power of the cosine between 0.4 and 1 bends the rim from a rounded rectangle to an oval.
    power = rng.uniform(0.4, 1.0)
    oval = np.stack([np.sign(f) * np.abs(f) ** power for f in (np.cos(around), np.sin(around))], axis=-1) / 2
    square = np.stack([np.sign(f) * np.abs(f) ** 0.2 for f in (np.cos(around), np.sin(around))], axis=-1) / 2
    rings = [
        (square * (deep, wide), 0.0),
        (oval * (deep * 0.72, wide * 0.8), 0.0),
        (oval * (deep * 0.6, wide * 0.68), -drop),
        (oval * 0.08, -drop),
    ]
    rim = np.stack([np.column_stack([ring, np.full(33, z)]) for ring, z in rings])
    rim[1:, :, 0] += 0.05
    body.add(grid(rim), color)
    rise, back = rng.uniform(0.14, 0.3), -0.4 * deep
    tap = smooth([(back, 0, 0), (back, 0, rise), (back + 0.1, 0, rise + 0.05), (back + 0.2, 0, rise - 0.04)], 14)
    body.add(tube(tap, 0.02), STEEL, 2)
    for side in (1, -1):
        body.add(ellipsoid((back, 0.14 * side, 0.04), (0.03, 0.03, 0.04)), STEEL, 1.5)
    if kind == "pedestal":
        body.add(revolution(smooth([(0.16, -0.8), (0.1, -0.6), (0.1, -0.3), (0.2, -drop)]), (0.03, 0, 0)), color)
    elif kind == "cabinet":
        for side in (1, -1):  # walls only: a lid would hide the basin
            body.add(box((side * deep * 0.47, 0, -0.42), (0.02, wide * 0.97, 0.8)), WOOD)
            body.add(box((0, side * wide * 0.48, -0.42), (deep * 0.95, 0.02, 0.8)), WOOD)
            body.add(ellipsoid((deep * 0.5, 0.06 * side, -0.35), (0.02, 0.015, 0.05)), STEEL, 1.5)
    else:
        for side in (1, -1):
            body.add(box((0, side * wide / 2, -0.03), (deep, 0.02, 0.06)), color)
    return body


def stairs(rng: Rng) -> Body:
    """Straight flights that climb towards -x, open or closed, often with railings; one in five winds up a column."""
    body, steps = Body(), int(rng.integers(7, 14))
    tread, rise, wide = rng.uniform(0.24, 0.32), rng.uniform(0.15, 0.2), rng.uniform(0.7, 1.4)
    color = (WOOD, WHITE, STEEL)[rng.integers(3)]
    if rng.random() < 0.2:
        high, wind = 1.4 * steps * rise, rng.uniform(24, 32)
        body.add(tube([(0, 0, 0), (0, 0, high)], 0.06), STEEL)
        for step in range(steps):
            turn = rotation(yaw=step * wind)
            z = (step + 0.5) * high / steps
            body.add(box(turn @ (wide / 2, 0, 0) + (0, 0, z), (wide, tread, 0.04), turn), color)
            body.add(tube([turn @ (wide, 0, 0) + (0, 0, z), turn @ (wide, 0, 0) + (0, 0, z + 0.8)], 0.015), STEEL)
        return body
    closed = rng.random() < 0.6
    for step in range(steps):
        x, z = -step * tread, (step + 1) * rise
        body.add(box((x, 0, z - 0.02), (tread * 1.1, wide, 0.04)), color)
        if closed:
            body.add(box((x + tread / 2, 0, z - rise / 2), (0.02, wide, rise)), color, 0.8)
    last = np.array((-(steps - 1) * tread, 0, steps * rise))
    railing = rng.random() < 0.6
    for y in (wide / 2, -wide / 2):
        body.add(tube([(0, y, rise * 0.5), last + (0, y, -rise * 0.5)], 0.06, flatten=0.4), color)
        if railing:
            body.add(tube([(0, y, rise + 0.8), last + (0, y, 0.8)], 0.03), WOOD, 1.3)
            for step in range(0, steps, 2):
                foot = np.array((-step * tread, y, (step + 1) * rise))
                body.add(tube([foot, foot + (0, 0, 0.8)], 0.015), STEEL)
    return body


SHAPES = {"bowl": bowl, "cup": cup, "sink": sink, "stairs": stairs}
