"""Distances between two point clouds, as the paper's tables report them (N, M points; unit sphere unless stated).

Which Chamfer distance a paper means is seldom said, so here the name says it: `chamfer` sums two means of plain
distances, `chamfer(..., squared=True)` of squared ones (PointFlow, arXiv:1906.12320). No number means anything without
the floor: what two samplings of the very same surface score.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from audio2shape_core.errors import InputError


def _cloud(points: np.ndarray, name: str) -> np.ndarray:
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise InputError(f"{name}: shape {points.shape}, expected (N, 3) finite coordinates of at least one point")
    return points


def nearest_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 3), (M, 3) -> (N,): how far each point of `a` is from `b`."""
    return np.asarray(cKDTree(_cloud(b, "b")).query(_cloud(a, "a"))[0])


def chamfer(a: np.ndarray, b: np.ndarray, *, squared: bool = False) -> float:
    """Mean distance from `a` to `b` plus mean distance from `b` to `a`; of squared distances if `squared`.

    Arguments: a (N, 3), b (M, 3).
    """
    power = 2 if squared else 1
    return float(np.mean(nearest_distances(a, b) ** power) + np.mean(nearest_distances(b, a) ** power))


def emd(a: np.ndarray, b: np.ndarray) -> float:
    """Earth mover's distance: the smallest possible mean distance when every point of `a` is paired with one of `b`.

    Exact, by POT's network simplex where it is installed (2 x faster), else by SciPy. About half a second for 2048
    points. Arguments: a, b (N, 3), equally many points. Raises InputError if they are not.
    """
    a, b = _cloud(a, "a"), _cloud(b, "b")
    if len(a) != len(b):
        raise InputError(
            f"earth mover's distance of {len(a)} and {len(b)} points, expected equally many: subsample one"
        )
    cost = cdist(a, b)
    try:
        import ot
    except ImportError:
        return float(cost[linear_sum_assignment(cost)].mean())
    # POT's own limit of 100 000 iterations stops short of the optimum for a few thousand points.
    return float(ot.emd2([], [], cost, numItermax=100_000_000))


def fscore(a: np.ndarray, b: np.ndarray, tau: float) -> float:
    """Harmonic mean of the share of `a` within `tau` of `b` and of `b` within `tau` of `a`, 0..1.

    Knapitsch et al., "Tanks and Temples" (2017); Tatarchenko et al., arXiv:1905.03678.
    """
    precision, recall = np.mean(nearest_distances(a, b) <= tau), np.mean(nearest_distances(b, a) <= tau)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
