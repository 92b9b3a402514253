"""Point encoder: PointNet with residual blocks (paper III-A), LayerNorm, max and mean pooling.

Letters: B batch, N points, C channels, D embedding.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.layers import PointFeatures


class PointEncoder(nn.Module):
    """Anything that turns point clouds (B, N, 3) in the unit sphere into unit embeddings (B, D)."""

    forward: Callable[[Tensor], Tensor]


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
