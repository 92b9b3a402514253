"""The door for pictures: what is decoded is compared with OpenCV, what is refused says why, and neither costs much."""

import io
import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from audio2shape_core import pictures
from audio2shape_core.errors import InputError
from audio2shape_core.pictures import Picture, decode_picture, read_mask, read_picture

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
SMOOTH = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8), (90, 60))
DISC = np.hypot(*(np.mgrid[:60, :90] - np.array([30, 45])[:, None, None])) < 20
SQUARE = Picture(SMOOTH, 90, 60)


FRAMES = [Image.new("P", (900, 900), i) for i in range(99)]


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def in_one_line(error: InputError) -> None:
    assert "expected" in str(error)
    assert "\n" not in str(error)


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG of which only the header is complete."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_obeyed_as_opencv_does(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(SMOOTH), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    decoded = decode_picture(data)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert (decoded.width, decoded.height) == ((60, 90) if orientation >= 5 else (90, 60))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_colour_mode_becomes_rgb_or_rgba(mode):
    alpha = Image.fromarray((255 * DISC).astype(np.uint8))
    source = Image.fromarray(SMOOTH)
    source.putalpha(alpha)
    source = source.convert(mode) if mode != "P" else source.convert("RGB").quantize(200)
    data = saved(source, "TIFF" if mode == "CMYK" else "PNG")
    pixels = decode_picture(data).pixels
    assert pixels.shape == (60, 90, 4 if mode.endswith("A") else 3)
    np.testing.assert_array_equal(pixels[..., :3], np.asarray(source.convert("RGB")))
    if mode.endswith("A"):
        np.testing.assert_array_equal(pixels[..., 3] > 127, DISC)


def test_a_transparent_palette_colour_becomes_alpha():
    source = Image.fromarray(DISC.astype(np.uint8), "P")
    source.putpalette([0, 0, 0, 200, 100, 50])
    pixels = decode_picture(saved(source, "PNG", transparency=0)).pixels
    np.testing.assert_array_equal(pixels[..., 3] > 127, DISC)
    assert (pixels[30, 45] == (200, 100, 50, 255)).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("shape", [(60, 90), (60, 90, 3), (60, 90, 4)])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_by_what_is_there(suffix, shape, bits):
    values = np.random.default_rng(1).integers(0, 2**bits, shape, np.uint16)
    values.flat[-4:] = 2**bits - 1
    data = cv2.imencode(suffix, values)[1].tobytes()
    pixels = decode_picture(data).pixels
    expected = (values >> (bits - 8)).astype(np.uint8)
    expected = np.stack([expected] * 3, axis=2) if len(shape) == 2 else expected[..., [2, 1, 0, 3][: shape[2]]]
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("head", [b"P6 90 60 1023 ", b"P3 90 60 1023 "])
def test_pnm_of_any_depth(head):
    values = (SMOOTH.astype(">u2") * 4).clip(0, 1023)
    values[0, 0] = 1020
    body = values.astype(">u2").tobytes() if head[1:2] == b"6" else b" ".join(b"%d" % v for v in values.ravel())
    expected = SMOOTH.copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(decode_picture(head + body).pixels, expected)


def test_large_pictures_are_scaled_down_and_say_from_what(tmp_path):
    large = cv2.resize(SMOOTH, (4500, 3000))
    expected = cv2.resize(large, (2048, 1365), interpolation=cv2.INTER_AREA).astype(int)
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, tolerance in (("PNG", 3), ("JPEG", 6)):
        (tmp_path / "large").write_bytes(saved(Image.fromarray(large), kind, exif=exif, compress_level=1))
        picture = read_picture(tmp_path / "large")
        assert picture.pixels.shape == (2048, 1365, 3)
        assert (picture.width, picture.height) == (3000, 4500)
        assert np.abs(np.rot90(picture.pixels) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: png(30000, 30000, 8, 2, bytes(10**6)), "900000000 pixels"),
        (lambda: png(12000, 12000, 8, 2, bytes(10**6)), "12000 x 12000"),
        (lambda: saved(Image.new("1", (16000, 10000)), "TIFF", compression="group4"), "16000 x 10000"),
        (lambda: saved(Image.new("P", (5000, 5000)), "GIF")[:-9000], ""),
        (lambda: saved(Image.new("RGB", (8000, 6000)), "PNG", compress_level=1), None),
        (lambda: saved(Image.new("RGB", (8000, 6000)), "JPEG", progressive=True), None),
        (lambda: saved(Image.new("RGB", (13000, 13000)), "JPEG"), None),
        (lambda: saved(Image.new("P", (900, 900)), "GIF", save_all=True, append_images=FRAMES), None),
    ],
    ids=["png", "larger", "tiff", "gif", "48 MP", "progressive", "169 MP", "animation"],
)
def test_no_picture_takes_much_memory_or_time(tmp_path, make, reason):
    (tmp_path / "picture").write_bytes(make())
    code = """if True:
        import sys; sys.path.insert(0, sys.argv[2])
        import cv2, bounded
        from audio2shape_core.errors import InputError
        from audio2shape_core.pictures import _formats, read_picture
        _formats()
        with bounded.bounded(megabytes=270, seconds=3):
            try:
                print(read_picture(sys.argv[1]).pixels.shape)
            except InputError as error:
                print("refused:", error)
    """
    run = [sys.executable, "-c", code, tmp_path / "picture", os.path.dirname(__file__)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("refused:") == (reason is not None)
    assert (reason or "") in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_what_is_cut_short_is_refused(kind, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = saved(noise, kind)
    with pytest.raises(InputError, match="expected a PNG, JPEG"):
        decode_picture(data[: int(share * len(data))])


def test_any_name_will_do(tmp_path):
    for name in (b"caf\xe9.png", b"two\nlines.png"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        with open(path, "wb") as file:
            file.write(saved(Image.fromarray(SMOOTH), "PNG"))
        np.testing.assert_array_equal(read_picture(path).pixels, SMOOTH)
        with open(path, "wb") as file:
            file.write(b"no picture")
        with pytest.raises(InputError) as refusal:
            read_picture(path)
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).isprintable()


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    cases = {
        "pipe": "is a pipe",
        "empty": "is empty",
        ".": "is a folder",
        "none": "no such file",
        "x" * 300: "too long",
    }
    for name, reason in {**cases, "/dev/zero": "is a device", "a\0b": "null"}.items():
        with pytest.raises(InputError, match=reason):
            read_picture(os.path.join(tmp_path, name))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_decoded_or_refused(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "SUN", "AVIF"]))
    sun = cv2.imencode(".ras", SMOOTH)[1].tobytes()
    whole = sun if kind == "SUN" else saved(Image.fromarray(SMOOTH), kind)
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 200)))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))] + data.draw(st.binary(max_size=50))
    try:
        pixels = decode_picture(bytes(content)).pixels
    except InputError as error:
        in_one_line(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] in (3, 4)
        assert max(pixels.shape) <= pictures.MAX_SIDE


