"""Real shapes in the canonical frame: centred, in the unit sphere, +z up and +x front."""

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.shapes import procedural_labels, procedural_shape

# Classes whose heading does not matter: they are (nearly) the same from all sides.
ROUND = ("bottle", "bell", "bowl", "cup")

# Classes that lie in the canonical frame, top to +x, but that some collections stand upright.
LYING = ("guitar",)

YAWS = tuple(range(0, 360, 15))
SKEW = 1.1  # modellers work along the axes: any other heading must fit this much better
COMPARED = 200  # points that stand for a shape in the search
TEMPLATE_SEEDS = range(200_000, 200_010)  # enough that every sub-type of a class is among them


def normalize(points: np.ndarray) -> np.ndarray:
    """Points (N, 3) moved so that their bounding box is centred, and scaled to radius 1: (N, 3) float32.

    Points that all coincide come back as zeros. Raises InputError for no points, another shape, or values not finite.
    """
    points = np.asarray(points, np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise InputError(f"points have shape {points.shape}; expected (N, 3) with N >= 1")
    if not np.isfinite(points).all():
        raise InputError("points hold NaN or infinity; expected finite coordinates: drop those points")
    # The middle of the extremes in double precision: in single, far-off coordinates would overflow.
    centred = points.astype(np.float64) - (points.max(0).astype(np.float64) + points.min(0)) / 2
    radius = np.linalg.norm(centred, axis=1).max()
    return (centred / radius if radius > 0 else centred).astype(np.float32)


def about_z(degrees: float) -> np.ndarray:
    """(3, 3) rotation about z, counter-clockwise as seen from above."""
    return Rotation.from_euler("z", degrees, degrees=True).as_matrix()


def turn(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points (N, 3) turned about z, counter-clockwise as seen from above, and normalised: (N, 3) float32."""
    return normalize(points @ about_z(degrees).T)


@cache
def templates(label: str) -> tuple[np.ndarray, ...]:
    """A few procedural shapes of a class, (COMPARED, 3) float32 each."""
    return tuple(procedural_shape(label, seed, COMPARED)[0] for seed in TEMPLATE_SEEDS)


def distances(points: np.ndarray, rotations: list[np.ndarray], label: str) -> np.ndarray:
    """How far points (N, 3) lie from the procedural shapes of a class after each of R rotations (3, 3): (R,).

    The symmetric mean nearest distance to the nearest template. Deterministic.
    """
    chosen = np.random.default_rng(0).choice(len(points), COMPARED, replace=len(points) < COMPARED)
    turned = np.concatenate([normalize(points @ rotation.T)[chosen] for rotation in rotations])
    # |a - b|^2 of all pairs as one product, (-2 a, |a|^2, 1) . (b, 1, |b|^2): for few points faster than search trees.
    ones = np.ones_like(turned[:, :1])
    turned = np.concatenate([-2 * turned, (turned**2).sum(1, keepdims=True), ones], axis=1)
    best = np.full(len(rotations), np.inf)
    for template in templates(label):
        other = np.concatenate([template, ones[:COMPARED], (template**2).sum(1, keepdims=True)], axis=1)
        squares = (turned @ other.T).reshape(len(rotations), COMPARED, COMPARED)
        there, back = (np.sqrt(np.maximum(squares.min(axis), 0)).mean(1) for axis in (1, 2))
        best = np.minimum(best, there + back)
    return best


def heading(points: np.ndarray, label: str) -> int:
    """Degrees about z, one of YAWS, that bring points (N, 3) closest to the procedural shapes of a class."""
    handicap = [1.0 if yaw % 90 == 0 else SKEW for yaw in YAWS]
    return YAWS[int((distances(points, [about_z(yaw) for yaw in YAWS], label) * handicap).argmin())]


def laid_down(points: np.ndarray, label: str) -> np.ndarray:
    """An upright shape (N, 3) with its top turned to +x, on whichever side is closest to the procedural shapes."""
    top_to_front = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    # Whichever way it faced while it stood: turn it about its upright axis first, then tip it over.
    tipped = [top_to_front @ about_z(yaw) for yaw in YAWS]
    return normalize(points @ tipped[int(distances(points, tipped, label).argmin())].T)


def canonicalize(points: np.ndarray, label: str, *, yaw_deg: float | None = None) -> np.ndarray:
    """A real shape (N, 3), +z up, in the canonical frame: (N, 3) float32.

    yaw_deg: the turn about z that brings it there, where that is known; else it is searched. Classes without a
    procedural shape, and round ones, then keep their heading. Raises InputError as `normalize`.
    """
    points = normalize(points)
    length, width, height = np.ptp(points, axis=0)
    if label in LYING and height > max(length, width):
        return laid_down(points, label)
    if yaw_deg is not None:
        return turn(points, yaw_deg)
    if label in ROUND or label not in procedural_labels():
        return points
    return turn(points, heading(points, label))
