"""UNet denoiser over latent tokens (paper III-B, Eqs. 5 and 6).

Letters: B batch, T tokens, C channels, L context tokens.
"""

import math

import torch
from torch import Tensor, nn

from audio2shape_core.layers import Attention, feed_forward


def timestep_features(timesteps: Tensor, dim: int) -> Tensor:
    """Sinusoidal features of diffusion steps: (B,) -> (B, dim)."""
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(dim // 2, device=timesteps.device) / (dim // 2))
    phases = timesteps.float().unsqueeze(-1) * frequencies
    return torch.cat([phases.cos(), phases.sin()], dim=-1)


def modulated(x: Tensor, modulation: Tensor, norm: nn.Module, layer: nn.Module, *context: Tensor) -> Tensor:
    """A residual layer, shifted, scaled and gated by time (AdaLN): x (B, T, C), modulation (B, 1, 3 C) -> (B, T, C)."""
    shift, scale, gate = modulation.chunk(3, dim=-1)
    return x + gate * layer(norm(x) * (1 + scale) + shift, *context)


class DenoiserBlock(nn.Module):
    """Self-attention, then cross-attention to the audio, then a feed-forward layer; time gates each (AdaLN-zero)."""

    def __init__(self, dim: int, num_heads: int, context_dim: int, time_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.self_attention = Attention(dim, num_heads)
        self.cross_attention = Attention(dim, num_heads, context_dim)
        self.forward_layer = feed_forward(dim)
        self.modulation = nn.Linear(time_dim, 9 * dim)

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:  # (B, T, C), (B, E), (B, L, C') -> (B, T, C)
        itself, audio, alone = self.modulation(time).unsqueeze(1).chunk(3, dim=-1)
        x = modulated(x, itself, self.norm, self.self_attention)
        x = modulated(x, audio, self.norm, self.cross_attention, context)
        return modulated(x, alone, self.norm, self.forward_layer)


class PlainBlock(nn.Module):
    """The block of the ablation without attention: a feed-forward layer that the time and the sound's mean gate."""

    def __init__(self, dim: int, context_dim: int, time_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.forward_layer = feed_forward(dim)
        self.sound = nn.Linear(context_dim, time_dim)
        self.modulation = nn.Linear(time_dim, 3 * dim)

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:  # (B, T, C), (B, E), (B, L, C') -> (B, T, C)
        modulation = self.modulation(time + self.sound(context.mean(1))).unsqueeze(1)
        return modulated(x, modulation, self.norm, self.forward_layer)


class Stage(nn.ModuleList):
    """The blocks of one resolution."""

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        for block in self:
            x = block(x, time, context)
        return x


class UNetDenoiser(nn.Module):
    """UNet over Morton-ordered tokens: two neighbours merge on the way down and split again on the way up.

    Built from its stages: `down[i]` and `up[i]` work at resolution i, `middle` at the coarsest. At the door, `patch`
    neighbouring latents become one token: attention then costs what it costs for a shorter latent.
    """

    def __init__(
        self,
        *,
        down: nn.ModuleList,
        middle: Stage,
        up: nn.ModuleList,
        widths: tuple[int, ...],
        patch: int,
        num_tokens: int,
        latent_dim: int,
        context_dim: int,
    ) -> None:
        super().__init__()
        self.patch = patch
        width, time_dim = widths[0], widths[0] * 4
        self.time_width = width
        self.time = nn.Sequential(nn.Linear(width, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())
        self.context_norm = nn.LayerNorm(context_dim)
        self.null_context = nn.Parameter(0.02 * torch.randn(1, context_dim))
        self.enter = nn.Linear(patch * latent_dim, width)
        self.position = nn.Parameter(0.02 * torch.randn(num_tokens // patch, width))
        self.down, self.middle, self.up = down, middle, up
        pairs = list(zip(widths[:-1], widths[1:]))
        self.merge = nn.ModuleList(nn.Linear(2 * fine, coarse) for fine, coarse in pairs)
        self.split = nn.ModuleList(nn.Linear(coarse, 2 * fine) for fine, coarse in pairs)
        self.skip = nn.ModuleList(nn.Linear(2 * fine, fine) for fine, _ in pairs)
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, patch * latent_dim))

    def start_silent(self) -> None:
        """Zero what the time scales and what leaves: every block starts as the identity (AdaLN-zero)."""
        blocks = (block for stage in (*self.down, self.middle, *self.up) for block in stage)
        for layer in (*(block.modulation for block in blocks), self.leave[1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, noisy: Tensor, timesteps: Tensor, context: Tensor, heard: Tensor) -> Tensor:
        """Predict velocity: noisy latents (B, T, C), steps (B,), context (B, L, C'), heard (B,) bool -> (B, T, C).

        Where `heard` is False the learned null token stands in for the audio (classifier-free guidance).
        """
        context = torch.where(heard[:, None, None], self.context_norm(context), self.null_context)
        time = self.time(timestep_features(timesteps, self.time_width))
        x = self.enter(noisy.unflatten(1, (-1, self.patch)).flatten(2)) + self.position
        skips = []
        for stage, merge in zip(self.down, self.merge):
            x = stage(x, time, context)
            skips.append(x)
            x = merge(x.unflatten(1, (-1, 2)).flatten(2))
        x = self.middle(x, time, context)
        for stage, split, skip, fine in reversed(list(zip(self.up, self.split, self.skip, skips))):
            x = split(x).unflatten(-1, (2, -1)).flatten(1, 2)
            x = stage(skip(torch.cat([x, fine], dim=-1)), time, context)
        return self.leave(x).unflatten(-1, (self.patch, -1)).flatten(1, 2)
