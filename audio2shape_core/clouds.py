"""Point clouds: how far apart their points lie, which way their surface faces, how they become larger or smaller.

Letters: N points.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

# Width of a disc as a share of the mean distance to its three nearest neighbours: wide enough to close the surface.
DISC_WIDTH = 0.8
DISC_FLATNESS = 0.3  # thickness of a disc as a share of its width
NEIGHBORS_FOR_NORMALS = 12


def nearest_points(cloud: np.ndarray, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances (M, K) from places (M, D) to their nearest points of a cloud (N, D), and those points' indices (M, K).

    K is `count`, or N where there are fewer; the nearest comes first.
    """
    distance, index = cKDTree(cloud).query(places, range(1, min(count, len(cloud)) + 1))
    return np.asarray(distance), np.asarray(index)


def spacing(points: np.ndarray) -> np.ndarray:
    """(N,) mean distance to the three nearest neighbours, but no less than the 5th percentile: points may repeat."""
    distance = nearest_points(points, points, 4)[0][:, 1:].mean(1)
    positive = distance[distance > 0]
    return np.maximum(distance, np.percentile(positive, 5) if len(positive) else 1e-3)


def surface_normals(points: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals of the surface that points (N, 3) lie on, of either sign."""
    return _surface_axes(points)[:, :, 0]


def surface_discs(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A flat disc at every point, in the plane of its neighbours; together they close the surface.

    Arguments:
        points: (N, 3), N >= 4.
    Returns: rotations (N, 4) float32 unit quaternions w x y z whose third axis is the normal of the surface, and
    scales (N, 3) float64, standard deviations along the rotated axes in the units of the points.
    """
    frame = _surface_axes(points)[:, :, [2, 1, 0]]
    frame[:, :, 1] *= np.sign(np.linalg.det(frame))[:, None]  # right-handed
    quats = Rotation.from_matrix(frame).as_quat()[:, [3, 0, 1, 2]].astype(np.float32)
    return quats, np.repeat(DISC_WIDTH * spacing(points)[:, None], 3, axis=1) * (1, 1, DISC_FLATNESS)


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices into points (N, 3), count <= N: farthest point sampling (Eldar et al. 1997).

    Each is the one farthest from all before it, so that every beginning of the list is spread evenly, too. Takes time
    N x count: 8192 of 16384 a fifth of a second.
    """
    x, y, z = np.ascontiguousarray(np.transpose(points), np.float32)
    chosen = np.zeros(count, np.int64)
    distance = np.full(len(points), np.inf, np.float32)  # squared, to the nearest one chosen
    for k in range(1, count):
        last = chosen[k - 1]
        dx, dy, dz = x - x[last], y - y[last], z - z[last]
        np.minimum(distance, dx * dx + dy * dy + dz * dz, out=distance)
        chosen[k] = distance.argmax()
    return chosen


def resize_cloud(points: np.ndarray, num_points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A cloud at another size: (N, 3) -> points (num_points, 3), and which point each belongs to (num_points,).

    Larger clouds are subsampled. Smaller ones gain points between neighbours, on or close to the surface.
    """
    if len(points) >= num_points:
        kept = rng.choice(len(points), num_points, replace=False)
        return points[kept], kept
    extra = rng.choice(len(points), num_points - len(points), replace=num_points > 2 * len(points))
    _, neighbours = nearest_points(points, points[extra], 4)
    partner = neighbours[np.arange(len(extra)), rng.integers(1, 4, len(extra))]
    share = rng.uniform(0.3, 0.7, (len(extra), 1)).astype(np.float32)
    between = share * points[extra] + (1 - share) * points[partner]
    return np.concatenate([points, between]), np.concatenate([np.arange(len(points)), extra])


def _surface_axes(points: np.ndarray) -> np.ndarray:
    """(N, 3, 3) columns: the directions in which each point's neighbours spread, the least one, the normal, first."""
    _, index = nearest_points(points, points, NEIGHBORS_FOR_NORMALS)
    local = points[index] - points[index].mean(1, keepdims=True)  # (N, K, 3)
    return np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))[1]


def isolation(points: np.ndarray) -> np.ndarray:
    """How well each point is held by its neighbours: (N, 3) -> (N,) float32 in (0, 1], 1 for a typical point.

    A stray point of a generated cloud lies several times farther from its fourth neighbour than most do.
    """
    distance = np.asarray(cKDTree(points).query(points, k=5)[0])[:, -1]
    return np.minimum(1.0, 1.5 * np.median(distance) / np.maximum(distance, 1e-9)).astype(np.float32)
