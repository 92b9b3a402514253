"""Pictures in memory, by class: photographs, and renders of shapes before random backgrounds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import cv2
import numpy as np

from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import Item
from audio2shape_core.data.rows import Fields, Row, RowsByClass
from audio2shape_core.data.shape_bank import ShapeBank
from audio2shape_core.pictures import read_photo
from audio2shape_core.synthetic.renders import photograph

STORED = 1.25  # pictures are kept this much larger than the encoder's input, for random crops
ENOUGH_PHOTOS = 20  # a class with fewer shows them less often, so that the encoder does not learn them by heart


class ImageBank:
    """label -> photographs (M, S, S, 3) uint8 RGB, and tables of renders: rows with a `picture` (S, S, 4) whose last
    channel is the coverage."""

    def __init__(self, photos: dict[str, np.ndarray], renders: RowsByClass, size: int) -> None:
        self.photos, self.renders, self.size = photos, renders.tables, size
        self.labels = sorted(set(photos) | {label for label, table in renders.tables.items() if len(table)})

    def draw(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """A random picture of a class as a camera might have taken it: (size, size, 3) float32 in [0, 1]."""
        photos, renders = self.photos.get(label, ()), self.renders.get(label)
        share = 0.5 * min(1.0, len(photos) / ENOUGH_PHOTOS) if renders else 1.0
        if rng.random() < share or not renders:
            picture = photos[rng.integers(len(photos))] / np.float32(255)
        else:
            picture = over_background(renders.draw(rng)["picture"], rng)
        return augment(picture, self.size, rng)


def read_photos(items: list[Item], labels: Collection[str], size: int) -> dict[str, np.ndarray]:
    """Photographs of some classes, squeezed to squares; pictures that cannot be decoded are left out."""
    by_label: dict[str, list[np.ndarray]] = {}
    side = round(STORED * size)
    for item in items:
        picture = read_photo(item.path) if item.label in labels else None
        if picture is not None:
            square = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            by_label.setdefault(item.label, []).append(square)
    return {label: np.stack(pictures) for label, pictures in by_label.items()}


def render_shapes(
    bank: ShapeBank, completion: Completion, views: int, size: int, *, folder: Path | None = None
) -> RowsByClass:
    """`views` pictures of each class, of shapes drawn from the bank."""
    side = round(STORED * size)

    def make(label: str, indices: list[int]) -> Iterator[Row]:
        for index in indices:
            rng = np.random.default_rng((7, index, *label.encode()))
            shape = bank.draw(label, rng)
            colors = shape["colors"] if shape["colored"] else None
            yield {"picture": photograph(shape["points"], colors, rng, side)}

    counts = {label: completion.renders(views) for label in bank.labels}
    fields: Fields = [("picture", np.uint8, (side, side, 4))]
    return RowsByClass.of(counts, fields, make, folder=folder, name="renders", made_of=bank.made_of)


def over_background(render: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A render (S, S, 4) before a plain, shaded or blotchy background: (S, S, 3) float32 in [0, 1]."""
    side = len(render)
    background = np.broadcast_to(rng.uniform(0, 1, 3), (side, side, 3))
    ramp = np.linspace(-0.5, 0.5, side)
    background = background + ramp[:, None, None] * rng.normal(0, 0.3, 3) + ramp[None, :, None] * rng.normal(0, 0.3, 3)
    if rng.random() < 0.5:
        blotches = rng.normal(0, rng.uniform(0.05, 0.35), (rng.integers(2, 12), rng.integers(2, 12), 3))
        background = background + cv2.resize(blotches, (side, side), interpolation=cv2.INTER_CUBIC)
    picture = render.astype(np.float32) / 255
    return picture[..., :3] + (1 - picture[..., 3:]) * background.clip(0, 1).astype(np.float32)


def augment(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Crop, zoom, tilt, mirror and re-light a picture (S, S, 3): (size, size, 3) float32 in [0, 1]."""
    zoom = size / len(picture) * rng.uniform(0.9, 1.5)
    tilt: np.ndarray = cv2.getRotationMatrix2D((len(picture) / 2, len(picture) / 2), rng.normal(0, 8), zoom)
    slack = 0.5 * max(0.0, zoom * len(picture) - size)
    tilt[:, 2] += size / 2 - len(picture) / 2 + rng.uniform(-1, 1, 2) * slack
    crop = cv2.warpAffine(picture, tilt, (size, size), borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    tint = rng.uniform(0.85, 1.15, 3)
    crop = (crop * tint - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.2, 0.2)
    return crop.clip(0, 1).astype(np.float32)
