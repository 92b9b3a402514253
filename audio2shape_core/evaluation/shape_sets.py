"""Generated shapes against real ones, class by class: coverage, MMD, 1-NNA, precision, nearest distances (Table IV).

Each class is compared with as many references as it has samples, by squared Chamfer distance (512 points) and by exact
EMD (256 points), all clouds in the unit sphere and canonical pose. Beside them stands what training shapes score:
what an imagination as good as memory would.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from audio2shape_core.data.canonical import canonicalize, normalize
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.data.shape_bank import TRAIN_SEEDS
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.gallery import MADE_POINTS, GalleryShape
from audio2shape_core.evaluation.set_metrics import pairwise_chamfer, pairwise_emd, set_metrics, subsample
from audio2shape_core.synthetic.shapes import procedural_shape

SET_SIZE = 16  # samples and references a class
CD_POINTS, EMD_POINTS = 512, 256
TRAINING = ("coverage", "mmd", "one_nna")  # measured of training shapes, too
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


def compare_sets(
    samples: dict[str, list[np.ndarray]], gallery: list[GalleryShape], data: Path, *, with_emd: bool = True
) -> dict:
    """Set metrics of generated clouds.

    Arguments:
        samples: label -> at least as many clouds (N, 3) as the gallery has shapes of the class, up to SET_SIZE.
        gallery: the references.
        with_emd: by EMD too, which takes three quarters of the time.
    Returns the averages over classes for Chamfer (`coverage`, `mmd`, ...); the same of as many training shapes
    (`coverage_training`, `mmd_training`, `one_nna_training`); `emd` (mean EMD to the nearest reference), `one_nna_emd`,
    `coverage_emd`; and `per_class` with both distances. Nothing, where there are no samples.
    """
    if not samples:
        return {}
    per_class = {}
    for label, clouds in tqdm(samples.items(), "comparing sets"):
        references = [shape.points for shape in gallery if shape.label == label][:SET_SIZE]
        made = [normalize(cloud) for cloud in clouds[: len(references)]]
        known = training_clouds(data, label, len(references))
        a, b, t = (subsample(part, CD_POINTS) for part in (made, references, known))
        between = pairwise_chamfer(b, b)
        row = {"cd": set_metrics(pairwise_chamfer(a, a), pairwise_chamfer(a, b), between)}
        memory = set_metrics(pairwise_chamfer(t, t), pairwise_chamfer(t, b), between)
        row["cd"] |= {f"{key}_training": memory[key] for key in TRAINING}
        if with_emd:
            a, b = (subsample(part, EMD_POINTS) for part in (made, references))
            row["emd"] = set_metrics(pairwise_emd(a, a), pairwise_emd(a, b), pairwise_emd(b, b))
        per_class[label] = row

    def mean(distance: str, key: str) -> float:
        return float(np.mean([row[distance][key] for row in per_class.values()]))

    result = {key: mean("cd", key) for key in (*AVERAGED, *(f"{key}_training" for key in TRAINING))}
    if with_emd:
        result |= {"emd": mean("emd", "nn_distance")}
        result |= {f"{key}_emd": mean("emd", key) for key in ("one_nna", "coverage")}
    return result | {"per_class": per_class}


def report(sets: dict) -> None:
    """A line a class; beside each column in `TRAINING` what training shapes score."""
    columns = {"COV": "coverage", "MMD": "mmd", "1-NNA": "one_nna"}
    titles = [title for name in columns for title in (name, "train")] + ["precision", "1-NNA EMD"]
    keys = [key for name in columns.values() for key in (name, f"{name}_training")] + ["precision", "one_nna_emd"]
    print(f"{'':12s}" + "".join(f"{title:>10s}" for title in titles))
    rows = {label: {**row["cd"], "one_nna_emd": row["emd"]["one_nna"]} for label, row in sets["per_class"].items()}
    for label, row in {**rows, "mean": sets}.items():
        print(f"{label:12s}" + "".join(f"{row[key]:10.4f}" for key in keys))
