"""Recipe: the PC-VQ-VAE (paper III-B), on real and procedural shapes."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio2shape_core import checkpoint, models
from audio2shape_core.data import shape_bank
from audio2shape_core.generation.losses import chamfer_loss, gather, window_transport_loss
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.presets import Preset
from audio2shape_core.training.loop import check_parts, fit
from audio2shape_core.vocabulary import VOCABULARY

TURN = 0.35  # radians of heading either way: the canonical pose is nearly kept, so latents stay easy to model


def draw_clouds(bank: shape_bank.ShapeBank, size: int, turn: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A class-balanced batch: labels (B,), augmented points (B, N, 3), colors (B, N, 3) in [0, 1], colored (B,)."""
    labels = rng.choice(VOCABULARY, size)
    chosen = [bank.draw(label, rng) for label in labels]
    points = np.stack([shape_bank.augment(bank.points[i], rng, turn=turn) for i in chosen])
    return labels, points, bank.colors[chosen].astype(np.float32) / 255, bank.colored[chosen]


def train_autoencode(
    preset: Preset,
    data: Path,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str] = frozenset(),
) -> Path:
    """Train the autoencoder; writes and returns `output/autoencoder.safetensors`.

    Without "codebook" it is the PC-VAE of Table II: the same size, the same recipe, as much information a token.
    """
    check_parts(without, ("codebook",))
    quantized = "codebook" not in without
    torch.manual_seed(0)
    config, recipe = preset.autoencoder, preset.autoencode
    bank = shape_bank.training_bank(data, output / "shapes.npz", config.num_points)
    model = models.build_autoencoder(config, quantized=quantized)

    def draw(step: int) -> tuple[np.ndarray, ...]:
        return draw_clouds(bank, recipe.batch_size, TURN, np.random.default_rng((1, step)))[1:]

    def losses(batch: tuple[np.ndarray, ...]) -> dict[str, Tensor]:
        points, colors, colored = (torch.as_tensor(part).to(device) for part in batch)
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

    average = fit(model, losses, recipe, output / "autoencode", resume=resume, device=device, draw=draw)
    measure_latents(average, bank, device)
    target = output / "autoencoder.safetensors"
    info = {"quantized": quantized, "steps": recipe.steps}
    checkpoint.save(target, "autoencoder", preset.to_dict()["autoencoder"], average.state_dict(), info)
    return target


@torch.inference_mode()
def measure_latents(model, bank: shape_bank.ShapeBank, device: torch.device, batches: int = 24) -> None:
    """Store per-channel mean and deviation of the latents, so that diffusion sees unit variance."""
    latents = []
    for step in range(batches):
        _, points, _, _ = draw_clouds(bank, 32, TURN, np.random.default_rng((2, step)))
        latents.append(model.encode(torch.from_numpy(points).to(device)).flatten(0, 1))
    flat = torch.cat(latents)
    model.latent_mean.copy_(flat.mean(0))
    model.latent_std.copy_(flat.std(0))
