"""`evaluate reconstruction`: Table II of the paper, with the sampling floor beside every figure.

CD is unsquared, the sum of both directions; EMD is exact; both on clouds in the unit sphere, at the cloud's own size up to
2048 points. The floor is what two samples of one surface differ by: no reconstruction can be expected to beat it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.evaluation.gallery import read_gallery
from audio2shape_core.evaluation.metrics import chamfer, emd, fscore
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.pipeline import choose_device
from audio2shape_core.shape import resize_cloud
from audio2shape_core.vocabulary import VOCABULARY

MAX_PER_CLASS = 12
COMPLETE_TO = 4
FSCORE_TAU = 0.02
EMD_POINTS = 1024


def differences(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    count = min(len(a), len(b), EMD_POINTS)
    return {"cd": chamfer(a, b), "emd": emd(a[:count], b[:count]), "fscore": fscore(a, b, FSCORE_TAU)}


@torch.inference_mode()
def evaluate_reconstruction(data: Path, split: str, *, weights: Path, device: str) -> dict:
    """Reconstruct up to MAX_PER_CLASS shapes a class; CD, EMD, F-score, their floors, and the codebook's use."""
    place = choose_device(device)
    model, config, _ = models.load_autoencoder(weights / "autoencoder.safetensors")
    model.to(place)
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[dict, dict]]] = {}
    indices = []
    for shape in tqdm(read_gallery(data, split, VOCABULARY, complete_to=COMPLETE_TO), "reconstructing"):
        done = rows.setdefault(shape.label, [])
        if len(done) == MAX_PER_CLASS:
            continue
        points = rng.permutation(shape.points)
        size = min(len(points) // 2 if len(points) > config.num_points else len(points), config.num_points)
        seen = points[:size]
        cloud, _ = resize_cloud(seen, config.num_points, rng)
        made, _, passed = model(morton_sort(torch.from_numpy(cloud)[None].to(place))[0])
        indices.append(passed.indices[0].cpu())
        made = rng.permutation(made[0].cpu().numpy())[:size]
        # The floor needs a second sample of the surface: there is one where the stored cloud is large enough.
        other = points[size : 2 * size]
        done.append((differences(made, seen), differences(other, seen) if len(other) == size else {}))
    per_class = {label: average(pairs) for label, pairs in rows.items()}
    codes = torch.cat(indices)  # (M * T, G)
    result = {
        "mean": mean_of([c["mean"] for c in per_class.values()]),
        "floor": mean_of([c["floor"] for c in per_class.values() if c["floor"]]),
        "per_class": per_class,
        "codebook": codebook_use(codes, config.codebook_size),
    }
    report(result)
    return result


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} if rows else {}


def average(pairs: list[tuple[dict, dict]]) -> dict:
    return {
        "shapes": len(pairs),
        "mean": mean_of([made for made, _ in pairs]),
        "floor": mean_of([floor for _, floor in pairs if floor]),
    }


def codebook_use(codes: torch.Tensor, size: int) -> dict[str, float]:
    """Perplexity (of `size`) and share of codes used, averaged over the codebooks: codes (M, G)."""
    perplexity, used = [], []
    for column in codes.T:
        share = torch.bincount(column, minlength=size).float() / len(column)
        perplexity.append(float(torch.exp(-(share * (share + 1e-12).log()).sum())))
        used.append(float((share > 0).float().mean()))
    return {"perplexity": float(np.mean(perplexity)), "used": float(np.mean(used)), "size": size}


def report(result: dict) -> None:
    print(f"{'':14s}{'CD':>8s}{'floor':>8s}{'EMD':>8s}{'floor':>8s}{'F@.02':>8s}")
    for label, row in {**result["per_class"], "mean": result}.items():
        floor = {"cd": float("nan"), "emd": float("nan"), **row["floor"]}
        made = row["mean"]
        print(f"{label:14s}{made['cd']:8.4f}{floor['cd']:8.4f}{made['emd']:8.4f}{floor['emd']:8.4f}{made['fscore']:8.2f}")
    use = result["codebook"]
    print(f"codebook: {use['used']:.0%} of {use['size']} codes used, perplexity {use['perplexity']:.0f}")
