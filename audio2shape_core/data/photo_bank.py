"""Photographs in memory, by class, and the augmentation that training shows them through."""

import cv2
import numpy as np

from audio2shape_core.data.manifest import Item
from audio2shape_core.vocabulary import VOCABULARY

MARGIN = 16  # pixels a picture is kept larger than the encoder's input, for random crops


class PhotoBank:
    """Photographs of the vocabulary, squeezed to squares: label -> (M, size + MARGIN, size + MARGIN, 3) uint8 RGB."""

    def __init__(self, by_label: dict[str, np.ndarray], size: int) -> None:
        self.by_label, self.size = by_label, size

    @classmethod
    def read(cls, items: list[Item], size: int) -> "PhotoBank":
        """Read photographs; pictures that cannot be decoded are left out."""
        by_label: dict[str, list[np.ndarray]] = {}
        side = size + MARGIN
        for item in items:
            picture = cv2.imread(str(item.path), cv2.IMREAD_COLOR)
            if picture is not None and item.label in VOCABULARY:
                square = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
                by_label.setdefault(item.label, []).append(cv2.cvtColor(square, cv2.COLOR_BGR2RGB))
        return cls({label: np.stack(pictures) for label, pictures in by_label.items()}, size)

    def draw(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """A random photograph of a class, cropped, mirrored, re-lit: (size, size, 3) float32 in [0, 1]."""
        pictures = self.by_label[label]
        y, x = rng.integers(0, MARGIN + 1, 2)
        crop = pictures[rng.integers(len(pictures)), y : y + self.size, x : x + self.size].astype(np.float32) / 255
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        return np.clip((crop - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.2, 0.2), 0, 1).astype(np.float32)
