"""Parametric shapes of every class, in canonical pose: +z up, +x front.

Where a class has no obvious front, this is what faces +x: animals and vehicles their nose; what is played, sat on,
opened or read, the side its user faces; guitars lie on their back with the neck towards +x; violins stand with the
strings towards +x; flutes lie along y; trombones point their bell and slide to +x; harps their column.
"""

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.shapes import animals, instruments, things, vehicles
from audio2shape_core.synthetic.shapes.surfaces import Body

SHAPES = vehicles.SHAPES | animals.SHAPES | instruments.SHAPES | things.SHAPES


def procedural_labels() -> tuple[str, ...]:
    return tuple(SHAPES)


def procedural_shape(label: str, seed: int, num_points: int = 2048) -> tuple[np.ndarray, np.ndarray]:
    """A random shape of a class: points (N, 3) float32 in the unit sphere, colors (N, 3) uint8.

    The same label and seed give the same shape. Raises InputError for a label without one.
    """
    if label not in SHAPES:
        raise InputError(f"no procedural shape of {label!r}; expected one of {', '.join(SHAPES)}")
    rng = np.random.default_rng((seed, *label.encode()))
    body = Body()
    SHAPES[label](body, rng)
    return body.sample(num_points, rng)
