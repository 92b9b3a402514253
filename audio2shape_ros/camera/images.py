"""sensor_msgs/Image and CompressedImage to RGB arrays, and CameraInfo to a pinhole camera; without cv_bridge, which is
built against NumPy 1 and does not load beside NumPy 2."""

from __future__ import annotations

import array
from typing import Any

import numpy as np

from audio2shape_core.camera import Camera, undistort
from audio2shape_core.errors import InputError
from audio2shape_core.pictures import MAX_DECODED_BYTES, decode_picture, decode_values, shrink, to_eight_bits
from audio2shape_ros.ros import octets

# encoding: (bytes per channel, channels). Names as in sensor_msgs/image_encodings.hpp.
LAYOUTS = {
    "rgb8": (1, 3),
    "bgr8": (1, 3),
    "rgba8": (1, 4),
    "bgra8": (1, 4),
    "mono8": (1, 1),
    "8UC1": (1, 1),
    "8UC3": (1, 3),
    "8UC4": (1, 4),
    "mono16": (2, 1),
    "16UC1": (2, 1),
    "16UC3": (2, 3),
    "16UC4": (2, 4),
    "rgb16": (2, 3),
    "bgr16": (2, 3),
    "rgba16": (2, 4),
    "bgra16": (2, 4),
    "bayer_rggb8": (1, 1),
    "bayer_bggr8": (1, 1),
    "bayer_gbrg8": (1, 1),
    "bayer_grbg8": (1, 1),
    "bayer_rggb16": (2, 1),
    "bayer_bggr16": (2, 1),
    "bayer_gbrg16": (2, 1),
    "bayer_grbg16": (2, 1),
    "yuv422": (1, 2),
    "uyvy": (1, 2),
    "yuv422_yuy2": (1, 2),
    "yuyv": (1, 2),
}
# OpenCV names a Bayer pattern by its second row, from the second column on.
BAYER = {"rggb": "BayerBG", "bggr": "BayerRG", "gbrg": "BayerGR", "grbg": "BayerGB"}
MAX_PIXELS = MAX_DECODED_BYTES // 4


def pixel_rows(message: Any, pixel_bytes: int, what: str = "image") -> np.ndarray:
    """The (H, W * pixel_bytes) uint8 of a sensor_msgs/Image without the padding of its rows; nothing is copied.

    Raises InputError for sizes that do not add up, and for more than MAX_PIXELS.
    """
    height, width, step = message.height, message.width, message.step
    row = width * pixel_bytes
    if not height or not width or step < row or len(message.data) < height * step:
        raise InputError(
            f"{what} {width} x {height} {message.encoding} with step {step} and {len(message.data)} bytes: expected a "
            f"step of at least {row} and height x step bytes"
        )
    if height * width > MAX_PIXELS:
        raise InputError(f"{what} {width} x {height}: expected at most {MAX_PIXELS / 1e6:.0f} megapixels; resize it")
    return octets(message.data)[: height * step].reshape(height, step)[:, :row]


def wide_numbers(rows: np.ndarray, message: Any, kind: str) -> np.ndarray:
    """Rows of bytes as numbers of a NumPy kind ("u2", "f4"), in the machine's byte order."""
    order = ">" if message.is_bigendian else "<"
    return np.ascontiguousarray(rows).view(order + kind).astype(kind, copy=False)


def image_to_rgb(message: Any) -> np.ndarray:
    """sensor_msgs/Image -> (H, W, 3) uint8 RGB, scaled down where it is larger than any stage needs.

    16 bits are scaled by what is there. Raises InputError for other encodings or sizes that do not add up.
    """
    import cv2

    code = message.encoding
    if code not in LAYOUTS:
        raise InputError(f"image encoding {code!r}: expected one of {', '.join(LAYOUTS)}")
    depth, channels = LAYOUTS[code]
    rows = pixel_rows(message, channels * depth)
    numbers = rows if depth == 1 else wide_numbers(rows, message, "u2")
    values = numbers.reshape(message.height, message.width, channels)
    if code.startswith("bayer"):
        return shrink(demosaic(to_eight_bits(values), code))
    if code.startswith(("yu", "uy")):
        if message.width % 2:
            raise InputError(f"image of {code} and {message.width} columns: expected an even number of them")
        first = cv2.COLOR_YUV2RGB_UYVY if code in ("yuv422", "uyvy") else cv2.COLOR_YUV2RGB_YUY2
        return shrink(cv2.cvtColor(np.ascontiguousarray(values), first))
    pixels = to_eight_bits(shrink(values)[..., :3])
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    blue_first = code.startswith("bgr") or "UC" in code  # OpenCV's order where the name does not tell
    return np.ascontiguousarray(pixels[..., ::-1] if blue_first else pixels)


