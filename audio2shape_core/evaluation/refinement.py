"""`evaluate refinement`: what one image does for a cloud whose true shape, colours and viewpoint are known.

Each shape is photographed from one view, made coarse the way a generator is (bent, scattered, fewer points, colours
blurred), and refined with the true pose. It is then compared with the truth in that view, in views never shown, and as
points. The pose is estimated apart, from the same image and the shape's own cloud.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from scipy.spatial import cKDTree

from audio2shape_core.camera import Camera, view_rotation
from audio2shape_core.evaluation.metrics import chamfer
from audio2shape_core.evaluation.visibility import seen_points
from audio2shape_core.refinement import Gaussians, refine, render
from audio2shape_core.refinement.foreground import Foreground
from audio2shape_core.refinement.pose import estimate_pose

POINTS = 2048  # of the coarse cloud, and of every cloud when distances are taken
HELD_OUT = ((60, 20), (-60, 20), (120, 30), (-120, 20), (180, 10), (0, 60))  # degrees from the view; elevation
SYMMETRY_STEP = 5  # degrees


def evaluate_refinement(
    shapes: Iterable[tuple[str, np.ndarray, np.ndarray]], *, iterations: int = 200, side: int = 128, seed: int = 0
) -> dict:
    """Refine every shape once.

    Arguments:
        shapes: (label, points (N, 3) float32 canonical, colors (N, 3) uint8), N >= 4096.
        side: width and height of the image in pixels.
    Returns means over the shapes: l1_view, l1_held_out_views (0..1), psnr_held_out and psnr_held_out_before (dB);
    cd_before, cd_after, also of the halves seen and unseen (unsquared, sum of both directions, 2048 points, unit
    sphere); pose_error_deg (median, up to the shape's symmetries about z), pose_accepted (share), seconds
    {"pose", "refine"}; and per_class with the same.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict]] = {}
    for label, points, colors in shapes:
        rows.setdefault(label, []).append(_refine_one(points, colors, iterations, side, rng))
    every = [row for group in rows.values() for row in group]
    return _summary(every) | {"num_shapes": len(every), "per_class": {k: _summary(v) for k, v in rows.items()}}


def _refine_one(points: np.ndarray, colors: np.ndarray, iterations: int, side: int, rng: np.random.Generator) -> dict:
    azimuth, elevation = rng.uniform(0, 360), rng.uniform(0, 40)
    view = Camera.look_at(azimuth, elevation, width=side, height=side)
    others = [Camera.look_at(azimuth + turn, height, width=side, height=side) for turn, height in HELD_OUT]
    order = rng.permutation(len(points))
    truth = Gaussians.from_cloud(points, colors).solid()
    image, alpha = _photograph(truth, view)
    coarse, coarse_colors = coarsen(points[order[:POINTS]], colors[order[:POINTS]], rng)
    refined = refine(
        coarse, coarse_colors, image, camera=view, pose_known=True, mask=alpha, iterations=iterations, seed=0
    )
    before, after = Gaussians.from_cloud(coarse, coarse_colors).solid(), refined.gaussians
    dense = refined.points[rng.permutation(len(refined.points))[:POINTS]]
    target, seen = points[order[-POINTS:]], seen_points(points, view)[order[-POINTS:]]

    own = Gaussians.from_cloud(points[order[:POINTS]], colors[order[:POINTS]])
    pose = estimate_pose(own, image, Foreground(alpha, 1.0), view)
    errors = [_errors(_photograph(truth, camera)[0], _photograph(after, camera)[0]) for camera in others]
    errors_before = [_errors(_photograph(truth, camera)[0], _photograph(before, camera)[0]) for camera in others]
    halves_before, halves_after = half_chamfers(coarse, target, seen), half_chamfers(dense, target, seen)
    return {
        "l1_view": _errors(image, _photograph(after, view)[0])[0],
        "l1_held_out_views": np.mean([l1 for l1, _ in errors]),
        "psnr_held_out": np.mean([psnr for _, psnr in errors]),
        "psnr_held_out_before": np.mean([psnr for _, psnr in errors_before]),
        "cd_before": chamfer(coarse, target),
        "cd_after": chamfer(dense, target),
        "cd_seen_before": halves_before[0],
        "cd_seen_after": halves_after[0],
        "cd_unseen_before": halves_before[1],
        "cd_unseen_after": halves_after[1],
        "pose_error_deg": rotation_error(pose.camera, view, points, colors),
        "pose_accepted": float(pose.accepted),
        "seconds": {"pose": refined.seconds["pose"], "refine": refined.seconds["refine"]},
    }


