"""Fit Gaussians to one image from a known viewpoint, without losing what the image does not show."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.clouds import spacing
from audio2shape_core.errors import Progress
from audio2shape_core.refinement.adam import Adam
from audio2shape_core.refinement.appearance import color_transfer, paint, visibility
from audio2shape_core.refinement.deformation import Deformation
from audio2shape_core.refinement.dense_cloud import onto_surface
from audio2shape_core.refinement.density import DensityControl
from audio2shape_core.refinement.schedule import Schedule
from audio2shape_core.refinement.symmetry import SmoothField, symmetrize
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import blending_weights, one_torch_thread, render

# First part: the shape is only bent into place. Learning rates are of Adam, in the units given.
REGISTER = 0.4  # share of the steps
REGISTER_RATES = {"bend": 0.15, "width": 0.01}  # deviations of the smooth modes; logarithm of all discs' width
REGISTER_LAST = 0.1  # share of the learning rates left at the last step
REGISTER_COLOR = 0.5  # weight of the colour error: imagined colours are only roughly right
# Second part: every Gaussian learns. With larger rates of `log_scales` and `quats` the fitted view gains little and the
# others lose. `bend` as above, `shift` in spacings of the cloud.
RATES = {"shift": 0.02, "quats": 0.005, "log_scales": 0.007, "bend": 0.01, "logit_opacities": 0.05, "colors": 0.02}
LAST = 0.02
# What holds the second part back, against the colour and the silhouette error, both mean absolute.
BENDING = 3e-3  # of the smooth field's log prior; in the first part, too
ANCHOR = 1e-3  # of the squared movement of the centres on their own
RIGIDITY = 5e-3  # of the squared differences between a centre's own movement and its neighbours'
SIZE = 1e-3  # of the squared change of the logarithm of each scale
MAX_SCALE = 3.0  # spacings of the cloud: no Gaussian grows wider


@dataclass(frozen=True)
class Fit:
    """The result: gaussians; imagined (N, 3), the colour that each had before its own was learned; seen (N,) 0..1, how
    much of each reaches the eye; residual, mean absolute colour error on the image."""

    gaussians: Gaussians
    imagined: Tensor
    seen: Tensor
    residual: float

    @classmethod
    def judge(cls, gaussians: Gaussians, imagined: Tensor, target: Tensor, camera: Camera) -> Fit:
        """A set as it is, looked at from the camera."""
        with torch.no_grad():
            residual = (render(gaussians, camera).color - target).abs().mean().item()
        return cls(gaussians, imagined, visibility(gaussians, camera), residual)


@one_torch_thread()
def fit(
    coarse: Gaussians,
    target: Tensor,
    mask: Tensor,
    camera: Camera,
    *,
    iterations: int,
    seed: int = 0,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Minimise |color - target| + |alpha - mask| + what ties the Gaussians to the coarse shape.

    First the shape as a whole is bent until its outline and its parts lie where the image has them, and its colours are
    mapped to the image's; then every Gaussian learns its own colour, opacity, size, and a small movement.

    Arguments:
        target: (H, W, 3) the object over black, 0..1; mask: (H, W) 0..1; both on the Gaussians' device.
        deadline: time.monotonic(); the schedule shortens itself to end in time. The best set seen so far is returned.
        progress: called as progress("refine", step, iterations) before every step, and in the end.
    """
    start = coarse.map(Tensor.detach)
    if not iterations:
        return Fit.judge(start, start.colors, target, camera)
    schedule = Schedule("refine", iterations, deadline, progress)
    start, deformation = _straightened(start, camera)
    start = _register(start, deformation, target, mask, camera, schedule)
    sizes, imagined = start.log_scales, start.colors
    start = replace(start, colors=paint(start, camera, target, mask))
    best, best_imagined, best_error = start, imagined, math.inf
    gaussians = start.map(lambda t: t.clone().requires_grad_())
    learned = _own(gaussians, deformation) | {"bend": deformation.bend}
    optimizer = Adam({name: learned[name] for name in RATES}, eps=1e-15)
    generator, density = torch.Generator().manual_seed(seed), DensityControl()
    rounds = density.steps(iterations)

    for share in schedule.until(1.0):
        bent = replace(gaussians, means=deformation.means())
        out = render(bent, camera)
        error = (out.color - target).abs().mean(-1) + (out.alpha - mask).abs()  # (H, W)
        data = error.mean()
        if data.item() < best_error:
            best, best_imagined, best_error = bent.map(lambda t: t.detach().clone()), imagined, data.item()
        ties = (
            BENDING * deformation.bending()
            + ANCHOR * deformation.departure()
            + RIGIDITY * deformation.strain()
            + SIZE * (gaussians.log_scales - sizes).square().sum(-1).mean()
        )
        pace = _cosine((share - REGISTER) / (1 - REGISTER), LAST)
        optimizer.step(data + ties, {name: pace * rate for name, rate in RATES.items()})
        with torch.no_grad():
            gaussians.log_scales.clamp_(max=math.log(MAX_SCALE * deformation.unit))
            gaussians.colors.clamp_(0, 1)

        if rounds and share >= rounds[0] / iterations:
            rounds.pop(0)
            burden = blending_weights(bent, camera, error.detach()[..., None])[:, 0]
            before = replace(gaussians, means=deformation.means()).map(Tensor.detach)
            after, index = density.change(before, burden, len(coarse), generator)
            gaussians = after.map(lambda t: t.requires_grad_())
            deformation.follow(index, (after.means - before.means[index]).detach())
            optimizer.follow(_own(gaussians, deformation), index)
            imagined = imagined[index]
            sizes = sizes[index] + (after.log_scales - before.log_scales[index]).detach()
    schedule.finish()
    return Fit.judge(best, best_imagined, target, camera)


