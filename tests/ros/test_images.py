import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from audio2shape_core.errors import InputError
from audio2shape_ros.camera.images import compressed_to_rgb, image_to_rgb, pinhole, rgb_to_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
ACROSS, DOWN = np.meshgrid(np.linspace(0, 255, 64), np.linspace(255, 0, 48))
SMOOTH = np.stack([ACROSS, DOWN, np.full((48, 64), 90)], axis=-1).astype(np.uint8)


def message(encoding: str, pixels: np.ndarray, padding: int = 0, big: bool = False) -> Image:
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((height, padding), 7, np.uint8)], axis=1)
    image = Image(height=height, width=width, encoding=encoding, step=rows.shape[1], is_bigendian=int(big))
    image.data = array.array("B", rows.tobytes())
    return image


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1].copy()),
        ("8UC3", RGB[..., ::-1].copy()),
        ("rgba8", np.dstack([RGB, RGB[..., :1]])),
        ("bgra8", np.dstack([RGB[..., ::-1], RGB[..., :1]])),
        ("rgb16", (RGB.astype("<u2") << 8)),
        ("bgr16", (RGB[..., ::-1].astype("<u2") << 8)),
        ("rgba16", np.dstack([RGB, RGB[..., :1]]).astype("<u2") << 8),
        ("16UC3", RGB[..., ::-1].astype("<u2") << 8),
        ("bgra16", np.dstack([RGB[..., ::-1], RGB[..., :1]]).astype("<u2") << 8),
    ],
)
def test_colour_encodings(encoding, pixels, padding):
    np.testing.assert_array_equal(image_to_rgb(message(encoding, pixels, padding)), RGB)


def test_grey_and_endianness():
    grey = RGB[..., :1]
    np.testing.assert_array_equal(image_to_rgb(message("mono8", grey)), np.repeat(grey, 3, 2))
    big = message("mono16", (grey.astype(np.uint16) << 8).astype(">u2"), big=True)
    np.testing.assert_array_equal(image_to_rgb(big), np.repeat(grey, 3, 2))


@pytest.mark.parametrize(("name", "offsets"), [("rggb", "RGGB"), ("bggr", "BGGR"), ("gbrg", "GBRG"), ("grbg", "GRBG")])
def test_bayer_patterns(name, offsets):
    mosaic = np.zeros(SMOOTH.shape[:2], np.uint8)
    for i, channel in enumerate(offsets):
        mosaic[i // 2 :: 2, i % 2 :: 2] = SMOOTH[i // 2 :: 2, i % 2 :: 2, "RGB".index(channel)]
    decoded = image_to_rgb(message(f"bayer_{name}8", mosaic[..., None]))
    assert np.abs(decoded[4:-4, 4:-4].astype(int) - SMOOTH[4:-4, 4:-4]).mean() < 6
    wide = message(f"bayer_{name}16", mosaic[..., None].astype("<u2") << 8)
    np.testing.assert_array_equal(image_to_rgb(wide), decoded)


@pytest.mark.parametrize(("encoding", "luma"), [("yuv422", 1), ("uyvy", 1), ("yuv422_yuy2", 0), ("yuyv", 0)])
def test_yuv_encodings(encoding, luma):
    yuv = cv2.cvtColor(SMOOTH, cv2.COLOR_RGB2YUV)  # full range; the decoder's is video range: only tendency compares
    packed = np.zeros((*SMOOTH.shape[:2], 2), np.uint8)
    packed[..., luma] = yuv[..., 0]
    packed[:, 0::2, 1 - luma], packed[:, 1::2, 1 - luma] = yuv[:, 0::2, 1], yuv[:, 0::2, 2]
    decoded = image_to_rgb(message(encoding, packed)).astype(float)
    for channel in range(2):
        assert np.corrcoef(decoded[..., channel].ravel(), SMOOTH[..., channel].ravel())[0, 1] > 0.95


def test_what_does_not_add_up_is_refused():
    short = message("rgb8", RGB)
    short.data = short.data[:-1]
    narrow = message("rgb8", RGB)
    narrow.step = 3
    for bad in (short, narrow, message("32FC1", RGB), Image(encoding="rgb8")):
        with pytest.raises(InputError):
            image_to_rgb(bad)


def test_own_image_message_round_trip_and_jpeg():
    np.testing.assert_array_equal(image_to_rgb(rgb_to_image(RGB, Header())), RGB)
    jpeg = cv2.imencode(".png", SMOOTH[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(compressed_to_rgb(CompressedImage(format="png", data=jpeg)), SMOOTH)
    with pytest.raises(InputError):
        compressed_to_rgb(CompressedImage(format="jpeg", data=b"\x00\x01"))


def info(**changes) -> CameraInfo:
    k = [100.0, 0.0, 31.5, 0.0, 100.0, 23.5, 0.0, 0.0, 1.0]
    p = [80.0, 0.0, 30.5, 0.0, 0.0, 80.0, 22.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(**{"width": 64, "height": 48, "k": k, "p": p, "distortion_model": "plumb_bob", **changes})


def test_raw_images_use_k_rectified_ones_p():
    _, raw = pinhole(SMOOTH, info(), rectified=False)
    _, rectified = pinhole(SMOOTH, info(d=[0.3, 0.0, 0.0, 0.0, 0.0]), rectified=True)
    assert (raw.fx, raw.cx) == (100.0, 32.0)  # our pixel centres are at +0.5
    assert (rectified.fx, rectified.cx) == (80.0, 31.0)


def test_intrinsics_follow_a_resized_image_but_not_another_aspect():
    half = SMOOTH[::2, ::2]
    _, camera = pinhole(half, info(), rectified=False)
    assert camera.fx == pytest.approx(50.0)
    with pytest.raises(InputError, match="aspect"):
        pinhole(SMOOTH[:, :40], info(), rectified=False)


def test_uncalibrated_camera_is_refused():
    with pytest.raises(InputError, match="not calibrated"):
        pinhole(SMOOTH, info(k=[0.0] * 9), rectified=False)
