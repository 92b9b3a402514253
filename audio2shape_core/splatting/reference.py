"""The rasteriser's plain twin: every Gaussian at every pixel, in torch. Slow; the oracle of tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_MIN, project
from audio2shape_core.splatting.rasterizer import RenderOutput


def render_dense(gaussians: Gaussians, camera: Camera, world_to_camera: Tensor | None = None) -> RenderOutput:
    """What `render` computes over black, in memory N x H x W."""
    if world_to_camera is None:
        world_to_camera = torch.as_tensor(camera.world_to_camera, dtype=gaussians.means.dtype)
    splats = project(gaussians, camera, world_to_camera)
    drawn = splats.extents[:, 0] > 0
    order = torch.argsort(splats.depths.detach(), stable=True)
    order = order[drawn[order]]
    means2d, conics = splats.means2d[order], splats.conics[order]

    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    dx = x - means2d[:, 0, None, None]  # (N, H, W)
    dy = y - means2d[:, 1, None, None]
    xx, xy, yy = (conics[:, k, None, None] for k in range(3))
    distance = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy
    alpha = (gaussians.opacities[order, None, None] * torch.exp(-distance)).clamp(max=ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
    after = torch.cumprod(1 - alpha, 0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    weights = alpha * before * (after > TRANSMITTANCE_MIN)
    return RenderOutput(torch.einsum("nhw,nc->hwc", weights, gaussians.colors[order]), weights.sum(0))
