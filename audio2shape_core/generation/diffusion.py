"""Diffusion over standardised latents: the training loss (Eqs. 4 and 6) and guided sampling.

Letters: B batch, T tokens, C channels, L context tokens.

The network predicts velocity v = sqrt(a) noise - sqrt(1 - a) latent; a: cumulative alpha of the step (samplers.py).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from audio2shape_core.generation.denoiser import UNetDenoiser
from audio2shape_core.generation.samplers import make_sampler, noise_schedule, sampling_steps


def diffusion_loss(
    denoiser: UNetDenoiser, alphas: Tensor, latents: Tensor, context: Tensor, dropout: float, generator: torch.Generator
) -> Tensor:
    """Eq. 6 in its velocity form: latents (B, T, C), context (B, L, C'); `alphas` is the noise schedule (steps,).

    Everything is on one device, the generator too: drawing noise elsewhere takes longer than a step on a GPU.
    """
    batch, device = len(latents), latents.device
    steps = torch.randint(len(alphas), (batch,), generator=generator, device=device)
    noise = torch.randn(latents.shape, generator=generator, device=device)
    heard = torch.rand(batch, generator=generator, device=device) >= dropout
    alpha = alphas[steps][:, None, None]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise  # Eq. 4, all its steps at once
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    return (denoiser(noisy, steps, context, heard).float() - velocity).square().mean()


@torch.inference_mode()
def sample(
    denoiser: UNetDenoiser,
    context: Tensor,
    shape: tuple[int, int],
    *,
    train_steps: int,
    steps: int,
    guidance: float,
    guided_share: float,
    generator: torch.Generator,
    sampler: str,
    on_step: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """Standardised latents drawn for contexts (B, L, C'): (B, T, C), with (T, C) = `shape`.

    guidance 1 follows the audio as learned; larger values push away from what would be drawn without it, at the
    `guided_share` of noise levels that lie nearest to the finished shape. At the others the sample is still all noise:
    pushed there, all seeds of a class end in one shape (guidance in a limited interval, Kynkaanniemi et al. 2024).
    `sampler` is a name of SAMPLERS. Noise is drawn on the CPU, so one seed gives one shape on every device.
    `on_step(step, total, clean)` follows every step; clean: (B, T, C), what the network then takes the latents for.
    Raises InputError for an unknown sampler or too many steps.
    """
    walker = make_sampler(sampler)
    alphas = noise_schedule(train_steps).clamp(min=walker.least_alpha)
    visited = sampling_steps(train_steps, steps).tolist()
    batch, device = len(context), context.device
    latents = torch.randn((batch, *shape), generator=generator).to(device)
    heard = torch.ones(batch, dtype=torch.bool, device=device)
    both = torch.cat([heard, ~heard])
    for index, step in enumerate(visited):
        times = torch.full((batch,), step, device=device)
        if guidance == 1.0 or step >= guided_share * train_steps:
            velocity = denoiser(latents, times, context, heard)
        else:
            pair = denoiser(latents.repeat(2, 1, 1), times.repeat(2), context.repeat(2, 1, 1), both)
            with_audio, without = pair.chunk(2)
            velocity = without + guidance * (with_audio - without)
        a = alphas[step]
        b = alphas[visited[index + 1]] if index + 1 < steps else torch.ones(())
        clean = a.sqrt() * latents - (1 - a).sqrt() * velocity
        latents = walker.step(latents, velocity, a, b, generator)
        if on_step:
            on_step(index + 1, steps, clean)
    return latents
