"""Diffusion over standardised latents: the training loss (Eqs. 4 and 6) and guided sampling.

Letters: B batch, T tokens, C channels, L context tokens.

The network predicts velocity v = sqrt(a) noise - sqrt(1 - a) latent on a schedule whose last step is pure noise
(zero terminal SNR), so that sampling starts from exactly what training showed. Schedulers are diffusers'.
"""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from audio2shape_core.generation.denoiser import UNetDenoiser

SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def make_scheduler(sampler: str, train_steps: int):
    """diffusers' scheduler of a sampler: ddpm, ddim, or dpm++ (second order, needs the fewest steps)."""
    settings = {"num_train_timesteps": train_steps, **SCHEDULE}
    if sampler == "ddpm":
        return DDPMScheduler(clip_sample=False, **settings)
    if sampler == "ddim":
        return DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **settings)
    return DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, **settings)


SAMPLERS = ("ddpm", "ddim", "dpm++")


def diffusion_loss(
    denoiser: UNetDenoiser, alphas: Tensor, latents: Tensor, context: Tensor, dropout: float, generator: torch.Generator
) -> Tensor:
    """Eq. 6 in its velocity form: latents (B, T, C), context (B, L, C'); `alphas` are cumulative products (steps,).

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
    sampler: str = "dpm++",
    on_step: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """Standardised latents drawn for contexts (B, L, C'): (B, T, C), with (T, C) = `shape`.

    guidance 1 follows the audio as learned; larger values push away from what would be drawn without it, at the
    `guided_share` of noise levels that lie nearest to the finished shape. At the others the sample is still all noise:
    pushed there, all seeds of a class end in one shape (guidance in a limited interval, Kynkaanniemi et al. 2024).
    Noise is drawn on the CPU, so one seed gives one shape on every device. `on_step(step, total, clean)` follows every
    step; clean: (B, T, C), what the network then takes the latents for.
    """
    scheduler = make_scheduler(sampler, train_steps)
    scheduler.set_timesteps(steps)
    batch = len(context)
    noise = torch.randn((batch, *shape), generator=generator)
    latents = noise.to(context.device)
    heard = torch.ones(batch, dtype=torch.bool, device=context.device)
    both = torch.cat([heard, ~heard])
    for index, step in enumerate(scheduler.timesteps):
        times = step.to(context.device).expand(batch)
        if guidance == 1.0 or step >= guided_share * train_steps:
            velocity = denoiser(latents, times, context, heard)
        else:
            pair = denoiser(latents.repeat(2, 1, 1), times.repeat(2), context.repeat(2, 1, 1), both)
            with_audio, without = pair.chunk(2)
            velocity = without + guidance * (with_audio - without)
        extra = {} if sampler != "ddpm" else {"generator": generator}
        alpha = scheduler.alphas_cumprod[step]
        clean = alpha.sqrt() * latents - (1 - alpha).sqrt() * velocity
        latents = scheduler.step(velocity, step, latents, **extra).prev_sample
        if on_step:
            on_step(index + 1, len(scheduler.timesteps), clean)
    return latents
