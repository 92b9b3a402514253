"""`evaluate refinement`: what one image does for a cloud whose true shape, colours and viewpoint are known.

Each shape is photographed from one view, made coarse the way a generator is (bent, scattered, fewer points, colours
blurred), and refined with the true pose. It is then compared with the truth in that view, in views never shown, and as
points. The same again from a cloud of another shape of the class. The pose is estimated apart, from the same image and
the shape's own cloud. Harder circumstances (`circumstances`) are tried on some of the shapes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np
from scipy.spatial import cKDTree
from tqdm import tqdm

from audio2shape_core.camera import Camera, view_rotation
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.circumstances import cluttered, occluded, pose_unknown, wrong_object
from audio2shape_core.evaluation.gallery import coloured_shapes
from audio2shape_core.evaluation.metrics import chamfer
from audio2shape_core.evaluation.photographs import measure_photographs
from audio2shape_core.evaluation.scene import POINTS, Scene, coarsen, errors, photograph
from audio2shape_core.evaluation.task import Task
from audio2shape_core.evaluation.visibility import seen_points
from audio2shape_core.frame import Foreground, Frame
from audio2shape_core.refinement import refine
from audio2shape_core.refinement.pose import estimate_pose
from audio2shape_core.splatting import Gaussians

HELD_OUT = ((60, 20), (-60, 20), (120, 30), (-120, 20), (180, 10), (0, 60))  # degrees from the view; elevation
SYMMETRY_STEP = 5  # degrees
OTHER_SEED = 0  # of the procedural shape that is the other one of the class; training may draw it, `TEST_SEEDS` do not


def evaluate_refinement(task: Task) -> dict:
    """`measure_refinement` of the split's coloured shapes, and `measure_photographs` of its photographs."""
    return measure_refinement(coloured_shapes(task), task) | {"photographs": measure_photographs(task)}


def measure_refinement(shapes: Iterable[tuple[str, np.ndarray, np.ndarray]], task: Task, seed: int = 0) -> dict:
    """Refine every shape, with the true pose, from two coarse clouds: itself bent, and another of its class.

    Poses are searched on the CPU, Gaussians are fitted on the task's device.

    Arguments:
        shapes: (label, points (N, 3) float32 canonical, colors (N, 3) uint8), N >= 4096.
    Returns means over the shapes: l1_view, l1_held_out_views (0..1), psnr_held_out and psnr_held_out_before (dB);
    cd_before, cd_after, also of the halves seen and unseen (unsquared, sum of both directions, 2048 points, unit
    sphere), cd_*floor: another sample of the true shape, cd_*resampled: the coarse cloud drawn as densely as the
    refined one and thinned alike, but not fitted; pose_error_deg (median, up to the shape's symmetries about z),
    pose_accepted (share), seconds {"pose", "refine"}; per_class with the same; other_instance: the same figures from
    another shape of the class; l1_view_estimated, pose_unknown, cluttered, occluded, wrong_object: see `circumstances`.
    Raises InputError for no shapes.
    """
    iterations, device = task.sizes.iterations, str(task.device)
    scenes = [
        Scene.draw(label, points, colors, task.sizes.side, np.random.default_rng((seed, index)))
        for index, (label, points, colors) in enumerate(shapes)
    ]
    if not scenes:
        raise InputError(f"no coloured shapes of 4096 points in split {task.split!r}, and none were made: add some")
    rows, others = [], []
    for index, scene in enumerate(tqdm(scenes, "refinement")):
        rng = np.random.default_rng((seed, index, 1))
        rows.append(_refine_known(scene, scene.coarse, scene.coarse_colors, iterations, device) | _find_pose(scene))
        for _, cloud in task.completion.clouds(scene.label, 1, POINTS, range(OTHER_SEED, OTHER_SEED + 1)):
            others.append(_refine_known(scene, *coarsen(*cloud, rng), iterations, device))
    classes = dict.fromkeys(scene.label for scene in scenes)
    per_class = {k: _summary([row for row, s in zip(rows, scenes) if s.label == k]) for k in classes}
    result = _summary(rows) | {"num_shapes": len(rows), "per_class": per_class}
    if others:
        result["other_instance"] = _summary(others)
    return result | _harder(scenes, task, seed)


def _refine_known(scene: Scene, coarse: np.ndarray, coarse_colors: np.ndarray, iterations: int, device: str) -> dict:
    """Refine a coarse cloud with the true pose and mask, and compare."""
    shown = Frame(scene.image, scene.view, pose_known=True), Foreground(scene.alpha, 1.0)
    refined = refine(coarse, coarse_colors, *shown, iterations=iterations, device=device)
    resampled = refine(coarse, coarse_colors, *shown, iterations=0, device=device)
    before = Gaussians.from_cloud(coarse, coarse_colors).solid()
    eye = scene.view.position
    azimuth = math.degrees(math.atan2(eye[1], eye[0]))
    side = scene.view.width
    others = [Camera.look_at(azimuth + turn, height, width=side, height=side) for turn, height in HELD_OUT]
    pictures = [photograph(scene.truth, camera)[0] for camera in others]

    def held_out(gaussians: Gaussians) -> np.ndarray:
        return np.mean([errors(a, photograph(gaussians, camera)[0]) for a, camera in zip(pictures, others)], axis=0)

    l1_held_out, psnr_held_out = held_out(refined.gaussians)
    row = {
        "l1_view": errors(scene.image, photograph(refined.gaussians, scene.view)[0])[0],
        "l1_held_out_views": l1_held_out,
        "psnr_held_out": psnr_held_out,
        "psnr_held_out_before": held_out(before)[1],
    }
    target, seen = scene.points[-POINTS:], seen_points(scene.points, scene.view)[-POINTS:]
    # every beginning of a dense cloud is spread evenly
    clouds = {
        "before": coarse,
        "after": refined.points[:POINTS],
        "resampled": resampled.points[:POINTS],
        "floor": scene.points[:POINTS],
    }
    for name, cloud in clouds.items():
        halves = half_chamfers(cloud, target, seen)
        row |= {f"cd_{name}": chamfer(cloud, target), f"cd_seen_{name}": halves[0], f"cd_unseen_{name}": halves[1]}
    return row | {"seconds_refine": refined.seconds["refine"]}


