"""A person, for zero-shot retrieval."""

import numpy as np

from audio2shape_core.synthetic.shapes.animals import pick
from audio2shape_core.synthetic.shapes.surfaces import Body, Rng, ellipsoid, smooth, tube


def person(rng: Rng) -> Body:
    """Adult standing upright, arms hanging or a little spread, facing +x."""
    body = Body()
    skin = pick(rng, [(224, 180, 150), (150, 100, 70), (95, 62, 45)])
    shirt = tuple(int(c) for c in rng.integers(40, 230, 3))
    trousers = pick(rng, [(50, 60, 90), (40, 40, 42), (120, 105, 85)])
    spread, stance = rng.uniform(0.08, 0.3), rng.uniform(0.09, 0.14)
    trunk = [(0, 0, 0.9), (0, 0, 1.1), (0, 0, 1.35), (0, 0, 1.46)]
    body.add(tube(smooth(trunk, 10), smooth([[0.17], [0.15], [0.2], [0.1]], 10)[:, 0], flatten=0.6), shirt)
    body.add(tube([(0, 0, 1.42), (0.01, 0, 1.56)], 0.055), skin)
    body.add(ellipsoid((0.02, 0, 1.66), (0.1, 0.08, 0.125)), skin, 1.3)
    body.add(ellipsoid((0, 0, 1.7), (0.105, 0.085, 0.11)), (50, 35, 25), 0.7)
    body.add(ellipsoid((0.125, 0, 1.645), (0.025, 0.015, 0.02)), skin)
    for side in (1, -1):
        step = rng.uniform(-0.1, 0.1)
        limb = [(0, 0.09 * side, 0.92), (step / 2 + 0.02, stance * side, 0.5), (step, stance * side, 0.06)]
        body.add(tube(limb, [0.1, 0.065, 0.045]), trousers)
        body.add(ellipsoid((step + 0.06, stance * side, 0.04), (0.13, 0.048, 0.045)), (40, 30, 25))
        swing = -step
        elbow = np.array((swing / 2, (0.23 + 0.6 * spread) * side, 1.13))
        hand = np.array((swing + 0.05, (0.23 + spread) * side, 0.88))
        body.add(tube([(0, 0.19 * side, 1.41), elbow, hand], [0.055, 0.045, 0.033]), shirt)
        body.add(ellipsoid(hand - (0, 0, 0.07), (0.045, 0.025, 0.085)), skin)
    return body


SHAPES = {"person": person}
