"""Recipe: the audio-conditioned latent diffusion (paper III-B, Eqs. 4 to 6)."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio2shape_core import checkpoint, models
from audio2shape_core.data import shape_bank
from audio2shape_core.generation.diffusion import diffusion_loss
from audio2shape_core.generation.samplers import noise_schedule
from audio2shape_core.presets import Preset
from audio2shape_core.training.align import load_sounds
from audio2shape_core.training.loop import check_parts, fit
from audio2shape_core.training.pairs import RowsByClass, cache_contexts, cache_latents, stored_contexts
from audio2shape_core.vocabulary import VOCABULARY


def forget_alignment(source: Path, target: Path) -> None:
    """A checkpoint like `source` whose audio encoder is fresh from its initialisation."""
    encoder, config, stored = models.load_tri_encoder(source)
    encoder.audio.load_state_dict(models.build_tri_encoder(config, encoder.classes).audio.state_dict())
    checkpoint.save(target, "alignment", stored.config, encoder.state_dict(), stored.info)


def train_diffuse(
    preset: Preset,
    data: Path,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    weights: Path,
    without: frozenset[str] = frozenset(),
) -> Path:
    """Train the denoiser on the frozen models in `weights`; writes and returns `output/denoiser.safetensors`.

    Without "alignment" the sound is described by an audio encoder that was never trained; without "attention" blocks
    have neither kind of it, and the sound's mean steers them as the time does. Checkpoints of `weights` that `output`
    lacks are copied there, so that `output` is a whole system.
    """
    check_parts(without, ("alignment", "attention"))
    torch.manual_seed(0)
    config, recipe = replace(preset.denoiser, attention="attention" not in without), preset.diffuse
    output.mkdir(parents=True, exist_ok=True)
    if "alignment" in without:
        forget_alignment(weights / "alignment.safetensors", output / "alignment.safetensors")
    for name in ("alignment.safetensors", "autoencoder.safetensors"):
        if not (output / name).exists():
            shutil.copyfile(weights / name, output / name)
    encoder, alignment, stored = models.load_tri_encoder(output / "alignment.safetensors")
    autoencoder, latent, _ = models.load_autoencoder(output / "autoencoder.safetensors")
    encoder, autoencoder = encoder.to(device), autoencoder.to(device)

    def listen() -> dict[str, Tensor]:
        return cache_contexts(
            encoder, load_sounds(data), alignment.window_s, device, aligned="alignment" not in without
        )

    contexts = RowsByClass(stored_contexts(output / "contexts.safetensors", stored.sha256, listen), device)
    bank = shape_bank.training_bank(data, output / "shapes.npz", latent.num_points)
    latents = RowsByClass(cache_latents(autoencoder, bank, device), device)
    sizes = {"num_tokens": latent.num_tokens, "latent_dim": latent.latent_dim, "context_dim": alignment.token_dim}
    denoiser = models.build_denoiser(config, **sizes)
    alphas = noise_schedule(config.train_steps).to(device)

    generator = torch.Generator(device)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((4, step))
        classes = rng.integers(len(VOCABULARY), size=recipe.batch_size)
        drawn, context = latents.draw(classes, rng), contexts.draw(classes, rng)
        generator.manual_seed(int(rng.integers(2**62)))
        return {"velocity": diffusion_loss(denoiser, alphas, drawn, context, config.condition_dropout, generator)}

    average = fit(denoiser, losses, recipe, output / "diffuse", resume=resume, device=device)
    target = output / "denoiser.safetensors"
    checkpoint.save(target, "denoiser", asdict(config), average.state_dict(), {"sizes": sizes, "steps": recipe.steps})
    return target
