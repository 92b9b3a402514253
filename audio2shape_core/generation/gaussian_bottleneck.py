"""The bottleneck of the PC-VAE, which Table II of the paper compares the codebook with.

Letters: B batch, T tokens, C latent channels.
"""

import torch
from torch import Tensor, nn

from audio2shape_core.generation.quantizer import Quantized


class GaussianBottleneck(nn.Module):
    """A diagonal Gaussian a token, held to a budget of information.

    Without a budget the comparison would be about the weight of the KL term: a small one lets more through than any
    codebook. Here both bottlenecks pass the same: `capacity` nats a token (Burgess et al., arXiv:1804.03599, eq. 8).
    """

    WEIGHT = 0.01

    def __init__(self, capacity: float) -> None:
        super().__init__()
        self.capacity = capacity

    def forward(self, encoded: Tensor) -> Quantized:  # (B, T, 2 C): means and logarithms of variances
        mean, log_variance = encoded.float().chunk(2, dim=-1)
        log_variance = log_variance.clamp(-12, 4)
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1).mean()
        latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean) if self.training else mean
        nothing = torch.zeros((*mean.shape[:2], 0), dtype=torch.long, device=mean.device)
        return Quantized(latents, nothing, self.WEIGHT * (nats - self.capacity).abs())

    def latent(self, encoded: Tensor) -> Tensor:
        """What diffusion learns to draw: the means."""
        return encoded.chunk(2, dim=-1)[0]

    def snap(self, latents: Tensor) -> Tensor:
        """Every latent is one the decoder knows."""
        return latents
