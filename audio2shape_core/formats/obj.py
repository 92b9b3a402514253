"""A surface mesh around a point cloud, for planners and pose estimators that want triangles."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes


@dataclass(frozen=True)
class Mesh:
    """points (V, 3) float32; faces (F, 3) int; colors (V, 3) uint8."""

    points: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


CELLS = 72  # along the longest side
BLUR = 1.1  # cells
LEVEL = 0.35  # of the density that a typical point has about it: lower keeps thin parts, higher keeps gaps open


def wrap(points: np.ndarray, colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Marching cubes on the blurred density of a cloud (N, 3) with colours (N, 3) uint8.

    Returns vertices (V, 3) float32 in the cloud's frame, triangles (F, 3) int, colours (V, 3) uint8 of nearest points.
    """
    low, high = points.min(0), points.max(0)
    cell = float((high - low).max()) / CELLS
    margin = 4
    counts, _ = np.histogramdd(
        points,
        bins=[int(np.ceil((h - l) / cell)) + 2 * margin for l, h in zip(low, high)],
        range=[(l - margin * cell, l + (np.ceil((h - l) / cell) + margin) * cell) for l, h in zip(low, high)],
    )
    density = gaussian_filter(counts, BLUR)
    index = ((points - low) / cell + margin).astype(int)
    typical = np.median(density[tuple(np.minimum(index, np.array(density.shape) - 1).T)])
    vertices, faces, _, _ = marching_cubes(density, LEVEL * typical)
    vertices = (vertices + 0.5 - margin) * cell + low
    return vertices.astype(np.float32), faces, colors[cKDTree(points).query(vertices)[1]]


def encode(points: np.ndarray, colors: np.ndarray, scale: float, label: str) -> bytes:
    """Wavefront OBJ of the wrapped cloud in metres (`scale` of them a unit), with vertex colours: x y z r g b."""
    vertices, faces, painted = wrap(points, colors)
    rows = np.column_stack([vertices * scale, painted / 255.0])
    lines = [f"# audio2shape: an imagined {label or 'shape'}, metres, +z up, +x front"]
    lines += ["v {:.5f} {:.5f} {:.5f} {:.3f} {:.3f} {:.3f}".format(*row) for row in rows]
    lines += ["f {} {} {}".format(*(face + 1)) for face in faces]
    return "\n".join([*lines, ""]).encode()


def decode(data: bytes) -> Mesh:
    """Triangles, polygons as fans, and vertex colours where there are any. Raises ValueError for anything else."""
    vertices, faces = [], []
    for line in data.decode().splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([*map(float, values[:6])] if len(values) >= 6 else [*map(float, values[:3]), 0.7, 0.7, 0.7])
        elif kind == "f":
            corners = [int(value.split("/")[0]) for value in values]
            corners = [c - 1 if c > 0 else len(vertices) + c for c in corners]
            faces += [(corners[0], *pair) for pair in zip(corners[1:-1], corners[2:])]
    table, faces = np.array(vertices, np.float32), np.array(faces)
    if table.shape[1:] != (6,) or faces.ndim != 2 or not 0 <= faces.min() <= faces.max() < len(table):
        raise ValueError("no triangles")
    return Mesh(table[:, :3], faces, np.round(255 * table[:, 3:]).clip(0, 255).astype(np.uint8))
