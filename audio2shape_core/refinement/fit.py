"""Fit Gaussians to one image from a known viewpoint, without losing what the image does not show."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.errors import Progress
from audio2shape_core.refinement.deformation import Deformation
from audio2shape_core.refinement.density import DensityControl, choose, double, weighted_residual
from audio2shape_core.refinement.gaussians import Gaussians, spacing
from audio2shape_core.refinement.projection import project
from audio2shape_core.refinement.rasterizer import one_torch_thread, render


@dataclass(frozen=True)
class FitSettings:
    """What is learned how fast, and what holds it back. Lengths are in units of the cloud's own spacing.

    Arguments:
        bend, means, scales, quats, opacities, colors: Adam learning rates at the first step; a cosine lowers them all to
            a tenth. `bend` moves the nodes of the smooth deformation, `means` the centres on their own.
        nodes: how many nodes the smooth deformation has.
        alpha: weight of the silhouette against the colour error, both mean absolute.
        bending: weight of the squared movement of the nodes.
        anchor: weight of the squared movement of the centres on their own.
        rigidity: weight of the squared differences between a centre's own movement and its neighbours'.
        size: weight of the squared change of the logarithm of each scale.
        max_scale: a Gaussian is at most this many spacings wide.
        density: when Gaussians are added and removed.
    """

    bend: float = 0.4
    means: float = 0.02
    scales: float = 0.01
    quats: float = 0.01
    opacities: float = 0.05
    colors: float = 0.02
    alpha: float = 1.0
    nodes: int = 32
    bending: float = 3e-5
    anchor: float = 1e-3
    rigidity: float = 5e-3
    size: float = 1e-3
    max_scale: float = 3.0
    density: DensityControl = field(default_factory=DensityControl)


@dataclass(frozen=True)
class Fit:
    """The result: gaussians; origin (N,), the coarse Gaussian each descends from; seen (N,) 0..1, how much of each reaches
    the eye; residual, mean absolute colour error on the image."""

    gaussians: Gaussians
    origin: Tensor
    seen: Tensor
    residual: float


@one_torch_thread()
def fit(
    coarse: Gaussians,
    target: Tensor,
    mask: Tensor,
    camera: Camera,
    *,
    iterations: int,
    seed: int = 0,
    time_budget_s: float | None = None,
    progress: Progress | None = None,
    settings: FitSettings | None = None,
) -> Fit:
    """Minimise |color - target| + alpha |alpha - mask| + what ties the Gaussians to the coarse shape.

    Arguments:
        target: (H, W, 3) the object over black, 0..1; mask: (H, W) 0..1; both on the Gaussians' device.
        time_budget_s: seconds; the schedule shortens itself to end in time. The best set seen so far is returned.
        progress: called as progress("refine", step, iterations) before every step.
    """
    settings = settings or FitSettings()
    generator = torch.Generator().manual_seed(seed)
    unit = float(np.median(spacing(coarse.means.detach().cpu().numpy())))
    gaussians = coarse.map(lambda t: t.detach().clone().requires_grad_())
    deformation = Deformation(gaussians.means, unit, settings.nodes)
    sizes = coarse.log_scales.detach().clone()
    optimizer = _adam(gaussians, deformation, settings, unit)
    events = sorted(settings.density.steps(iterations))
    origin = torch.arange(len(coarse), device=coarse.means.device)
    best, best_origin, best_error = coarse, origin, math.inf
    started = time.monotonic()

    for step in range(iterations):
        if progress:
            progress("refine", step, iterations)
        share = step / iterations
        if time_budget_s is not None:
            spent = (time.monotonic() - started) / max(time_budget_s, 1e-9)
            if spent >= 1:
                break
            share = max(share, spent)
        for group in optimizer.param_groups:
            group["lr"] = group["first_lr"] * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))

        bent = replace(gaussians, means=gaussians.means + deformation.displacement())
        out = render(bent, camera)
        error = (out.color - target).abs().mean(-1) + settings.alpha * (out.alpha - mask).abs()  # (H, W)
        data = error.mean()
        if data.item() < best_error:
            best, best_origin, best_error = bent.map(lambda t: t.detach().clone()), origin, data.item()
        ties = (
            settings.bending * deformation.bending()
            + settings.anchor * deformation.departure(gaussians.means)
            + settings.rigidity * deformation.strain(gaussians.means)
            + settings.size * (gaussians.log_scales - sizes).square().sum(-1).mean()
        )
        optimizer.zero_grad()
        (data + ties).backward()
        optimizer.step()
        with torch.no_grad():
            gaussians.log_scales.clamp_(max=math.log(settings.max_scale * unit))
            gaussians.colors.clamp_(0, 1)

        if events and share >= events[0] / iterations:
            events.pop(0)
            burden, _ = weighted_residual(bent, camera, error.detach())
            before = gaussians
            gaussians, index = _change_density(before, burden, len(coarse), optimizer, settings.density, generator)
            with torch.no_grad():
                deformation.follow(index, gaussians.means - before.means[index])
                origin = origin[index]
                sizes = sizes[index] + gaussians.log_scales - before.log_scales[index]
    if progress:
        progress("refine", iterations, iterations)
    with torch.no_grad():
        residual = (render(best, camera).color - target).abs().mean().item()
    return Fit(best, best_origin, visibility(best, camera), residual)


def visibility(gaussians: Gaussians, camera: Camera) -> Tensor:
    """(N,) 0..1: how much of a Gaussian's footprint reaches the eye; 0 outside the image."""
    blank = torch.zeros(camera.height, camera.width, device=gaussians.means.device)
    _, visible = weighted_residual(gaussians, camera, blank)
    alone = math.tau * gaussians.opacities.detach() * _footprint(gaussians, camera)
    return (visible / alone.clamp(min=1e-6)).clamp(0, 1)