def coarsen(
    points: np.ndarray, colors: np.ndarray, rng: np.random.Generator, *, bend: float = 0.04, scatter: float = 0.012
) -> tuple[np.ndarray, np.ndarray]:
    """A stand-in for a generated cloud: a smooth displacement of about `bend` (root mean square), noise of `scatter`
    per axis, colours averaged over 200 neighbours and faded towards their mean."""
    bent = points.astype(np.float64)
    for _ in range(3):
        wave, direction = 2 * rng.normal(size=3), rng.normal(size=3)
        phase = np.sin(points @ wave + rng.uniform(0, 2 * np.pi))[:, None]
        bent += bend * np.sqrt(2 / 3) * phase * direction / np.linalg.norm(direction)
    bent += scatter * rng.normal(size=points.shape)
    _, index = cKDTree(points).query(points, 200)
    blurred = colors[index].mean(1)
    return bent.astype(np.float32), (0.6 * blurred + 0.4 * blurred.mean(0)).astype(np.uint8)


def half_chamfers(cloud: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Chamfer distance (unsquared, both directions) on the half of the truth that a camera sees and on the rest.

    The true shape alone decides what is seen (`seen_points`); a point of the cloud belongs to the half of its nearest
    true point. So both clouds of a comparison are divided alike, however wrong they are. NaN for a half without points.

    Arguments:
        cloud: (N, 3); truth: (M, 3); seen: (M,) bool, of the true points.
    """
    to_truth, nearest = cKDTree(truth).query(cloud)
    to_cloud = cKDTree(cloud).query(truth)[0]

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if len(values) else math.nan

    return tuple(mean(to_truth[half[nearest]]) + mean(to_cloud[half]) for half in (seen, ~seen))


def rotation_error(found: Camera, true: Camera, points: np.ndarray, colors: np.ndarray) -> float:
    """Angle in degrees between two rotations, the smallest over turns about z that leave the coloured cloud alike."""
    relative = found.world_to_camera[:3, :3].T @ true.world_to_camera[:3, :3]
    turns = [_turn(angle) for angle in range(0, 360, SYMMETRY_STEP)]
    features = np.concatenate([points, 0.3 * colors / 255.0], 1)[:1024]
    tree = cKDTree(np.concatenate([points, 0.3 * colors / 255.0], 1)[1024:])

    def misfit(turn: np.ndarray) -> float:
        return tree.query(np.concatenate([features[:, :3] @ turn.T, features[:, 3:]], 1))[0].mean()

    # Two samples of one surface differ by `misfit` too; a tenth more is still the same to the eye.
    same = [turn for turn in turns if misfit(turn) <= 1.1 * misfit(np.eye(3))]
    cosines = [(np.trace(turn @ relative) - 1) / 2 for turn in same]
    return float(np.degrees(np.arccos(np.clip(max(cosines), -1, 1))))


def _turn(angle: float) -> np.ndarray:
    return view_rotation(angle, 0).T @ view_rotation(0, 0)


def _photograph(gaussians: Gaussians, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 over black, and alpha (H, W) float32."""
    with torch.no_grad():
        out = render(gaussians, camera)
    return (255 * out.color.clamp(0, 1)).round().to(torch.uint8).numpy(), out.alpha.numpy()


def _errors(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Mean absolute error 0..1 and PSNR in dB, over the whole image."""
    difference = (a.astype(np.float64) - b) / 255
    return float(np.abs(difference).mean()), float(-10 * np.log10(np.square(difference).mean() + 1e-12))


def _summary(rows: list[dict]) -> dict:
    summary = {k: float(np.mean([row[k] for row in rows])) for k in rows[0] if k != "seconds"}
    summary["pose_error_deg"] = float(np.median([row["pose_error_deg"] for row in rows]))
    summary["seconds"] = {k: float(np.mean([row["seconds"][k] for row in rows])) for k in rows[0]["seconds"]}
    return summary
