"""Which points of a surface a camera sees, judged by dense points alone.

Every point stands for a small disc in the plane of its neighbours, wide enough for several to overlap everywhere. A
point is hidden where the ray to it from the camera meets several discs clearly before the point; a disc that reaches
out over an edge hides nothing alone. This is independent of the rasteriser that the measures built on it are to judge.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from audio2shape_core.camera import Camera
from audio2shape_core.clouds import spacing, surface_normals

# In units of the cloud's spacing (mean distance to three neighbours). About ten such discs overlap within a surface and
# half as many at its edge. A smaller slack would let a curved surface hide itself.
DISC_RADIUS, SLACK = 2.5, 2.0
DISCS_THAT_HIDE = 4
DISCS_TRIED = 64
GRAZING = 1e-3  # a disc seen this much edge-on (cosine) is not met


def seen_points(points: np.ndarray, camera: Camera) -> np.ndarray:
    """(N,) bool: which of the points (N, 3) of a surface, thousands, no other part hides. The frame does not count.

    The two sides of a sheet thinner than two spacings cannot be distinguished: both are then seen.
    """
    points = np.asarray(points, np.float64)
    unit = float(np.median(spacing(points)))
    sight = points - camera.position
    distance = np.linalg.norm(sight, axis=1)
    sight /= distance[:, None]
    normals = surface_normals(points)
    # discs near the ray: neighbours of its direction
    wide = DISC_RADIUS * unit / distance.min()
    _, index = cKDTree(sight).query(sight, min(DISCS_TRIED, len(points)), distance_upper_bound=wide)  # (N, K)
    there = index < len(points)
    index = np.where(there, index, 0)
    center, normal = points[index], normals[index]  # (N, K, 3)
    slope = np.einsum("nki,ni->nk", normal, sight)
    slope = np.where(np.abs(slope) > GRAZING, slope, np.nan)
    depth = np.einsum("nki,nki->nk", normal, center - camera.position) / slope
    meeting = camera.position + depth[..., None] * sight[:, None]
    on_disc = np.linalg.norm(meeting - center, axis=-1) < DISC_RADIUS * unit
    before = there & on_disc & (depth < distance[:, None] - SLACK * unit)
    return before.sum(1) < DISCS_THAT_HIDE
