"""What the camera saw, and what is known about it: the one parcel in which a picture travels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError


@dataclass(frozen=True)
class Foreground:
    """Where the object is. mask: (H, W) float32, 0..1. confidence: 0..1 that it is one whole object alone."""

    mask: np.ndarray
    confidence: float


@dataclass(frozen=True)
class Frame:
    """A camera frame.

    image: (H, W, 3) RGB or (H, W, 4) RGBA uint8, without lens distortion.
    camera: its intrinsics; None assumes a field of view of 60 degrees along the longer side.
    pose_known: `camera.world_to_camera` is true already (canonical frame of the shape -> camera).
    mask: (H, W), above 0 where the object is, if that is known.
    Raises InputError for parts that do not fit together.
    """

    image: np.ndarray
    camera: Camera | None = None
    pose_known: bool = False
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        image, camera, mask = self.image, self.camera, self.mask
        if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or not image.size:
            raise InputError(f"image of shape {image.shape}, {image.dtype}: expected (H, W, 3) or (H, W, 4) uint8")
        height, width = image.shape[:2]
        if camera is not None and (camera.width, camera.height) != (width, height):
            raise InputError(
                f"camera for {camera.width} x {camera.height} pixels and an image of {width} x {height}: expected the "
                "same size; use Camera.scaled"
            )
        if self.pose_known and camera is None:
            raise InputError("pose_known without a camera: expected the camera whose world_to_camera is known")
        if mask is not None and mask.shape != (height, width):
            size = " x ".join(map(str, mask.shape[1::-1]))
            raise InputError(f"mask of {size} pixels and an image of {width} x {height}: expected the same size")
