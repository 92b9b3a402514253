"""Points spread evenly: farthest point sampling (Eldar et al. 1997), compiled."""

from __future__ import annotations

import numpy as np

from audio2shape_core.splatting.cpu_kernels import compiled


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices into points (N, 3), count <= N: each is the one farthest from all before it, so that every
    beginning of the list is spread evenly too. Time N x count: 8192 of 16384 take a fifth of a second."""
    return _farthest(np.ascontiguousarray(points, np.float32), count)


@compiled()
def _farthest(points, count):
    chosen = np.zeros(count, np.int64)
    distance = np.full(len(points), np.float32(np.inf))
    for k in range(1, count):
        x, y, z = points[chosen[k - 1]]
        best = 0
        for i in range(len(points)):
            dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
            distance[i] = min(distance[i], dx * dx + dy * dy + dz * dz)
            if distance[i] > distance[best]:
                best = i
        chosen[k] = best
    return chosen
