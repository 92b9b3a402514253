"""A pinhole camera, the default view of an imagined shape, and the removal of lens distortion.

Camera frame: OpenCV / ROS optical (+x right, +y down, +z forward). World frame during refinement: the shape's canonical
frame (+z up, +x front, unit sphere at the origin). Pixel (0, 0) covers [0, 1] x [0, 1]: its centre is at +0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from audio2shape_core.errors import InputError

# Field of view along the longer image side when nothing is known about the camera: between webcams and phones.
DEFAULT_FOV_DEG = 60.0
FOCAL_LENGTHS = (0.1, 1e6)  # pixels
# Default three-quarter view: the object's front and its left side are seen, slightly from above.
DEFAULT_AZIMUTH_DEG, DEFAULT_ELEVATION_DEG = 35.0, 20.0
# How much of the shorter half of the frame the unit sphere fills in the default view.
DEFAULT_FILL = 0.95


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion.

    Arguments:
        width, height: image size in pixels.
        fx, fy, cx, cy: focal lengths and principal point in pixels (edge-based: the image centre is width / 2).
        world_to_camera: (4, 4) float64 rigid transform, world point -> optical frame.
    Raises InputError for sizes that are not positive, intrinsics out of range, or a transform that is not rigid.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    world_to_camera: np.ndarray = field(default_factory=lambda: np.eye(4))

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"camera image size {self.width} x {self.height}: expected at least 1 x 1 pixels")
        low, high = FOCAL_LENGTHS
        if not (low <= self.fx <= high and low <= self.fy <= high):  # NaN is neither
            raise InputError(f"focal length fx {self.fx}, fy {self.fy}: expected {low:g} to {high:g} pixels")
        if not (abs(self.cx) <= high and abs(self.cy) <= high):
            raise InputError(f"principal point cx {self.cx}, cy {self.cy}: expected {-high:g} to {high:g} pixels")
        pose = np.array(self.world_to_camera, dtype=np.float64)
        rotation = pose[:3, :3] if pose.shape == (4, 4) else np.zeros((3, 3))
        rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) and np.linalg.det(rotation) > 0
        if not rigid or not np.isfinite(pose).all() or not np.allclose(pose[3], (0, 0, 0, 1)):
            raise InputError("world_to_camera: expected a rigid (4, 4) transform [R t; 0 0 0 1] with det R = +1")
        object.__setattr__(self, "world_to_camera", pose)

    @classmethod
    def default(cls, width: int, height: int) -> Camera:
        """The camera assumed when none is given: 60 degrees along the longer side, three-quarter view of the shape."""
        return cls.look_at(DEFAULT_AZIMUTH_DEG, DEFAULT_ELEVATION_DEG, width=width, height=height)

    @classmethod
    def look_at(
        cls,
        azimuth: float,
        elevation: float,
        distance: float | None = None,
        *,
        width: int,
        height: int,
        fov_deg: float = DEFAULT_FOV_DEG,
        roll: float = 0.0,
    ) -> Camera:
        """A camera looking at the origin with +z up.

        Arguments:
            azimuth: degrees from +x (the shape's front) towards +y.
            elevation: degrees above the horizontal plane, -90..90.
            distance: camera to origin; None places it so that the unit sphere fills 95 % of the shorter side.
            fov_deg: field of view along the longer image side, degrees.
            roll: degrees the camera is turned about its optical axis.
        """
        focal = 0.5 * max(width, height) / math.tan(math.radians(fov_deg) / 2)
        if distance is None:
            distance = 1 / math.sin(math.atan(0.5 * min(width, height) * DEFAULT_FILL / focal))
        pose = np.eye(4)
        pose[:3, :3] = view_rotation(azimuth, elevation, roll)
        pose[2, 3] = distance
        return cls(width, height, focal, focal, width / 2, height / 2, pose)

    @classmethod
    def from_matrix(cls, matrix: np.ndarray, width: int, height: int) -> Camera:
        """Intrinsics from a (3, 3) matrix in the ROS / OpenCV convention, whose pixel centres are at whole numbers."""
        k = np.asarray(matrix, dtype=np.float64).reshape(3, 3)
        return cls(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]) + 0.5, float(k[1, 2]) + 0.5)

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) float64 matrix, pixel centres at +0.5."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    @property
    def position(self) -> np.ndarray:
        """(3,) camera centre in the world frame."""
        return -self.world_to_camera[:3, :3].T @ self.world_to_camera[:3, 3]

    def view(self) -> tuple[float, float, float]:
        """Azimuth, elevation and roll, degrees, of a camera about as if by `look_at`: where it stands, seen from the
        origin of the world, and how far it is turned about its optical axis."""
        x, y, z = self.position
        azimuth, elevation = math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))
        turn = self.world_to_camera[:3, :3] @ view_rotation(azimuth, elevation).T
        return azimuth, elevation, math.degrees(math.atan2(turn[1, 0], turn[0, 0]))

    def with_pose(self, world_to_camera: np.ndarray) -> Camera:
        return replace(self, world_to_camera=world_to_camera)

    def scaled(self, factor: float) -> Camera:
        """The same view on an image resized by `factor` (each side rounded to whole pixels, at least 1)."""
        return self.resized(max(1, round(self.width * factor)), max(1, round(self.height * factor)))

    def resized(self, width: int, height: int) -> Camera:
        """The same view on an image resized to that many pixels."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, width=width, height=height, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The same view on the window of the image that starts at (left, top); it may reach outside the image."""
        return replace(self, width=width, height=height, cx=self.cx - left, cy=self.cy - top)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (N, 3) -> pixels (N, 2) and depths (N,), float64. Pixels are NaN where depth <= 0."""
        in_camera = np.asarray(points, np.float64) @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        depth = in_camera[:, 2]
        safe = np.where(depth > 0, depth, np.nan)[:, None]
        return in_camera[:, :2] / safe * (self.fx, self.fy) + (self.cx, self.cy), depth


def view_rotation(azimuth: float, elevation: float, roll: float = 0.0) -> np.ndarray:
    """(3, 3) world-to-camera rotation of a camera that looks at the origin from that side, degrees, +z up."""
    a, e, r = np.radians((azimuth, elevation, roll))
    forward = -np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    upright = np.stack([right, np.cross(forward, right), forward])
    turn = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return turn @ upright


def undistort(
    image: np.ndarray, matrix: np.ndarray, distortion: np.ndarray, model: str = "plumb_bob"
) -> tuple[np.ndarray, Camera]:
    """Remove lens distortion as described by sensor_msgs/CameraInfo.

    Arguments:
        image: (H, W) or (H, W, C) uint8.
        matrix: CameraInfo.k, (3, 3) or 9 numbers, pixels.
        distortion: CameraInfo.d; empty or all zero means none.
        model: "plumb_bob" (4 or 5 numbers), "rational_polynomial" (8) or "equidistant" (fisheye, 4).
    Returns the image seen by a pinhole with the same matrix, and that camera. Raises InputError for other models.
    """
    import cv2

    height, width = image.shape[:2]
    camera = Camera.from_matrix(matrix, width, height)
    k = np.asarray(matrix, dtype=np.float64).reshape(3, 3)
    d = np.asarray(distortion, dtype=np.float64).ravel()
    sizes = {"": (0,), "plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
    if not np.isfinite(d).all():
        raise InputError(f"distortion D is {d.tolist()}: expected finite numbers; calibrate the camera again")
    if d.any() and d.size not in sizes.get(model, ()):
        raise InputError(
            f"distortion model {model!r} with {d.size} numbers: expected plumb_bob (5), rational_polynomial (8) or "
            "equidistant (4); publish rectified images instead (image_proc)"
        )
    if not d.any():
        return image, camera
    if model == "equidistant":
        return cv2.fisheye.undistortImage(image, k, d, Knew=k), camera
    return cv2.undistort(image, k, d), camera
