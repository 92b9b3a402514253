"""Shapes in memory, by class: real ones in canonical pose, and procedural ones beside them.

A bank holds every cloud at one size, so that batches stack. Colours of uncoloured shapes are left grey and marked.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from audio2shape_core.clouds import resize_cloud
from audio2shape_core.data.canonical import canonicalize, normalize
from audio2shape_core.data.manifest import Item, item_of, load_points, read_manifest, read_rows
from audio2shape_core.files import replacing
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.vocabulary import VOCABULARY

# Real shapes are few, or of one style, for most classes: a class with n of them draws real ones at n / (n + HALF).
HALF_TRUST = 30

# Procedural shapes of these seeds are trained on; evaluation completes missing shapes with seeds of its own.
TRAIN_SEEDS = range(120)
TEST_SEEDS = range(100_000, 100_020)


class ShapeBank:
    """points (M, N, 3) float32; colors (M, N, 3) uint8; colored, real (M,) bool; labels (M,) str."""

    def __init__(
        self, *, points: np.ndarray, colors: np.ndarray, colored: np.ndarray, real: np.ndarray, labels: np.ndarray
    ) -> None:
        self.points, self.colors, self.colored, self.real, self.labels = points, colors, colored, real, labels
        self.groups = {
            label: (np.flatnonzero((labels == label) & real), np.flatnonzero((labels == label) & ~real))
            for label in np.unique(labels)
        }

    def draw(self, label: str, rng: np.random.Generator) -> int:
        """Index of a random shape of a class, real or procedural in the proportion `HALF_TRUST` states."""
        real, made = self.groups[label]
        if len(made) == 0 or rng.random() < len(real) / (len(real) + HALF_TRUST):
            return rng.choice(real)
        return rng.choice(made)


def real_shapes(items: list[Item], num_points: int, rng: np.random.Generator) -> ShapeBank:
    """Real shapes in canonical pose, resampled to one size."""
    points, colors, colored = [], [], []
    for item, (cloud, color) in zip(tqdm(items, "canonical poses"), load_points(items)):
        cloud, indices = resize_cloud(canonicalize(cloud, item.label, source=item.source), num_points, rng)
        points.append(cloud)
        colored.append(color is not None)
        colors.append(color[indices] if color is not None else np.full((num_points, 3), 128, np.uint8))
    labels = np.array([item.label for item in items])
    return ShapeBank(
        points=np.stack(points),
        colors=np.stack(colors),
        colored=np.array(colored),
        real=np.ones(len(items), bool),
        labels=labels,
    )


def procedural_shapes(labels: tuple[str, ...], seeds: range, num_points: int) -> ShapeBank:
    """Procedural shapes: every label with every seed."""
    made = [(label, *procedural_shape(label, seed, num_points)) for label in tqdm(labels, "shapes") for seed in seeds]
    return ShapeBank(
        points=np.stack([m[1] for m in made]),
        colors=np.stack([m[2] for m in made]),
        colored=np.ones(len(made), bool),
        real=np.zeros(len(made), bool),
        labels=np.array([m[0] for m in made]),
    )


def join(first: ShapeBank, second: ShapeBank) -> ShapeBank:
    names = ("points", "colors", "colored", "real", "labels")
    return ShapeBank(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names})


def cached(path: Path, make) -> ShapeBank:
    """The bank stored at `path`, or the one `make()` returns, stored there for next time."""
    names = ("points", "colors", "colored", "real", "labels")
    if path.is_file():
        with np.load(path) as file:
            return ShapeBank(**{name: file[name] for name in names})
    bank = make()
    with replacing(path) as temporary:
        np.savez(temporary, **{name: getattr(bank, name) for name in names})
    return bank


def augment(points: np.ndarray, rng: np.random.Generator, *, turn: float, stretch: float = 1.18) -> np.ndarray:
    """Mirror left to right, scale each axis by up to `stretch` either way, turn about z by up to `turn` radians; then
    normalise again."""
    scale = rng.uniform(1 / stretch, stretch, 3)
    scale[1] *= rng.choice((-1.0, 1.0))
    angle = rng.uniform(-turn, turn)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return normalize(points @ (rotation @ np.diag(scale)).T.astype(np.float32))


def training_items(data: Path) -> list[Item]:
    """The `train` shapes of the vocabulary. One that another split holds too would be learned by heart: it is left out,
    and said so."""
    items = [i for i in read_manifest(data, "shape", "train") if i.label in VOCABULARY]
    rows = [row for _, row in read_rows(data) if row["kind"] == "shape" and row["split"] != "train"]
    elsewhere = {points.tobytes() for points, _ in load_points([item_of(data, row) for row in rows])}
    alone = []
    for item, (points, _) in zip(items, load_points(items)):
        if points.tobytes() in elsewhere:
            tqdm.write(f"left out: {item.path.name}:{item.key}, another split holds the same shape")
        else:
            alone.append(item)
    return alone


def training_bank(data: Path, cache: Path, num_points: int) -> ShapeBank:
    """Every real training shape of the vocabulary in canonical pose, and procedural ones beside them."""

    def make() -> ShapeBank:
        real = real_shapes(training_items(data), num_points, np.random.default_rng(0))
        return join(real, procedural_shapes(VOCABULARY, TRAIN_SEEDS, num_points))

    return cached(cache, make)
