"""PC-VQ-VAE (paper III-B, Eqs. 2 and 3): a coloured cloud as a short sequence of codes.

Letters: B batch, N points, T tokens, W = N / T points a token, C channels.
"""

import torch
from torch import Tensor, nn

from audio2shape_core.generation.bottlenecks import GaussianBottleneck, Quantized, VectorQuantizer
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.layers import PointFeatures, SelfAttentionBlock

WITHIN = 6  # channels that `within` gives


def within(windows: Tensor) -> Tensor:
    """Where each point lies in its window: offset from the centre, in canonical units (x 8) and in the window's spread.

    Detail is a hundredth of a coordinate's range; seen from its window's centre it is a tenth.
    (B, T, W, 3) -> (B, T, W, 6).
    """
    offset = windows - windows.mean(2, keepdim=True)
    spread = offset.square().mean((2, 3), keepdim=True).sqrt() + 1e-3
    return torch.cat([8 * offset, offset / spread], dim=-1)


class CloudEncoder(nn.Module):
    """Per-point features in Morton order, pooled a window at a time to latents (Eq. 2)."""

    def __init__(
        self,
        *,
        features: PointFeatures,
        feature_width: int,
        blocks: nn.Sequential,
        width: int,
        num_tokens: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.features, self.blocks, self.num_tokens = features, blocks, num_tokens
        self.pool = nn.Linear(2 * feature_width, width)
        self.position = nn.Parameter(0.02 * torch.randn(num_tokens, width))
        self.to_latent = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, latent_dim))

    def forward(self, points: Tensor) -> Tensor:  # (B, N, 3) in Morton order -> (B, T, C)
        windows = points.unflatten(1, (self.num_tokens, -1))  # (B, T, W, 3)
        features = self.features(points, within(windows).flatten(1, 2)).unflatten(1, (self.num_tokens, -1))
        tokens = self.pool(torch.cat([features.amax(2), features.mean(2)], dim=-1))
        return self.to_latent(self.blocks(tokens + self.position))


class Upsample(nn.Module):
    """Split every token into `factor` finer ones (a pixel shuffle along the curve) and refine them."""

    def __init__(self, in_width: int, out_width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.split = nn.Linear(in_width, factor * out_width)
        self.refine = nn.Sequential(
            nn.LayerNorm(out_width), nn.Linear(out_width, 2 * out_width), nn.GELU(), nn.Linear(2 * out_width, out_width)
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, factor * T, C')
        x = self.split(x).unflatten(-1, (self.factor, -1)).flatten(1, 2)
        return x + self.refine(x)


class CloudDecoder(nn.Module):
    """Latents to coloured points: projection, self-attention, upsampling, a convolutional head (VAE Decoder)."""

    def __init__(
        self,
        *,
        blocks: nn.Sequential,
        upsampling: nn.Sequential,
        width: int,
        head_width: int,
        points_per_token: int,
        num_tokens: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.from_latent = nn.Linear(latent_dim, width)
        self.position = nn.Parameter(0.02 * torch.randn(num_tokens, width))
        self.blocks, self.upsampling = blocks, upsampling
        self.points_per_token = points_per_token
        self.smooth = nn.Conv1d(head_width, head_width, 3, padding=1)
        self.head = nn.Sequential(nn.GELU(), nn.Linear(head_width, 6 * points_per_token))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, C) -> points (B, N, 3), colors (B, N, 3)
        x = self.upsampling(self.blocks(self.from_latent(latents) + self.position))
        x = x + self.smooth(x.mT).mT
        out = self.head(x).unflatten(-1, (self.points_per_token, 6)).flatten(1, 2)
        return out[..., :3], out[..., 3:].sigmoid()


class PointCloudVQVAE(nn.Module):
    """Encoder, bottleneck (a codebook; for the PC-VAE of Table II a Gaussian), decoder, and the statistics that make
    its latents fit for diffusion.

    `latent_mean` and `latent_std` (C,) are measured after training; the diffusion works on standardised latents.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(
        self,
        *,
        encoder: CloudEncoder,
        bottleneck: VectorQuantizer | GaussianBottleneck,
        decoder: CloudDecoder,
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_std", torch.ones(latent_dim))

    def encode(self, points: Tensor) -> Tensor:
        """Standardised latents before quantisation: (B, N, 3) in any order -> (B, T, C)."""
        latents = self.bottleneck.latent(self.encoder(morton_sort(points)[0]))
        return (latents - self.latent_mean) / self.latent_std

    def decode(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised latents (B, T, C) -> nearest codes -> points (B, N, 3), colors (B, N, 3) in [0, 1]."""
        return self.decoder(self.bottleneck.snap(latents * self.latent_std + self.latent_mean))

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Quantized]:
        """Reconstruct clouds that are already in Morton order (B, N, 3): points, colors, what passed the bottleneck."""
        passed = self.bottleneck(self.encoder(points))
        return *self.decoder(passed.latents), passed


def attention_stack(width: int, num_heads: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(SelfAttentionBlock(width, num_heads) for _ in range(depth)))
