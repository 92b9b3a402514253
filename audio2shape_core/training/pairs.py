"""What the denoiser learns from: contexts of training sounds and latents of training shapes, made once, by class."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from tqdm import tqdm

from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.data import shape_bank
from audio2shape_core.data.sound_bank import SoundBank, blend
from audio2shape_core.files import replacing
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.training.loop import fast_precision
from audio2shape_core.vocabulary import VOCABULARY

# The denoiser learns what shapes are like, so it sees them nearly as they are: stretched as the other recipes stretch
# them, training shapes themselves can be told from real ones.
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
    """The contexts stored at `path` by the audio encoder of hash `sha256`, or what `make()` returns, stored there.

    Like the bank of shapes they do not notice that the data changed: delete them then.
    """
    if path.is_file():
        with safe_open(path, framework="pt") as file:
            if file.metadata()["sha256"] == sha256:
                return {label: file.get_tensor(label).float() for label in file.keys()}  # noqa: SIM118
    contexts = make()
    with replacing(path) as temporary:
        halves = {label: rows.half() for label, rows in contexts.items()}
        temporary.write_bytes(to_bytes(halves, metadata={"sha256": sha256}))
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
