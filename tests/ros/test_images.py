import array

import cv2
import numpy as np
import pytest
from bounded import bounded
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from audio2shape_core.errors import InputError
from audio2shape_ros.camera.images import BAYER, LAYOUTS, compressed_to_rgb, image_to_rgb, pinhole, rgb_to_image

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


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "rgb16"])
def test_sensors_of_fewer_bits_are_not_dark(encoding, bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (6, 8, LAYOUTS[encoding][1]), np.uint16)
    values[0, 0] = 2**bits - 1
    expected = np.broadcast_to((values >> (bits - 8)).astype(np.uint8), (6, 8, 3))
    np.testing.assert_array_equal(image_to_rgb(message(encoding, values)), expected)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("name", sorted(BAYER))
def test_compressed_mosaics_are_taken_for_what_they_are(name, suffix):
    mosaic = np.zeros(SMOOTH.shape[:2], np.uint8)
    for i, channel in enumerate(name.upper()):
        mosaic[i // 2 :: 2, i % 2 :: 2] = SMOOTH[i // 2 :: 2, i % 2 :: 2, "RGB".index(channel)]
    data = cv2.imencode(suffix, mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100] if suffix == ".jpg" else [])[1].tobytes()
    kind = "jpeg" if suffix == ".jpg" else "png"
    decoded = compressed_to_rgb(CompressedImage(format=f"bayer_{name}8; {kind} compressed ", data=data))
    assert np.abs(decoded[4:-4, 4:-4].astype(int) - SMOOTH[4:-4, 4:-4]).mean() < 8
    coloured = cv2.imencode(".png", SMOOTH[..., ::-1])[1].tobytes()  # some publishers have done it already
    decoded = compressed_to_rgb(CompressedImage(format=f"bayer_{name}8; png compressed bgr8", data=coloured))
    np.testing.assert_array_equal(decoded, SMOOTH)


def test_compressed_pictures_that_are_none_are_refused_with_the_reason():
    data = cv2.imencode(".png", SMOOTH[..., 0])[1].tobytes()
    for kind, reason in (("bayer_xyzw8; png compressed", "bayer_xyzw8"), ("32FC1; compressedDepth png", "depth image")):
        with pytest.raises(InputError, match=reason):
            compressed_to_rgb(CompressedImage(format=kind, data=data))


def test_transparent_parts_are_kept_and_filler_is_not():
    for alpha, channels in ((255, 3), (0, 3), (np.where(ACROSS > 99, 255, 0), 4)):
        picture = np.dstack([SMOOTH[..., ::-1], np.broadcast_to(alpha, SMOOTH.shape[:2])]).astype(np.uint8)
        data = cv2.imencode(".png", picture)[1].tobytes()
        decoded = compressed_to_rgb(CompressedImage(format="bgra8; png compressed", data=data))
        assert decoded.shape == (48, 64, channels)
        np.testing.assert_array_equal(decoded[..., :3], SMOOTH)


@pytest.mark.parametrize("encoding", sorted(LAYOUTS))
def test_large_images_are_scaled_down_and_their_intrinsics_with_them(encoding):
    depth, channels = LAYOUTS[encoding]
    image = Image(height=2400, width=3200, encoding=encoding, step=3200 * depth * channels)
    image.data = np.full(2400 * 3200 * depth * channels, 90, np.uint8)
    with bounded(megabytes=80, seconds=3):
        pixels = image_to_rgb(image)
    assert pixels.shape == (1536, 2048, 3)
    _, camera = pinhole(pixels, info(width=3200, height=2400), rectified=False)
    assert camera.fx == pytest.approx(64)
    assert (camera.width, camera.height) == (2048, 1536)


def test_more_pixels_than_any_camera_has_are_refused_before_they_are_touched():
    image = Image(height=12000, width=12000, encoding="mono8", step=12000, data=np.zeros(12000 * 12000, np.uint8))
    with bounded(megabytes=5, seconds=0.2), pytest.raises(InputError, match="expected at most 52 megapixels"):
        image_to_rgb(image)


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


def big_info(**changes) -> CameraInfo:
    """Of a camera of 640 x 480 pixels, fx 610."""
    k = [610.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]
    p = [610.0, 0.0, 320.0, 0.0, 0.0, 600.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(**{"width": 640, "height": 480, "k": k, "p": p, "distortion_model": "plumb_bob", **changes})


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(
    ("size", "roi", "binning", "expected"),
    [
        ((640, 480), {}, 0, (610, 600, 320, 240)),
        ((640, 480), {"width": 640, "height": 480}, 1, (610, 600, 320, 240)),
        ((320, 240), {"x_offset": 200, "y_offset": 100, "width": 320, "height": 240}, 0, (610, 600, 120, 140)),
        ((320, 240), {}, 2, (305, 300, 160, 120)),
        ((160, 120), {"x_offset": 200, "y_offset": 100, "width": 320, "height": 240}, 2, (305, 300, 60, 70)),
        ((200, 300), {"x_offset": 40, "y_offset": 20, "width": 200, "height": 300}, 0, (610, 600, 280, 220)),
        ((100, 150), {"x_offset": 40, "y_offset": 20, "width": 200, "height": 300}, 0, (305, 300, 139.75, 109.75)),
        ((640, 480), {"x_offset": 200, "y_offset": 100, "width": 320, "height": 240}, 0, (610, 600, 320, 240)),
    ],
    ids=["whole", "whole roi", "cut", "binned", "cut, binned", "another aspect", "cut, resized", "not cut after all"],
)
def test_region_of_interest_and_binning_are_obeyed_as_image_geometry_does(size, roi, binning, expected, rectified):
    message = big_info(roi=RegionOfInterest(**roi), binning_x=binning, binning_y=binning)
    _, camera = pinhole(np.zeros((size[1], size[0], 3), np.uint8), message, rectified=rectified)
    found = camera.fx, camera.fy, camera.cx - 0.5, camera.cy - 0.5  # our pixel centres are at +0.5
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"k": [0.0] * 9}, r"not calibrated \(K\[0\] is 0\)"),
        ({"k": [-5.0, 0, 1, 0, 5, 1, 0, 0, 1]}, "K is .-5.0, .*positive focal lengths"),
        ({"k": [float("nan"), 0, 1, 0, 5, 1, 0, 0, 1]}, "K is .nan, .*finite numbers"),
        ({"k": [5.0, 2, 1, 0, 5, 1, 0, 0, 1]}, "no skew"),
        ({"d": [0.1, float("nan"), 0, 0, 0]}, "distortion D is .*finite numbers"),
        ({"d": [0.1, 0.1, 0.1]}, "'plumb_bob' with 3 numbers"),
        ({"width": 32, "roi": RegionOfInterest(x_offset=10, width=30, height=40)}, "roi .* expected a part of 32 x 48"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_with_the_right_words(changes, reason):
    with pytest.raises(InputError, match=reason):
        pinhole(SMOOTH, info(**changes), rectified=False)
