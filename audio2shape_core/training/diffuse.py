"""Recipe: the audio-conditioned latent diffusion (paper III-B, Eqs. 4 to 6)."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio2shape_core import checkpoint, models
from audio2shape_core.errors import InputError
from audio2shape_core.generation.diffusion import diffusion_loss
from audio2shape_core.generation.samplers import noise_schedule
from audio2shape_core.training.pairs import context_rows, latent_rows
from audio2shape_core.training.run import Run

NEEDED = ("alignment.safetensors", "autoencoder.safetensors")


def forget_alignment(source: Path, target: Path) -> None:
    """A checkpoint like `source` whose audio encoder is fresh from its initialisation."""
    encoder, config, stored = models.load_tri_encoder(source)
    encoder.audio.load_state_dict(models.build_audio_encoder(config, pretrained=None).state_dict())
    checkpoint.save(target, "alignment", stored.config, stored.vocabulary, encoder.state_dict(), stored.info)


def gather_weights(run: Run) -> None:
    """Copy the checkpoints that the denoiser builds on to `run.output`, so that it becomes a whole system.

    Raises InputError where one is missing, or where `run.output` holds another one already.
    """
    source = run.weights or run.output
    for name, kind in zip(NEEDED, ("alignment", "autoencoder")):
        stored, target = checkpoint.load(source / name, kind), run.output / name
        forgotten = "alignment" in run.without and kind == "alignment"
        if forgotten and target.exists() and target.samefile(source / name):
            raise InputError(f"--without alignment would overwrite {target}; choose another --output, and --weights")
        run.output.mkdir(parents=True, exist_ok=True)
        if forgotten:
            forget_alignment(source / name, target)
        elif not target.exists():
            shutil.copyfile(source / name, target)
        elif checkpoint.load(target, kind).sha256 != stored.sha256:
            raise InputError(f"{target} is not the one in {source}; choose another --output, or leave out --weights")


def train_diffuse(run: Run) -> Path:
    """Train the denoiser on the frozen models in `run.weights`; writes and returns `output/denoiser.safetensors`.

    Without "alignment" the sound is described by an audio encoder that was never trained; without "attention" blocks
    have neither kind of it, and the sound's mean steers them as the time does. The vocabulary is the encoder's.
    """
    run.check_parts("alignment", "attention")
    torch.manual_seed(0)
    config = replace(run.preset.denoiser, attention="attention" not in run.without)
    recipe = run.preset.diffuse
    gather_weights(run)
    encoder, alignment, hearing = models.load_tri_encoder(run.output / NEEDED[0])
    autoencoder, latent, shaping = models.load_autoencoder(run.output / NEEDED[1])
    vocabulary = hearing.vocabulary
    if run.vocabulary and run.vocabulary.names != vocabulary.names:
        raise InputError(
            f"--vocabulary names {', '.join(run.vocabulary.names)}, but the alignment was trained on "
            f"{', '.join(vocabulary.names)}; expected the same: run `audio2shape train align` with it first"
        )
    encoder, autoencoder = encoder.to(run.device), autoencoder.to(run.device)
    contexts = context_rows(run, encoder, run.sounds(vocabulary), recipe, alignment.window_s, hearing.sha256)
    latents = latent_rows(run, autoencoder, run.shapes(vocabulary, latent.num_points), recipe, shaping.sha256)
    sizes = {"num_tokens": latent.num_tokens, "latent_dim": latent.latent_dim, "context_dim": alignment.token_dim}
    denoiser = models.build_denoiser(config, **sizes)
    alphas = noise_schedule(config.train_steps).to(run.device)
    generator = torch.Generator(run.device)
    names = np.array(vocabulary.names)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((4, step))
        labels = rng.choice(names, recipe.optimization.batch_size)
        sounds = contexts.draw(labels, rng)
        # The shape is of the class that the encoder hears; one that was never aligned hears nothing.
        shown = labels if "alignment" in run.without else names[sounds["heard"]]
        shapes = latents.draw(shown, rng)
        context, latent = (
            torch.from_numpy(part).float().to(run.device) for part in (sounds["context"], shapes["latent"])
        )
        generator.manual_seed(int(rng.integers(2**62)))
        return {"velocity": diffusion_loss(denoiser, alphas, latent, context, config.condition_dropout, generator)}

    average = run.fit(denoiser, losses, recipe.optimization, "diffuse")
    return run.save("denoiser", asdict(config), vocabulary, average, sizes=sizes, steps=recipe.optimization.steps)
