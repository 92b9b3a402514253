"""`evaluate reconstruction`: Table II of the paper, with the sampling floor beside every figure.

CD is unsquared, the sum of both directions; EMD is exact, on up to 1024 points; both on clouds in the unit sphere, at
the cloud's own size up to 2048 points. The floor is what two samples of one surface differ by: no reconstruction can be
expected to beat it by much. Clouds that have no points to spare for a second sample are cut in half, and the floor of
the halves is divided by sqrt(2), since distances between samples of a surface fall with the root of their density.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.clouds import resize_cloud
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.gallery import GalleryShape, read_gallery
from audio2shape_core.evaluation.interpolation import draw_interpolation
from audio2shape_core.evaluation.metrics import chamfer, emd, fscore
from audio2shape_core.evaluation.task import Task
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.vocabulary import Vocabulary

NUM_POINTS = 2048
FSCORE_TAU = 0.02


@dataclass(frozen=True)
class Sample:
    """A test shape: what the model is shown (N, 3), and its floor."""

    shape: GalleryShape
    seen: np.ndarray
    floor: dict[str, float]


def differences(a: np.ndarray, b: np.ndarray, emd_points: int) -> dict[str, float]:
    """Chamfer distance, EMD of up to `emd_points` points, and F-score of two clouds (N, 3), (M, 3)."""
    count = min(len(a), len(b), emd_points)
    return {"cd": chamfer(a, b), "emd": emd(a[:count], b[:count]), "fscore": fscore(a, b, FSCORE_TAU)}


def sample(shape: GalleryShape, emd_points: int, rng: np.random.Generator) -> Sample:
    """Choose what is shown, and measure the floor."""
    points = rng.permutation(shape.points)
    if len(points) >= 2 * NUM_POINTS:
        seen, other = points[:NUM_POINTS], points[NUM_POINTS : 2 * NUM_POINTS]
        apart = differences(other, seen, emd_points)
        return Sample(shape, seen, {key: apart[key] for key in ("cd", "emd")})
    seen, half = points[:NUM_POINTS], min(len(points), NUM_POINTS) // 2
    apart = differences(seen[:half], seen[half : 2 * half], emd_points)
    return Sample(shape, seen, {key: apart[key] / 2**0.5 for key in ("cd", "emd")})


def read_samples(task: Task, vocabulary: Vocabulary) -> list[Sample]:
    """Shapes of every class of the vocabulary that the split has, with their floors."""
    rng = np.random.default_rng(0)
    labels, (fewest, most) = task.classes(vocabulary).names, task.sizes.reconstructed
    gallery = read_gallery(task, labels, complete_to=fewest)
    chosen = [shape for label in labels for shape in [s for s in gallery if s.label == label][:most]]
    return [sample(shape, task.sizes.emd_points, rng) for shape in tqdm(chosen, "floors")]


@torch.inference_mode()
def reconstruct(model: PointCloudVQVAE, samples: list[Sample], task: Task) -> tuple[list[dict], torch.Tensor]:
    """Differences between every sample and its reconstruction at the sample's size, and the codes used (M * T, G)."""
    model.to(task.device)
    rng = np.random.default_rng(1)
    rows, indices = [], []
    for one in tqdm(samples, "reconstructing"):
        cloud, _ = resize_cloud(one.seen, NUM_POINTS, rng)
        made, _, passed = model(morton_sort(torch.from_numpy(cloud)[None].to(task.device))[0])
        indices.append(passed.indices[0].cpu())
        shown = rng.permutation(made[0].cpu().numpy())[: len(one.seen)]
        rows.append(differences(shown, one.seen, task.sizes.emd_points))
    return rows, torch.cat(indices)


def evaluate_reconstruction(task: Task) -> dict:
    """Reconstruct the shapes of every class; CD, EMD, F-score, their floors, and the codebook's use.

    An ablation is a folder with another autoencoder (the PC-VAE of Table II), measured on the same samples.
    Raises InputError where the split has no shape of the vocabulary.
    """
    model, config, stored = models.load_autoencoder(task.weights / "autoencoder.safetensors")
    samples = read_samples(task, stored.vocabulary)
    if not samples:
        raise InputError(f"no shapes to reconstruct in split {task.split!r}; expected some of the weights' vocabulary")
    rows, codes = reconstruct(model, samples, task)
    result = {
        **summary(samples, rows),
        "modelnet40": modelnet(samples, rows),
        "codebook": codebook_use(codes, config.codebook_size),
        "ablations": {},
    }
    for name, folder in task.ablations.items():
        other, _, _ = models.load_autoencoder(folder / "autoencoder.safetensors")
        result["ablations"][name] = summary(samples, reconstruct(other, samples, task)[0])
    if task.picture:
        draw_interpolation(model, [one.shape for one in samples], NUM_POINTS, task.picture)
    return result


def summary(samples: list[Sample], rows: list[dict[str, float]]) -> dict:
    """Means of classes, and over classes: {"mean", "floor", "per_class"}."""
    per_class: dict[str, dict[str, Any]] = {}
    for label in dict.fromkeys(one.shape.label for one in samples):
        own = [i for i, one in enumerate(samples) if one.shape.label == label]
        per_class[label] = {
            "shapes": len(own),
            "mean": mean_of([rows[i] for i in own]),
            "floor": mean_of([samples[i].floor for i in own]),
        }
    return {
        "mean": mean_of([row["mean"] for row in per_class.values()]),
        "floor": mean_of([row["floor"] for row in per_class.values()]),
        "per_class": per_class,
    }


def modelnet(samples: list[Sample], rows: list[dict[str, float]]) -> dict:
    """The same over the shapes of ModelNet40 alone, if there are any."""
    own = [i for i, one in enumerate(samples) if one.shape.id.startswith("modelnet40")]
    return {k: v for k, v in summary([samples[i] for i in own], [rows[i] for i in own]).items() if k != "per_class"}


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} if rows else {}


def codebook_use(codes: torch.Tensor, size: int) -> dict[str, float]:
    """Perplexity (of `size`) and share of codes used, averaged over the codebooks: codes (M, G)."""
    perplexity, used = [], []
    for column in codes.T:
        share = torch.bincount(column, minlength=size).float() / len(column)
        perplexity.append(float(torch.exp(-(share * (share + 1e-12).log()).sum())))
        used.append(float((share > 0).float().mean()))
    return {"perplexity": float(np.mean(perplexity)), "used": float(np.mean(used)), "size": size}
