"""3D Gaussians as plain NumPy arrays: what files, messages and viewers hold. The trainable ones are in splatting.

Letters: G Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import expit, logit

from audio2shape_core.clouds import surface_discs

SH_C0 = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + SH_C0 f_dc
SURFACE_OPACITY = 0.85  # of the discs of a cloud: a seventh of the light passes, as near as discs come to solid
OPACITIES = (1e-7, 1 - 1e-7)  # between these, a logit is finite and comes back in float32
LEAST_SCALE = 1e-12


@dataclass(frozen=True)
class Splats:
    """G 3D Gaussians after activation, as viewers draw them; every array float32.

    means: (G, 3) centres. quats: (G, 4) unit quaternions w x y z. scales: (G, 3) standard deviations along the rotated
    axes, in the units of the means. opacities: (G,) in [0, 1]. colors: (G, 3) RGB in [0, 1].
    """

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    colors: np.ndarray

    def __len__(self) -> int:
        return len(self.means)

    @classmethod
    def read(
        cls, means: np.ndarray, quats: np.ndarray, scales: np.ndarray, opacities: np.ndarray, colors: np.ndarray
    ) -> Splats:
        """From a file's values: quaternions of any length (no rotation where it is 0), colours beyond [0, 1].

        Raises ValueError where there are none, or values that are not finite.
        """
        parts = means, quats, scales, opacities, colors
        if not len(means) or not all(np.isfinite(part).all() for part in parts) or (scales < 0).any():
            raise ValueError("expected one Gaussian at least, all values finite, scales >= 0")
        lengths = np.linalg.norm(quats, axis=1, keepdims=True)
        units = np.where(lengths > 0, quats / np.maximum(lengths, LEAST_SCALE), (1, 0, 0, 0))
        parts = means, units, scales, opacities, np.clip(colors, 0, 1)
        return cls(*(np.ascontiguousarray(part, np.float32) for part in parts))

    @classmethod
    def from_raw(
        cls, means: np.ndarray, quats: np.ndarray, log_scales: np.ndarray, logits: np.ndarray, harmonics: np.ndarray
    ) -> Splats:
        """From values before activation, as 3DGS trains and stores them. Raises ValueError as `read` does."""
        with np.errstate(over="ignore", invalid="ignore"):
            return cls.read(means, quats, np.exp(log_scales), expit(logits), 0.5 + SH_C0 * harmonics)

    @classmethod
    def from_cloud(cls, points: np.ndarray, colors: np.ndarray) -> Splats:
        """One disc a point, (N, 3) with colours (N, 3) uint8, in the plane of its neighbours."""
        quats, scales = surface_discs(points)
        opacities = np.full(len(points), SURFACE_OPACITY, np.float32)
        return cls(points, quats, scales.astype(np.float32), opacities, colors.astype(np.float32) / 255)

    @property
    def log_scales(self) -> np.ndarray:
        """(G, 3) float32."""
        return np.log(np.maximum(self.scales, LEAST_SCALE, dtype=np.float64)).astype(np.float32)

    @property
    def logit_opacities(self) -> np.ndarray:
        """(G,) float32, finite."""
        return logit(np.clip(self.opacities.astype(np.float64), *OPACITIES)).astype(np.float32)

    @property
    def harmonics(self) -> np.ndarray:
        """(G, 3) float32 coefficients of the constant spherical harmonic."""
        return (self.colors - np.float32(0.5)) / np.float32(SH_C0)

    @property
    def covariances(self) -> np.ndarray:
        """(G, 3, 3) float64."""
        axes = Rotation.from_quat(self.quats[:, [1, 2, 3, 0]]).as_matrix() * self.scales[:, None].astype(np.float64)
        return axes @ axes.transpose(0, 2, 1)
