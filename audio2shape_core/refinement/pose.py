"""Where the camera stood: extrinsics from one image by render and compare.

One image has no parallax, so structure from motion (paper III-C) has nothing to triangulate. Instead the coarse shape
is drawn from all over the view sphere; the views whose silhouette and colours match best are refined by gradient
through the rasteriser, and the best one is kept with a measure of how far to believe it. The distance is in canonical
units: a monocular camera cannot tell a small near thing from a large far one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera, view_rotation
from audio2shape_core.errors import Progress
from audio2shape_core.frame import Foreground
from audio2shape_core.refinement.adam import Adam
from audio2shape_core.refinement.schedule import Schedule
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import one_torch_thread, render

SEARCH_POINTS = 768
SEARCH_SIDE, REFINE_SIDE = 32, 64  # pixels of the window around the object
WINDOW_MARGIN = 0.3
# The grid of views, degrees. Things are looked at from the side or from above, with the camera held upright.
AZIMUTHS = np.arange(0, 360, 15)
ELEVATIONS = (-15, 0, 15, 30, 50, 75)
COLOR_WEIGHT = 0.5
UPRIGHT_WEIGHT = 0.05  # cost of a roll of one radian
# Rounds of gradient refinement: how many candidates take part, and for how many steps.
ROUNDS = ((10, 12), (4, 16), (2, 40))
RATES = {"twist": 0.03, "place": 0.01}  # learning rates of Adam: radians; shares of the distance
APART_DEG = 20  # candidates closer than this to a better one are dropped: they would descend to the same place
# Overlap of silhouettes (intersection over union) at which nothing, and everything, is believed. Of twelve clouds held
# before another thing's picture ten overlapped by less than .80, of thirteen before their own one.
OVERLAP_NONE, OVERLAP_FULL = 0.74, 0.94
ACCEPT_CONFIDENCE = 0.3
OVERLAP_SURE = OVERLAP_NONE + ACCEPT_CONFIDENCE * (OVERLAP_FULL - OVERLAP_NONE)  # accepted, if the outline is sure


@dataclass(frozen=True)
class PoseEstimate:
    """camera: the given intrinsics with the estimated pose; overlap: intersection over union of the silhouettes, 0..1;
    confidence 0..1; accepted: whether the pose should be used."""

    camera: Camera
    overlap: float
    confidence: float

    @property
    def accepted(self) -> bool:
        return self.confidence >= ACCEPT_CONFIDENCE

    @property
    def reason(self) -> str:
        """Why the pose should not be used, as a sentence without its full stop; empty where it should."""
        if self.accepted:
            return ""
        if self.overlap < OVERLAP_SURE:
            return f"the shape does not fit the object in the image: their outlines overlap by {self.overlap:.0%}"
        return "the outline of the object in the image is not clear enough to find out where the camera stood"


@one_torch_thread()
def estimate_pose(
    coarse: Gaussians,
    image: np.ndarray,
    foreground: Foreground,
    camera: Camera,
    *,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> PoseEstimate:
    """Find the pose from which `coarse` looks like the object in the image.

    Arguments:
        image: (H, W, 3) uint8 RGB.
        camera: its intrinsics are used, its pose is not.
        deadline: time.monotonic() at which the best pose so far is returned; its confidence says how good it is.
        progress: called as progress("pose", step, total).
    """
    total = len(AZIMUTHS) * len(ELEVATIONS) + sum(count * steps for count, steps in ROUNDS)
    schedule = Schedule("pose", total, deadline, progress)
    thin = _thinned(coarse)
    small, large = (_Target.cut(image, foreground.mask, camera, side) for side in (SEARCH_SIDE, REFINE_SIDE))

    candidates: list[tuple[float, Tensor]] = []
    for elevation, azimuth in itertools.product(ELEVATIONS, AZIMUTHS):
        schedule.tick()
        if candidates and schedule.late():
            break
        pose = _centred(thin, view_rotation(float(azimuth), elevation), small)
        with torch.no_grad():
            candidates.append((small.cost(thin, pose).item(), pose))
    candidates = _distinct(sorted(candidates, key=lambda pair: pair[0]))
    for count, steps in ROUNDS:
        candidates = [_descend(thin, pose, large, steps, schedule) for _, pose in candidates[:count]]
        candidates.sort(key=lambda pair: pair[0])
    schedule.finish()

    pose = candidates[0][1]
    overlap = large.overlap(thin, pose)
    match = float(np.clip((overlap - OVERLAP_NONE) / (OVERLAP_FULL - OVERLAP_NONE), 0, 1))
    matrix = pose.double().numpy()
    left, _, right = np.linalg.svd(matrix[:3, :3])  # float32 descent leaves the rotation slightly off
    matrix[:3, :3] = left @ right
    return PoseEstimate(camera.with_pose(matrix), overlap, match * foreground.confidence)


@dataclass(frozen=True)
class _Target:
    """The object in a small square window: colours over black (s, s, 3), mask (s, s), and the window's camera."""

    color: Tensor
    mask: Tensor
    camera: Camera

    @classmethod
    def cut(cls, image: np.ndarray, mask: np.ndarray, camera: Camera, side: int) -> _Target:
        rows, columns = np.nonzero(mask > 0.5)
        low = np.array([columns.min(), rows.min()])
        size = np.array([columns.max(), rows.max()]) + 1 - low
        reach = int(np.ceil(size.max() * (1 + 2 * WINDOW_MARGIN)))
        left, top = np.floor(low + size / 2 - reach / 2).astype(int)
        view = camera.cropped(int(left), int(top), reach, reach).scaled(side / reach)
        shift = np.array([[1.0, 0, -left], [0, 1.0, -top]])
        layers = np.concatenate([image / np.float32(255) * mask[..., None], mask[..., None]], -1).astype(np.float32)
        window = cv2.warpAffine(layers, shift, (reach, reach))  # black outside the image
        small = torch.from_numpy(cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA))
        return cls(small[..., :3].contiguous(), small[..., 3].contiguous(), view)

    def cost(self, gaussians: Gaussians, pose: Tensor) -> Tensor:
        """Silhouette and colour error and the upright prior, per pixel of the object."""
        out = render(gaussians, self.camera, world_to_camera=pose)
        silhouette = (out.alpha - self.mask).abs().sum()
        color = (out.color - self.color).abs().mean(-1).sum()
        roll = torch.atan2(pose[0, 2], (-pose[1, 2]).clamp(min=0.1))  # of the world's +z in the image
        return (silhouette + COLOR_WEIGHT * color) / self.mask.sum() + UPRIGHT_WEIGHT * roll.abs()

    def overlap(self, gaussians: Gaussians, pose: Tensor) -> float:
        with torch.no_grad():
            alpha = render(gaussians, self.camera, world_to_camera=pose).alpha
        return (torch.minimum(alpha, self.mask).sum() / torch.maximum(alpha, self.mask).sum()).item()