def demosaic(mosaic: np.ndarray, code: str) -> np.ndarray:
    """(H, W) or (H, W, 1) uint8 as "bayer_rggb8" and the like name it -> (H, W, 3) uint8 RGB."""
    import cv2

    pattern = BAYER.get(code[6:10])
    if pattern is None or min(mosaic.shape[:2]) < 3:
        raise InputError(f"{code} image of shape {mosaic.shape[:2]}: expected bayer_rggb8 or its kin, at least 3 x 3")
    return cv2.cvtColor(np.ascontiguousarray(mosaic), getattr(cv2, f"COLOR_{pattern}2RGB"))


def compressed_to_rgb(message: Any) -> np.ndarray:
    """sensor_msgs/CompressedImage (JPEG, PNG, ...) -> (H, W, 3) uint8 RGB; (H, W, 4) where it has transparent parts.

    Scaled down where it is larger than any stage needs. `format` tells whether grey pixels are a Bayer mosaic.
    Raises InputError for what cannot be decoded, or only with too much memory.
    """
    original = message.format.partition(";")[0].strip()
    name = f"compressed image of format {message.format!r}"
    if "compressedDepth" in message.format:
        raise InputError(f"{name}: is a depth image, expected a camera image: remap image/compressed")
    data = bytes(message.data)
    if original.startswith("bayer_"):
        values, _ = decode_values(data, name, small=False)
        if values.ndim == 2:
            return shrink(demosaic(to_eight_bits(values), original))
    pixels = decode_picture(data, name).pixels
    alpha = pixels[..., 3:]
    filler = not alpha.size or alpha.min() > 127 or alpha.max() < 128  # of a driver that sends four channels
    return np.ascontiguousarray(pixels[..., :3]) if filler else pixels


def intrinsics(info: Any, width: int, height: int, *, rectified: bool) -> np.ndarray:
    """The (3, 3) float64 matrix of sensor_msgs/CameraInfo for an image of that many pixels.

    P of a rectified image, K of a raw one. Region of interest and binning are obeyed as image_geometry does; a resized
    image has its intrinsics scaled, and one of the camera's full size is taken not to have been cut. Pixel centres are
    at whole numbers. Raises InputError for an uncalibrated camera or another aspect ratio.
    """
    name, matrix = "K", np.array(info.k, float).reshape(3, 3)
    if rectified and info.p[0] != 0:
        name, matrix = "P", np.array(info.p, float).reshape(3, 4)[:, :3]
    fx, fy = matrix[0, 0], matrix[1, 1]
    if fx == 0 or fy == 0:
        raise InputError("camera_info is not calibrated (K[0] is 0), expected a focal length: set camera_info_url")
    if not np.isfinite(matrix).all() or fx < 0 or fy < 0 or abs(matrix[0, 1]) > 0.01 * fx:
        raise InputError(
            f"camera_info: {name} is {matrix.ravel().tolist()}, expected finite numbers, positive focal lengths and no "
            "skew: calibrate the camera again"
        )
    full = info.width or width, info.height or height
    bins, roi = (max(1, info.binning_x), max(1, info.binning_y)), info.roi
    corner, cut = (
        (roi.x_offset, roi.y_offset),
        (roi.width or full[0] - roi.x_offset, roi.height or full[1] - roi.y_offset),
    )
    if (width, height) != full or bins != (1, 1):
        if corner[0] + cut[0] > full[0] or corner[1] + cut[1] > full[1] or min(cut) < 1:
            raise InputError(f"camera_info: roi {cut} at {corner}, expected a part of {full[0]} x {full[1]} pixels")
        matrix[:2, 2] -= corner
        matrix[:2] /= np.array(bins)[:, None]
        full = cut[0] / bins[0], cut[1] / bins[1]
    if abs(width * full[1] - height * full[0]) > max(full):
        raise InputError(
            f"image is {width} x {height} but camera_info, with roi and binning, {full[0]:g} x {full[1]:g}: expected "
            "one aspect ratio"
        )
    scale = np.array([width, height]) / full
    if np.abs(scale - 1).max() * max(full) >= 1:  # resized, and not only rounded
        matrix[:2, 2] += 0.5
        matrix[:2] *= scale[:, None]
        matrix[:2, 2] -= 0.5
    return matrix


def pinhole(image: np.ndarray, info: Any, *, rectified: bool) -> tuple[np.ndarray, Camera]:
    """The image as a pinhole without distortion sees it, and that pinhole.

    A rectified image goes with the projection matrix P of sensor_msgs/CameraInfo, a raw one with K and D.
    Raises InputError as `intrinsics` and `undistort` do.
    """
    height, width = image.shape[:2]
    matrix = intrinsics(info, width, height, rectified=rectified)
    if rectified:
        return image, Camera.from_matrix(matrix, width, height)
    return undistort(image, matrix, np.array(info.d, float), info.distortion_model)


def rgb_to_image(pixels: np.ndarray, header: Any) -> Any:
    """(H, W, 3) uint8 RGB -> sensor_msgs/Image."""
    from sensor_msgs.msg import Image

    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    return message
