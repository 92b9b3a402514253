"""The door for pictures: files and messages alike become upright (H, W, 3|4) uint8 arrays of a bounded size.

A decoder gets no path, only bytes, and no bytes before the header has said how much memory they will take.
"""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from audio2shape_core.errors import InputError
from audio2shape_core.sources import read_bytes, shown

warnings.filterwarnings("ignore", module=r"PIL\.")  # damage is refused here in one line; sizes are checked here too

# Formats by their names in Pillow. What runs other programs (EPS) or has no signature (TGA) is not among them.
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "SUN")
EXPECTED = "a PNG, JPEG, TIFF, WebP, BMP or GIF picture"
MAX_SIDE = 2048  # pixels along the longer side; no stage looks closer, and refinement works on far less
MAX_FILE_BYTES = 2**29
MAX_DECODED_BYTES = 200 * 2**20  # while decoding: 50 megapixels; far more of a JPEG, which is reduced on the way
MAX_SCANS = 100  # of a progressive JPEG; each is a pass over the whole picture
# Bytes a pixel that some decoders take. Pillow itself keeps 1 byte a pixel for one channel, 4 for several.
DECODER_BYTES = {"WEBP": 16, "JPEG2000": 16, "AVIF": 16}
MODE_BYTES = {"1": 2, "L": 2, "P": 2, "I;16": 6, "I": 6, "I;16B": 6}
VOID = (224, 224, 192)  # the colour that Pascal VOC gives to pixels that belong neither to object nor to background


@dataclass(frozen=True)
class Picture:
    """pixels: (H, W, 3) RGB or (H, W, 4) RGBA uint8, upright, at most MAX_SIDE along a side.

    width, height: of the upright picture before it was scaled down, pixels. Intrinsics that belong to that size fit the
    pixels after `Camera.resized`.
    """

    pixels: np.ndarray
    width: int
    height: int


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Decode a picture file. Raises InputError, in one line, for anything that is not one, damaged or far too large."""
    return decode_picture(read_bytes(path, EXPECTED, MAX_FILE_BYTES), shown(path))


def decode_picture(data: bytes, name: str = "picture") -> Picture:
    """Decode the bytes of a PNG, JPEG, TIFF, WebP, BMP, GIF, PNM, JPEG 2000 or AVIF picture; `name` begins messages.

    EXIF orientation is obeyed, an alpha channel is kept, more than 8 bits are scaled to 8 by `to_eight_bits`. Of
    several frames or pages the first is taken. Large pictures are scaled down to MAX_SIDE.
    Raises InputError for what is damaged, cut short, or takes more than MAX_DECODED_BYTES to decode.
    """
    values, (width, height) = decode_values(data, name)
    pixels = to_eight_bits(values)
    return Picture(np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels, width, height)


def read_photo(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The (H, W, 3) uint8 RGB of a picture file; None where it cannot be decoded."""
    try:
        return read_picture(path).pixels[..., :3]
    except InputError:
        return None


def read_mask(path: str | os.PathLike[str], picture: Picture) -> np.ndarray:
    """Decode a mask of the same size as a picture: (H, W) bool, True where the object is, as large as the pixels.

    The alpha channel is the mask where it holds both object and background. Otherwise everything that is not black is
    the object: any colour, any class id. Greys with many values are a soft mask, of which the brighter half counts.
    The void colour of Pascal VOC is background. A map of several ids counts as one object.
    Raises InputError for another size, and for a mask without object or without background.
    """
    name = f"mask {shown(path)}"
    values, size = decode_values(read_bytes(path, EXPECTED, MAX_FILE_BYTES), name, soft=False)
    if size != (picture.width, picture.height):
        raise InputError(
            f"{name}: is {size[0]} x {size[1]}, expected {picture.width} x {picture.height} pixels, as the picture"
        )
    return check_mask(_object_in(values), picture.pixels.shape[:2], name)


def check_mask(mask: np.ndarray, shape: tuple[int, ...], name: str = "mask") -> np.ndarray:
    """The mask as (H, W) bool. `mask`: bool; or numbers, of which those above half of full scale (255 for uint8 that
    goes beyond 1, else 1) are the object; `shape`: (H, W) of the picture.

    Raises InputError for another shape, and for a mask without object or without background.
    """
    if mask.shape != tuple(shape):
        raise InputError(f"{name}: has shape {mask.shape}, the picture {tuple(shape)}: expected the same (H, W)")
    full = 255 if mask.dtype == np.uint8 and mask.max(initial=0) > 1 else 1
    found = mask if mask.dtype == bool else mask > 0.5 * full
    if not found.any():
        raise InputError(f"{name}: holds no object, expected some of it brighter than black and not transparent")
    if found.all():
        raise InputError(f"{name}: the object fills all of it, expected background as black or transparent pixels")
    return found


def to_eight_bits(values: np.ndarray) -> np.ndarray:
    """Integers (H, W) or (H, W, C) -> uint8. More than 8 bits are scaled by what is there: the brightest value tells
    whether the sensor has 10, 12, 14 or 16 of them. A fourth channel is alpha and scaled apart from the colours."""
    if values.dtype == np.uint8:
        return values
    if values.ndim == 3 and values.shape[2] == 4:
        return np.dstack([to_eight_bits(values[..., :3]), to_eight_bits(values[..., 3])])
    bits = max(8, int(values.max(initial=0)).bit_length())
    return (values >> (bits + bits % 2 - 8)).astype(np.uint8)


def shrunk_size(width: int, height: int) -> tuple[int, int]:
    """The (width, height) that a picture of this size is scaled down to."""
    factor = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(factor * width)), max(1, round(factor * height))


