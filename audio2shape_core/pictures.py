"""The one door for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audio2shape_core.errors import InputError


def read_picture(path: str) -> np.ndarray:
    """(H, W, 3) or, with transparency, (H, W, 4) uint8 RGB(A) of a picture file."""
    import cv2

    if not Path(path).is_file():
        raise InputError(f"no image at {path}; expected a PNG or JPEG file")
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != "uint8":
        raise InputError(f"{path} is not a picture OpenCV can read; expected an 8-bit PNG or JPEG")
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def read_mask(path: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 of a picture that marks an object."""
    mask = read_picture(path)[..., 0]
    if mask.shape != size:
        raise InputError(f"--mask {path}: {mask.shape[1]} x {mask.shape[0]}, expected {size[1]} x {size[0]} pixels")
    return mask
