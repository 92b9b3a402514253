"""Metres from a depth image: a single picture cannot tell a near small thing from a far large one, depth can."""

from __future__ import annotations

from typing import Any

import numpy as np

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError
from audio2shape_ros.camera.images import pixel_rows, wide_numbers

DEPTHS = {"32FC1": (4, 1.0), "16UC1": (2, 0.001), "mono16": (2, 0.001)}  # encoding: (bytes, metres a unit), REP-118
CELL = 4  # pixels: of the points that fall into one square, only the nearest is seen
MIN_CELLS = 12  # fewer comparisons than this decide nothing
BELIEVABLE = (0.1, 10.0)  # a factor outside: the shape was fitted to something else than what depth shows there


def image_to_depth(message: Any) -> np.ndarray:
    """sensor_msgs/Image -> (H, W) float32 metres along the optical axis, NaN where nothing was measured.

    Raises InputError for other encodings or sizes that do not add up.
    """
    if message.encoding not in DEPTHS:
        raise InputError(f"depth encoding {message.encoding!r}: expected 32FC1 (metres) or 16UC1 (millimetres)")
    size, unit = DEPTHS[message.encoding]
    depth = wide_numbers(pixel_rows(message, size, "depth image"), message, "f4" if size == 4 else "u2") * np.float32(
        unit
    )
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))


def depth_scale(points: np.ndarray, camera: Camera, depth: np.ndarray) -> float | None:
    """By how much a fitted shape must grow, and move away with it, to stand where depth shows it.

    points: (N, 3) in the camera's optical frame, metres as assumed. camera: of the colour image. depth: (H, W) metres,
    registered to that image; its size may differ. Returns the median factor over the visible surface, or None where too
    little of it was measured or the answer is unbelievable.
    """
    pixels, distance = camera.with_pose(np.eye(4)).project(points)
    height, width = depth.shape
    with np.errstate(invalid="ignore"):
        columns, rows = np.floor(pixels * (width / camera.width, height / camera.height)).T
        inside = (distance > 0) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows, distance = columns[inside].astype(int), rows[inside].astype(int), distance[inside]
    nearest_first = np.argsort(distance, kind="stable")
    cells = (rows // CELL * (width // CELL + 1) + columns // CELL)[nearest_first]
    seen = nearest_first[np.unique(cells, return_index=True)[1]]
    factors = depth[rows[seen], columns[seen]] / distance[seen]
    factors = factors[np.isfinite(factors)]
    if len(factors) < MIN_CELLS:
        return None
    factor = float(np.median(factors))
    return factor if BELIEVABLE[0] <= factor <= BELIEVABLE[1] else None
