"""`render(gaussians, camera)`: differentiable splatting, on the CPU with our tile kernels, on CUDA with gsplat.

Both follow gsplat's constants: footprints grow by 0.3 px^2, alpha is capped at 0.999 and skipped below 1/255, a pixel
stops at transmittance 1e-4, pixel centres are at +0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.cpu_kernels import blend, blend_backward, sort_into_tiles
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import EPS2D, NEAR_PLANE, project


class RenderOutput(NamedTuple):
    color: Tensor  # (H, W, 3) over the background
    alpha: Tensor  # (H, W) 0..1
    depth: Tensor  # (H, W) expected depth of what is seen; 0 where nothing is
    means2d: Tensor  # (N, 2) pixels
    radii: Tensor  # (N,) pixels, 0 for a Gaussian that is not drawn


def render(
    gaussians: Gaussians, camera: Camera, *, world_to_camera: Tensor | None = None, background: Tensor | None = None
) -> RenderOutput:
    """Draw Gaussians as seen by a camera.

    Differentiable in every field of `gaussians` and in `world_to_camera`, on the device the Gaussians live on.

    Arguments:
        world_to_camera: (4, 4) pose to use instead of the camera's own, e.g. while it is being estimated.
        background: (3,) colour behind everything, 0..1; None is black.
    """
    means = gaussians.means
    if world_to_camera is None:
        world_to_camera = torch.as_tensor(camera.world_to_camera, dtype=means.dtype, device=means.device)
    backend = _render_gsplat if means.is_cuda else _render_tiles
    features, alpha, means2d, radii = backend(gaussians, camera, world_to_camera)
    color = features[..., :3]
    if background is not None:
        color = color + (1 - alpha)[..., None] * background
    depth = features[..., 3] / alpha.clamp(min=1e-6)
    return RenderOutput(color, alpha, depth, means2d, radii)


def _render_tiles(
    gaussians: Gaussians, camera: Camera, world_to_camera: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    splats = project(gaussians, camera, world_to_camera)
    features = torch.cat([gaussians.colors, splats.depths[:, None]], -1)
    image, alpha = _Blend.apply(
        splats.means2d, splats.conics, features, gaussians.opacities, splats.extents, camera.width, camera.height
    )
    return image.permute(1, 2, 0), alpha, splats.means2d, splats.extents.amax(-1).ceil()


class _Blend(torch.autograd.Function):
    """The numba kernels as one torch operation."""

    @staticmethod
    def forward(ctx, means2d, conics, features, opacities, extents, width, height):
        arrays = [t.detach().contiguous().numpy() for t in (means2d, conics, features, opacities, extents)]
        pairs, starts = sort_into_tiles(arrays[0], arrays[4], arrays[2][:, 3], width, height)
        image, alpha = blend(*arrays, pairs, starts, width, height)
        ctx.arrays = (*arrays, pairs, starts, image, alpha)
        return torch.from_numpy(image), torch.from_numpy(alpha)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g_image, g_alpha):
        gradient = blend_backward(*ctx.arrays, g_image.contiguous().numpy(), g_alpha.contiguous().numpy())
        gradient = torch.from_numpy(gradient)
        return gradient[:, :2], gradient[:, 2:5], gradient[:, 6:], gradient[:, 5], None, None, None


def _render_gsplat(
    gaussians: Gaussians, camera: Camera, world_to_camera: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from gsplat import rasterization  # compiles its kernels on first use

    image, alpha, info = rasterization(
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        gaussians.opacities,
        gaussians.colors,
        world_to_camera[None],
        torch.as_tensor(camera.intrinsics, dtype=torch.float32, device=gaussians.means.device)[None],
        camera.width,
        camera.height,
        near_plane=NEAR_PLANE,
        eps2d=EPS2D,
        render_mode="RGB+D",
        packed=False,  # faster for one small object
    )
    return image[0], alpha[0, ..., 0], info["means2d"][0], info["radii"][0].amax(-1).float()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Hold torch to one thread. Its operations on a few thousand Gaussians are too small to share out, and its waiting
    threads would spin on the cores that the kernels need: with other processes about, steps took five times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
