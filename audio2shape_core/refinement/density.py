"""Adaptive density control (paper III-C): more Gaussians where the image is matched badly, none where they do nothing.

The original trigger is the gradient of the screen position; the paper's is the residual. The share of a pixel's error
that falls on a Gaussian is its blending weight there (cf. Bulo et al. 2024, "Revising Densification in Gaussian
Splatting").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.splatting.gaussians import Gaussians


@dataclass(frozen=True)
class DensityControl:
    """When the set of Gaussians changes, and how much.

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

    def steps(self, iterations: int) -> list[int]:
        """The steps, out of `iterations`, after which the set changes, in order."""
        shares = np.linspace(self.start, self.stop, self.rounds)
        return sorted({round(share * iterations) for share in shares} - {0})

    @torch.no_grad()
    def change(
        self, gaussians: Gaussians, error: Tensor, first_size: int, generator: torch.Generator
    ) -> tuple[Gaussians, Tensor]:
        """One round of pruning, cloning and splitting.

        Arguments:
            error: (N,) the error of the image that falls on each. first_size: of the set, before any round.
        Returns: the new set, and for each Gaussian the index (K,) of the one that it came from.
        """
        kept, doubled = self.choose(gaussians, error, first_size)
        stay = torch.ones(len(kept), dtype=torch.bool, device=kept.device)
        stay[doubled] = False
        single, parents = kept[stay], kept[doubled]
        first, second = self.double(gaussians.map(lambda t: t[parents]), generator)
        changed = Gaussians.cat([gaussians.map(lambda t: t[single]), first, second])
        return changed, torch.cat([single, parents, parents])

    def choose(self, gaussians: Gaussians, error: Tensor, first_size: int) -> tuple[Tensor, Tensor]:
        """Which Gaussians stay and which are doubled: index of those kept (K,), and of those doubled (D,) among the
        kept; both ascending."""
        kept = torch.nonzero(gaussians.opacities > self.prune_opacity).flatten()
        room = min(int(self.grow * len(kept)), int(self.max_growth * first_size) - len(kept))
        error = error[kept]
        # Only what carries clearly more of the error than the average is worth another Gaussian.
        candidates = error > 2 * error[error > 0].mean()
        room = max(0, min(room, int(candidates.sum())))
        return kept, torch.topk(error, room).indices.sort().values

    def double(self, gaussians: Gaussians, generator: torch.Generator) -> tuple[Gaussians, Gaussians]:
        """The first and the second half of every Gaussian.

        Wide ones are split: both halves are drawn from the original's own distribution and narrower. Others are cloned
        a little apart. Opacity is lowered so that two in front of each other let as much light through as one did.
        """
        scales = gaussians.scales
        wide = scales.amax(-1, keepdim=True) > self.split_scale * scales.amax(-1).median()
        spread = torch.where(wide, 1.0, 0.5)
        offset = torch.randn(scales.shape, generator=generator).to(scales) * scales * spread
        offset = torch.einsum("nij,nj->ni", gaussians.rotations(), offset)
        half = replace(
            gaussians,
            log_scales=torch.where(wide, gaussians.log_scales - np.log(self.shrink), gaussians.log_scales),
            logit_opacities=torch.logit(1 - (1 - gaussians.opacities).sqrt(), eps=1e-6),
        )
        return replace(half, means=gaussians.means + offset), replace(half, means=gaussians.means - offset)
