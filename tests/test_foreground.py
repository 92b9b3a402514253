"""Finding the object in an image, and knowing how well."""

import cv2
import numpy as np
import pytest

from audio2shape_core.errors import InputError
from audio2shape_core.looking.foreground import find_foreground


@pytest.fixture
def disc() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    return (x - 85) ** 2 + (y - 55) ** 2 < 35**2


def painted(disc: np.ndarray, background: np.ndarray) -> np.ndarray:
    """A striped red object on that background, with a little camera noise."""
    y, _ = np.mgrid[: disc.shape[0], : disc.shape[1]]
    thing = np.stack([200 - 40 * (y // 8 % 2), 50 + 0 * y, 40 + 0 * y], -1)
    noise = np.random.default_rng(0).normal(0, 2, background.shape)
    return (np.where(disc[..., None], thing, background) + noise).clip(0, 255).astype(np.uint8)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def clutter(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 200, (6, 8, 3)).astype(np.uint8)
    coarse[..., 0] //= 3  # nothing as red as the object
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC).astype(float)


def test_plain_background(disc):
    found = find_foreground(painted(disc, np.full((*disc.shape, 3), 230.0)))
    assert overlap(found.mask > 0.5, disc) > 0.95
    assert found.confidence > 0.8


def test_cluttered_background(disc):
    found = find_foreground(painted(disc, clutter(disc.shape)))
    assert overlap(found.mask > 0.5, disc) > 0.9
    assert found.confidence > 0.6


def test_nothing_to_see_is_not_believed():
    empty = np.full((90, 120, 3), 127, np.uint8)
    assert find_foreground(empty).confidence == 0


def test_an_object_cut_off_by_the_frame_is_doubted(disc):
    image = painted(disc, np.full((*disc.shape, 3), 230.0))
    cut = np.ascontiguousarray(image[30:80, 60:110])
    assert find_foreground(cut).confidence < 0.7 * find_foreground(image).confidence


def test_alpha_channel_and_mask_are_taken_at_their_word(disc):
    image = painted(disc, clutter(disc.shape))
    rgba = np.dstack([image, (255 * disc).astype(np.uint8)])
    for found in (
        find_foreground(rgba),
        find_foreground(image, disc),
        find_foreground(image, 255 * disc.astype(np.uint8)),
    ):
        assert np.array_equal(found.mask, disc)
        assert found.confidence == 1


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (np.zeros((9, 9), np.uint8), None),
        (np.zeros((9, 9, 3), float), None),
        (np.zeros((9, 9, 4), np.uint8), None),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9))),
        (np.zeros((9, 9, 3), np.uint8), np.ones((8, 9))),
    ],
)
def test_bad_images_and_masks_are_refused(image, mask):
    with pytest.raises(InputError, match="expected"):
        find_foreground(image, mask)


def with_alpha(image: np.ndarray, transparent: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.where(transparent, 0, 255).astype(np.uint8)])


@pytest.mark.parametrize("hole", ["corners", "bars", "block"])
def test_transparent_corners_do_not_make_the_frame_the_object(disc, hole):
    transparent = np.zeros(disc.shape, bool)
    if hole == "corners":
        transparent[:3, :3] = transparent[:3, -3:] = transparent[-3:, :3] = transparent[-3:, -3:] = True
    elif hole == "bars":
        transparent[:10] = transparent[-10:] = True
    else:
        transparent[2:8, 2:8] = True
    image = painted(disc, np.full((*disc.shape, 3), 230.0))
    found = find_foreground(with_alpha(image, transparent))
    assert overlap(found.mask > 0.5, disc) > 0.95
    assert not (found.mask[transparent] > 0).any()


def test_a_few_opaque_pixels_are_no_object(disc):
    image = painted(disc, np.full((*disc.shape, 3), 230.0))
    few = np.ones(disc.shape, bool)
    few[50:53, 80:83] = False
    assert find_foreground(with_alpha(image, few)).confidence == 0


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((120, 160)), "holds no object"),
        (np.ones((120, 160), np.uint8), "fills all of it"),
        (np.ones((160, 120), bool), r"has shape \(160, 120\), the picture \(120, 160\)"),
    ],
)
def test_a_mask_that_says_nothing_is_refused_with_the_reason(disc, mask, reason):
    with pytest.raises(InputError, match=reason):
        find_foreground(painted(disc, clutter(disc.shape)), mask)
