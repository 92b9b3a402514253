"""What the system gives back: a coloured point cloud that says how sure it is, and its files.

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

PLY_DTYPE = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("confidence", "<f4")]
)
PLY_NAMES = {"<f4": "float", "|u1": "uchar"}
SUFFIXES = (".ply", ".npz", ".obj", ".splat")
GAUSSIANS_PLY = ".3dgs.ply"  # the ending that asks for the 3D Gaussians instead of the points: both formats end in .ply


@dataclass(frozen=True)
class Shape:
    """A shape in its canonical frame: +z up, +x front, about the unit sphere; no units.

    points: (N, 3) float32. colors: (N, 3) uint8 RGB. confidence: (N,) float32 in [0, 1], how far each point may be
    trusted. label, scores: the class heard, and the probability of every class. camera_from_shape: (4, 4) float64
    similarity to the camera's optical frame in metres (scale included). gaussians: the 3D Gaussians behind a refined
    cloud, else None.
    """

    points: np.ndarray
    colors: np.ndarray
    confidence: np.ndarray
    label: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    camera_from_shape: np.ndarray = field(default_factory=lambda: np.eye(4))
    gaussians: object | None = None

    def points_in_camera(self) -> np.ndarray:
        """Points in the camera's optical frame, metres: (N, 3) float32."""
        matrix = self.camera_from_shape
        return (self.points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)

    def front_in_camera(self) -> np.ndarray:
        """Which way the shape faces: the unit vector of its front in the camera's optical frame, (3,) float64."""
        front = self.camera_from_shape[:3, 0]
        return front / np.linalg.norm(front)

    def save(self, path: str | os.PathLike) -> None:
        """Write the shape in the format of the suffix, to a temporary name that is then renamed.

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
            return encode_ply(self)
        if suffix == ".npz":
            return encode_npz(self)
        if suffix == ".obj":
            from audio2shape_core.formats.obj import encode_obj

            scale = float(np.cbrt(np.linalg.det(self.camera_from_shape[:3, :3])))
            return encode_obj(self.points, self.colors, scale, self.label)
        from audio2shape_core.formats.splats import to_ply, to_splat
        from audio2shape_core.splatting.gaussians import Gaussians

        gaussians = self.gaussians or Gaussians.from_cloud(self.points, self.colors)
        return to_ply(gaussians) if suffix == GAUSSIANS_PLY else to_splat(gaussians)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Shape:
        """Read a .ply or .npz that `save` wrote. Raises InputError for anything else."""
        path = Path(path)
        try:
            if path.suffix == ".npz":
                with np.load(path) as file:
                    scores = dict(zip(file["score_labels"].tolist(), file["score_values"].tolist()))
                    return cls(
                        file["points"],
                        file["colors"],
                        file["confidence"],
                        str(file["label"]),
                        scores,
                        file["camera_from_shape"],
                    )
            return decode_ply(path.read_bytes())
        except (OSError, KeyError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"cannot read {path} ({reason}); expected a .ply or .npz that audio2shape wrote"
            ) from error


def encode_ply(shape: Shape) -> bytes:
    """Binary little-endian PLY: x y z, red green blue, confidence; label in a comment."""
    rows = np.empty(len(shape.points), PLY_DTYPE)
    for axis, name in enumerate("xyz"):
        rows[name] = shape.points[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        rows[name] = shape.colors[:, channel]
    rows["confidence"] = shape.confidence
    properties = [f"property {PLY_NAMES[PLY_DTYPE[name].str]} {name}" for name in PLY_DTYPE.names]
    header = ["ply", "format binary_little_endian 1.0", f"comment label {shape.label}", f"element vertex {len(rows)}"]
    return "\n".join([*header, *properties, "end_header", ""]).encode() + rows.tobytes()


def decode_ply(data: bytes) -> Shape:
    head, marker, body = data.partition(b"end_header\n")
    lines = head.decode("ascii").split("\n")
    properties = [line.split()[-1] for line in lines if line.startswith("property")]
    counts = [int(line.split()[-1]) for line in lines if line.startswith("element vertex")]
    if not marker or not counts or tuple(properties) != PLY_DTYPE.names:
        raise ValueError("not a point cloud with x y z red green blue confidence")
    rows = np.frombuffer(body, PLY_DTYPE, count=counts[0])
    label = next((line[len("comment label ") :] for line in lines if line.startswith("comment label ")), "")
    points = np.stack([rows[n] for n in "xyz"], axis=1)
    colors = np.stack([rows[n] for n in ("red", "green", "blue")], axis=1)
    return Shape(points, colors, rows["confidence"].copy(), label)


def encode_npz(shape: Shape) -> bytes:
    import io

    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        points=shape.points,
        colors=shape.colors,
        confidence=shape.confidence,
        label=shape.label,
        score_labels=list(shape.scores),
        score_values=list(shape.scores.values()),
        camera_from_shape=shape.camera_from_shape,
    )
    return buffer.getvalue()


def resize_cloud(points: np.ndarray, num_points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A cloud at another size: (N, 3) -> points (num_points, 3), and which point each belongs to (num_points,).

    Larger clouds are subsampled. Smaller ones gain points between neighbours, on or close to the surface.
    """
    from scipy.spatial import cKDTree

    if len(points) >= num_points:
        kept = rng.choice(len(points), num_points, replace=False)
        return points[kept], kept
    extra = rng.choice(len(points), num_points - len(points), replace=num_points > 2 * len(points))
    _, neighbours = cKDTree(points).query(points[extra], k=4)
    partner = neighbours[np.arange(len(extra)), rng.integers(1, 4, len(extra))]
    share = rng.uniform(0.3, 0.7, (len(extra), 1)).astype(np.float32)
    between = share * points[extra] + (1 - share) * points[partner]
    return np.concatenate([points, between]), np.concatenate([np.arange(len(points)), extra])
