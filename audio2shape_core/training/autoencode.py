"""Recipe: the PC-VQ-VAE (paper III-B), on real and procedural shapes.

Letters: B batch, N points.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio2shape_core import models
from audio2shape_core.data import shape_bank
from audio2shape_core.generation.losses import chamfer_loss, gather, window_transport_loss
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.training.run import Run


def draw_clouds(bank: shape_bank.ShapeBank, size: int, turn: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A class-balanced batch: labels (B,), augmented points (B, N, 3), colors (B, N, 3) in [0, 1], colored (B,)."""
    labels = rng.choice(bank.labels, size)
    chosen = [bank.draw(label, rng) for label in labels]
    points = np.stack([shape_bank.augment(shape["points"], rng, turn=turn) for shape in chosen])
    colors = np.stack([shape["colors"] for shape in chosen]).astype(np.float32) / 255
    return labels, points, colors, np.array([shape["colored"] for shape in chosen])


def train_autoencode(run: Run) -> Path:
    """Train the autoencoder; writes and returns `output/autoencoder.safetensors`.

    Without "codebook" it is the PC-VAE of Table II: the same size, the same recipe, as much information a token.
    """
    run.check_parts("codebook")
    quantized = "codebook" not in run.without
    torch.manual_seed(0)
    config, recipe, vocabulary = run.preset.autoencoder, run.preset.autoencode, run.classes()
    bank = run.shapes(vocabulary, config.num_points)
    model = models.build_autoencoder(config, quantized=quantized)

    def draw(step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng((1, step))
        return draw_clouds(bank, recipe.optimization.batch_size, recipe.turn, rng)[1:]

    def losses(batch: tuple[np.ndarray, ...]) -> dict[str, Tensor]:
        points, colors, colored = (torch.as_tensor(part).to(run.device) for part in batch)
        target, order = morton_sort(points)
        colors = gather(colors, order)
        prediction, painted, passed = model(target)
        prediction, painted = prediction.float(), painted.float()
        chamfer, partner = chamfer_loss(prediction, target)
        color_error = (painted - gather(colors, partner)).abs().mean((1, 2))
        return {
            "chamfer": chamfer,
            "transport": window_transport_loss(prediction, target, config.num_tokens),
            "color": 0.1 * (color_error * colored).mean(),
            "bottleneck": passed.loss,
        }

    average = run.fit(model, losses, recipe.optimization, "autoencode", draw)
    standardise_latents(average, bank, recipe.turn, recipe.measured, run.device)
    steps = recipe.optimization.steps
    return run.save("autoencoder", asdict(config), vocabulary, average, quantized=quantized, steps=steps)


@torch.inference_mode()
def standardise_latents(
    model: PointCloudVQVAE, bank: shape_bank.ShapeBank, turn: float, batches: int, device: torch.device
) -> None:
    """Store per-channel mean and deviation of the latents, so that diffusion sees unit variance."""
    latents = []
    for step in range(batches):
        _, points, _, _ = draw_clouds(bank, 32, turn, np.random.default_rng((2, step)))
        latents.append(model.encode(torch.from_numpy(points).to(device)).flatten(0, 1))
    flat = torch.cat(latents)
    model.latent_mean.copy_(flat.mean(0))
    model.latent_std.copy_(flat.std(0))