def _footprint(gaussians: Gaussians, camera: Camera) -> Tensor:
    """(N,) area of the one-sigma ellipse over pi, in square pixels."""
    with torch.no_grad():
        pose = torch.as_tensor(camera.world_to_camera, dtype=torch.float32, device=gaussians.means.device)
        xx, xy, yy = project(gaussians, camera, pose).conics.unbind(-1)
        return (xx * yy - xy * xy).clamp(min=1e-12).rsqrt()


def _adam(gaussians: Gaussians, deformation: Deformation, settings: FitSettings, unit: float) -> torch.optim.Adam:
    rates = {
        "means": settings.means * unit, "quats": settings.quats, "log_scales": settings.scales,
        "logit_opacities": settings.opacities, "colors": settings.colors,
    }  # fmt: skip
    groups = [
        {"params": [getattr(gaussians, name)], "lr": rate, "first_lr": rate, "name": name}
        for name, rate in rates.items()
    ]
    groups.append({"params": [deformation.bend], "lr": settings.bend * unit, "first_lr": settings.bend * unit})
    return torch.optim.Adam(groups, eps=1e-15)


def _change_density(
    gaussians: Gaussians,
    burden: Tensor,
    first_size: int,
    optimizer: torch.optim.Adam,
    control: DensityControl,
    generator: torch.Generator,
) -> tuple[Gaussians, Tensor]:
    """One round of pruning, cloning and splitting; the optimiser's moments follow.

    Returns: the new set (K,), and for each of them the index (K,) of the old one it came from.
    """
    with torch.no_grad():
        kept, doubled = choose(gaussians, burden, control, first_size)
        stay = torch.ones(len(kept), dtype=torch.bool, device=kept.device)
        stay[doubled] = False
        single, parents = kept[stay], kept[doubled]
        halves = double(gaussians.map(lambda t: t[parents]), control, generator)
        index = torch.cat([single, parents, parents])
        changed = Gaussians(
            *(torch.cat([t[single], new]) for t, new in zip(vars(gaussians).values(), vars(halves).values()))
        )
    changed = changed.map(lambda t: t.requires_grad_())
    for group in optimizer.param_groups:
        if "name" not in group:  # the nodes of the deformation stay
            continue
        state = optimizer.state.pop(group["params"][0])
        for moment in ("exp_avg", "exp_avg_sq"):
            state[moment] = state[moment][index]
            state[moment][len(single) :] = 0
        group["params"] = [getattr(changed, group["name"])]
        optimizer.state[group["params"][0]] = state
    return changed, index
