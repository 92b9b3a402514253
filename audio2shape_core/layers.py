"""Layers that several models share.

Letters: B batch, T tokens, L context tokens, N points, C channels, H heads (of images: height), W width.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention (paper Eq. 5): queries from `x`, keys and values from `context`."""

    def __init__(self, dim: int, num_heads: int, context_dim: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key_value = nn.Linear(context_dim or dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:  # (B, T, C), (B, L, C') -> (B, T, C)
        heads = lambda t: t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # noqa: E731  (B, H, T, C/H)
        key, value = self.to_key_value(x if context is None else context).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(heads(self.to_query(x)), heads(key), heads(value))
        return self.to_out(mixed.transpose(1, 2).flatten(-2))


def feed_forward(dim: int, expansion: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim))


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block: self-attention, then a feed-forward layer."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(dim), Attention(dim, num_heads)
        self.norm_forward, self.forward_layer = nn.LayerNorm(dim), feed_forward(dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
        x = x + self.attention(self.norm_attention(x))
        return x + self.forward_layer(self.norm_forward(x))


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


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first one may stride."""

    # BatchNorm: clips and pictures are many, batches are class-balanced and of 64, and it costs nothing once trained.

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C', H/stride, W/stride)
        return self.activation(self.body(x) + self.shortcut(x))


def residual_trunk(in_channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """A strided stem and one residual block a width: (B, in, H, W) -> (B, widths[-1], H/2^n, W/2^n) for n widths."""
    stem = nn.Sequential(
        nn.Conv2d(in_channels, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
    )
    strides = (1,) + (2,) * (len(widths) - 1)
    inputs = (widths[0],) + widths[:-1]
    return nn.Sequential(stem, *(ResidualBlock(i, o, s) for i, o, s in zip(inputs, widths, strides)))
