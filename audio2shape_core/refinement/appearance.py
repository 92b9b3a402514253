"""Colours for what the image does not show."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

NEIGHBORS = 12
SEEN = 0.3  # a Gaussian seen this well tells others its colour,
GLIMPSED = 0.03  # and one seen this well keeps its own: the image would show the difference
COLOR_SCALE = 0.5  # a full step of one colour channel counts as this much distance (the shape has radius 1)
WIDTH = 0.1  # distance over which neighbours count
AVERAGE_WEIGHT = 0.3  # of the average change, against 1 for each neighbour at no distance


def spread_colors(means: Tensor, colors: Tensor, imagined: Tensor, seen: Tensor) -> Tensor:
    """Carry the change that the image made to the seen colours over to the unseen ones.

    An unseen Gaussian changes like those seen ones that lie near it or near its mirror image (most made and living
    things are symmetric left to right, y -> -y), and that were imagined in a similar colour. Where the imagined colours
    were right already nothing changes.

    Arguments:
        means: (N, 3) canonical frame; colors: (N, 3) fitted; imagined: (N, 3) as the generator had them; all 0..1.
        seen: (N,) 0..1.
    Returns: (N, 3) colours; those of Gaussians that the image shows are kept.
    """
    known = (seen > SEEN).cpu().numpy()
    if not known.any():
        return colors
    x, y, z = means.detach().cpu().numpy().T
    features = np.concatenate([np.stack([x, np.abs(y), z], 1), COLOR_SCALE * imagined.detach().cpu().numpy()], 1)
    change = (colors - imagined).detach().cpu().numpy()[known]
    distance, index = cKDTree(features[known]).query(features, min(NEIGHBORS, int(known.sum())))
    distance, index = distance.reshape(len(features), -1), index.reshape(len(features), -1)
    weight = np.exp(-np.square(distance) / (2 * WIDTH**2))  # (N, K)
    # Far from everything seen there is only the average change to go by.
    total = np.einsum("nk,nkc->nc", weight, change[index]) + AVERAGE_WEIGHT * change.mean(0)
    carried = torch.from_numpy(total / (weight.sum(1, keepdims=True) + AVERAGE_WEIGHT)).to(colors)
    trust = (seen / GLIMPSED).clamp(max=1)[:, None]
    return (trust * colors + (1 - trust) * (imagined + carried)).clamp(0, 1)
