"""`render(gaussians, camera)`: differentiable splatting, on the CPU with our tile kernels, on CUDA with gsplat.

Both follow gsplat's constants (projection.py); pixel centres are at +0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import EPS2D, NEAR_PLANE, project


class RenderOutput(NamedTuple):
    color: Tensor  # (H, W, 3) over the background
    alpha: Tensor  # (H, W) 0..1


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
    color, alpha = backend(gaussians, camera, world_to_camera)
    if background is not None:
        color = color + (1 - alpha)[..., None] * background
    return RenderOutput(color, alpha)


def blending_weights(gaussians: Gaussians, camera: Camera, per_pixel: Tensor) -> Tensor:
    """What each Gaussian has a share in: the sum over all pixels of its blending weight there x the pixel's value.

    A pixel's colour is the sum of weight x colour, so that these sums are gradients of the image with respect to the
    colours: one ordinary backward pass gives three of them for all Gaussians.

    Arguments:
        per_pixel: (H, W, K). Returns: (N, K).
    """
    frozen = gaussians.map(Tensor.detach)
    colors = frozen.colors.clone().requires_grad_()
    image = render(replace(frozen, colors=colors), camera).color
    sums: list[Tensor] = []
    for part in per_pixel.split(3, dim=-1):
        padded = torch.nn.functional.pad(part, (0, 3 - part.shape[-1]))
        sums += torch.autograd.grad(image, colors, padded, retain_graph=True)
    return torch.cat(sums, -1)[:, : per_pixel.shape[-1]]


def _render_tiles(gaussians: Gaussians, camera: Camera, world_to_camera: Tensor) -> tuple[Tensor, Tensor]:
    splats = project(gaussians, camera, world_to_camera)
    parts = splats.means2d, splats.conics, gaussians.colors, gaussians.opacities, splats.extents
    image, alpha = _Blend.apply(splats.depths.detach(), camera.width, camera.height, *parts)
    return image.permute(1, 2, 0), alpha


class _Blend(torch.autograd.Function):
    """The numba kernels as one torch operation."""

    @staticmethod
    def forward(ctx: Any, depths: Tensor, width: int, height: int, *parts: Tensor) -> tuple[Tensor, ...]:
        from audio2shape_core.splatting.cpu_kernels import Splats, blend, sort_into_tiles  # numba takes 0.3 s

        splats = Splats(*(tensor.detach().contiguous().numpy() for tensor in parts))
        tiles = sort_into_tiles(splats, depths.numpy(), width, height)
        ctx.seen = splats, tiles, blend(splats, tiles, width, height)
        return tuple(map(torch.from_numpy, ctx.seen[-1]))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g_image: Tensor, g_alpha: Tensor) -> tuple[Tensor | None, ...]:
        from audio2shape_core.splatting.cpu_kernels import Picture, blend_backward

        splats, tiles, picture = ctx.seen
        gradient = Picture(g_image.contiguous().numpy(), g_alpha.contiguous().numpy())
        by_splat = torch.from_numpy(blend_backward(splats, tiles, picture, gradient))
        mean, conic, opacity, color = by_splat.split((2, 3, 1, 3), dim=1)
        return None, None, None, mean, conic, color, opacity[:, 0], None


def _render_gsplat(gaussians: Gaussians, camera: Camera, world_to_camera: Tensor) -> tuple[Tensor, Tensor]:
    from gsplat import rasterization  # compiles its kernels on first use

    image, alpha, _ = rasterization(
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
        render_mode="RGB",
        packed=False,  # faster for one small object
    )
    return image[0], alpha[0, ..., 0]


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