def shrink(values: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C), uint8 or uint16: scaled down to MAX_SIDE by averaging; itself where it is small enough."""
    import cv2

    height, width = values.shape[:2]
    if max(height, width) <= MAX_SIDE:
        return values
    small = cv2.resize(values, shrunk_size(width, height), interpolation=cv2.INTER_AREA)
    return small.reshape(*small.shape[:2], *values.shape[2:])  # OpenCV drops a channel axis of one


def decode_values(
    data: bytes, name: str, *, soft: bool = True, small: bool = True
) -> tuple[np.ndarray, tuple[int, int]]:
    """What a picture's bytes hold, upright, in their own depth: (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or int32.

    soft: average when scaling down to MAX_SIDE, instead of taking the nearest pixel. small: scale down at all.
    Returns the values, and the upright (width, height) before they were scaled. Raises InputError as decode_picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            size, drafted = image.size, None
            # Pillow has no colours of 16 bits, and decodes some PNM files a pixel at a time in Python.
            other_decoder = image.format == "PPM" or (";16" in str(image.tile) and not image.mode.startswith("I"))
            if small and max(size) > MAX_SIDE:
                drafted = image.draft(None, (MAX_SIDE, MAX_SIDE))  # a JPEG is reduced while it is decoded
            _check_cost(image, size, other_decoder, data, name)
            if image.format != "PPM":
                image.load()
            if drafted is None:
                size = image.size  # a TIFF turns itself upright while it is loaded, and then says orientation 1
            turn = _orientation(image)
            target = shrunk_size(*size) if small else size
            if other_decoder:
                image.close()  # there is no room for it beside the other
                values = _by_opencv(data, target, soft)
            else:
                values = _values(image, target, soft)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: far too large ({error}), expected {EXPECTED}: scale it down") from None
    except Exception as error:  # a damaged file can raise anything inside a decoder
        unknown = isinstance(error, Image.UnidentifiedImageError)
        reason = "not a picture of a known format" if unknown else str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"{name}: cannot be decoded ({reason}), expected {EXPECTED}: save it again") from error
    values = _upright(values, turn)
    height, width = values.shape[:2]
    return values, size if (size[0] >= size[1]) == (width >= height) else size[::-1]


def _formats() -> tuple[str, ...]:
    Image.preinit()
    Image.init()
    return tuple(f for f in (*FORMATS, "AVIF") if f in Image.OPEN)  # AVIF: not in every build


def _check_cost(image: Image.Image, size: tuple[int, int], other_decoder: bool, data: bytes, name: str) -> None:
    """Refuse what takes too much memory or time to decode. `size`: before a JPEG's reduction."""
    kind = image.format or ""
    a_pixel = 8 if other_decoder else DECODER_BYTES.get(kind) or MODE_BYTES.get(image.mode, 4)
    cost = image.width * image.height * a_pixel
    if image.info.get("progressive"):  # all coefficients wait for the last scan: 2 bytes each
        parts = [across * down for _, across, down, _ in getattr(image, "layer", [])]
        cost += size[0] * size[1] * 2 * sum(parts) // max(parts, default=1)
        if data.count(b"\xff\xda") > MAX_SCANS:
            raise InputError(f"{name}: a JPEG of over {MAX_SCANS} scans, expected fewer: save it again")
    tags = getattr(image, "tag_v2", {})
    cost = max(cost, int(tags.get(322, 0)) * int(tags.get(323, 0)) * a_pixel)  # one tile of a TIFF
    if cost > MAX_DECODED_BYTES:
        raise InputError(
            f"{name}: {size[0]} x {size[1]} pixels of {kind} take {cost >> 20} MB to decode, expected at most "
            f"{MAX_DECODED_BYTES >> 20} MB: scale the picture down"
        )


def _values(image: Image.Image, size: tuple[int, int], soft: bool) -> np.ndarray:
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.dtype != np.uint16:
            values = np.clip(values, 0, 65535).astype(np.uint16)
        return _resized(values, size, soft)
    if image.mode == "F":
        raise ValueError("it holds floating point numbers")
    if image.mode == "P" and size != image.size:
        image = image.resize(size, Image.Resampling.NEAREST)
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA" if image.mode != "P" or "transparency" in image.info else "RGB")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if size != image.size:  # a channel at a time: there is no room for a second whole picture
        how = Image.Resampling.BOX if soft else Image.Resampling.NEAREST
        bands = [np.asarray(image.getchannel(i).resize(size, how)) for i in range(len(image.getbands()))]
        return np.dstack(bands) if len(bands) > 1 else bands[0]
    return np.array(image)


def _by_opencv(data: bytes, size: tuple[int, int], soft: bool) -> np.ndarray:
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said here
    ended = data + b"\n" if data[:1] == b"P" else data  # OpenCV reads on after the last number of a PNM text
    values = cv2.imdecode(np.frombuffer(ended, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ValueError("it is damaged or cut short")
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"it holds {values.dtype} numbers")
    values = _resized(values, size, soft)
    return values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[2]]]


def _resized(values: np.ndarray, size: tuple[int, int], soft: bool) -> np.ndarray:
    import cv2

    if size == values.shape[1::-1]:
        return values
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA if soft else cv2.INTER_NEAREST)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata is no reason to refuse a picture
        return 1


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation 1..8: mirrored where it is 2, 4, 5, 7, on its side from 5 on."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _object_in(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: which pixels of a mask, as decode_values gives it, are the object."""
    if values.ndim == 2:
        soft = len(np.unique(values)) > 32
        return values > (values.max() / 2 if soft else 0)
    if values.shape[2] == 4:
        solid = values[..., 3] > np.iinfo(values.dtype).max // 2
        if not solid.all():
            return solid
        values = values[..., :3]
    void = (values == VOID).all(axis=-1)
    found = _object_in(values.max(axis=-1))
    return found & ~void if (found & ~void).any() else found
