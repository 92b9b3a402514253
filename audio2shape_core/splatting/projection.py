"""Gaussians to screen space (EWA splatting, as in gsplat `fully_fused_projection`), in torch for its gradients.

N Gaussians; everything is float32. Means, quaternions, scales and the camera's pose all receive gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.gaussians import Gaussians

# What every rasterizer here obeys, as gsplat does.
EPS2D = 0.3  # pixels squared, added to every footprint so that none falls between pixel centres
NEAR_PLANE = 0.01  # what lies nearer to the camera is not drawn
ALPHA_MIN = 1 / 255  # a fainter contribution is skipped
ALPHA_MAX = 0.999  # no splat hides everything behind it
TRANSMITTANCE_MIN = 1e-4  # a pixel stops at the first splat that would leave less of the light; it is not drawn


class Footprints(NamedTuple):
    """Gaussians as the image shows them."""

    means2d: Tensor  # (N, 2) pixels
    conics: Tensor  # (N, 3) inverse covariance: xx, xy, yy
    depths: Tensor  # (N,) along the optical axis
    extents: Tensor  # (N, 2) half-size in pixels of the box in which alpha >= ALPHA_MIN; 0 when not drawn


def project(gaussians: Gaussians, camera: Camera, world_to_camera: Tensor) -> Footprints:
    """Project with the local affine approximation of the perspective (Zwicker et al. 2002).

    Arguments:
        world_to_camera: (4, 4) tensor; differentiable.
    """
    rotation, translation = world_to_camera[:3, :3], world_to_camera[:3, 3]
    in_camera = gaussians.means @ rotation.T + translation  # (N, 3)
    depths = in_camera[:, 2]
    z = torch.where(depths > NEAR_PLANE, depths, 1.0)  # what lies behind is not drawn; keep its numbers finite
    x, y = in_camera[:, 0] / z, in_camera[:, 1] / z
    means2d = torch.stack([camera.fx * x + camera.cx, camera.fy * y + camera.cy], -1)

    # covariance = (J M) (J M)^T with M = R_camera R S, written as two row vectors of J M. Far outside the image the
    # affine approximation explodes, so its point of expansion is held near the frame (as gsplat does).
    margin_x, margin_y = 0.15 * camera.width / camera.fx, 0.15 * camera.height / camera.fy
    x = x.clamp(-camera.cx / camera.fx - margin_x, (camera.width - camera.cx) / camera.fx + margin_x)
    y = y.clamp(-camera.cy / camera.fy - margin_y, (camera.height - camera.cy) / camera.fy + margin_y)
    axes = rotation @ gaussians.rotations() * gaussians.scales[:, None]  # (N, 3, 3)
    across = (camera.fx / z)[:, None] * (axes[:, 0] - x[:, None] * axes[:, 2])  # (N, 3)
    down = (camera.fy / z)[:, None] * (axes[:, 1] - y[:, None] * axes[:, 2])
    xx = (across * across).sum(-1) + EPS2D
    yy = (down * down).sum(-1) + EPS2D
    xy = (across * down).sum(-1)
    determinant = (xx * yy - xy * xy).clamp(min=1e-10)
    conics = torch.stack([yy, -xy, xx], -1) / determinant[:, None]

    with torch.no_grad():
        # alpha = opacity exp(-d^2 / 2) reaches ALPHA_MIN at d = sqrt(2 ln(opacity / ALPHA_MIN)), at most 3.33
        reach = (2 * (gaussians.opacities / ALPHA_MIN).clamp(min=1).log()).sqrt()[:, None]
        extents = reach * torch.stack([xx, yy], -1).sqrt()
        low, high = means2d - extents, means2d + extents
        drawn = (depths > NEAR_PLANE) & (high > 0).all(-1) & (low[:, 0] < camera.width) & (low[:, 1] < camera.height)
        drawn &= torch.isfinite(means2d).all(-1) & torch.isfinite(extents).all(-1)
        extents = torch.where(drawn[:, None], extents, 0.0)
    return Footprints(means2d, conics, depths, extents)
