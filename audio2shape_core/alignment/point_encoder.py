"""Point encoder: PointNet with residual blocks (paper III-A), LayerNorm, max and mean pooling.

Letters: B batch, N points, C channels, D embedding.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class PointEncoder(nn.Module):
    """Anything that turns point clouds (B, N, 3) in the unit sphere into unit embeddings (B, D)."""

    forward: Callable[[Tensor], Tensor]


def fourier_features(points: Tensor, num_octaves: int = 4) -> Tensor:
    """Coordinates with their sines and cosines at `num_octaves` octaves: (..., 3) -> (..., 3 + 6 * num_octaves)."""
    frequencies = math.pi * 2.0 ** torch.arange(num_octaves, device=points.device, dtype=points.dtype)
    phases = (points.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([points, phases.sin(), phases.cos()], dim=-1)


class PointResidualBlock(nn.Module):
    """A per-point two-layer perceptron beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels)
        self.body = nn.Sequential(
            nn.Linear(in_channels, out_channels), nn.GELU(), nn.Linear(out_channels, out_channels)
        )
        self.shortcut = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> (B, N, C')
        return self.shortcut(x) + self.body(self.norm(x))


class PointFeatures(nn.Module):
    """Per-point features without pooling: what the PC-VQ-VAE builds on, and what the embedding pools.

    `num_extra`: how many channels the caller knows of each point beside its coordinates.
    """

    def __init__(self, *, widths: tuple[int, ...], num_extra: int = 0) -> None:
        super().__init__()
        self.lift = nn.Linear(27 + num_extra, widths[0])
        inputs = (widths[0],) + widths[:-1]
        self.blocks = nn.Sequential(*(PointResidualBlock(i, o) for i, o in zip(inputs, widths)))

    def forward(self, points: Tensor, *extra: Tensor) -> Tensor:  # (B, N, 3), (B, N, E) -> (B, N, C)
        return self.blocks(self.lift(torch.cat([fourier_features(points), *extra], dim=-1)))


class PointNetEncoder(PointEncoder):
    """Residual PointNet, pooled twice, to one unit embedding a cloud."""

    def __init__(self, *, features: PointFeatures, width: int, embed_dim: int) -> None:
        super().__init__()
        self.features = features
        self.project = nn.Sequential(
            nn.LayerNorm(2 * width), nn.Linear(2 * width, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim)
        )

    def forward(self, points: Tensor) -> Tensor:  # (B, N, 3) -> (B, D)
        features = self.features(points)
        pooled = torch.cat([features.amax(1), features.mean(1)], dim=-1)
        return functional.normalize(self.project(pooled), dim=-1)
