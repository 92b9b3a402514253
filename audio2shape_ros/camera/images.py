"""sensor_msgs/Image and CompressedImage to RGB arrays, and CameraInfo to a pinhole camera; without cv_bridge, which is
built against NumPy 1 and does not load beside NumPy 2."""

from __future__ import annotations

import array

import numpy as np

from audio2shape_core.camera import Camera, undistort
from audio2shape_core.errors import InputError

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


def image_to_rgb(message) -> np.ndarray:
    """-> (H, W, 3) uint8 RGB. Rows may be padded. Raises InputError for other encodings or sizes that do not add up."""
    import cv2

    if message.encoding not in LAYOUTS:
        raise InputError(f"image encoding {message.encoding!r}: expected one of {', '.join(LAYOUTS)}")
    depth, channels = LAYOUTS[message.encoding]
    height, width, step = message.height, message.width, message.step
    row = width * channels * depth
    if not height or not width or step < row or len(message.data) < height * step:
        raise InputError(
            f"image {width} x {height} {message.encoding} with step {step} and {len(message.data)} bytes: expected a "
            f"step of at least {row} and height x step bytes"
        )
    data = np.frombuffer(message.data, np.uint8)[: height * step].reshape(height, step)[:, :row]
    if depth == 2:
        wide = np.ascontiguousarray(data).view(">u2" if message.is_bigendian else "<u2")
        data = (wide >> 8).astype(np.uint8)
    pixels = np.ascontiguousarray(data.reshape(height, width, channels))
    code = message.encoding
    if code.startswith("bayer"):
        return cv2.cvtColor(pixels, getattr(cv2, f"COLOR_{BAYER[code[6:10]]}2RGB"))
    if code in ("yuv422", "uyvy"):
        return cv2.cvtColor(pixels, cv2.COLOR_YUV2RGB_UYVY)
    if code in ("yuv422_yuy2", "yuyv"):
        return cv2.cvtColor(pixels, cv2.COLOR_YUV2RGB_YUY2)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    blue_first = code.startswith("bgr") or "UC" in code  # OpenCV's order where the name does not tell
    return np.ascontiguousarray(pixels[..., 2::-1] if blue_first else pixels[..., :3])


def compressed_to_rgb(message) -> np.ndarray:
    """sensor_msgs/CompressedImage (JPEG, PNG) -> (H, W, 3) uint8 RGB."""
    import cv2

    data = np.frombuffer(message.data, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if pixels is None:
        raise InputError(f"compressed image of format {message.format!r} cannot be decoded: expected jpeg or png")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def pinhole(image: np.ndarray, info, *, rectified: bool) -> tuple[np.ndarray, Camera]:
    """The image as a pinhole without distortion sees it, and that pinhole.

    A rectified image goes with the projection matrix P of sensor_msgs/CameraInfo, a raw one with K and D. Intrinsics
    are scaled where the image is a resized one. Raises InputError for an uncalibrated camera or another aspect ratio.
    """
    height, width = image.shape[:2]
    matrix = np.array(info.p, float).reshape(3, 4)[:, :3] if rectified else np.array(info.k, float).reshape(3, 3)
    if rectified and matrix[0, 0] == 0:
        matrix = np.array(info.k, float).reshape(3, 3)
    if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError("camera_info is not calibrated (K[0] is 0), expected a focal length: set camera_info_url")
    if (info.width, info.height) != (width, height) and info.width and info.height:
        if abs(width * info.height - height * info.width) > max(info.width, info.height):
            raise InputError(
                f"image is {width} x {height} but camera_info {info.width} x {info.height}: expected one aspect ratio"
            )
        scale = np.diag([width / info.width, height / info.height, 1.0])
        matrix = scale @ matrix
    if rectified:
        return image, Camera.from_matrix(matrix, width, height)
    return undistort(image, matrix, np.array(info.d, float), info.distortion_model)


def rgb_to_image(pixels: np.ndarray, header):
    """(H, W, 3) uint8 RGB -> sensor_msgs/Image."""
    from sensor_msgs.msg import Image

    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    return message
