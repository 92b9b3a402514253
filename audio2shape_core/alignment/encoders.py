"""Our encoders of sound, images and point clouds (paper III-A), small enough for a robot, and what any encoder must do.

Letters: B batch, S samples, M mel bands, F frames, T tokens, H height, W width, N points, C channels, D embedding.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.layers import PointFeatures, residual_trunk


class AudioEncoder(nn.Module):
    """Anything that turns waveforms (B, S) in [-1, 1] into embeddings (B, D) and tokens (B, T, C)."""

    forward: Callable[[Tensor], tuple[Tensor, Tensor]]
    log_mel: Callable[[Tensor], Tensor]
    encode_mel: Callable[[Tensor], tuple[Tensor, Tensor]]


def mel_filterbank(sample_rate: int, n_fft: int, num_mels: int, low_hz: float = 40.0) -> Tensor:
    """Triangular filters on the HTK mel scale, each of unit height: (M, n_fft // 2 + 1)."""
    mel = lambda hz: 2595.0 * math.log10(1.0 + hz / 700.0)  # noqa: E731
    edges_mel = torch.linspace(mel(low_hz), mel(sample_rate / 2), num_mels + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp_min(0)


class LogMel(nn.Module):
    """Log-mel spectrogram, standardised a clip at a time, so that loudness does not matter."""

    FLOOR_DB = 70.0  # anything this far below the loudest band of its clip is as good as silent
    window: Tensor
    filters: Tensor

    def __init__(self, *, sample_rate: int, n_fft: int, hop: int, num_mels: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", mel_filterbank(sample_rate, n_fft, num_mels), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:  # (B, S) -> (B, 1, M, F)
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, return_complex=True)
        with torch.autocast(waveform.device.type, enabled=False):  # half precision loses quiet bands
            power = self.filters @ spectrum.abs().square()  # (B, M, F)
        decibel = 10.0 * torch.log10(power.clamp_min(1e-12))
        decibel = torch.maximum(decibel, decibel.amax(dim=(1, 2), keepdim=True) - self.FLOOR_DB)
        mean = decibel.mean(dim=(1, 2), keepdim=True)
        std = decibel.std(dim=(1, 2), keepdim=True)
        return ((decibel - mean) / (std + 1e-3)).unsqueeze(1)


class LogMelEncoder(AudioEncoder):
    """Our audio encoder: a residual CNN over the log-mel spectrogram.

    The embedding is pooled from the very tokens that later condition the denoiser (Eq. 5), so whatever alignment
    teaches the embedding, the tokens learn too.
    """

    def __init__(
        self, *, log_mel: LogMel, widths: tuple[int, ...], num_tokens: int, token_dim: int, embed_dim: int
    ) -> None:
        super().__init__()
        self.log_mel = log_mel
        self.trunk = residual_trunk(2, widths)
        self.num_tokens = num_tokens
        self.to_token = nn.Sequential(nn.Linear(2 * widths[-1], token_dim), nn.GELU())
        self.project = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * token_dim, embed_dim))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:  # (B, S) -> (B, D), (B, T, C)
        return self.encode_mel(self.log_mel(waveform))

    def encode_mel(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode spectrograms (B, 1, M, F) that are already there: training caches and masks them."""
        # A convolution cannot tell a rumble from a whistle of the same shape unless it knows where it stands.
        height = torch.linspace(-1, 1, mel.shape[2], device=mel.device, dtype=mel.dtype)[:, None].expand_as(mel)
        placed = torch.cat([mel, height], dim=1)  # (B, 2, M, F)
        features = self.trunk(placed.contiguous(memory_format=torch.channels_last))  # (B, C, M', F')
        bands = torch.cat([features.mean(2), features.amax(2)], dim=1)  # (B, 2C, F'): over frequency
        tokens = self.to_token(functional.adaptive_avg_pool1d(bands, self.num_tokens).mT)  # (B, T, C)
        pooled = torch.cat([tokens.mean(1), tokens.amax(1)], dim=-1)
        return functional.normalize(self.project(pooled), dim=-1), tokens


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
