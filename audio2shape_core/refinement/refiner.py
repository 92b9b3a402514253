"""Refinement (paper III-C): a coarse cloud and one image in, a dense cloud that looks like the image out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError, Progress
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.refinement.appearance import spread_colors
from audio2shape_core.refinement.dense_cloud import sample_cloud
from audio2shape_core.refinement.fit import Fit, FitSettings, fit
from audio2shape_core.refinement.pose import estimate_pose
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import render

WORK_SIDE = 128  # pixels along the longer side of the window in which the image is fitted
CROP_MARGIN = 0.06  # border of that window around the object, as a share of its longer side
POSE_SHARE = 0.5  # of a time budget, for the search of the pose
UNSEEN_CONFIDENCE = 0.3  # of a point that the image does not show: the generator's word alone


@dataclass(frozen=True)
class Refined:
    """What refinement returns.

    Arguments:
        points: (M, 3) float32, canonical frame. colors: (M, 3) uint8.
        confidence: (M,) float32, 0..1: 0.3 where the image shows nothing, up to 1 where it agrees.
        gaussians: the fitted primitives.
        camera: intrinsics as given, with the pose that was used.
        rendering: (H, W, 3) uint8, the Gaussians over white, in the size of the image.
        residual: mean absolute colour error, 0..1, over the window that was fitted (the object over black).
        pose_confidence: 0..1; where the pose was given, how sure it is that the object was found.
        accepted: False when the pose or the object could not be trusted: the cloud is then the coarse one, unchanged.
        seconds: {"pose", "refine"} wall time; finding the object counts as "pose".
    """

    points: np.ndarray
    colors: np.ndarray
    confidence: np.ndarray
    gaussians: Gaussians
    camera: Camera
    rendering: np.ndarray
    residual: float
    pose_confidence: float
    accepted: bool
    seconds: dict[str, float]


def refine(
    points: np.ndarray,
    colors: np.ndarray,
    image: np.ndarray,
    *,
    camera: Camera | None = None,
    pose_known: bool = False,
    mask: np.ndarray | None = None,
    iterations: int = 300,
    num_points: int = 8192,
    time_budget_s: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    settings: FitSettings | None = None,
) -> Refined:
    """Make the cloud look like the object in the image where it is seen, and leave it as imagined where it is not.

    Arguments:
        points: (N, 3) canonical frame; colors: (N, 3) uint8.
        image: (H, W, 3) RGB or (H, W, 4) RGBA uint8, undistorted.
        camera: its intrinsics; None assumes a field of view of 60 degrees along the longer side.
        pose_known: `camera.world_to_camera` is true already (canonical frame -> camera); otherwise it is estimated.
        mask: (H, W) the object, if known; otherwise found by `find_foreground`.
        iterations: optimisation steps, >= 0.
        num_points: M, size of the returned cloud.
        time_budget_s: wall time for everything; the best cloud so far is returned when it is spent.
        progress: called with stages "pose" and "refine"; what it raises (`Cancelled`) passes through.
    Raises InputError for images, masks, clouds or cameras that do not fit together.
    """
    started = time.monotonic()
    coarse = Gaussians.from_cloud(points, colors)
    foreground = find_foreground(image, mask)
    height, width = image.shape[:2]
    if camera is not None and (camera.width, camera.height) != (width, height):
        raise InputError(
            f"camera for {camera.width} x {camera.height} pixels and an image of {width} x {height}: expected the same "
            "size; use Camera.scaled"
        )
    if pose_known and camera is None:
        raise InputError("pose_known without a camera: expected the camera whose world_to_camera is known")
    if iterations < 0 or num_points < 1:
        raise InputError(f"iterations={iterations} num_points={num_points}: expected >= 0 and >= 1")
    camera = camera or Camera.default(width, height)

    pose_confidence = foreground.confidence
    accepted = foreground.confidence > 0
    if not pose_known and accepted:
        # the search may take half of the time at most: a pose without a fit is of no use
        pose_budget_s = None if time_budget_s is None else POSE_SHARE * time_budget_s
        pose = estimate_pose(coarse, image[..., :3], foreground, camera, time_budget_s=pose_budget_s, progress=progress)
        camera, pose_confidence, accepted = pose.camera, pose.confidence, pose.accepted
    posed = time.monotonic()
    seconds = {"pose": posed - started, "refine": 0.0}
    if not accepted:
        rendering = _picture(coarse, camera)
        plain = np.full(len(points), UNSEEN_CONFIDENCE, np.float32)
        cloud = np.asarray(points, np.float32), np.asarray(colors)
        return Refined(*cloud, plain, coarse, camera, rendering, 1.0, pose_confidence, False, seconds)

    window, target, window_mask = _window(image, foreground.mask, camera, points)
    result = fit(
        coarse.to(device),
        torch.from_numpy(target).to(device),
        torch.from_numpy(window_mask).to(device),
        window,
        iterations=iterations,
        seed=seed,
        time_budget_s=None if time_budget_s is None else time_budget_s - seconds["pose"],
        progress=progress,
        settings=settings,
    )
    colored = spread_colors(result.gaussians.means, result.gaussians.colors, result.imagined, result.seen)
    gaussians = replace(result.gaussians, colors=colored)
    dense, dense_colors, source = sample_cloud(gaussians, num_points, seed)
    confidence = _point_confidence(result, pose_confidence)[source]
    rendering = _picture(gaussians, camera)
    seconds["refine"] = time.monotonic() - posed
    return Refined(
        dense,
        dense_colors,
        confidence,
        gaussians.to("cpu"),
        camera,
        rendering,
        result.residual,
        pose_confidence,
        True,
        seconds,
    )


def _window(
    image: np.ndarray, mask: np.ndarray, camera: Camera, points: np.ndarray
) -> tuple[Camera, np.ndarray, np.ndarray]:
    """The part of the image that holds the object and the projected cloud, at most WORK_SIDE pixels along a side.

    Returns: its camera; the object over black (h, w, 3) float32 0..1; its mask (h, w) float32.
    """
    rows, columns = np.nonzero(mask > 0.5)
    pixels, _ = camera.project(points)
    pixels = pixels[np.isfinite(pixels).all(1)]
    corners = np.concatenate([np.stack([columns, rows], 1), np.stack([columns, rows], 1) + 1, pixels])
    low, high = corners.min(0), corners.max(0)
    margin = CROP_MARGIN * (high - low).max()
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margin), (camera.width, camera.height)).astype(int)
    view = camera.cropped(int(left), int(top), int(right - left), int(bottom - top))
    view = view.scaled(min(1.0, WORK_SIDE / max(view.width, view.height)))
    part = mask[top:bottom, left:right, None]
    layers = np.concatenate([image[top:bottom, left:right, :3] / np.float32(255) * part, part], -1).astype(np.float32)
    layers = cv2.resize(layers, (view.width, view.height), interpolation=cv2.INTER_AREA)
    return view, np.ascontiguousarray(layers[..., :3]), np.ascontiguousarray(layers[..., 3])


def _point_confidence(result: Fit, pose_confidence: float) -> np.ndarray:
    """(N,) float32: from UNSEEN_CONFIDENCE where nothing is seen up to 1 where much is seen and the image matched."""
    agreement = pose_confidence * np.exp(-result.residual / 0.05)
    seen = result.seen.cpu().numpy()
    return (UNSEEN_CONFIDENCE + (1 - UNSEEN_CONFIDENCE) * agreement * seen).astype(np.float32)


def _picture(gaussians: Gaussians, camera: Camera) -> np.ndarray:
    """(H, W, 3) uint8, over white."""
    with torch.no_grad():
        white = torch.ones(3, device=gaussians.means.device)
        color = render(gaussians, camera, background=white).color
    return (255 * color.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
