"""Which pixels of the image are the object, and how sure that is."""

from __future__ import annotations

import cv2
import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.frame import Foreground
from audio2shape_core.pictures import check_mask

WORK_SIDE = 256  # pixels along the longer side while segmenting
# A plain background: this share of the border lies within this Lab distance of the border's median colour.
PLAIN_SHARE, PLAIN_DISTANCE = 0.9, 12.0
# An object smaller or larger than these shares of the frame is not believed.
AREA_MIN, AREA_MAX = 0.01, 0.9
WHOLE_SIDE = 0.9  # opaque pixels along more than this share of a side of the frame: the picture goes on there


def find_foreground(image: np.ndarray, mask: np.ndarray | None = None) -> Foreground:
    """Separate the object from its background.

    In this order: a mask given by the caller; the image's alpha channel, where it is a cut-out; the distance from a
    plain background's colour; GrabCut (Rother et al. 2004) that takes the image border for background. The last is run
    from two starting frames, and is as sure as the two results agree. Transparent pixels are never part of the object.

    Arguments:
        image: (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
        mask: optional (H, W) bool, or uint8 / float where more than half of full scale is object.
    Raises InputError for other shapes and types, for a mask without object or without background, and for an image that
    is fully transparent.
    """
    check_image(image)
    if mask is not None:
        check_mask(np.asarray(mask), image.shape[:2])
        return Foreground(_as_unit(np.asarray(mask)), 1.0)
    solid = image[..., 3] > 127 if image.shape[2] == 4 else np.ones(image.shape[:2], bool)
    if not solid.any():
        raise InputError("the image is fully transparent: expected an object in it")
    if _is_cut_out(solid):
        return Foreground(_as_unit(image[..., 3]), 1.0)

    height, width = image.shape[:2]
    factor = min(1.0, WORK_SIDE / max(height, width))
    size = max(8, round(width * factor)), max(8, round(height * factor))
    small = cv2.resize(np.ascontiguousarray(image[..., :3]), size, interpolation=cv2.INTER_AREA)
    found, confidence = _from_plain_background(small) or _from_grabcut(small)
    found &= cv2.resize(solid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    found = _largest_parts(found)
    full = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) * solid
    return Foreground(full, float(confidence * _plausibility(found)))


def check_image(image: np.ndarray) -> None:
    """Raise InputError unless `image` is (H, W, 3) or (H, W, 4) uint8 and not empty."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
        raise InputError(f"image {image.dtype}{image.shape}: expected uint8 RGB of shape (H, W, 3)")


def _is_cut_out(solid: np.ndarray) -> bool:
    """Whether the opaque pixels (H, W) are an object, and not a whole picture with transparent corners or bars."""
    sides = solid[0].mean(), solid[-1].mean(), solid[:, 0].mean(), solid[:, -1].mean()
    rows, columns = solid.any(axis=1).sum(), solid.any(axis=0).sum()
    bars = solid.sum() == rows * columns and (rows == len(solid) or columns == solid.shape[1])
    return solid.mean() >= AREA_MIN and max(sides) < WHOLE_SIDE and not bars


def _as_unit(mask: np.ndarray) -> np.ndarray:
    top = 255.0 if mask.dtype == np.uint8 and mask.max(initial=0) > 1 else 1.0
    return np.clip(mask.astype(np.float32) / top, 0, 1)


def _border(values: np.ndarray, width: int = 2) -> np.ndarray:
    """The frame of an (H, W, ...) array as one list of pixels."""
    inner = np.zeros(values.shape[:2], bool)
    inner[width:-width, width:-width] = True
    return values[~inner]


def _from_plain_background(image: np.ndarray) -> tuple[np.ndarray, float] | None:
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    backdrop = np.median(_border(lab), axis=0)
    distance = np.linalg.norm(lab - backdrop, axis=-1)
    plain = (_border(distance) < PLAIN_DISTANCE).mean()
    if plain < PLAIN_SHARE:
        return None
    # noise of the backdrop sets the bar; an object of the backdrop's own colour looks the same
    bar = max(3.0, 3 * np.percentile(_border(distance), 75))
    found = distance > bar
    # holes are parts of the object that resemble the backdrop only where they are small (highlights)
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    contrast = np.median(distance[found]) / bar if found.any() else 0.0
    return found, float(np.clip(contrast - 1, 0, 1))


def _from_grabcut(image: np.ndarray) -> tuple[np.ndarray, float]:
    masks = [_grabcut(image, margin) for margin in (0.03, 0.1)]
    union = (masks[0] | masks[1]).sum()
    agreement = (masks[0] & masks[1]).sum() / union if union else 0.0
    return masks[0], float(agreement)


def _grabcut(image: np.ndarray, margin: float) -> np.ndarray:
    height, width = image.shape[:2]
    left, top = max(1, round(margin * width)), max(1, round(margin * height))
    labels = np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(0)  # its colour models start from random clusters
    try:
        cv2.grabCut(
            image,
            labels,
            (left, top, width - 2 * left, height - 2 * top),
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            4,
            cv2.GC_INIT_WITH_RECT,
        )
    except cv2.error:  # one colour only: there is nothing to cut
        return np.zeros((height, width), bool)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def _largest_parts(found: np.ndarray) -> np.ndarray:
    """Drop parts smaller than a tenth of the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    if count <= 1:
        return found
    area = stats[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0
    return (area > 0.1 * area.max())[labels]


def _plausibility(found: np.ndarray) -> float:
    """0..1: an object of a believable size that the frame does not cut off."""
    share = found.mean()
    if not AREA_MIN <= share <= AREA_MAX:
        return 0.0
    cut_off = _border(found, 1).mean()
    return float(np.clip(1 - 2 * cut_off, 0, 1))
