"""Cross-modal retrieval: how high the right items rank. Q queries, G gallery items.

Every result carries the gallery's size and what chance would score: on a gallery of 64 items of 20 classes, an
embedding that knows the class and nothing else has an instance recall@10 near 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio2shape_core.errors import InputError

KS = (1, 5, 10)


def retrieval_metrics(
    similarity: np.ndarray,
    query_labels: Sequence[str],
    gallery_labels: Sequence[str],
    query_ids: Sequence[str] | None = None,
    gallery_ids: Sequence[str] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float | int | list[float]]:
    """Score a similarity matrix. Queries whose class is not in the gallery are left out.

    Arguments:
        similarity: (Q, G), higher is more alike.
        query_labels, gallery_labels: classes, (Q,) and (G,).
        query_ids, gallery_ids: instances, (Q,) and (G,): given both, recall@k asks for the very instance.
        resamples: how many bootstrap draws of queries the interval of `map` rests on.
    Returns
        map, macro_map: mean average precision of finding the class; over queries, and over classes of queries.
        map_interval: 95 % bootstrap interval of `map`; it takes queries for independent, which clips of one recording
            are not.
        chance_map: the expected `map` of a random ranking.
        class_hit@k: share of queries with an item of their class among the first k.
        recall@k: the same for the very instance if ids are given, else equal to class_hit@k.
        gallery_size, queries.
    Items tied with the first right one count as ranked before it, so that a collapsed embedding gains nothing.
    Raises InputError where shapes disagree, similarities are not finite, or no query has an item of its class.
    """
    similarity = np.asarray(similarity, np.float64)
    queries, gallery = np.asarray(query_labels), np.asarray(gallery_labels)
    if similarity.shape != (len(queries), len(gallery)) or not np.isfinite(similarity).all():
        raise InputError(
            f"similarity of shape {similarity.shape}, expected finite ({len(queries)}, {len(gallery)}): "
            "one row a query, one column a gallery item"
        )
    relevant = queries[:, None] == gallery[None]
    kept = relevant.any(axis=1)
    if not kept.any():
        raise InputError("no query has an item of its class in the gallery, expected some: check the labels")
    similarity, relevant, queries = similarity[kept], relevant[kept], queries[kept]
    precision = average_precision(similarity, relevant)
    class_rank = first_rank(similarity, relevant)
    instance_rank = class_rank
    if query_ids is not None and gallery_ids is not None:
        same = np.asarray(query_ids)[kept, None] == np.asarray(gallery_ids)[None]
        instance_rank = first_rank(similarity, same)
    rng = np.random.default_rng(seed)
    means = [rng.choice(precision, len(precision)).mean() for _ in range(resamples)]
    return {
        "map": float(precision.mean()),
        "macro_map": float(np.mean([precision[queries == label].mean() for label in np.unique(queries)])),
        "map_interval": [float(x) for x in np.percentile(means, [2.5, 97.5])],
        "chance_map": float(chance_average_precision(relevant.sum(axis=1), len(gallery)).mean()),
        **{f"recall@{k}": float(np.mean(instance_rank <= k)) for k in KS},
        **{f"class_hit@{k}": float(np.mean(class_rank <= k)) for k in KS},
        "gallery_size": len(gallery),
        "queries": int(kept.sum()),
    }


def average_precision(similarity: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Area under each query's precision-recall steps, tied items taken together: (Q, G), (Q, G) bool -> (Q,)."""
    result = np.empty(len(similarity))
    for q, (scores, right) in enumerate(zip(similarity, relevant)):
        order = np.argsort(-scores, kind="stable")
        descending, right = -scores[order], right[order]
        tie_end = np.searchsorted(descending, descending, side="right")  # how many items rank at or above each one
        result[q] = np.mean((np.cumsum(right)[tie_end - 1] / tie_end)[right])
    return result


def first_rank(similarity: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Rank, from 1, of each query's best right item; infinite where there is none: (Q, G), (Q, G) bool -> (Q,)."""
    best = np.where(relevant, similarity, -np.inf).max(axis=1)
    before = (similarity >= best[:, None]) & ~relevant
    return np.where(relevant.any(axis=1), 1.0 + before.sum(axis=1), np.inf)


def chance_average_precision(num_relevant: np.ndarray, gallery_size: int) -> np.ndarray:
    """Expected average precision of a random ranking in which `num_relevant` of the gallery are right.

    At rank k an item is right with probability R / G, and so is each item before it with (R - 1) / (G - 1); summing
    (1 / R) P(right at k) E[precision at k] over k gives the formula, with H the harmonic number of G.
    """
    harmonic = np.sum(1.0 / np.arange(1, gallery_size + 1))
    others = (np.asarray(num_relevant) - 1) / max(1, gallery_size - 1)
    return (harmonic + others * (gallery_size - harmonic)) / gallery_size
