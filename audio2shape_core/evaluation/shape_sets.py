"""Generated shapes against real ones, class by class: coverage, MMD, 1-NNA, precision, nearest distances (Table IV).

Each class is compared with as many references as it has samples, by squared Chamfer distance (512 points) and by exact
EMD (256 points), all clouds in the unit sphere and canonical pose. Beside every MMD stands that of training shapes:
what an imagination as good as memory would score.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from audio2shape_core.data.canonical import canonicalize, normalize
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.data.procedural import procedural_shape
from audio2shape_core.data.shape_bank import TRAIN_SEEDS
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.gallery import MADE_POINTS, GalleryShape
from audio2shape_core.evaluation.set_metrics import (
    minimum_matching_distance,
    pairwise_chamfer,
    pairwise_emd,
    set_metrics,
    subsample,
)

SET_SIZE = 16  # samples and references a class
CD_POINTS, EMD_POINTS = 512, 256
AVERAGED = ("coverage", "mmd", "one_nna", "precision", "recall", "nn_distance")


def training_clouds(data: Path, label: str, count: int) -> list[np.ndarray]:
    """`count` training shapes of a class, real first, then procedural ones (only those without a `train` split)."""
    try:
        items = [item for item in read_manifest(data, "shape", "train") if item.label == label]
    except InputError:
        items = []
    chosen = [items[i] for i in np.random.default_rng(0).permutation(len(items))[:count]]
    clouds = [canonicalize(points, label, source=item.source) for item, (points, _) in zip(chosen, load_points(chosen))]
    return clouds + [procedural_shape(label, seed, MADE_POINTS)[0] for seed in TRAIN_SEEDS[: count - len(clouds)]]


def compare_sets(samples: dict[str, list[np.ndarray]], gallery: list[GalleryShape], data: Path) -> dict:
    """Set metrics of generated clouds.

    Arguments:
        samples: label -> at least as many clouds (N, 3) as the gallery has shapes of the class, up to SET_SIZE.
        gallery: the references.
    Returns the averages over classes for Chamfer (`coverage`, `mmd`, ...), `emd` (mean EMD to the nearest reference),
    `mmd_training` (the MMD of as many training shapes), and `per_class` with both distances.
    """
    per_class = {}
    for label, clouds in tqdm(samples.items(), "comparing sets"):
        references = [shape.points for shape in gallery if shape.label == label][:SET_SIZE]
        made = [normalize(cloud) for cloud in clouds[: len(references)]]
        known = training_clouds(data, label, len(references))
        a, b, t = (subsample(part, CD_POINTS) for part in (made, references, known))
        row = {"cd": set_metrics(pairwise_chamfer(a, a), pairwise_chamfer(a, b), pairwise_chamfer(b, b))}
        row["cd"]["mmd_training"] = minimum_matching_distance(pairwise_chamfer(t, b))
        a, b = (subsample(part, EMD_POINTS) for part in (made, references))
        row["emd"] = set_metrics(pairwise_emd(a, a), pairwise_emd(a, b), pairwise_emd(b, b))
        per_class[label] = row
    rows = list(per_class.values())
    return {
        **{key: float(np.mean([row["cd"][key] for row in rows])) for key in (*AVERAGED, "mmd_training")},
        "emd": float(np.mean([row["emd"]["nn_distance"] for row in rows])),
        "one_nna_emd": float(np.mean([row["emd"]["one_nna"] for row in rows])),
        "coverage_emd": float(np.mean([row["emd"]["coverage"] for row in rows])),
        "per_class": per_class,
    }


def report(sets: dict) -> None:
    print(f"{'':12s}{'COV':>7s}{'MMD':>8s}{'of train':>9s}{'1-NNA':>7s}{'prec.':>7s}{'1-NNA EMD':>11s}")
    rows = {label: {**row["cd"], "one_nna_emd": row["emd"]["one_nna"]} for label, row in sets["per_class"].items()}
    for label, row in {**rows, "mean": sets}.items():
        print(f"{label:12s}{row['coverage']:7.2f}{row['mmd']:8.4f}{row['mmd_training']:9.4f}{row['one_nna']:7.2f}"
              f"{row['precision']:7.2f}{row['one_nna_emd']:11.2f}")  # fmt: skip
