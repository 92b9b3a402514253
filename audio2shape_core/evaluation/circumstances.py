"""The same refinement where a robot would have it harder: the pose unknown, clutter, something in the way, or another
thing in the picture."""

from __future__ import annotations

import numpy as np

from audio2shape_core.evaluation.metrics import chamfer
from audio2shape_core.evaluation.scene import POINTS, Scene, errors, overlap, photograph
from audio2shape_core.frame import Foreground, Frame
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.refinement import Refined, refine
from audio2shape_core.refinement.pose import estimate_pose
from audio2shape_core.splatting import Gaussians

CLUTTER_ITEMS = 40
HIDDEN = 0.2  # share of the object that the occluder hides


def pose_unknown(scene: Scene, iterations: int, device: str) -> dict[str, float]:
    """Only the intrinsics and the mask are given."""
    frame, seen = Frame(scene.image, scene.view), Foreground(scene.alpha, 1.0)
    refined = refine(scene.coarse, scene.coarse_colors, frame, seen, iterations=iterations, device=device)
    return {"l1_view": _l1(refined, scene), "accepted": float(refined.accepted)}


def cluttered(scene: Scene, iterations: int, device: str, rng: np.random.Generator) -> dict[str, float]:
    """Only the intrinsics are given, and the object stands before things of all colours."""
    picture = before_clutter(scene.image, scene.alpha, rng)
    found = find_foreground(picture)
    frame = Frame(picture, scene.view)
    refined = refine(scene.coarse, scene.coarse_colors, frame, found, iterations=iterations, device=device)
    return {
        "mask_overlap": overlap(found.mask, scene.alpha),
        "l1_view": _l1(refined, scene),
        "accepted": float(refined.accepted),
    }


def occluded(scene: Scene, iterations: int, device: str, rng: np.random.Generator) -> dict[str, float]:
    """Pose and mask are given, but something hides a part of the object, which the mask leaves out."""
    visible = np.where(bar(scene.alpha, rng), 0, scene.alpha).astype(np.float32)
    frame, seen = Frame(scene.image, scene.view, pose_known=True), Foreground(visible, 1.0)
    refined = refine(scene.coarse, scene.coarse_colors, frame, seen, iterations=iterations, device=device)
    target = scene.points[-POINTS:]
    return {
        "l1_view": _l1(refined, scene),
        "cd_before": chamfer(scene.coarse, target),
        "cd_after": chamfer(refined.points[:POINTS], target),
    }


def wrong_object(scene: Scene, other: Scene) -> dict[str, float]:
    """Another thing's picture, its mask given, for this one's cloud; and this one's own picture."""
    coarse = Gaussians.from_cloud(scene.coarse, scene.coarse_colors)
    wrong = estimate_pose(coarse, other.image, Foreground(other.alpha, 1.0), other.view)
    right = estimate_pose(coarse, scene.image, Foreground(scene.alpha, 1.0), scene.view)
    return {
        "refused": float(not wrong.accepted),
        "confidence": wrong.confidence,
        "right_accepted": float(right.accepted),
        "right_confidence": right.confidence,
    }


def before_clutter(image: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The object (H, W, 3) uint8 over black, before discs and stripes of all colours, with a little camera noise."""
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width]
    background = np.broadcast_to(rng.uniform(0, 255, 3), image.shape).copy()
    for _ in range(CLUTTER_ITEMS):
        column, row = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(0.03, 0.2) * max(height, width)
        angle = rng.uniform(0, np.pi)
        along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        across = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
        disc, stripe = np.hypot(along, across) < size, (abs(along) < 2 * size) & (abs(across) < size / 2)
        background[disc if rng.random() < 0.5 else stripe] = rng.uniform(0, 255, 3)
    picture = image + (1 - alpha[..., None]) * background + rng.normal(0, 3, image.shape)
    return picture.clip(0, 255).astype(np.uint8)


def bar(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: a straight bar, at any angle, over HIDDEN of the object's pixels."""
    rows, columns = np.nonzero(alpha > 0.5)
    angle, first = rng.uniform(0, np.pi), rng.uniform(0, 1 - HIDDEN)
    low, high = np.quantile(columns * np.cos(angle) + rows * np.sin(angle), (first, first + HIDDEN))
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    across = x * np.cos(angle) + y * np.sin(angle)
    return (low <= across) & (across <= high)


def _l1(refined: Refined, scene: Scene) -> float:
    """Of the whole, unhidden object, from wherever the camera was taken to stand."""
    return errors(scene.image, photograph(refined.gaussians, refined.camera)[0])[0]
