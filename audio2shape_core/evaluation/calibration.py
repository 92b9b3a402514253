"""Whether a confidence can be believed, and whether unknown sounds are separated from known ones."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from audio2shape_core.errors import InputError


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence, weighted by their counts.

    Guo et al., "On calibration of modern neural networks" (2017), eq. 3.
    Arguments: confidence (N,) in [0, 1], correct (N,) bool.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.shape != correct.shape or not len(confidence) or not ((confidence >= 0) & (confidence <= 1)).all():
        raise InputError("calibration: expected as many confidences in [0, 1] as verdicts, and at least one")
    where = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # bins are (low, high]
    gaps = np.bincount(where, confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Probability that a known item scores higher than an unknown one; a tie counts half. 0.5 is chance.

    Arguments: known (N,), unknown (M,): for instance the confidence of each.
    """
    known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    if not len(known) or not len(unknown):
        raise InputError(f"AUROC of {len(known)} known and {len(unknown)} unknown items, expected some of both")
    ranks = rankdata(np.concatenate([known, unknown]))[: len(known)]
    return float((ranks.sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown)))
