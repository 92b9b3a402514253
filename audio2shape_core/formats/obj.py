"""Wavefront OBJ: one closed surface around a point cloud, for planners and pose estimators that want triangles."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from audio2shape_core.clouds import spacing

LARGEST_FILE = 2**27  # bytes; as triangles, it takes many times as much memory
CELLS = 76  # of the grid, along the cloud's longest side
REACH = 2.0  # gaps up to twice as many spacings of the points are closed
LARGEST_REACH = 9.0  # cells: where the points lie far apart, the grid is coarser
SMALLEST = 0.02  # of a cloud's longest side, in its units; the grid of a smaller one is as large
THICKNESS = 1.42  # cells between a point and the surface
LEAST_SHARE = 0.005  # of the points: what is less and lies apart is left out
PARTS = 24  # at most so many parts that lie apart are joined
BLUR = 0.8  # cells
CLEARANCE = 0.02  # of a cell, from corners of the grid: vertices must not fall together when a reader rounds them


@dataclass(frozen=True)
class Mesh:
    """points: (V, 3) float32. faces: (F, 3) int64, counter-clockwise seen from outside. colors: (V, 3) uint8 RGB."""

    points: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


def wrap(points: np.ndarray, colors: np.ndarray) -> Mesh:
    """The surface of the body that points (N, 3) with colours (N, 3) uint8 enclose: one body, closed, facing outward.

    Gaps between the points are closed (a morphological closing on a grid), what they enclose is filled, and parts that
    lie apart are joined by the shortest bar. The surface is then found by marching cubes; colours are those of the
    nearest points. Everything is in the frame of the points.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from scipy.spatial import cKDTree
    from skimage.measure import marching_cubes

    low = points.min(0)
    reach = REACH * float(np.percentile(spacing(points), 95)) if len(points) > 3 else 0.0
    cell = max(float(np.ptp(points, axis=0).max()) / CELLS, SMALLEST / CELLS, reach / LARGEST_REACH)
    margin = int(LARGEST_REACH) + 3
    places = ((points - low) / cell + margin + 0.5).astype(int)  # (N, 3) cells of the points
    free = np.ones(places.max(0) + margin + 1, bool)
    free[tuple(places.T)] = False
    solid = _joined(_closed(distance_transform_edt(free), reach / cell), places)
    field = gaussian_filter(solid.astype(np.float32), BLUR) - 0.5
    field = np.where(abs(field) < CLEARANCE, np.copysign(CLEARANCE, field), field)
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    faces = _largest_body(vertices, faces)
    used, faces = np.unique(faces, return_inverse=True)
    vertices = ((vertices[used] - margin) * cell + low).astype(np.float32)
    return Mesh(vertices, faces.reshape(-1, 3), colors[cKDTree(points).query(vertices)[1]])


def encode(points: np.ndarray, colors: np.ndarray, scale: float, label: str) -> bytes:
    """The wrapped cloud in metres (`scale` of them a unit), with vertex colours: x y z r g b."""
    mesh = wrap(points, colors)
    rows = np.column_stack([mesh.points.astype(float) * scale, mesh.colors / 255.0])
    lines = [f"# audio2shape: an imagined {label or 'shape'}, metres, +z up, +x front"]
    lines += ["v {:.7f} {:.7f} {:.7f} {:.3f} {:.3f} {:.3f}".format(*row) for row in rows]
    lines += ["f {} {} {}".format(*(face + 1)) for face in mesh.faces]
    return "\n".join([*lines, ""]).encode()


def _closed(distance: np.ndarray, reach: float) -> np.ndarray:
    """The cells within THICKNESS of the closed and filled cloud: (X, Y, Z) bool.

    distance: (X, Y, Z) to the nearest point, reach: half of the widest gap to close; both in cells.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    reach = max(reach, THICKNESS)
    covered = binary_fill_holes(distance <= reach)
    return distance_transform_edt(covered) > reach - THICKNESS


def _joined(solid: np.ndarray, places: np.ndarray) -> np.ndarray:
    """One body of a grid (X, Y, Z): parts with few of the points' cells `places` go, bars lead to the others."""
    from scipy.ndimage import label
    from scipy.spatial import cKDTree

    parts, count = label(solid)
    sizes = np.bincount(parts[tuple(places.T)], minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")[:PARTS] + 1
    kept = [part for part in order if sizes[part - 1] >= LEAST_SHARE * len(places)]
    cells = [np.argwhere(parts == part) for part in kept]
    body, rest = cells[0], cells[1:]
    joined = parts == kept[0]
    while rest:
        tree = cKDTree(body)
        distances, nearest = zip(*(tree.query(part) for part in rest))
        index = int(np.argmin([distance.min() for distance in distances]))
        closest = int(np.argmin(distances[index]))
        ends = rest[index][closest], body[nearest[index][closest]]
        bar = np.round(np.linspace(*ends, int(2 * distances[index][closest]) + 2)).astype(int)
        for offset in np.ndindex(3, 3, 3):
            joined[tuple((bar + offset - 1).T)] = True
        joined[tuple(rest[index].T)] = True
        body = np.concatenate([body, rest.pop(index), bar])
    return joined


def _largest_body(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces of the connected surface that encloses most, turned to face outward."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = faces.reshape(-1), np.roll(faces, 1, axis=1).reshape(-1)
    shape = len(vertices), len(vertices)
    _, bodies = connected_components(coo_array((np.ones(faces.size, bool), ends), shape), directed=False)
    corners = vertices[faces].astype(float)
    volumes = np.bincount(bodies[faces[:, 0]], np.linalg.det(corners) / 6)
    largest = int(np.argmax(abs(volumes)))
    faces = faces[bodies[faces[:, 0]] == largest]
    return faces if volumes[largest] > 0 else faces[:, ::-1]


def decode(data: bytes) -> Mesh:
    """Triangles, polygons as fans, with colours where there are any, else grey. Raises ValueError for anything else."""
    import trimesh

    text = io.BytesIO(data)
    try:
        mesh = trimesh.load_mesh(text, file_type="obj", process=False, skip_materials=True)
        points, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int64)
        visual, colors = mesh.visual, np.full(points.shape, 178)
        if isinstance(visual, trimesh.visual.ColorVisuals) and visual.kind == "vertex":
            colors = np.asarray(visual.vertex_colors)[:, :3]
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if not faces.size or not 0 <= faces.min() <= faces.max() < len(points) or not np.isfinite(points).all():
        raise ValueError("it holds no triangles, or vertices that are not there or not finite")
    return Mesh(points, faces, colors.astype(np.uint8))
