"""3D Gaussians (paper III-C): position, covariance, opacity and colour of each primitive; how a cloud becomes them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from audio2shape_core.errors import InputError

INITIAL_OPACITY = (
    0.85  # a surface of such discs lets about a seventh of the light through, as near as discs come to solid
)
SOLID = 4.0  # logit of an opacity of .98
# Gaussians start as discs on the surface: this is their thickness, as a share of their width.
INITIAL_FLATNESS = 0.3
# Width of a disc as a share of the mean distance to its three nearest neighbours: wide enough to close the surface.
INITIAL_WIDTH = 0.8
NEIGHBORS_FOR_NORMALS = 12


@dataclass
class Gaussians:
    """N primitives. Parameters are stored before activation, so that any real number is valid.

    Arguments:
        means: (N, 3) centres, world units.
        quats: (N, 4) rotations, w x y z, of any length above 0.
        log_scales: (N, 3) logarithms of the standard deviations along the rotated axes.
        logit_opacities: (N,) opacities before the sigmoid.
        colors: (N, 3) RGB, 0..1 (spherical harmonics of degree 0: the colour is the same from every side).
    """

    means: Tensor
    quats: Tensor
    log_scales: Tensor
    logit_opacities: Tensor
    colors: Tensor

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Tensor:
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        return self.logit_opacities.sigmoid()

    def map(self, function) -> Gaussians:
        """A copy whose every tensor is `function(tensor)`, e.g. `lambda t: t[kept]`."""
        return Gaussians(*(function(getattr(self, f.name)) for f in fields(self)))

    def solid(self) -> Gaussians:
        """A copy that hides what is behind it, as real surfaces do: for photographs, not for fitting."""
        return replace(self, logit_opacities=torch.full_like(self.logit_opacities, SOLID))

    def to(self, device: str) -> Gaussians:
        return self.map(lambda tensor: tensor.detach().to(device))

    def rotations(self) -> Tensor:
        """(N, 3, 3) rotation matrices of the quaternions."""
        return rotation_matrices(self.quats)

    @classmethod
    def from_cloud(cls, points: np.ndarray, colors: np.ndarray) -> Gaussians:
        """One disc per point, lying in the plane of its neighbours.

        Arguments:
            points: (N, 3) world units, N >= 4, finite.
            colors: (N, 3) uint8.
        """
        points = np.asarray(points, np.float32)
        colors = np.asarray(colors)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
            raise InputError(f"points of shape {points.shape}: expected (N, 3) finite coordinates with N >= 4")
        if colors.shape != points.shape or colors.dtype != np.uint8:
            raise InputError(f"colors {colors.dtype}{colors.shape}: expected uint8{points.shape}, one colour a point")
        width = INITIAL_WIDTH * spacing(points)[:, None]  # (N, 1)
        scales = np.repeat(width, 3, axis=1) * (1, 1, INITIAL_FLATNESS)
        return cls(
            means=torch.from_numpy(points.copy()),
            quats=torch.from_numpy(_surface_quaternions(points)),
            log_scales=torch.from_numpy(np.log(scales).astype(np.float32)),
            logit_opacities=torch.full((len(points),), INITIAL_OPACITY).logit(),
            colors=torch.from_numpy(colors.astype(np.float32) / 255),
        )


def spacing(points: np.ndarray) -> np.ndarray:
    """(N,) mean distance to the three nearest neighbours, but no less than the 5th percentile: points may repeat."""
    neighbors = min(4, len(points))
    distance = cKDTree(points).query(points, neighbors)[0][:, 1:].mean(1)
    positive = distance[distance > 0]
    return np.maximum(distance, np.percentile(positive, 5) if len(positive) else 1e-3)


def rotation_matrices(quats: Tensor) -> Tensor:
    """(N, 4) quaternions w x y z of any length -> (N, 3, 3)."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def surface_normals(points: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals of the surface that points (N, 3) lie on, of either sign."""
    return _surface_axes(points)[:, :, 0]


def _surface_axes(points: np.ndarray) -> np.ndarray:
    """(N, 3, 3) columns: the directions in which each point's neighbours spread, the least one, the normal, first."""
    _, index = cKDTree(points).query(points, min(NEIGHBORS_FOR_NORMALS, len(points)))
    local = points[index] - points[index].mean(1, keepdims=True)  # (N, K, 3)
    return np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))[1]


def _surface_quaternions(points: np.ndarray) -> np.ndarray:
    """(N, 4) rotations whose third axis is the local surface normal."""
    from scipy.spatial.transform import Rotation

    frame = _surface_axes(points)[:, :, [2, 1, 0]]
    frame[:, :, 1] *= np.sign(np.linalg.det(frame))[:, None]  # right-handed
    return Rotation.from_matrix(frame).as_quat()[:, [3, 0, 1, 2]].astype(np.float32)
