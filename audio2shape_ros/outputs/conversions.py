"""Shapes to messages. Frames: a shape is upright (x front, z up); a cloud is in metres in the output frame."""

from __future__ import annotations

import array
import sys

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from audio2shape_core.shape import Shape
from audio2shape_ros.ros import octets

# One float32 a field: what every RViz reads, and sensor_msgs_py without padding.
NAMES = ("x", "y", "z", "rgb", "confidence")
CLOUD_DTYPE = np.dtype([(name, np.float32) for name in NAMES])
FIELDS = [PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, name in enumerate(NAMES)]


def pack_rgb(colors: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 -> (N,) float32 whose bits are 0x00RRGGBB.

    The top byte stays 0: with 0xFF there, half of all colours would be NaN and readers that skip NaN drop the points.
    """
    red, green, blue = np.asarray(colors, np.uint32).T
    return (red << 16 | green << 8 | blue).astype(np.uint32).view(np.float32)


def unpack_rgb(packed: np.ndarray) -> np.ndarray:
    """(N,) float32 with bits 0x00RRGGBB -> (N, 3) uint8."""
    bits = np.ascontiguousarray(packed, np.float32).view(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)


def to_cloud(header: Header, points: np.ndarray, colors: np.ndarray, confidence: np.ndarray) -> PointCloud2:
    """(N, 3) metres, (N, 3) uint8 RGB, (N,) 0..1 -> an unorganised, dense cloud x y z rgb confidence."""
    table = np.empty(len(points), CLOUD_DTYPE)
    table["x"], table["y"], table["z"] = np.asarray(points, np.float32).reshape(-1, 3).T
    table["rgb"] = pack_rgb(np.reshape(colors, (-1, 3)))
    table["confidence"] = confidence
    size = CLOUD_DTYPE.itemsize
    return PointCloud2(
        header=header,
        height=1,
        width=len(table),
        fields=FIELDS,
        point_step=size,
        row_step=size * len(table),
        is_bigendian=sys.byteorder == "big",
        is_dense=bool(np.isfinite(points).all()),
        data=array.array("B", table.tobytes()),
    )


def from_cloud(message: PointCloud2) -> np.ndarray:
    """A cloud made by `to_cloud` -> (N,) structured array of CLOUD_DTYPE."""
    names = [field.name for field in message.fields]
    if names != list(NAMES) or message.point_step != CLOUD_DTYPE.itemsize:
        raise ValueError(f"cloud with fields {names}: expected {list(NAMES)}")
    return octets(message.data).view(CLOUD_DTYPE)


def shape_cloud(header: Header, shape: Shape, matrix: np.ndarray) -> PointCloud2:
    """A shape's cloud in the frame of the header, to which the (4, 4) `matrix` leads from the canonical frame."""
    return to_cloud(header, transform(matrix, shape.points), shape.colors, shape.confidence)


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(4, 4) affine, (N, 3) -> (N, 3) float32."""
    return (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)


def split_similarity(matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """(4, 4) similarity -> scale, (3, 3) rotation, (3,) translation."""
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    return scale, matrix[:3, :3] / scale, matrix[:3, 3]


def box(matrix: np.ndarray, points: np.ndarray) -> tuple[Pose, Vector3]:
    """The upright box around canonical points (N, 3): its pose in the output frame and its size in metres."""
    scale, rotation, _ = split_similarity(matrix)
    low, high = points.min(axis=0), points.max(axis=0)
    centre = transform(matrix, (low + high)[None] / 2)[0]
    pose = Pose(position=Point(x=float(centre[0]), y=float(centre[1]), z=float(centre[2])))
    pose.orientation = quaternion(rotation)
    size = scale * (high - low)
    return pose, Vector3(x=float(size[0]), y=float(size[1]), z=float(size[2]))


def quaternion(rotation: np.ndarray) -> Quaternion:
    """(3, 3) rotation -> unit quaternion."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def matrix_from_transform(message: Transform) -> np.ndarray:
    """geometry_msgs/Transform -> (4, 4) float64."""
    q, matrix = message.rotation, np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    matrix[:3, 3] = message.translation.x, message.translation.y, message.translation.z
    return matrix