def _thinned(gaussians: Gaussians) -> Gaussians:
    """At most SEARCH_POINTS of the Gaussians, widened to close the surface again."""
    if len(gaussians) <= SEARCH_POINTS:
        return gaussians.map(Tensor.detach)
    index = np.random.default_rng(0).choice(len(gaussians), SEARCH_POINTS, replace=False)
    points = gaussians.means.detach().numpy()[index]
    thin = Gaussians.from_cloud(points, np.zeros(points.shape, np.uint8))
    return replace(thin, colors=gaussians.colors.detach()[index])


def _centred(gaussians: Gaussians, rotation: np.ndarray, target: _Target) -> Tensor:
    """(4, 4) pose with that rotation about the line of sight, placed so that the cloud covers the mask's box."""
    rows, columns = torch.nonzero(target.mask > 0.5 * target.mask.max()).T.numpy()  # thin things fade in so few pixels
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
    focal, principal = (target.camera.fx, target.camera.fy), (target.camera.cx, target.camera.cy)
    low, high = (low - principal) / focal, (high - principal) / focal  # on the plane z = 1
    middle = (low + high) / 2
    rotation = _toward(middle) @ rotation
    points = gaussians.means.numpy() @ rotation.T
    translation = np.array([*middle, 1.0]) * 4
    for _ in range(3):  # perspective makes it slightly nonlinear
        placed = points + translation
        flat = placed[:, :2] / np.maximum(placed[:, 2:], 0.1)
        found_low, found_high = np.percentile(flat, 1, axis=0), np.percentile(flat, 99, axis=0)
        depth = translation[2] * np.sqrt(np.prod(found_high - found_low) / np.prod(high - low))
        depth = max(depth, 1.1 - points[:, 2].min())
        offset = translation[:2] / translation[2] + middle - (found_low + found_high) / 2
        translation = np.array([*offset, 1.0]) * depth
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return torch.from_numpy(pose).float()


def _distinct(candidates: list[tuple[float, Tensor]]) -> list[tuple[float, Tensor]]:
    """Those, best first, whose rotation is not within APART_DEG of a better one's."""
    kept: list[tuple[float, Tensor]] = []
    bar = 1 + 2 * np.cos(np.radians(APART_DEG))  # trace of a rotation by that angle
    for cost, pose in candidates:
        if all((pose[:3, :3] * other[:3, :3]).sum() < bar for _, other in kept):
            kept.append((cost, pose))
    return kept


def _toward(middle: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of the optical axis onto the line of sight through (x, y, 1)."""
    sight = np.array([*middle, 1.0]) / np.linalg.norm([*middle, 1.0])
    axis = np.cross((0, 0, 1.0), sight)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3)
    return cv2.Rodrigues(axis / sine * np.arctan2(sine, sight[2]))[0]


def _descend(
    gaussians: Gaussians, start: Tensor, target: _Target, steps: int, schedule: Schedule
) -> tuple[float, Tensor]:
    """Gradient descent on the pose, one step at least; returns the lowest cost met and its pose."""
    twist = torch.zeros(3, requires_grad=True)  # rotation about the shape's own axes
    place = torch.stack([start[0, 3] / start[2, 3], start[1, 3] / start[2, 3], start[2, 3].log()]).requires_grad_()
    optimizer = Adam({"twist": twist, "place": place}, betas=(0.8, 0.95))
    best = (float("inf"), start)
    for step in range(steps):
        schedule.tick()
        if step and schedule.late():
            break
        pose = _compose(start, twist, place)
        cost = target.cost(gaussians, pose)
        if cost.item() < best[0]:
            best = (cost.item(), pose.detach())
        pace = 1 - 0.8 * step / steps
        optimizer.step(cost, {name: pace * rate for name, rate in RATES.items()})
    return best


def _compose(start: Tensor, twist: Tensor, place: Tensor) -> Tensor:
    x, y, z = twist
    o = torch.zeros(())
    skew = torch.stack([o, -z, y, z, o, -x, -y, x, o]).view(3, 3)
    depth = place[2].exp()
    translation = torch.stack([place[0] * depth, place[1] * depth, depth])
    top = torch.cat([start[:3, :3] @ torch.matrix_exp(skew), translation[:, None]], 1)
    return torch.cat([top, torch.tensor([[0.0, 0, 0, 1]])])
