"""Recipe: the audio-conditioned latent diffusion (paper III-B, Eqs. 4 to 6)."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from audio2shape_core import checkpoint, models
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.data import shape_bank
from audio2shape_core.data.sound_bank import SoundBank, blend
from audio2shape_core.files import replacing
from audio2shape_core.generation.diffusion import diffusion_loss, make_scheduler
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.presets import Preset
from audio2shape_core.training.align import load_sounds
from audio2shape_core.training.loop import check_parts, fast_precision, fit
from audio2shape_core.vocabulary import VOCABULARY

# The denoiser learns what shapes are like, so it sees them nearly as they are: stretched as much as for the other
# recipes (1.18), training shapes themselves can be told from test shapes two times in three.
TURN, STRETCH = 0.02, 1.04
VIEWS = 4  # augmented cuts of every recording whose contexts are cached,
BATCH = 32  # this many at a time
LATENTS = 1000  # augmented shapes a class whose latents are cached: encoding costs more than a step of the denoiser


@torch.inference_mode()
def cache_contexts(
    encoder: TriEncoder, sounds: SoundBank, window_s: float, device: torch.device, *, aligned: bool
) -> dict[str, Tensor]:
    """Contexts of augmented training recordings, by the class the encoder hears in them: label -> (M, L, C) on the CPU.

    Half of the sounds are blends of two classes. New recordings are rarely as clear as those the encoder learned from,
    and a doubtful sound must still become one thing, not the average of two: the one the encoder names. An encoder that
    was never aligned (`aligned` False) names nothing: its contexts go by the class of the recording.
    """
    rng = np.random.default_rng(3)
    heard_as: dict[str, list[Tensor]] = {label: [] for label in VOCABULARY}
    recorded: dict[str, list[Tensor]] = {label: [] for label in VOCABULARY}
    for label in tqdm(VOCABULARY, "contexts"):
        for _ in range(max(1, VIEWS * len(sounds.by_label[label]) // BATCH)):
            drawn = [sounds.draw(label, window_s, rng) for _ in range(BATCH)]
            others = [sounds.draw(rng.choice(VOCABULARY), window_s, rng) for _ in range(BATCH)]
            shares = np.where(rng.random(BATCH) < 0.5, rng.uniform(0.5, 1.0, BATCH), 1.0)
            waves = np.stack([blend(a, b, share) for a, b, share in zip(drawn, others, shares)])
            embedding, tokens = encoder.audio(torch.from_numpy(waves).to(device))
            heard = encoder.class_probabilities(embedding).argmax(-1)
            for index, context in zip(heard.tolist(), encoder.context(embedding, tokens).cpu()):
                heard_as[VOCABULARY[index]].append(context)
                recorded[label].append(context)
    return {label: torch.stack(aligned and heard_as[label] or recorded[label]) for label in VOCABULARY}


@torch.inference_mode()
def cache_latents(autoencoder: PointCloudVQVAE, bank: shape_bank.ShapeBank, device: torch.device) -> dict[str, Tensor]:
    """Standardised latents of augmented training shapes by class: label -> (LATENTS, T, C) float32 on the CPU."""
    rng = np.random.default_rng(6)
    latents = {}
    for label in tqdm(VOCABULARY, "latents"):
        rows = []
        for _ in range(LATENTS // 50):
            drawn = [bank.points[bank.draw(label, rng)] for _ in range(50)]
            clouds = [shape_bank.augment(cloud, rng, turn=TURN, stretch=STRETCH) for cloud in drawn]
            with fast_precision(device):
                rows.append(autoencoder.encode(torch.from_numpy(np.stack(clouds)).to(device)).float().cpu())
        latents[label] = torch.cat(rows)
    return latents


def stored_contexts(path: Path, sha256: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The contexts stored at `path` by the audio encoder of hash `sha256`, or what `make()` returns, stored there."""
    if path.is_file():
        with safe_open(path, framework="pt") as file:
            if file.metadata()["sha256"] == sha256:
                return {label: file.get_tensor(label).float() for label in file.keys()}  # noqa: SIM118
    contexts = make()
    with replacing(path) as temporary:
        save_file({label: rows.half() for label, rows in contexts.items()}, temporary, metadata={"sha256": sha256})
    return contexts


class RowsByClass:
    """Rows of every class of the vocabulary on one device, drawn without leaving it."""

    def __init__(self, rows: dict[str, Tensor], device: torch.device) -> None:
        self.rows = torch.cat([rows[label] for label in VOCABULARY]).to(device)
        self.counts = np.array([len(rows[label]) for label in VOCABULARY])
        self.starts = np.cumsum(self.counts) - self.counts

    def draw(self, classes: np.ndarray, rng: np.random.Generator) -> Tensor:
        """A random row of each class (B,): (B, ...)."""
        return self.rows[torch.from_numpy(self.starts[classes] + rng.integers(self.counts[classes]))]


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
    alphas = make_scheduler("ddpm", config.train_steps).alphas_cumprod.to(device)

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
