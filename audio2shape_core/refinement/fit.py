"""Fit Gaussians to one image from a known viewpoint, without losing what the image does not show."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.clouds import spacing
from audio2shape_core.errors import Progress
from audio2shape_core.refinement.appearance import color_transfer, paint
from audio2shape_core.refinement.deformation import Deformation
from audio2shape_core.refinement.dense_cloud import onto_surface
from audio2shape_core.refinement.density import DensityControl, choose, double, weighted_residual
from audio2shape_core.refinement.symmetry import symmetrize
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import project
from audio2shape_core.splatting.rasterizer import one_torch_thread, render


@dataclass(frozen=True)
class FitSettings:
    """What is learned how fast, and what holds it back.

    Arguments:
        register: share of the steps in which the shape is only bent into place.
        bend, shift, scales, quats, opacities, colors: Adam learning rates at the second part's first step; a cosine
            lowers them all to `last`. `bend` is in standard deviations of the smooth modes, `shift` in spacings. Where
            `scales` and `quats` are larger the fitted view gains little and the others lose.
        register_rate, register_width: of `bend`, and of the width of all discs together, during the first part.
        last: share of the learning rates left at the last step.
        length, amplitude, nodes: of the smooth field, in units of the shape's radius (`Deformation`).
        alpha: weight of the silhouette against the colour error, both mean absolute.
        register_color: weight of the colour error while registering: imagined colours are only roughly right.
        bending: weight of the smooth field's log prior.
        anchor: weight of the squared movement of the centres on their own.
        rigidity: weight of the squared differences between a centre's own movement and its neighbours'.
        size: weight of the squared change of the logarithm of each scale.
        max_scale: a Gaussian is at most this many spacings wide.
        density: when Gaussians are added and removed.
    """

    register: float = 0.4
    register_rate: float = 0.15
    register_width: float = 0.01
    bend: float = 0.01
    shift: float = 0.02
    scales: float = 0.007
    quats: float = 0.005
    opacities: float = 0.05
    colors: float = 0.02
    last: float = 0.02
    length: float = 0.65
    amplitude: float = 0.06
    nodes: int = 64
    alpha: float = 1.0
    register_color: float = 0.5
    bending: float = 3e-3
    anchor: float = 1e-3
    rigidity: float = 5e-3
    size: float = 1e-3
    max_scale: float = 3.0
    density: DensityControl = field(default_factory=DensityControl)

    def field(self, points: np.ndarray) -> dict:
        """What `smooth_modes` needs to know, in the units of a cloud (N, 3)."""
        radius = float(np.linalg.norm(points - (points.max(0) + points.min(0)) / 2, axis=1).max())
        return {"length": self.length * radius, "amplitude": self.amplitude * radius, "nodes": self.nodes}


@dataclass(frozen=True)
class Fit:
    """The result: gaussians; imagined (N, 3), the colour that each had before its own was learned; seen (N,) 0..1, how
    much of each reaches the eye; residual, mean absolute colour error on the image."""

    gaussians: Gaussians
    imagined: Tensor
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

    First the shape as a whole is bent until its outline and its parts lie where the image has them, and its colours are
    mapped to the image's; then every Gaussian learns its own colour, opacity, size, and a small movement.

    Arguments:
        target: (H, W, 3) the object over black, 0..1; mask: (H, W) 0..1; both on the Gaussians' device.
        time_budget_s: seconds; the schedule shortens itself to end in time. The best set seen so far is returned.
        progress: called as progress("refine", step, iterations) before every step.
    """
    settings = settings or FitSettings()
    generator = torch.Generator().manual_seed(seed)
    schedule = _Schedule(iterations, time_budget_s, progress)
    start = coarse.map(Tensor.detach)
    symmetric = False
    if iterations:  # the generator scatters points about the surface
        smooth = onto_surface(start.means.cpu().numpy(), start.means.cpu().numpy())
        smooth, symmetric = symmetrize(smooth, **settings.field(smooth))
        start = replace(start, means=torch.from_numpy(smooth.astype(np.float32)).to(start.means.device))
    deformation = _deformation(start.means, camera, settings, symmetric)
    if iterations:
        start = _register(start, deformation, target, mask, camera, settings, schedule)
    sizes, imagined = start.log_scales, start.colors
    if iterations:
        start = replace(start, colors=paint(start, camera, target, mask))
    gaussians = start.map(lambda t: t.clone().requires_grad_())
    optimizer = _adam(gaussians, deformation, settings)
    events = sorted(settings.density.steps(iterations))
    best, best_imagined, best_error = start, imagined, math.inf

    for share in schedule.until(1.0):
        learned = (share - settings.register) / (1 - settings.register)
        for group in optimizer.param_groups:
            group["lr"] = group["first_lr"] * _cosine(learned, settings.last)
        bent = replace(gaussians, means=deformation.means())
        out = render(bent, camera)
        error = (out.color - target).abs().mean(-1) + settings.alpha * (out.alpha - mask).abs()  # (H, W)
        data = error.mean()
        if data.item() < best_error:
            best, best_imagined, best_error = bent.map(lambda t: t.detach().clone()), imagined, data.item()
        ties = (
            settings.bending * deformation.bending()
            + settings.anchor * deformation.departure()
            + settings.rigidity * deformation.strain()
            + settings.size * (gaussians.log_scales - sizes).square().sum(-1).mean()
        )
        optimizer.zero_grad()
        (data + ties).backward()
        optimizer.step()
        with torch.no_grad():
            gaussians.log_scales.clamp_(max=math.log(settings.max_scale * deformation.unit))
            gaussians.colors.clamp_(0, 1)

        if events and share >= events[0] / iterations:
            events.pop(0)
            burden, _ = weighted_residual(bent, camera, error.detach())
            before = replace(gaussians, means=deformation.means().detach())
            gaussians, index = _change_density(before, burden, len(coarse), settings.density, generator)
            deformation.follow(index, (gaussians.means - before.means[index]).detach())
            _follow(optimizer, gaussians, deformation, index)
            imagined = imagined[index]
            sizes = sizes[index] + (gaussians.log_scales - before.log_scales[index]).detach()
    schedule.done()
    with torch.no_grad():
        residual = (render(best, camera).color - target).abs().mean().item()
    return Fit(best, best_imagined, visibility(best, camera), residual)