def voc(ids: np.ndarray) -> Image.Image:
    """A class map with the palette of Pascal VOC: bit i of an id sets a bit of red, green and blue in turn."""
    palette = []
    for index in range(256):
        bits = [(index >> bit) & 1 for bit in range(8)]
        palette += [sum(bits[3 * i + c] << (7 - i) for i in range(3) if 3 * i + c < 8) for c in range(3)]
    picture = Image.fromarray(ids.astype(np.uint8), "P")
    picture.putpalette(palette)
    return picture


def coloured(*colour: int) -> Image.Image:
    return Image.fromarray(np.where(DISC[..., None], np.uint8(colour), np.uint8(0)))


RING = (np.hypot(*(np.mgrid[:60, :90] - np.array([30, 45])[:, None, None])) < 22) & ~DISC
SOFT = cv2.GaussianBlur(255 * DISC.astype(np.uint8), (9, 9), 0)
MASKS = {
    "grey": Image.fromarray(255 * DISC.astype(np.uint8)),
    "one bit": Image.fromarray(DISC),
    "red": coloured(255, 0, 0),
    "green": coloured(0, 255, 0),
    "blue": coloured(0, 0, 255),
    "dark": coloured(0, 3, 0),
    "class id": Image.fromarray(2 * DISC.astype(np.uint8)),
    "several ids": Image.fromarray(np.where(DISC, np.where(np.arange(90) < 45, 1, 200), 0).astype(np.uint8)),
    "wide ids": Image.fromarray(300 * DISC.astype(np.uint16)),
    "VOC class 2": voc(2 * DISC),
    "VOC with void": voc(np.where(RING, 255, 15 * DISC)),
    "white with alpha": Image.fromarray(np.dstack([np.full((60, 90, 3), 255, np.uint8), 255 * DISC.astype(np.uint8)])),
    "opaque": Image.fromarray(np.dstack([np.repeat(DISC[..., None], 3, 2), np.ones_like(DISC)]).astype(np.uint8) * 255),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks_of_every_convention(tmp_path, case):
    MASKS[case].save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", SQUARE), DISC)


def test_soft_and_lossy_masks_are_halved(tmp_path):
    Image.fromarray(SOFT).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", SQUARE), SOFT > 127)
    coloured(0, 0, 255).save(tmp_path / "mask.jpg", quality=80)
    assert (read_mask(tmp_path / "mask.jpg", SQUARE) ^ DISC).mean() < 0.02


def test_a_mask_of_a_large_picture_is_scaled_with_it(tmp_path):
    size = 4501, 3001
    Image.fromarray(SMOOTH).resize(size).save(tmp_path / "picture.jpg")
    Image.fromarray(2 * DISC.astype(np.uint8)).resize(size, Image.Resampling.NEAREST).save(tmp_path / "mask.png")
    picture = read_picture(tmp_path / "picture.jpg")
    mask = read_mask(tmp_path / "mask.png", picture)
    assert mask.shape == picture.pixels.shape[:2]
    assert mask.mean() == pytest.approx(DISC.mean(), rel=0.01)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((60, 90), np.uint8), "holds no object"),
        (np.full((60, 90), 255, np.uint8), "the object fills all of it"),
        (np.full((60, 90), 7, np.uint8), "the object fills all of it"),
        (np.full((90, 60), 255, np.uint8), "is 60 x 90, expected 90 x 60 pixels"),
        (np.dstack([SMOOTH, np.zeros((60, 90), np.uint8)]), "holds no object"),
    ],
)
def test_masks_that_say_nothing_are_refused_with_the_reason(tmp_path, mask, reason):
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=reason):
        read_mask(tmp_path / "mask.png", SQUARE)
