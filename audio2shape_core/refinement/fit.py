"""Fit Gaussians to one image from a known viewpoint, without losing what the image does not show."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.errors import Progress
from audio2shape_core.refinement.density import DensityControl, choose, double, weighted_residual
from audio2shape_core.refinement.gaussians import Gaussians, spacing
from audio2shape_core.refinement.rasterizer import one_torch_thread, render


@dataclass(frozen=True)
class FitSettings:
    """What is learned how fast, and what holds it back. Lengths are in units of the cloud's own spacing.

    Arguments:
        means, scales, quats, opacities, colors: Adam learning rates at the first step; a cosine lowers them all to a tenth.
        alpha: weight of the silhouette against the colour error, both mean absolute.
        anchor: weight of the squared distance of each centre from where the generator put it.
        rigidity: weight of the squared difference between a centre's move and its neighbours' moves.
        size: weight of the squared change of the logarithm of each scale.
        max_scale: a Gaussian is at most this many spacings wide.
    """

    means: float = 0.08
    scales: float = 0.01
    quats: float = 0.01
    opacities: float = 0.05
    colors: float = 0.02
    alpha: float = 0.5
    anchor: float = 1e-3
    rigidity: float = 5e-3
    size: float = 1e-3
    max_scale: float = 3.0
    neighbors: int = 8
    density: DensityControl = field(default_factory=DensityControl)


@dataclass(frozen=True)
class Fit:
    """gaussians, how far each was seen (N,) 0..1, mean absolute colour error on the image, steps done."""

    gaussians: Gaussians
    seen: Tensor
    residual: float
    steps: int


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
    optimizer = _adam(gaussians, settings, unit)
    ties = _Ties(coarse, unit, settings)
    events = sorted(settings.density.steps(iterations))
    best, best_error = coarse, math.inf
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

        out = render(gaussians, camera)
        error = (out.color - target).abs().mean(-1) + settings.alpha * (out.alpha - mask).abs()  # (H, W)
        data = error.mean()
        if data.item() < best_error:
            best, best_error = gaussians.map(lambda t: t.detach().clone()), data.item()
        optimizer.zero_grad()
        (data + ties.loss(gaussians)).backward()
        optimizer.step()
        with torch.no_grad():
            gaussians.log_scales.clamp_(max=math.log(settings.max_scale * unit))
            gaussians.colors.clamp_(0, 1)

        if events and share >= events[0] / iterations:
            events.pop(0)
            burden, _ = weighted_residual(gaussians, camera, error.detach())
            gaussians = _change_density(gaussians, burden, len(coarse), optimizer, ties, settings, generator)
    if progress:
        progress("refine", iterations, iterations)
    with torch.no_grad():
        residual = (render(best, camera).color - target).abs().mean().item()
    return Fit(best, visibility(best, camera), residual, step + 1 if iterations else 0)


def visibility(gaussians: Gaussians, camera: Camera) -> Tensor:
    """(N,) 0..1: how much of a Gaussian's footprint reaches the eye; 0 outside the image."""
    blank = torch.zeros(camera.height, camera.width, device=gaussians.means.device)
    _, visible = weighted_residual(gaussians, camera, blank)
    alone = math.tau * gaussians.opacities.detach() * _footprint(gaussians, camera)
    return (visible / alone.clamp(min=1e-6)).clamp(0, 1)


def _footprint(gaussians: Gaussians, camera: Camera) -> Tensor:
    """(N,) area of the one-sigma ellipse over pi, in square pixels."""
    from audio2shape_core.refinement.projection import project

    with torch.no_grad():
        pose = torch.as_tensor(camera.world_to_camera, dtype=torch.float32, device=gaussians.means.device)
        xx, xy, yy = project(gaussians, camera, pose).conics.unbind(-1)
        return (xx * yy - xy * xy).clamp(min=1e-12).rsqrt()


