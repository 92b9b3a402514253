"""Refinement towards real photographs: no truth but the eye's, and the silhouette where the mask is sure.

The cloud is a procedural shape of the photograph's class; intrinsics, pose and mask are unknown. Where the mask is not
sure nothing is claimed about its overlap.
"""

from __future__ import annotations

import cv2
import numpy as np

from audio2shape_core.camera import Camera
from audio2shape_core.data.manifest import Item, read_manifest
from audio2shape_core.evaluation.scene import POINTS, overlap, photograph
from audio2shape_core.evaluation.task import Task, mean
from audio2shape_core.files import replacing
from audio2shape_core.frame import Frame
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.pictures import read_photo
from audio2shape_core.refinement import refine
from audio2shape_core.splatting import Gaussians

PHOTOS_A_CLASS = 1
SURE = 0.5  # confidence in a mask above which it is taken for the truth
TILE = 160  # pixels, of the picture sheet


def measure_photographs(task: Task) -> dict:
    """Refine towards the first photographs of every class, from a procedural shape of the class.

    Returns num_photos; mask_sure, the share with a sure mask; of those, accepted (share) and, of the accepted ones,
    silhouette_overlap_before and silhouette_overlap (intersection over union with the mask). The sheet
    `task.picture`: the photograph, its mask, the cloud from the pose that was found, the refined one, and that from
    another side. Photographs of classes that cannot be made are left out.
    """
    rows, sheet = [], []
    for item in _chosen(task):
        image = read_photo(item.path)
        if image is None:
            continue
        made = task.completion.clouds(item.label, 1, POINTS, range(1))
        if not made:
            continue
        ((_, (points, colors)),) = made
        found = find_foreground(image)
        refined = refine(points, colors, Frame(image), found, iterations=task.sizes.iterations)
        before = Gaussians.from_cloud(points, colors).solid()
        (front, alpha), (start, start_alpha) = (photograph(g, refined.camera) for g in (refined.gaussians, before))
        aside = photograph(refined.gaussians, _turned(refined.camera))[0]
        rows.append(
            {
                "sure": found.confidence >= SURE,
                "accepted": refined.accepted,
                "before": overlap(start_alpha, found.mask),
                "after": overlap(alpha, found.mask),
            }
        )
        mask = np.repeat((255 * found.mask).astype(np.uint8)[..., None], 3, 2)
        said = f"{item.label} {found.confidence:.2f} {'accepted' if refined.accepted else 'refused'}"
        sheet.append(_strip([image, mask, start, front, aside], said))
    if task.picture and sheet:
        with replacing(task.picture) as temporary:
            encoded = cv2.imencode(".png", cv2.cvtColor(np.concatenate(sheet), cv2.COLOR_RGB2BGR))[1]
            temporary.write_bytes(encoded.tobytes())
    sure = [row for row in rows if row["sure"]]
    accepted = [row for row in sure if row["accepted"]]
    return {
        "num_photos": len(rows),
        "mask_sure": mean(row["sure"] for row in rows),
        "accepted": mean(row["accepted"] for row in sure),
        "silhouette_overlap_before": mean(row["before"] for row in accepted),
        "silhouette_overlap": mean(row["after"] for row in accepted),
    }


def _chosen(task: Task) -> list[Item]:
    """The first photographs of every class of the vocabulary, in the order of the manifest."""
    by_label: dict[str, list[Item]] = {}
    for item in read_manifest(task.data, "photo", task.split):
        by_label.setdefault(item.label, []).append(item)
    names = task.classes().names if by_label else ()
    return [item for label in names for item in by_label.get(label, [])[:PHOTOS_A_CLASS]]


def _turned(camera: Camera) -> Camera:
    """The same camera, walked 60 degrees round the object."""
    turn = Camera.look_at(60, 0, width=8, height=8).world_to_camera[:3, :3]
    home = Camera.look_at(0, 0, width=8, height=8).world_to_camera[:3, :3]
    pose = camera.world_to_camera.copy()
    pose[:3, :3] = pose[:3, :3] @ home.T @ turn
    return camera.with_pose(pose)


def _strip(pictures: list[np.ndarray], said: str) -> np.ndarray:
    """Pictures (H, W, 3) side by side in squares, with words in the first one."""
    tiles = []
    for picture in pictures:
        tile = np.zeros((TILE, TILE, 3), np.uint8)
        factor = TILE / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:TILE, :TILE]
        tile[: small.shape[0], : small.shape[1]] = small
        tiles.append(tile)
    cv2.putText(tiles[0], said, (3, TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 0), 1, cv2.LINE_AA)
    return np.concatenate(tiles, axis=1)
