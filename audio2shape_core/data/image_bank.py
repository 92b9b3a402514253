"""Pictures in memory, by class: photographs, and renders of shapes before random backgrounds."""

import cv2
import numpy as np
from tqdm import tqdm

from audio2shape_core.data.manifest import Item
from audio2shape_core.data.shape_bank import ShapeBank
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.vocabulary import VOCABULARY

STORED = 1.25  # pictures are kept this much larger than the encoder's input, for random crops
ENOUGH_PHOTOS = 20  # a class with fewer shows them less often, so that the encoder does not learn them by heart


class ImageBank:
    """label -> photographs (M, S, S, 3), and label -> renders with their coverage (M, S, S, 4); uint8, RGB."""

    def __init__(self, photos: dict[str, np.ndarray], renders: dict[str, np.ndarray], size: int) -> None:
        self.photos, self.renders, self.size = photos, renders, size
        self.labels = sorted(set(photos) | set(renders))

    def draw(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """A random picture of a class as a camera might have taken it: (size, size, 3) float32 in [0, 1]."""
        photos = self.photos.get(label, ())
        share = 0.5 * min(1.0, len(photos) / ENOUGH_PHOTOS) if label in self.renders else 1.0
        if rng.random() < share:
            picture = photos[rng.integers(len(photos))] / np.float32(255)
        else:
            renders = self.renders[label]
            picture = over_background(renders[rng.integers(len(renders))], rng)
        return augment(picture, self.size, rng)


def read_photos(items: list[Item], size: int) -> dict[str, np.ndarray]:
    """Photographs of the vocabulary, squeezed to squares; pictures that cannot be decoded are left out."""
    by_label: dict[str, list[np.ndarray]] = {}
    side = round(STORED * size)
    for item in items:
        picture = cv2.imread(str(item.path), cv2.IMREAD_COLOR)
        if picture is not None and item.label in VOCABULARY:
            square = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            by_label.setdefault(item.label, []).append(cv2.cvtColor(square, cv2.COLOR_BGR2RGB))
    return {label: np.stack(pictures) for label, pictures in by_label.items()}


def render_shapes(bank: ShapeBank, views: int, size: int) -> dict[str, np.ndarray]:
    """`views` pictures a class, of shapes drawn from the bank."""
    rng = np.random.default_rng(7)
    side = round(STORED * size)
    renders = {}
    for label in tqdm(VOCABULARY, "renders"):
        chosen = [bank.draw(label, rng) for _ in range(views)]
        renders[label] = np.stack(
            [photograph(bank.points[i], bank.colors[i] if bank.colored[i] else None, rng, side) for i in chosen]
        )
    return renders


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
    tilt = cv2.getRotationMatrix2D((len(picture) / 2, len(picture) / 2), rng.normal(0, 8), zoom)
    slack = 0.5 * max(0.0, zoom * len(picture) - size)
    tilt[:, 2] += size / 2 - len(picture) / 2 + rng.uniform(-1, 1, 2) * slack
    crop = cv2.warpAffine(picture, tilt, (size, size), borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    tint = rng.uniform(0.85, 1.15, 3)
    crop = (crop * tint - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.2, 0.2)
    return crop.clip(0, 1).astype(np.float32)
