"""The noise schedule, and three ways to walk down it: DPM-Solver++ (2M), DDIM and DDPM.

Letters: a_t cumulative product of the alphas at step t; alpha_t = sqrt(a_t), sigma_t = sqrt(1 - a_t).
A noisy latent is x_t = alpha_t x_0 + sigma_t noise (Eq. 4); the network predicts v = alpha_t noise - sigma_t x_0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.errors import InputError

BETA_START, BETA_END = 0.00085, 0.012


def noise_schedule(train_steps: int) -> Tensor:
    """(train_steps,) float32 cumulative alphas, falling to 0.

    Scaled linear betas (Rombach et al. 2022), rescaled so that the last step is pure noise: zero terminal SNR (Lin et
    al. 2024, Algorithm 1). Sampling then starts from exactly what training showed.
    """
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, train_steps) ** 2
    roots = torch.cumprod(1 - betas, 0).sqrt()
    roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
    cumulative = roots**2
    betas = 1 - torch.cat([cumulative[:1], cumulative[1:] / cumulative[:-1]])
    return torch.cumprod(1 - betas, 0)


def sampling_steps(train_steps: int, steps: int) -> np.ndarray:
    """(steps,) training steps to visit, the noisiest first, evenly spaced back from the last ("trailing").

    Raises InputError unless 1 <= steps <= train_steps.
    """
    if not 1 <= steps <= train_steps:
        raise InputError(f"steps {steps}: expected 1 to {train_steps}, the number of steps the denoiser was trained on")
    return np.arange(train_steps, 0, -train_steps / steps)[:steps].round().astype(np.int64) - 1


class Sampler(ABC):
    """Goes from one noise level to the next cleaner one. One object draws one batch."""

    least_alpha = 0.0  # what the noisiest level counts as

    @abstractmethod
    def step(self, noisy: Tensor, velocity: Tensor, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        """The latents at the next level.

        Arguments:
            noisy, velocity: (B, T, C) latents at this level, and what the network predicts for them.
            a, b: () cumulative alphas of this level and of the next; b is 1 after the last step.
        """


class DpmSolver(Sampler):
    """DPM-Solver++ (2M): deterministic, second order, needs the fewest steps (Lu et al. 2022, arXiv:2211.01095)."""

    least_alpha = 2.0**-24  # the half log-SNR below must be finite

    def __init__(self) -> None:
        self.before: tuple[Tensor, Tensor] | None = None  # half log-SNR and clean latents of the level before

    def step(self, noisy: Tensor, velocity: Tensor, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        alpha, sigma, snr = _level(a)
        next_alpha, next_sigma, next_snr = _level(b)
        clean = alpha * noisy - sigma * velocity
        h = next_snr - snr
        push = next_alpha * (torch.exp(-h) - 1.0)
        moved = (next_sigma / sigma) * noisy - push * clean  # Eq. 9; first order, the same as DDIM
        if self.before is not None and b < 1:  # Algorithm 2; the last step is of first order
            snr_before, clean_before = self.before
            ratio = (snr - snr_before) / h
            moved = moved - 0.5 * push * ((1.0 / ratio) * (clean - clean_before))
        self.before = snr, clean
        return moved


class Ddim(Sampler):
    """DDIM: deterministic, first order (Song et al. 2021, Eq. 12 with eta = 0)."""

    def step(self, noisy: Tensor, velocity: Tensor, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        clean = a.sqrt() * noisy - (1 - a).sqrt() * velocity
        noise = a.sqrt() * velocity + (1 - a).sqrt() * noisy
        return b.sqrt() * clean + (1 - b).sqrt() * noise


class Ddpm(Sampler):
    """DDPM: draws new noise at every step (Ho et al. 2020, Eqs. 6 and 7, the smaller of its variances)."""

    def step(self, noisy: Tensor, velocity: Tensor, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        clean = a.sqrt() * noisy - (1 - a).sqrt() * velocity
        share = a / b  # alpha of the steps between the two levels
        mean = (b.sqrt() * (1 - share) * clean + share.sqrt() * (1 - b) * noisy) / (1 - a)
        noise = torch.randn(noisy.shape, generator=generator).to(noisy)
        return mean + ((1 - b) / (1 - a) * (1 - share)).sqrt() * noise


SAMPLERS: dict[str, type[Sampler]] = {"dpm++": DpmSolver, "ddim": Ddim, "ddpm": Ddpm}


def make_sampler(name: str) -> Sampler:
    """A fresh sampler. Raises InputError for a name that is not in SAMPLERS."""
    if name not in SAMPLERS:
        raise InputError(f"sampler {name!r}: expected one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]()


def _level(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """alpha, sigma and log(alpha / sigma) of a cumulative alpha."""
    ratio = ((1 - a) / a) ** 0.5
    alpha = 1 / ((ratio**2 + 1) ** 0.5)
    sigma = ratio * alpha
    return alpha, sigma, torch.log(alpha) - torch.log(sigma)
