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

from dataclasses import dataclass

import numpy as np

from audio2shape_core.clouds import farthest_points, nearest_points, spacing, surface_normals

LENGTH, AMPLITUDE, NODES = 0.65, 0.06, 64  # of the smooth field; the first two in units of the shape's radius
MIRROR = np.array([1.0, -1.0, 1.0])
ROUNDS = 5
ASKED = 2048  # points asked, at most: a smooth field needs no more, and each round costs as many eigenvectors
NEIGHBORS = 6  # whose mean stands for the surface
NOISE = 0.05  # standard deviation of what no smooth field explains, in units of the shape's radius
FAR = 2.0  # spacings: a point this far from the mirror image's surface counts a quarter
# A thing is symmetric when, unbent, it lies about as near to its mirror image as two samples of one surface do: the
# mean distance of points to the mirror image's, over that to their own nearest neighbours.
ASYMMETRY_MAX = 1.5


@dataclass(frozen=True)
class SmoothField:
    """A Gaussian process over space, for smooth displacements.

    length, amplitude: of its Gaussian kernel and its standard deviation, world units. nodes: M, how many points stand
    for a cloud, spread evenly over it.
    """

    length: float
    amplitude: float
    nodes: int = NODES

    @classmethod
    def of(cls, points: np.ndarray) -> SmoothField:
        """The field for a cloud (N, 3): larger things bend over longer distances."""
        radius = float(np.linalg.norm(points - (points.max(0) + points.min(0)) / 2, axis=1).max())
        return cls(LENGTH * radius, AMPLITUDE * radius)

    def modes(self, points: np.ndarray, parity: int = 0) -> np.ndarray:
        """(N, R) functions at the points (N, 3), whitened (Nystrom): every mode's prior is the standard normal.

        parity: 1 for functions that are even in y, -1 for odd ones, 0 for any.
        """
        points = np.asarray(points, np.float64)
        centers = points[farthest_points(points, min(self.nodes, len(points)))]

        def plain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.exp(-np.square(a[:, None] - b).sum(-1) / (2 * self.length**2))

        def kernel(a: np.ndarray) -> np.ndarray:
            return plain(a, centers) + parity * plain(a, centers * MIRROR)

        values, vectors = np.linalg.eigh(kernel(centers))
        kept = values > 1e-3 * values[-1]
        return self.amplitude * kernel(points) @ vectors[:, kept] / np.sqrt((1 + abs(parity)) * values[kept])

    def vector_modes(self, points: np.ndarray, *, symmetric: bool) -> np.ndarray:
        """(N, 3, R) modes of displacements that keep a symmetric thing symmetric, or of those that do the opposite."""
        even, odd = self.modes(points, parity=1), self.modes(points, parity=-1)
        of_axis = (even, odd, even) if symmetric else (odd, even, odd)
        return np.concatenate([modes[:, None] * axis[:, None] for modes, axis in zip(of_axis, np.eye(3))], 2)


def symmetrize(points: np.ndarray, field: SmoothField) -> tuple[np.ndarray, bool]:
    """Take the antisymmetric part of a smooth bend out of a cloud.

    Each round asks by how much points lie off the mirror image's surface, along their own normals, and fits half of
    that by least squares under the field's prior.

    Arguments:
        points: (N, 3) canonical frame. field: what the bend is like.
    Returns: the cloud (N, 3) float64, and True; or the points as they were, and False, where the thing itself is not
    symmetric.
    """
    home = np.asarray(points, np.float64)
    all_modes = field.vector_modes(home, symmetric=False)
    whole, asked = home, np.linspace(0, len(home) - 1, min(ASKED, len(home))).astype(int)
    home, modes = whole[asked], all_modes[asked]
    unit, moved = float(np.median(spacing(home))), home
    for _ in range(ROUNDS):
        normals = surface_normals(moved)
        mirrored = moved * MIRROR
        theirs = mirrored[nearest_points(mirrored, moved, NEIGHBORS)[1]].mean(1)
        # against the mean of its own neighbours: on a curved surface that lies off the point, too
        own = moved[nearest_points(moved, moved, NEIGHBORS + 1)[1][:, 1:]].mean(1)
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
    own = nearest_points(points, points, 2)[0][:, 1].mean()
    return float(nearest_points(points * MIRROR, points, 1)[0].mean() / own)
