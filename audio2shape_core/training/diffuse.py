"""Recipe: the audio-conditioned latent diffusion (paper III-B, Eqs. 4 to 6)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from audio2shape_core import checkpoint, models
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.data import shape_bank
from audio2shape_core.data.sound_bank import SoundBank
from audio2shape_core.generation.diffusion import diffusion_loss, make_scheduler
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.presets import Preset
from audio2shape_core.training.align import load_sounds
from audio2shape_core.training.loop import fast_precision, fit
from audio2shape_core.vocabulary import VOCABULARY

TURN = 0.05
VIEWS = 3  # augmented cuts of every recording whose contexts are cached
LATENTS = 500  # augmented shapes a class whose latents are cached: encoding costs more than a step of the denoiser


@torch.inference_mode()
def cache_contexts(encoder: TriEncoder, sounds: SoundBank, window_s: float, device: torch.device) -> dict[str, Tensor]:
    """Contexts of augmented training recordings by class: label -> (M, L, C) float32 on the CPU."""
    rng = np.random.default_rng(3)
    contexts = {}
    for label in tqdm(VOCABULARY, "contexts"):
        rows = []
        for _ in range(max(1, VIEWS * len(sounds.by_label[label]) // 32)):
            waves = torch.from_numpy(np.stack([sounds.draw(label, window_s, rng) for _ in range(32)])).to(device)
            rows.append(encoder.context(*encoder.audio(waves)).cpu())
        contexts[label] = torch.cat(rows)
    return contexts


@torch.inference_mode()
def cache_latents(autoencoder: PointCloudVQVAE, bank: shape_bank.ShapeBank, device: torch.device) -> dict[str, Tensor]:
    """Standardised latents of augmented training shapes by class: label -> (LATENTS, T, C) float32 on the CPU."""
    rng = np.random.default_rng(6)
    latents = {}
    for label in tqdm(VOCABULARY, "latents"):
        rows = []
        for _ in range(LATENTS // 50):
            clouds = [shape_bank.augment(bank.points[bank.draw(label, rng)], rng, turn=TURN) for _ in range(50)]
            with fast_precision(device):
                rows.append(autoencoder.encode(torch.from_numpy(np.stack(clouds)).to(device)).float().cpu())
        latents[label] = torch.cat(rows)
    return latents


def train_diffuse(preset: Preset, data: Path, output: Path, *, resume: bool, device: torch.device, weights: Path) -> Path:
    """Train the denoiser on the frozen models in `weights`; writes and returns `output/denoiser.safetensors`."""
    torch.manual_seed(0)
    config, recipe = preset.denoiser, preset.diffuse
    encoder, alignment, _ = models.load_tri_encoder(weights / "alignment.safetensors")
    autoencoder, latent, _ = models.load_autoencoder(weights / "autoencoder.safetensors")
    encoder, autoencoder = encoder.to(device), autoencoder.to(device)
    contexts = cache_contexts(encoder, load_sounds(data), alignment.window_s, device)
    bank = shape_bank.training_bank(data, output / "shapes.npz", latent.num_points)
    latents = cache_latents(autoencoder, bank, device)
    sizes = {"num_tokens": latent.num_tokens, "latent_dim": latent.latent_dim, "context_dim": alignment.token_dim}
    denoiser = models.build_denoiser(config, **sizes)
    alphas = make_scheduler("ddpm", config.train_steps).alphas_cumprod.to(device)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((4, step))
        labels = rng.choice(VOCABULARY, recipe.batch_size)
        drawn, context = (
            torch.stack([cached[label][rng.integers(len(cached[label]))] for label in labels]).to(device)
            for cached in (latents, contexts)
        )
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return {"velocity": diffusion_loss(denoiser, alphas, drawn, context, config.condition_dropout, generator)}

    average = fit(denoiser, losses, recipe, output / "diffuse", resume=resume, device=device)
    target = output / "denoiser.safetensors"
    checkpoint.save(target, "denoiser", preset.to_dict()["denoiser"], average.state_dict(), {"sizes": sizes, "steps": recipe.steps})
    return target
