"""Image encoder: a small residual CNN, for robots without CLIP weights.

Letters: B batch, H height, W width, D embedding.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.layers import residual_trunk


class ImageEncoder(nn.Module):
    """Anything that turns RGB images (B, 3, H, W) in [0, 1] into unit embeddings (B, D)."""

    forward: Callable[[Tensor], Tensor]


class SmallImageEncoder(ImageEncoder):
    """Residual CNN, mean and max pooling, one linear map."""

    def __init__(self, *, widths: tuple[int, ...], embed_dim: int) -> None:
        super().__init__()
        self.trunk = residual_trunk(3, widths)
        self.project = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * widths[-1], embed_dim))

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, D)
        features = self.trunk((images * 4 - 2).contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=-1)
        return functional.normalize(self.project(pooled), dim=-1)