class _Schedule:
    """Steps and time: which share of both is spent."""

    def __init__(self, iterations: int, time_budget_s: float | None, progress: Progress | None) -> None:
        self.iterations, self.budget_s, self.progress = iterations, time_budget_s, progress
        self.step, self.started = 0, time.monotonic()

    def until(self, share: float) -> Iterator[float]:
        """The share spent before every step, until `share` of the steps or of the time is."""
        while self.step < round(share * self.iterations):
            spent = self.step / self.iterations
            if self.budget_s is not None:
                spent = max(spent, (time.monotonic() - self.started) / max(self.budget_s, 1e-9))
            if spent >= share:
                return
            if self.progress:
                self.progress("refine", self.step, self.iterations)
            self.step += 1
            yield spent

    def done(self) -> None:
        if self.progress:
            self.progress("refine", self.iterations, self.iterations)


def _cosine(share: float, last: float) -> float:
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))


def _deformation(means: Tensor, camera: Camera, settings: FitSettings, symmetric: bool) -> Deformation:
    points = means.cpu().numpy()
    lateral = torch.as_tensor(camera.world_to_camera[:2, :3], dtype=means.dtype, device=means.device)
    return Deformation(means, lateral, float(np.median(spacing(points))), symmetric=symmetric, **settings.field(points))


def _register(
    start: Gaussians,
    deformation: Deformation,
    target: Tensor,
    mask: Tensor,
    camera: Camera,
    settings: FitSettings,
    schedule: _Schedule,
) -> Gaussians:
    """Bend the shape into place; returns it there, in colours mapped to the image's."""
    # A cloud that scatters about its surface looks thicker than it is: one width for all discs absorbs that, lest the
    # shape be bent thinner instead.
    width = torch.zeros((), device=target.device, requires_grad=True)
    optimizer = torch.optim.Adam([{"params": [deformation.bend]}, {"params": [width]}])
    matrix, offset = torch.eye(3).to(target), torch.zeros(3).to(target)
    for share in schedule.until(settings.register):
        for group, rate in zip(optimizer.param_groups, (settings.register_rate, settings.register_width)):
            group["lr"] = rate * _cosine(share / settings.register, 0.1)
        out = render(replace(start, means=deformation.means(), log_scales=start.log_scales + width), camera)
        matrix, offset = color_transfer(out.color.detach(), out.alpha.detach(), target, mask)
        color = out.color @ matrix.T + out.alpha[..., None] * offset
        data = settings.register_color * (color - target).abs().mean() + (out.alpha - mask).abs().mean()
        optimizer.zero_grad()
        (data + settings.bending * deformation.bending()).backward()
        optimizer.step()
    colors = (start.colors @ matrix.T + offset).clamp(0, 1)
    return replace(
        start, means=deformation.means().detach(), log_scales=start.log_scales + width.detach(), colors=colors
    )


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


def _adam(gaussians: Gaussians, deformation: Deformation, settings: FitSettings) -> torch.optim.Adam:
    learned = _learned(gaussians, deformation) | {"bend": deformation.bend}
    rates = {
        "shift": settings.shift,
        "quats": settings.quats,
        "log_scales": settings.scales,
        "bend": settings.bend,
        "logit_opacities": settings.opacities,
        "colors": settings.colors,
    }
    groups = [{"params": [learned[n]], "lr": rate, "first_lr": rate, "name": n} for n, rate in rates.items()]
    return torch.optim.Adam(groups, eps=1e-15)


def _learned(gaussians: Gaussians, deformation: Deformation) -> dict[str, Tensor]:
    """The parameters of which every Gaussian has its own."""
    own = {name: tensor for name, tensor in vars(gaussians).items() if name != "means"}
    return own | {"shift": deformation.shift}


def _change_density(
    gaussians: Gaussians, burden: Tensor, first_size: int, control: DensityControl, generator: torch.Generator
) -> tuple[Gaussians, Tensor]:
    """One round of pruning, cloning and splitting.

    Returns: the new set (K,), those that stayed single first, and for each the index (K,) of the one it came from.
    """
    with torch.no_grad():
        kept, doubled = choose(gaussians, burden, control, first_size)
        stay = torch.ones(len(kept), dtype=torch.bool, device=kept.device)
        stay[doubled] = False
        single, parents = kept[stay], kept[doubled]
        halves = double(gaussians.map(lambda t: t[parents]), control, generator)
        changed = Gaussians(
            *(torch.cat([t[single], new]) for t, new in zip(vars(gaussians).values(), vars(halves).values()))
        )
    return changed.map(lambda t: t.detach().requires_grad_()), torch.cat([single, parents, parents])


def _follow(optimizer: torch.optim.Adam, gaussians: Gaussians, deformation: Deformation, index: Tensor) -> None:
    """The set changed: the optimiser takes the new tensors, with the moments of those that each came from."""
    learned = _learned(gaussians, deformation)
    for group in optimizer.param_groups:
        if group["name"] in learned:  # the modes of the smooth field stay
            state = optimizer.state.pop(group["params"][0])
            for moment in ("exp_avg", "exp_avg_sq"):
                state[moment] = state[moment][index]
            group["params"] = [learned[group["name"]]]
            optimizer.state[group["params"][0]] = state
