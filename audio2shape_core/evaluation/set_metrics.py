"""Do generated shapes, as a set, resemble real ones? S samples, R references, and the distances between them.

Coverage, MMD and 1-NNA as PointFlow defines them (arXiv:1906.12320, section 5.1); precision and recall of manifolds
from Kynkaanniemi et al. (arXiv:1904.06991). All take distance matrices, so that one matrix serves them all and any
distance will do. PointFlow asks for S = R; 1-NNA means little otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.metrics import emd


def subsample(clouds: Sequence[np.ndarray], num_points: int, seed: int = 0) -> list[np.ndarray]:
    """The same number of random points from each cloud, without replacement: [(N, 3)] -> [(num_points, 3)]."""
    rng = np.random.default_rng(seed)
    if min(map(len, clouds), default=num_points) < num_points:
        raise InputError(f"subsampling to {num_points} points: a cloud has only {min(map(len, clouds))}: ask for fewer")
    return [cloud[rng.choice(len(cloud), num_points, replace=False)] for cloud in clouds]


def pairwise_chamfer(a: Sequence[np.ndarray], b: Sequence[np.ndarray], *, squared: bool = True) -> np.ndarray:
    """(A, B) Chamfer distances, squared by default, as in PointFlow. About 1 ms a pair of 512 points."""
    trees_a, trees_b = [cKDTree(cloud) for cloud in a], [cKDTree(cloud) for cloud in b]
    power = 2 if squared else 1
    result = np.empty((len(a), len(b)))
    for i, tree_a in enumerate(trees_a):
        for j, tree_b in enumerate(trees_b):
            there, back = tree_b.query(tree_a.data)[0], tree_a.query(tree_b.data)[0]
            result[i, j] = np.mean(there**power) + np.mean(back**power)
    return result


def pairwise_emd(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """(A, B) exact earth mover's distances; `subsample` first: about 30 ms a pair of 512 points, 0.6 s of 2048."""
    return np.array([[emd(x, y) for y in b] for x in a]).reshape(len(a), len(b))


def coverage(sample_to_reference: np.ndarray) -> float:
    """Share of references that are the nearest one of some sample; (S, R) -> 0..1, higher is more varied."""
    return len(np.unique(sample_to_reference.argmin(axis=1))) / sample_to_reference.shape[1]


def minimum_matching_distance(sample_to_reference: np.ndarray) -> float:
    """Mean over references of the distance to the nearest sample; (S, R), lower is better."""
    return float(sample_to_reference.min(axis=0).mean())


def spread(sample_to_sample: np.ndarray) -> float:
    """Mean distance between two different samples, from the distances (S, S) of a set to itself; S at least 2."""
    return float(sample_to_sample[~np.eye(len(sample_to_sample), dtype=bool)].mean())


def nearest_reference_distance(sample_to_reference: np.ndarray) -> float:
    """Mean over samples of the distance to the nearest reference; (S, R), lower is better.

    This is how we read the "1-NN" of the paper's Table IV: it falls as samples get better, unlike 1-NNA.
    """
    return float(sample_to_reference.min(axis=1).mean())


def one_nna(sample_to_sample: np.ndarray, sample_to_reference: np.ndarray, reference_to_reference: np.ndarray) -> float:
    """Leave-one-out accuracy of a nearest-neighbour classifier of "sample" against "reference".

    The best value is 0.5, where the two sets cannot be distinguished; 1 is the worst, 0 means copies of the references.
    Arguments: (S, S), (S, R), (R, R).
    """
    distances = np.block(
        [[sample_to_sample, sample_to_reference], [sample_to_reference.T, reference_to_reference]]
    ).astype(np.float64)
    np.fill_diagonal(distances, np.inf)
    is_sample = np.arange(len(distances)) < len(sample_to_sample)
    return float(np.mean(is_sample[distances.argmin(axis=1)] == is_sample))


def manifold_precision(sample_to_reference: np.ndarray, reference_to_reference: np.ndarray, k: int = 3) -> float:
    """Share of samples no farther from some reference than that reference's k-th nearest other reference.

    Arguments: (S, R), (R, R). Swap the roles of the two sets for manifold recall.
    """
    if len(reference_to_reference) <= k:
        raise InputError(f"manifold precision with k = {k} of {len(reference_to_reference)} references, expected more")
    others = np.array(reference_to_reference, np.float64)
    np.fill_diagonal(others, np.inf)
    radius = np.partition(others, k - 1, axis=1)[:, k - 1]  # (R,)
    return float(np.mean((sample_to_reference <= radius).any(axis=1)))


def set_metrics(
    sample_to_sample: np.ndarray, sample_to_reference: np.ndarray, reference_to_reference: np.ndarray, k: int = 3
) -> dict[str, float | int]:
    """All of the above for one kind of distance; arguments (S, S), (S, R), (R, R)."""
    return {
        "coverage": coverage(sample_to_reference),
        "mmd": minimum_matching_distance(sample_to_reference),
        "one_nna": one_nna(sample_to_sample, sample_to_reference, reference_to_reference),
        "precision": manifold_precision(sample_to_reference, reference_to_reference, k),
        "recall": manifold_precision(sample_to_reference.T, sample_to_sample, k),
        "nn_distance": nearest_reference_distance(sample_to_reference),
        "samples": len(sample_to_sample),
        "references": len(reference_to_reference),
    }
