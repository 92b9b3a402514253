"""Shapes by class: real ones in canonical pose, and procedural ones beside them, all of one size.

Letters: N points.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from audio2shape_core.clouds import resize_cloud
from audio2shape_core.data.canonical import about_z, canonicalize, normalize
from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import Item, item_of, load_points, read_manifest, read_rows
from audio2shape_core.data.rows import Arrays, Fields, Row, Rows, RowsByClass, file_states, fingerprint
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.vocabulary import Vocabulary

# Real shapes are few, or of one style, for most classes: a class with n of them draws real ones at n / (n + HALF).
HALF_TRUST = 30


class ShapeBank:
    """By class, tables of real and of procedural shapes. A row holds points (N, 3) float32, colors (N, 3) uint8, grey
    where there are none, and whether it is `colored`."""

    def __init__(self, tables: dict[str, tuple[Rows, Rows]], made_of: str = "") -> None:
        self.tables, self.made_of = tables, made_of

    @property
    def labels(self) -> list[str]:
        return list(self.tables)

    def draw(self, label: str, rng: np.random.Generator) -> Arrays:
        """A random shape of a class, real or procedural in the proportion `HALF_TRUST` states."""
        real, made = self.tables[label]
        if len(made) == 0 or rng.random() < len(real) / (len(real) + HALF_TRUST):
            return real.draw(rng)
        return made.draw(rng)


def real_shapes(items: list[Item], indices: list[int], num_points: int) -> Iterator[Row]:
    """Real shapes in canonical pose, resampled to one size: those of the given indices."""
    for index, (cloud, color) in zip(indices, load_points([items[i] for i in indices])):
        item = items[index]
        posed = canonicalize(cloud, item.label, yaw_deg=item.yaw_deg)
        points, chosen = resize_cloud(posed, num_points, np.random.default_rng((0, index)))
        yield {"points": points, "colors": 128 if color is None else color[chosen], "colored": color is not None}


def augment(points: np.ndarray, rng: np.random.Generator, *, turn: float, stretch: float = 1.18) -> np.ndarray:
    """Mirror left to right, scale each axis by up to `stretch` either way, turn about z by up to `turn` radians; then
    normalise again."""
    scale = rng.uniform(1 / stretch, stretch, 3)
    scale[1] *= rng.choice((-1.0, 1.0))
    rotation = about_z(np.degrees(rng.uniform(-turn, turn)))
    return normalize(points @ (rotation @ np.diag(scale)).T.astype(np.float32))


def training_items(data: Path, vocabulary: Vocabulary) -> list[Item]:
    """The `train` shapes of the vocabulary's names. One that another split holds too would be learned by heart: it is
    left out, and a line says so."""
    items = [i for i in read_manifest(data, "shape", "train") if i.label in vocabulary.names]
    labels = {item.label for item in items}
    rows = [r for _, r in read_rows(data) if r["kind"] == "shape" and r["split"] != "train" and r["class"] in labels]
    elsewhere = {points.tobytes() for points, _ in load_points([item_of(data, row) for row in rows])}
    alone = []
    for item, (points, _) in zip(items, load_points(items)):
        if points.tobytes() in elsewhere:
            tqdm.write(f"left out: {item.path.name}:{item.key}, another split holds the same shape")
        else:
            alone.append(item)
    return alone


def training_bank(
    data: Path, vocabulary: Vocabulary, completion: Completion, *, made: int, num_points: int, folder: Path | None
) -> ShapeBank:
    """Every real training shape of the vocabulary in canonical pose, and `made` procedural ones of each class.

    folder: where shapes are kept once they are posed or made. Raises InputError for a class without any shape.
    """
    items = training_items(data, vocabulary)
    state = fingerprint(items, file_states(dict.fromkeys(item.path for item in items)), made, num_points)
    own = {label: [item for item in items if item.label == label] for label in vocabulary.names}
    counts = {label: len(real) for label, real in own.items()}
    wanted = {label: completion.shapes(label, made, real=real) for label, real in counts.items()}
    fields: Fields = [
        ("points", np.float32, (num_points, 3)),
        ("colors", np.uint8, (num_points, 3)),
        ("colored", bool, ()),
    ]

    def pose(label: str, indices: list[int]) -> Iterator[Row]:
        return real_shapes(own[label], indices, num_points)

    def make(label: str, seeds: list[int]) -> Iterator[Row]:
        for seed in seeds:
            points, colors = procedural_shape(label, seed, num_points)
            yield {"points": points, "colors": colors, "colored": True}

    real = RowsByClass.of(counts, fields, pose, folder=folder, name="real shapes", made_of=state)
    procedural = RowsByClass.of(wanted, fields, make, folder=folder, name="made shapes")
    return ShapeBank({label: (real.tables[label], procedural.tables[label]) for label in vocabulary.names}, state)
