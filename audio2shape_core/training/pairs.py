"""What the denoiser learns from: contexts of training sounds and latents of training shapes, by class.

Letters: B batch, L context tokens, T latent tokens, C channels.
"""

from collections.abc import Iterator

import numpy as np
import torch

from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.data import shape_bank
from audio2shape_core.data.rows import Fields, Row, RowsByClass
from audio2shape_core.data.sound_bank import SoundBank, blend
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.presets import DiffuseRecipe
from audio2shape_core.training.loop import fast_precision
from audio2shape_core.training.run import Run


def context_rows(
    run: Run, encoder: TriEncoder, sounds: SoundBank, recipe: DiffuseRecipe, window_s: float, made_of: str
) -> RowsByClass:
    """Contexts of augmented training recordings, by the class of the recording: `context` (L, C), and `heard`, the
    index of the class that the encoder hears.

    Half of the sounds are blends of two classes. New recordings are rarely as clear as those the encoder learned from,
    and a doubtful sound must still become one thing, not the average of two: the one the encoder names.
    """
    names = encoder.vocabulary.names

    @torch.inference_mode()
    def make(label: str, indices: list[int]) -> Iterator[Row]:
        waves = []
        for index in indices:
            rng = np.random.default_rng((3, index, *label.encode()))
            drawn, other = (sounds.draw(name, window_s, rng) for name in (label, str(rng.choice(names))))
            waves.append(blend(drawn, other, rng.uniform(0.5, 1.0) if rng.random() < 0.5 else 1.0))
        for part in torch.from_numpy(np.stack(waves)).split(32):
            embedding, tokens = encoder.audio(part.to(run.device))
            heard = encoder.class_probabilities(embedding).argmax(-1)
            for context, index in zip(encoder.context(embedding, tokens).cpu().numpy(), heard.tolist()):
                yield {"context": context, "heard": index}

    with torch.inference_mode():
        one = encoder.context(*encoder.audio(torch.zeros(1, int(window_s * SAMPLE_RATE), device=run.device)))[0]
    counts = {label: recipe.views * len(sounds.by_label[label]) for label in names}
    fields: Fields = [("context", np.float16, tuple(one.shape)), ("heard", np.int32, ())]
    made_of += sounds.made_of
    return RowsByClass.of(counts, fields, make, folder=run.made, name="contexts", made_of=made_of)


def latent_rows(
    run: Run, autoencoder: PointCloudVQVAE, bank: shape_bank.ShapeBank, recipe: DiffuseRecipe, made_of: str
) -> RowsByClass:
    """Standardised latents of augmented training shapes by class: `latent` (T, C)."""

    @torch.inference_mode()
    def make(label: str, indices: list[int]) -> Iterator[Row]:
        clouds = []
        for index in indices:
            rng = np.random.default_rng((6, index, *label.encode()))
            cloud = bank.draw(label, rng)["points"]
            clouds.append(shape_bank.augment(cloud, rng, turn=recipe.turn, stretch=recipe.stretch))
        for part in torch.from_numpy(np.stack(clouds)).split(50):
            with fast_precision(run.device):
                latents = autoencoder.encode(part.to(run.device)).float().cpu().numpy()
            yield from ({"latent": latent} for latent in latents)

    shape = (autoencoder.encoder.num_tokens, len(autoencoder.latent_mean))
    fields: Fields = [("latent", np.float16, shape)]
    counts = dict.fromkeys(bank.labels, recipe.latents)
    return RowsByClass.of(counts, fields, make, folder=run.made, name="latents", made_of=made_of + bank.made_of)
