"""3D Gaussians (paper III-C): position, covariance, opacity and colour of each primitive; how a cloud becomes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.clouds import surface_discs
from audio2shape_core.errors import InputError
from audio2shape_core.splats import SURFACE_OPACITY, Splats

SOLID = 4.0  # logit of an opacity of .98


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

    def map(self, function: Callable[[Tensor], Tensor]) -> Gaussians:
        """A copy whose every tensor is `function(tensor)`, e.g. `lambda t: t[kept]`."""
        return Gaussians(*(function(getattr(self, f.name)) for f in fields(self)))

    @classmethod
    def cat(cls, sets: Sequence[Gaussians]) -> Gaussians:
        """All of several sets, one after the other."""
        return cls(*(torch.cat([getattr(part, f.name) for part in sets]) for f in fields(cls)))

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
        quats, scales = surface_discs(points)
        return cls(
            means=torch.from_numpy(points.copy()),
            quats=torch.from_numpy(quats),
            log_scales=torch.from_numpy(np.log(scales).astype(np.float32)),
            logit_opacities=torch.full((len(points),), SURFACE_OPACITY).logit(),
            colors=torch.from_numpy(colors.astype(np.float32) / 255),
        )

    @classmethod
    def from_splats(cls, splats: Splats) -> Gaussians:
        """The Gaussians whose `to_splats` is `splats`, to float32's precision, on the CPU."""
        values = splats.means, splats.quats, splats.log_scales, splats.logit_opacities, splats.colors
        return cls(*(torch.from_numpy(value.copy()) for value in values))

    def to_splats(self) -> Splats:
        """After activation, as arrays without torch."""
        quats = torch.nn.functional.normalize(self.quats, dim=-1)
        values = self.means, quats, self.scales, self.opacities, self.colors.clamp(0, 1)
        return Splats(*(value.detach().float().cpu().numpy() for value in values))


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
