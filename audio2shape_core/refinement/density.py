"""Adaptive density control (paper III-C): more Gaussians where the image is matched badly, none where they do nothing.

The original trigger is the gradient of the screen position; the paper's is the residual. The share of a pixel's error
that falls on a Gaussian is its blending weight there, and the sum over pixels of weight x error is the gradient of
(image x error) with respect to the Gaussian's colour: one ordinary backward pass gives it for all of them
(cf. Bulo et al. 2024, "Revising Densification in Gaussian Splatting").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import render


@dataclass(frozen=True)
class DensityControl:
    """When and how much.

    Arguments:
        start, stop: shares of the step budget between which the set may change: once the shape is in place.
        rounds: how many times within that span.
        grow: largest share of new Gaussians in one round.
        max_growth: the set never grows beyond this many times its first size.
        prune_opacity: fainter Gaussians are removed. The default is gsplat's.
        split_scale: a Gaussian wider than this many times the median is split in two, a smaller one is cloned.
        shrink: how much narrower the halves of a split one are (3DGS: 1.6).
    """

    start: float = 0.45
    stop: float = 0.8
    rounds: int = 5
    grow: float = 0.1
    max_growth: float = 1.6
    prune_opacity: float = 0.005
    split_scale: float = 1.2
    shrink: float = 1.6

    def steps(self, iterations: int) -> set[int]:
        """The steps, out of `iterations`, after which the set changes."""
        return {round(share * iterations) for share in np.linspace(self.start, self.stop, self.rounds)} - {0}


def weighted_residual(gaussians: Gaussians, camera: Camera, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Per Gaussian: sum over pixels of weight x residual (N,), and of weight (N,), in pixels.

    Arguments:
        residual: (H, W) error of each pixel, >= 0.
    """
    frozen = gaussians.map(Tensor.detach)
    colors = frozen.colors.clone().requires_grad_()
    color = render(Gaussians(**{**vars(frozen), "colors": colors}), camera).color
    error, weight, _ = torch.autograd.grad(
        color, colors, torch.stack([residual, torch.ones_like(residual), torch.zeros_like(residual)], -1)
    )[0].unbind(-1)
    return error, weight


def choose(gaussians: Gaussians, error: Tensor, control: DensityControl, first_size: int) -> tuple[Tensor, Tensor]:
    """Which Gaussians stay and which are doubled.

    Arguments:
        error: (N,) from `weighted_residual`.
    Returns: index of those kept (K,), and of those doubled (D,) among the kept; both ascending.
    """
    kept = torch.nonzero(gaussians.opacities > control.prune_opacity).flatten()
    room = min(int(control.grow * len(kept)), int(control.max_growth * first_size) - len(kept))
    error = error[kept]
    # Only what carries clearly more of the error than the average is worth another Gaussian.
    candidates = error > 2 * error[error > 0].mean()
    room = max(0, min(room, int(candidates.sum())))
    return kept, torch.topk(error, room).indices.sort().values


def double(gaussians: Gaussians, control: DensityControl, generator: torch.Generator) -> Gaussians:
    """(N) -> (2N): the first and the second half of every Gaussian.

    Wide ones are split: both halves are drawn from the original's own distribution and narrower. Others are cloned a
    little apart. Opacity is lowered so that two in front of each other let as much light through as one did.
    """
    scales = gaussians.scales
    wide = scales.amax(-1, keepdim=True) > control.split_scale * scales.amax(-1).median()
    spread = torch.where(wide, 1.0, 0.5)
    halves = []
    offset = torch.randn(scales.shape, generator=generator).to(scales) * scales * spread
    offset = torch.einsum("nij,nj->ni", gaussians.rotations(), offset)
    opacities = 1 - (1 - gaussians.opacities).sqrt()
    for sign in (1, -1):
        halves.append(
            Gaussians(
                means=gaussians.means + sign * offset,
                quats=gaussians.quats,
                log_scales=torch.where(wide, gaussians.log_scales - np.log(control.shrink), gaussians.log_scales),
                logit_opacities=torch.logit(opacities, eps=1e-6),
                colors=gaussians.colors,
            )
        )
    return Gaussians(*(torch.cat(pair) for pair in zip(vars(halves[0]).values(), vars(halves[1]).values())))
