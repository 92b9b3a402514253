"""A surface mesh around a point cloud, for planners and pose estimators that want triangles."""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

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


def encode_obj(points: np.ndarray, colors: np.ndarray, scale: float, label: str) -> bytes:
    """Wavefront OBJ of the wrapped cloud in metres (`scale` of them a unit), with vertex colours: x y z r g b."""
    vertices, faces, painted = wrap(points, colors)
    rows = np.column_stack([vertices * scale, painted / 255.0])
    lines = [f"# audio2shape: an imagined {label or 'shape'}, metres, +z up, +x front"]
    lines += ["v {:.5f} {:.5f} {:.5f} {:.3f} {:.3f} {:.3f}".format(*row) for row in rows]
    lines += ["f {} {} {}".format(*(face + 1)) for face in faces]
    return "\n".join([*lines, ""]).encode()
