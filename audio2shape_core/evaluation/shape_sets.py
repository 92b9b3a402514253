"""Generated shapes against real ones, class by class: coverage, MMD, 1-NNA, precision, nearest distances (Table IV).

Each class is compared with as many references as it has samples, by squared Chamfer distance (512 points) and by exact
EMD (256 points), all clouds in the unit sphere and canonical pose. Beside them stands what training shapes score, as
if the generator returned shapes that it was trained on.
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from audio2shape_core.data.canonical import canonicalize, normalize
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.gallery import MADE_POINTS, GalleryShape
from audio2shape_core.evaluation.set_metrics import (
    coverage,
    minimum_matching_distance,
    one_nna,
    pairwise_chamfer,
    pairwise_emd,
    set_metrics,
    subsample,
)
from audio2shape_core.evaluation.task import Task, mean

FEWEST = 4  # references of a class: the manifold of three neighbours needs one more
TRAINING = ("coverage", "mmd", "one_nna")  # measured of training shapes, too
AVERAGED = ("coverage", "mmd", "one_nna", "precision", "recall", "nn_distance")


def training_clouds(task: Task, label: str, count: int) -> list[np.ndarray]:
    """`count` training shapes of a class, real first, then procedural ones (only those without a `train` split)."""
    try:
        items = [item for item in read_manifest(task.data, "shape", "train") if item.label == label]
    except InputError:
        items = []
    chosen = [items[i] for i in np.random.default_rng(0).permutation(len(items))[:count]]
    clouds = [canonicalize(p, label, yaw_deg=item.yaw_deg) for item, (p, _) in zip(chosen, load_points(chosen))]
    made = task.completion.clouds(label, count - len(clouds), MADE_POINTS, range(count))
    return clouds + [points for _, (points, _) in made]


def compare_sets(
    samples: dict[str, list[np.ndarray]], gallery: list[GalleryShape], task: Task, *, with_emd: bool = True
) -> dict:
    """Set metrics of generated clouds.

    Arguments:
        samples: label -> at least as many clouds (N, 3) as the gallery has shapes of the class, up to `sizes.sets`.
        gallery: the references; classes with fewer than `FEWEST` are left out.
        with_emd: by EMD too, which takes three quarters of the time.
    Returns the averages over classes for Chamfer (`coverage`, `mmd`, ...); the same of as many training shapes
    (`coverage_training`, `mmd_training`, `one_nna_training`); `emd` (mean EMD to the nearest reference), `one_nna_emd`,
    `coverage_emd`; and `per_class` with both distances. Averages are None where no class is left.
    """
    per_class: dict[str, dict] = {}
    cd_points, emd_points = task.sizes.set_points
    for label, clouds in tqdm(samples.items(), "comparing sets"):
        references = [shape.points for shape in gallery if shape.label == label][: task.sizes.sets]
        if len(references) < FEWEST:
            continue
        made = [normalize(cloud) for cloud in clouds[: len(references)]]
        a, b = (subsample(part, cd_points) for part in (made, references))
        between = pairwise_chamfer(b, b)
        row = {"cd": set_metrics(pairwise_chamfer(a, a), pairwise_chamfer(a, b), between)}
        if known := training_clouds(task, label, len(references)):
            t = subsample(known, cd_points)
            own, across = pairwise_chamfer(t, t), pairwise_chamfer(t, b)
            memory = coverage(across), minimum_matching_distance(across), one_nna(own, across, between)
            row["cd"] |= {f"{key}_training": figure for key, figure in zip(TRAINING, memory)}
        if with_emd:
            a, b = (subsample(part, emd_points) for part in (made, references))
            row["emd"] = set_metrics(pairwise_emd(a, a), pairwise_emd(a, b), pairwise_emd(b, b))
        per_class[label] = row

    def average(distance: str, key: str) -> float | None:
        return mean(row[distance].get(key) for row in per_class.values())

    result = {key: average("cd", key) for key in (*AVERAGED, *(f"{key}_training" for key in TRAINING))}
    if with_emd:
        result |= {"emd": average("emd", "nn_distance")}
        result |= {f"{key}_emd": average("emd", key) for key in ("one_nna", "coverage")}
    return result | {"per_class": per_class}
