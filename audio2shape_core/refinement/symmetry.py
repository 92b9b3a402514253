"""Left and right (y -> -y): a bent cloud of a symmetric thing is unbent, before any image is looked at.

Most made and living things are symmetric left to right, and a generator knows that less well than its clouds show: what
it gets wrong on one side it gets wrong otherwise on the other. A smooth displacement has two parts, u(x) = M u(M x) and
u(x) = -M u(M x), M the mirror. The second one is all that makes a symmetric thing's cloud differ from its mirror image,
so it can be found without knowing the thing. (Only that part is looked for: the first would let the cloud shrink onto
the mean of both sides.) The first is left to the image, which then sees every point from two sides, its own and its
mirror image's, and so learns of depth, too.

Letters: N points, M nodes, R modes.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from audio2shape_core.clouds import spacing, surface_normals
from audio2shape_core.refinement.spread import farthest_points

MIRROR = np.array([1.0, -1.0, 1.0])
ROUNDS = 5
ASKED = 2048  # points asked, at most: a smooth field needs no more, and each round costs as many eigenvectors
NEIGHBORS = 6  # whose mean stands for the surface
NOISE = 0.05  # standard deviation of what no smooth field explains, in units of the shape's radius
FAR = 2.0  # spacings: a point this far from the mirror image's surface counts a quarter
# A thing is symmetric when, unbent, it lies about as near to its mirror image as two samples of one surface do: the
# mean distance of points to the mirror image's, over that to their own nearest neighbours.
ASYMMETRY_MAX = 1.5


def smooth_modes(points: np.ndarray, *, length: float, amplitude: float, nodes: int, parity: int = 0) -> np.ndarray:
    """(N, R): a Gaussian process in whitened coordinates (Nystrom): every mode's prior is the standard normal.

    Arguments:
        points: (N, 3). length, amplitude: of its Gaussian kernel and its standard deviation, world units.
        nodes: M, spread evenly over the points.
        parity: 1 for functions that are even in y, -1 for odd ones, 0 for any.
    """
    points = np.asarray(points, np.float64)
    centers = points[farthest_points(points, min(nodes, len(points)))]

    def kernel(a: np.ndarray) -> np.ndarray:
        def plain(b: np.ndarray) -> np.ndarray:
            return np.exp(-np.square(a[:, None] - b).sum(-1) / (2 * length**2))

        return plain(centers) + parity * plain(centers * MIRROR)

    values, vectors = np.linalg.eigh(kernel(centers))
    kept = values > 1e-3 * values[-1]
    return amplitude * kernel(points) @ vectors[:, kept] / np.sqrt((1 + abs(parity)) * values[kept])


def vector_modes(even: np.ndarray, odd: np.ndarray, *, symmetric: bool) -> np.ndarray:
    """(N, 3, R) modes of displacements that keep a symmetric thing symmetric, or of those that do the opposite."""
    of_axis = (even, odd, even) if symmetric else (odd, even, odd)
    size = sum(modes.shape[1] for modes in of_axis)
    result, start = np.zeros((len(even), 3, size)), 0
    for axis, modes in enumerate(of_axis):
        result[:, axis, start : start + modes.shape[1]] = modes
        start += modes.shape[1]
    return result


def symmetrize(points: np.ndarray, *, length: float, amplitude: float, nodes: int) -> tuple[np.ndarray, bool]:
    """Take the antisymmetric part of a smooth bend out of a cloud.

    Each round asks by how much points lie off the mirror image's surface, along their own normals, and fits half of
    that by least squares under the field's prior.

    Arguments:
        points: (N, 3) canonical frame. The others: of the field, see `smooth_modes`.
    Returns: the cloud (N, 3) float64, and True; or the points as they were, and False, where the thing itself is not
    symmetric.
    """
    home = np.asarray(points, np.float64)
    field = {"length": length, "amplitude": amplitude, "nodes": nodes}
    even, odd = smooth_modes(home, **field, parity=1), smooth_modes(home, **field, parity=-1)
    all_modes = vector_modes(even, odd, symmetric=False)
    whole, asked = home, np.linspace(0, len(home) - 1, min(ASKED, len(home))).astype(int)
    home, modes = whole[asked], all_modes[asked]
    unit, moved = float(np.median(spacing(home))), home
    for _ in range(ROUNDS):
        normals = surface_normals(moved)
        mirrored = moved * MIRROR
        theirs = mirrored[cKDTree(mirrored).query(moved, NEIGHBORS)[1]].mean(1)
        # against the mean of its own neighbours: on a curved surface that lies off the point, too
        own = moved[cKDTree(moved).query(moved, NEIGHBORS + 1)[1][:, 1:]].mean(1)
        off = theirs - own
        trust = 1 / (1 + np.square(off).sum(1) / (FAR * unit) ** 2) ** 2
        wanted = np.einsum("ni,ni->n", moved - home + off / 2, normals)
        along = np.einsum("nir,ni->nr", modes, normals)
        weighted = along * (trust / NOISE**2)[:, None]
        found = np.linalg.solve(weighted.T @ along + np.eye(along.shape[1]), weighted.T @ wanted)
        moved = home + modes @ found
    if asymmetry(moved) > ASYMMETRY_MAX:
        return whole, False
    return whole + all_modes @ found, True


def asymmetry(points: np.ndarray) -> float:
    """Mean distance of points to their mirror image, in mean distances to their own nearest neighbours."""
    own = cKDTree(points).query(points, 2)[0][:, 1].mean()
    return float(cKDTree(points * MIRROR).query(points)[0].mean() / own)
