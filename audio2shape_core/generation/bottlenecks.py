"""What a latent passes between encoder and decoder: a codebook (paper Eq. 3), or the Gaussian it is compared with.

Letters: B batch, T tokens, C latent channels, G codebooks, K codes, D = C / G channels a code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Quantized:
    """latents (B, T, C) with straight-through gradients; indices (B, T, G); loss: what the bottleneck asks."""

    latents: Tensor
    indices: Tensor
    loss: Tensor


class VectorQuantizer(nn.Module):
    """Product quantiser: the latent is split into G parts, each replaced by the nearest of K codes.

    Codes start at latents of the first batch, follow the running mean of what they are assigned (decay 0.99), and a
    code that falls out of use is moved onto a latent of the current batch: otherwise most of a codebook dies.
    """

    COMMITMENT = 0.25  # weight of the pull of latents towards their codes
    DECAY = 0.99
    DEAD_BELOW = 0.03  # assignments a step, averaged, under which a code counts as dead

    codes: Tensor  # (G, K, D)
    counts: Tensor  # (G, K) running mean of how many latents each code is assigned
    sums: Tensor  # (G, K, D) and of their sum
    started: Tensor  # () bool: whether the codes have seen data

    def __init__(self, *, num_codebooks: int, codebook_size: int, latent_dim: int) -> None:
        super().__init__()
        width = latent_dim // num_codebooks
        self.register_buffer("codes", torch.zeros(num_codebooks, codebook_size, width))
        self.register_buffer("counts", torch.zeros(num_codebooks, codebook_size))
        self.register_buffer("sums", torch.zeros(num_codebooks, codebook_size, width))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, latents: Tensor) -> Quantized:  # (B, T, C)
        num_codebooks, _, width = self.codes.shape
        flat = latents.float().reshape(-1, num_codebooks, width).transpose(0, 1)  # (G, B*T, D)
        if self.training and not self.started:
            self._start(flat.detach())
        indices = torch.cdist(flat.detach(), self.codes).argmin(-1)  # (G, B*T)
        if self.training:
            self._follow(flat.detach(), indices)
        chosen = torch.gather(self.codes, 1, indices.unsqueeze(-1).expand(-1, -1, width))
        quantized = chosen.transpose(0, 1).reshape(latents.shape)
        commitment = self.COMMITMENT * functional.mse_loss(latents.float(), quantized)
        straight_through = latents + (quantized - latents).detach()
        return Quantized(straight_through, indices.T.unflatten(0, latents.shape[:2]), commitment)

    def latent(self, encoded: Tensor) -> Tensor:
        """What diffusion learns to draw: latents before they are quantised."""
        return encoded

    def snap(self, latents: Tensor) -> Tensor:
        """Latents as drawn -> as the decoder knows them: the nearest codes."""
        return self(latents).latents

    @torch.no_grad()
    def _start(self, flat: Tensor, rounds: int = 5) -> None:
        """A few rounds of k-means from random latents of the first batch."""
        size = self.codes.shape[1]
        picks = torch.randint(flat.shape[1], (size,), device=flat.device)
        self.codes.copy_(flat[:, picks])
        for _ in range(rounds):
            self.counts.zero_()
            self.sums.zero_()
            self._accumulate(flat, torch.cdist(flat, self.codes).argmin(-1), share=1.0)
            used = self.counts > 0
            self.codes[used] = self.sums[used] / self.counts[used].unsqueeze(-1)
        self.counts.fill_(1.0)
        self.sums.copy_(self.codes)
        self.started.fill_(True)

    @torch.no_grad()
    def _accumulate(self, flat: Tensor, indices: Tensor, share: float) -> None:
        """Add assignments and the latents assigned, weighted by `share`."""
        self.counts.scatter_add_(1, indices, torch.full_like(indices, share, dtype=self.counts.dtype))
        self.sums.scatter_add_(1, indices.unsqueeze(-1).expand_as(flat), share * flat)

    @torch.no_grad()
    def _follow(self, flat: Tensor, indices: Tensor) -> None:
        """Move the running means, then the codes; restart dead codes."""
        self.counts.mul_(self.DECAY)
        self.sums.mul_(self.DECAY)
        self._accumulate(flat, indices, share=1.0 - self.DECAY)
        dead = self.counts < self.DEAD_BELOW
        if dead.any():
            book, code = dead.nonzero(as_tuple=True)
            donors = flat[book, torch.randint(flat.shape[1], (len(book),), device=flat.device)]
            self.counts[book, code] = 1.0
            self.sums[book, code] = donors
        self.codes.copy_(self.sums / self.counts.unsqueeze(-1))


class GaussianBottleneck(nn.Module):
    """A diagonal Gaussian a token, held to a budget of information (the PC-VAE of Table II).

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
