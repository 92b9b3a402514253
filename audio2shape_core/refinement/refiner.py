"""Refinement (paper III-C): a coarse cloud and one image in, a dense cloud that looks like the image out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError, Progress
from audio2shape_core.frame import Foreground, Frame
from audio2shape_core.refinement.appearance import spread_colors
from audio2shape_core.refinement.dense_cloud import sample_cloud
from audio2shape_core.refinement.fit import Fit, fit
from audio2shape_core.refinement.pose import estimate_pose
from audio2shape_core.settings import Refining
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import render

FRAME_SIDE = 1024  # pixels along the longer side of a frame; larger ones are scaled down first
WORK_SIDE = 128  # pixels along the longer side of the window in which the image is fitted
CROP_MARGIN = 0.06  # border of that window around the object, as a share of its longer side
POSE_SHARE = 0.5  # of the time until a deadline, for the search of the pose: a pose without a fit is of no use
FINISH_S = 0.7  # kept of the time until a deadline, for drawing the dense cloud
UNSEEN_CONFIDENCE = 0.3  # of a point that the image does not show: the generator's word alone


@dataclass(frozen=True)
class Refined:
    """What refinement returns.

    Arguments:
        accepted: False when the object or its pose could not be trusted: the cloud is then the coarse one, unchanged.
        reason: why not, as a sentence without its full stop; empty where it was accepted.
        points: (M, 3) float32, canonical frame. colors: (M, 3) uint8.
        confidence: (M,) float32, 0..1: 0.3 where the image shows nothing, up to 1 where it agrees.
        gaussians: the fitted primitives, on the CPU.
        camera: intrinsics as given, with the pose that was used.
        rendering: (H, W, 3) uint8, the fitted Gaussians over white in the size of the image; None where refused.
        residual: mean absolute colour error, 0..1, over the window that was fitted (the object over black).
        seconds: {"pose", "refine"} wall time.
    """

    accepted: bool
    reason: str
    points: np.ndarray
    colors: np.ndarray
    confidence: np.ndarray
    gaussians: Gaussians
    camera: Camera
    rendering: np.ndarray | None = None
    residual: float = 1.0
    seconds: dict[str, float] = field(default_factory=lambda: {"pose": 0.0, "refine": 0.0})


def refine(
    points: np.ndarray,
    colors: np.ndarray,
    frame: Frame,
    foreground: Foreground,
    *,
    iterations: int = Refining.iterations,
    num_points: int = 8192,
    deadline: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Refined:
    """Make the cloud look like the object in the image where it is seen, and leave it as imagined where it is not.

    Whatever the image shows, this ends with a cloud: the refined one, or the coarse one with a reason.

    Arguments:
        points: (N, 3) canonical frame; colors: (N, 3) uint8.
        frame: the image, and what is known of its camera. foreground: where the object is in it.
        iterations: optimisation steps, >= 0.
        num_points: M, size of the returned cloud.
        deadline: time.monotonic() at which to be done; the best cloud so far is returned by then.
        progress: called with stages "pose" and "refine"; what it raises (`Cancelled`) passes through.
    Raises InputError for a cloud that is not one.
    """
    started = time.monotonic()
    if iterations < 0 or num_points < 1:
        raise InputError(f"iterations={iterations} num_points={num_points}: expected >= 0 and >= 1")
    coarse = Gaussians.from_cloud(points, colors)
    camera = frame.camera or Camera.default(*frame.image.shape[1::-1])
    image, mask, small = _bounded(frame.image[..., :3], foreground.mask, camera)
    trust, reason = foreground.confidence, ""
    if not trust or not (mask > 0.5).any():
        reason = "the object was not found in the image"
    elif not frame.pose_known:
        until = None if deadline is None else started + POSE_SHARE * (deadline - started)
        seen = Foreground(mask, foreground.confidence)
        pose = estimate_pose(coarse, image, seen, small, deadline=until, progress=progress)
        camera, small = (view.with_pose(pose.camera.world_to_camera) for view in (camera, small))
        trust, reason = pose.confidence, pose.reason
    posed = time.monotonic()
    if reason:
        return Refined(
            accepted=False,
            reason=reason,
            points=np.asarray(points, np.float32),
            colors=np.asarray(colors),
            confidence=np.full(len(points), UNSEEN_CONFIDENCE, np.float32),
            gaussians=coarse,
            camera=camera,
            seconds={"pose": posed - started, "refine": 0.0},
        )

    window, target, window_mask = _window(image, mask, small, points)
    result = fit(
        coarse.to(device),
        torch.from_numpy(target).to(device),
        torch.from_numpy(window_mask).to(device),
        window,
        iterations=iterations,
        seed=seed,
        deadline=None if deadline is None else deadline - FINISH_S,
        progress=progress,
    )
    colored = spread_colors(result.gaussians.means, result.gaussians.colors, result.imagined, result.seen)
    gaussians = replace(result.gaussians, colors=colored)
    dense, dense_colors, source = sample_cloud(gaussians, num_points, seed)
    rendering = _picture(gaussians, camera)
    return Refined(
        accepted=True,
        reason="",
        points=dense,
        colors=dense_colors,
        confidence=_point_confidence(result, trust)[source],
        gaussians=gaussians.to("cpu"),
        camera=camera,
        rendering=rendering,
        residual=result.residual,
        seconds={"pose": posed - started, "refine": time.monotonic() - posed},
    )


def _bounded(image: np.ndarray, mask: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, Camera]:
    """Image (H, W, 3), mask (H, W) and camera, scaled down together to FRAME_SIDE."""
    if max(camera.width, camera.height) <= FRAME_SIDE:
        return image, mask, camera
    small = camera.scaled(FRAME_SIDE / max(camera.width, camera.height))
    image, mask = (
        cv2.resize(np.ascontiguousarray(values), (small.width, small.height), interpolation=cv2.INTER_AREA)
        for values in (image, mask)
    )
    return image, mask, small


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
    small = cv2.resize(layers, (view.width, view.height), interpolation=cv2.INTER_AREA)
    return view, np.ascontiguousarray(small[..., :3]), np.ascontiguousarray(small[..., 3])


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