def _find_pose(scene: Scene) -> dict:
    """Search the pose with the shape's own cloud, and say how far off it is."""
    own = Gaussians.from_cloud(scene.points[:POINTS], scene.colors[:POINTS])
    start = time.perf_counter()
    pose = estimate_pose(own, scene.image, Foreground(scene.alpha, 1.0), scene.view)
    return {
        "pose_error_deg": rotation_error(pose.camera, scene.view, scene.points, scene.colors),
        "pose_accepted": float(pose.accepted),
        "seconds_pose": time.perf_counter() - start,
    }


def _harder(scenes: list[Scene], task: Task, seed: int) -> dict:
    """Means over a few of the scenes. The wrong object is that of the scene half-way round, of another class."""
    iterations, device = task.sizes.iterations, str(task.device)
    chosen = sorted({round(k) for k in np.linspace(0, len(scenes) - 1, min(task.sizes.harder, len(scenes)))})
    rows: dict[str, list[dict]] = {"pose_unknown": [], "cluttered": [], "occluded": [], "wrong_object": []}
    for index in tqdm(chosen, "harder circumstances"):
        scene, rng = scenes[index], np.random.default_rng((seed, index, 2))
        rows["pose_unknown"].append(pose_unknown(scene, iterations, device))
        rows["cluttered"].append(cluttered(scene, iterations, device, rng))
        rows["occluded"].append(occluded(scene, iterations, device, rng))
        ahead = [scenes[(index + len(scenes) // 2 + k) % len(scenes)] for k in range(len(scenes))]
        others = [other for other in ahead if other.label != scene.label]
        if others:
            rows["wrong_object"].append(wrong_object(scene, others[0]))
    result = {name: _summary(group) | {"num_shapes": len(group)} for name, group in rows.items() if group}
    return result | {"l1_view_estimated": result["pose_unknown"]["l1_view"]}


def half_chamfers(cloud: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Chamfer distance (unsquared, both directions) on the half of the truth that a camera sees and on the rest.

    The true shape alone decides what is seen (`seen_points`); a point of the cloud belongs to the half of its nearest
    true point. So both clouds of a comparison are divided alike, however wrong they are. NaN for a half without points.

    Arguments:
        cloud: (N, 3); truth: (M, 3); seen: (M,) bool, of the true points.
    """
    to_truth, nearest = map(np.asarray, cKDTree(truth).query(cloud))
    to_cloud = np.asarray(cKDTree(cloud).query(truth)[0])

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if len(values) else math.nan

    visible, hidden = (mean(to_truth[half[nearest]]) + mean(to_cloud[half]) for half in (seen, ~seen))
    return visible, hidden


def rotation_error(found: Camera, true: Camera, points: np.ndarray, colors: np.ndarray) -> float:
    """Angle in degrees between two rotations, the smallest over turns about z that leave the coloured cloud alike."""
    relative = found.world_to_camera[:3, :3].T @ true.world_to_camera[:3, :3]
    turns = [_turn(angle) for angle in range(0, 360, SYMMETRY_STEP)]
    features = np.concatenate([points, 0.3 * colors / 255.0], 1)[:1024]
    tree = cKDTree(np.concatenate([points, 0.3 * colors / 255.0], 1)[1024:])

    def misfit(turn: np.ndarray) -> float:
        return float(np.mean(tree.query(np.concatenate([features[:, :3] @ turn.T, features[:, 3:]], 1))[0]))

    # Two samples of one surface differ by `misfit` too; a tenth more is still the same to the eye.
    same = [turn for turn in turns if misfit(turn) <= 1.1 * misfit(np.eye(3))]
    cosines = [(np.trace(turn @ relative) - 1) / 2 for turn in same]
    return float(np.degrees(np.arccos(np.clip(max(cosines), -1, 1))))


def _turn(angle: float) -> np.ndarray:
    return view_rotation(angle, 0).T @ view_rotation(0, 0)


def _summary(rows: list[dict]) -> dict:
    """Means, of the rows in which there is a number; of pose errors the median. `seconds_x` go into `seconds`."""
    columns = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    columns = {key: values[~np.isnan(values)] for key, values in columns.items()}
    means = {key: float(values.mean()) if len(values) else math.nan for key, values in columns.items()}
    if "pose_error_deg" in columns:
        means["pose_error_deg"] = float(np.median(columns["pose_error_deg"]))
    seconds = {key.removeprefix("seconds_"): means.pop(key) for key in list(means) if key.startswith("seconds_")}
    return means | ({"seconds": seconds} if seconds else {})