def _own(gaussians: Gaussians, deformation: Deformation) -> dict[str, Tensor]:
    """What is learned of every Gaussian by itself."""
    return {name: tensor for name, tensor in vars(gaussians).items() if name != "means"} | {"shift": deformation.shift}


def _cosine(share: float, last: float) -> float:
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))


def _straightened(start: Gaussians, camera: Camera) -> tuple[Gaussians, Deformation]:
    """The set without the scatter of its points about the surface, and symmetric where the thing is; how it may bend
    before this camera."""
    points = start.means.cpu().numpy()
    points = onto_surface(points, points)
    points, symmetric = symmetrize(points, SmoothField.of(points))
    points = points.astype(np.float32)
    start = replace(start, means=torch.from_numpy(points).to(start.means.device))
    lateral = torch.as_tensor(camera.world_to_camera[:2, :3], dtype=torch.float32, device=start.means.device)
    unit = float(np.median(spacing(points)))
    return start, Deformation(start.means, lateral, unit, symmetric=symmetric, field=SmoothField.of(points))


def _register(
    start: Gaussians, deformation: Deformation, target: Tensor, mask: Tensor, camera: Camera, schedule: Schedule
) -> Gaussians:
    """Bend the shape into place; returns it there, in colours mapped to the image's."""
    # A cloud that scatters about its surface looks thicker than it is. One width for all discs absorbs that; otherwise
    # the shape would be bent thinner.
    width = torch.zeros((), device=target.device, requires_grad=True)
    optimizer = Adam({"bend": deformation.bend, "width": width})
    matrix, offset = torch.eye(3).to(target), torch.zeros(3).to(target)
    for share in schedule.until(REGISTER):
        out = render(replace(start, means=deformation.means(), log_scales=start.log_scales + width), camera)
        matrix, offset = color_transfer(out.color.detach(), out.alpha.detach(), target, mask)
        color = out.color @ matrix.T + out.alpha[..., None] * offset
        data = REGISTER_COLOR * (color - target).abs().mean() + (out.alpha - mask).abs().mean()
        pace = _cosine(share / REGISTER, REGISTER_LAST)
        loss = data + BENDING * deformation.bending()
        optimizer.step(loss, {name: pace * rate for name, rate in REGISTER_RATES.items()})
    return replace(
        start,
        means=deformation.means().detach(),
        log_scales=start.log_scales + width.detach(),
        colors=(start.colors @ matrix.T + offset).clamp(0, 1),
    )