class _Ties:
    """What holds the Gaussians to the coarse shape; the terms of the loss that do not look at the image."""

    def __init__(self, coarse: Gaussians, unit: float, settings: FitSettings) -> None:
        self.unit, self.settings = unit, settings
        self.means, self.log_scales = coarse.means.detach().clone(), coarse.log_scales.detach().clone()
        self.laplacian = self._graph_laplacian()

    def loss(self, gaussians: Gaussians) -> Tensor:
        move = (gaussians.means - self.means) / self.unit  # (N, 3)
        strain = (move * torch.sparse.mm(self.laplacian, move)).sum()  # sum over edges |move_i - move_j|^2
        growth = gaussians.log_scales - self.log_scales
        return (
            self.settings.anchor * move.square().sum(-1).mean()
            + self.settings.rigidity * strain / len(move)
            + self.settings.size * growth.square().sum(-1).mean()
        )

    def follow(self, index: Tensor, offset: Tensor, log_scales: Tensor) -> None:
        """The set changed: new Gaussian i came from old `index[i]`, `offset[i]` away from it."""
        self.means, self.log_scales = self.means[index] + offset, log_scales
        self.laplacian = self._graph_laplacian()

    def _graph_laplacian(self) -> Tensor:
        """Sparse (N, N) Laplacian of the graph of nearest neighbours. A matrix product, because the gradient of fancy
        indexing adds in the order in which threads arrive, and the result would differ from run to run."""
        points = self.means.cpu().numpy()
        size, degree = len(points), min(self.settings.neighbors, len(points) - 1)
        _, index = cKDTree(points).query(points, degree + 1)
        rows = np.repeat(np.arange(size), degree)
        edges = sparse.coo_matrix((np.ones(len(rows)), (rows, index[:, 1:].ravel())), (size, size))
        laplacian = sparse.csgraph.laplacian(edges + edges.T).tocoo()
        matrix = torch.sparse_coo_tensor(
            np.stack([laplacian.row, laplacian.col]), laplacian.data.astype(np.float32), (size, size),
            check_invariants=True,
        )  # fmt: skip
        return matrix.coalesce().to(self.means.device)


def _adam(gaussians: Gaussians, settings: FitSettings, unit: float) -> torch.optim.Adam:
    rates = {
        "means": settings.means * unit, "quats": settings.quats, "log_scales": settings.scales,
        "logit_opacities": settings.opacities, "colors": settings.colors,
    }  # fmt: skip
    groups = [
        {"params": [getattr(gaussians, name)], "lr": rate, "first_lr": rate, "name": name}
        for name, rate in rates.items()
    ]
    return torch.optim.Adam(groups, eps=1e-15)


def _change_density(
    gaussians: Gaussians,
    burden: Tensor,
    first_size: int,
    optimizer: torch.optim.Adam,
    ties: _Ties,
    settings: FitSettings,
    generator: torch.Generator,
) -> Gaussians:
    """One round of pruning, cloning and splitting; the optimiser's moments and the ties follow."""
    with torch.no_grad():
        kept, doubled = choose(gaussians, burden, settings.density, first_size)
        stay = torch.ones(len(kept), dtype=torch.bool, device=kept.device)
        stay[doubled] = False
        single, parents = kept[stay], kept[doubled]
        halves = double(gaussians.map(lambda t: t[parents]), settings.density, generator)
        index = torch.cat([single, parents, parents])
        changed = Gaussians(
            *(torch.cat([t[single], new]) for t, new in zip(vars(gaussians).values(), vars(halves).values()))
        )
        log_scales = ties.log_scales[index] + (changed.log_scales - gaussians.log_scales[index])
        ties.follow(index, changed.means - gaussians.means[index], log_scales)
    changed = changed.map(lambda t: t.detach().requires_grad_())
    for group in optimizer.param_groups:
        state = optimizer.state.pop(group["params"][0])
        for moment in ("exp_avg", "exp_avg_sq"):
            state[moment] = state[moment][index]
            state[moment][len(single) :] = 0
        group["params"] = [getattr(changed, group["name"])]
        optimizer.state[group["params"][0]] = state
    return changed
