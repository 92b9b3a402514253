"""What the system gives back: a coloured point cloud that says how sure it is, and its files. NumPy only.

Letters: N points.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.files import replacing
from audio2shape_core.formats import gaussians_ply, npz, ply, splat
from audio2shape_core.sources import read_bytes
from audio2shape_core.splats import Splats

GAUSSIANS_PLY = ".3dgs.ply"  # the ending that asks for the 3D Gaussians instead of the points: both formats end in .ply
LARGEST_FILE = 2**30  # bytes
SUFFIXES = (".ply", ".npz", ".obj", ".splat")
NPZ_NAMES = ("points", "colors", "confidence", "label", "score_labels", "score_values", "camera_from_shape")


@dataclass(frozen=True)
class Shape:
    """A shape in its canonical frame: +z up, +x front, about the unit sphere; no units.

    points: (N, 3) float32. colors: (N, 3) uint8 RGB. confidence: (N,) float32 in [0, 1], how far each point may be
    trusted. label, scores: the class heard, and the probability of every class. camera_from_shape: (4, 4) float64
    similarity to the camera's optical frame in metres (scale included). splats: the 3D Gaussians behind a refined
    cloud, else None.
    """

    points: np.ndarray
    colors: np.ndarray
    confidence: np.ndarray
    label: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    camera_from_shape: np.ndarray = field(default_factory=lambda: np.eye(4))
    splats: Splats | None = None

    def points_in_camera(self) -> np.ndarray:
        """Points in the camera's optical frame, metres: (N, 3) float32."""
        matrix = self.camera_from_shape
        return (self.points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)

    def front_in_camera(self) -> np.ndarray:
        """Which way the shape faces: the unit vector of its front in the camera's optical frame, (3,) float64."""
        front = self.camera_from_shape[:3, 0]
        return front / np.linalg.norm(front)

    def save(self, path: str | os.PathLike) -> None:
        """Write the shape in the format of the suffix, whole or not at all.

        .ply: canonical coloured points with confidence. .npz: everything but the Gaussians. .obj: a surface mesh in
        metres. .splat and .3dgs.ply: the 3D Gaussians (one a point where the shape was never refined), compact, and as
        the 3DGS reference code writes them.
        Raises InputError for another suffix or a place that cannot be written.
        """
        path = Path(path)
        if path.suffix not in SUFFIXES:
            raise InputError(f"cannot write {path.name}: expected one of {', '.join(SUFFIXES)}")
        data = self._encode(GAUSSIANS_PLY if path.name.endswith(GAUSSIANS_PLY) else path.suffix)
        with replacing(path) as temporary:
            temporary.write_bytes(data)

    def _encode(self, suffix: str) -> bytes:
        if suffix == ".ply":
            return ply.encode(self.points, self.colors, self.confidence, self.label)
        if suffix == ".npz":
            scores = list(self.scores), list(self.scores.values())
            values = self.points, self.colors, self.confidence, self.label, *scores, self.camera_from_shape
            return npz.encode(dict(zip(NPZ_NAMES, map(np.asarray, values))))
        if suffix == ".obj":
            from audio2shape_core.formats import obj  # scikit-image takes a while

            scale = float(np.cbrt(np.linalg.det(self.camera_from_shape[:3, :3])))
            return obj.encode(self.points, self.colors, scale, self.label)
        splats = self.splats or Splats.from_cloud(self.points, self.colors)
        return gaussians_ply.encode(splats) if suffix == GAUSSIANS_PLY else splat.encode(splats)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Shape:
        """Read a .ply, .npz, .splat or .3dgs.ply that `save` wrote, or another file of these formats.

        Each Gaussian is a point, too. Raises InputError for anything else.
        """
        path = Path(path)
        data = read_bytes(path, largest=npz.LARGEST_FILE if path.suffix == ".npz" else LARGEST_FILE)
        try:
            if path.suffix == ".npz":
                return cls._from_arrays(*npz.decode(data, NPZ_NAMES).values())
            if path.suffix == ".splat":
                return cls._from_splats(splat.decode(data))
            rows, comments = ply.read_vertices(data)
            if {*ply.names_of(rows)} >= gaussians_ply.NAMES:
                return cls._from_splats(gaussians_ply.decode(rows))
            return cls(*ply.decode(rows, comments))
        except ValueError as error:
            raise InputError(
                f"cannot read {path} ({str(error).splitlines()[0]}); expected a .ply, .npz or .splat of audio2shape"
            ) from error

    @classmethod
    def _from_splats(cls, splats: Splats) -> Shape:
        colors = np.round(255 * splats.colors).astype(np.uint8)
        return cls(splats.means, colors, np.ones(len(splats), np.float32), splats=splats)

    @classmethod
    def _from_arrays(
        cls,
        points: np.ndarray,
        colors: np.ndarray,
        confidence: np.ndarray,
        label: np.ndarray,
        names: np.ndarray,
        scores: np.ndarray,
        matrix: np.ndarray,
    ) -> Shape:
        """From an .npz, in the order of NPZ_NAMES. Raises ValueError for arrays that are not those of a shape."""
        count = len(points) if points.ndim else 0
        shapes = {"points": (count, 3), "colors": (count, 3), "confidence": (count,), "camera_from_shape": (4, 4)}
        for name, array in zip(shapes, (points, colors, confidence, matrix)):
            if array.shape != shapes[name] or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                raise ValueError(f"{name} is {array.dtype}{array.shape}: expected finite numbers {shapes[name]}")
        if not count or scores.dtype.kind not in "fiu" or scores.shape != names.shape or scores.ndim != 1:
            raise ValueError("it holds no points, or not one score a label")
        by_label = dict(zip(map(str, names.tolist()), scores.tolist()))
        parts = points.astype(np.float32), colors.astype(np.uint8), confidence.astype(np.float32)
        return cls(*parts, str(label), by_label, matrix.astype(np.float64))
