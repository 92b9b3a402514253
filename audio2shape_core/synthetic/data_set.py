"""Data sets that are made: procedural shapes, synthesised sounds, and renders of the shapes as photographs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from tqdm import tqdm

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.data.canonical import normalize
from audio2shape_core.data.image_bank import over_background
from audio2shape_core.data.manifest import COLUMNS, item_of, load_points, read_rows
from audio2shape_core.errors import InputError
from audio2shape_core.files import new_folder
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.synthetic.shapes import procedural_labels, procedural_shape
from audio2shape_core.synthetic.sounds import fluidsynth_available, fluidsynth_labels, physical_labels, synthesize

SPLITS = ("train", "test")
NUM_POINTS = 4096
PICTURE_SIZE = 224  # pixels
# Seeds of a set begin at a million, far from those that training and evaluation draw when they complete a set
# (data.completion); the halves of each million are its two splits.
SEEDS = 1_000_000


@dataclass(frozen=True)
class Counts:
    """Items a class: (training, test)."""

    sounds: tuple[int, int]
    shapes: tuple[int, int]
    photos: tuple[int, int]


def makeable_labels() -> list[str]:
    """Classes of which both a shape and a sound can be made on this machine."""
    audible = {*physical_labels(), *(fluidsynth_labels() if fluidsynth_available() else ())}
    return [label for label in procedural_labels() if label in audible]


def build_set(output: Path, labels: tuple[str, ...], counts: Counts, seed: int) -> int:
    """Make a complete data set in the new or empty folder `output`; returns its number of items.

    The same arguments give the same files on the same machine (sounds differ where FluidSynth is not installed).
    Raises InputError for a class that cannot be made, or a folder that holds something.
    """
    unknown = set(labels) - set(makeable_labels())
    if unknown:
        raise InputError(
            f"cannot make {', '.join(sorted(unknown))}; expected classes among {', '.join(makeable_labels())}"
        )
    with new_folder(output) as folder:
        total = len(labels) * sum(map(sum, (counts.sounds, counts.shapes, counts.photos)))
        makers = (make_sounds, make_shapes, make_photos)
        rows = (row for label in labels for make in makers for row in make(folder, label, counts, seed))
        write_manifest(folder, list(tqdm(rows, "data set", total, disable=None)))
    return total


def seeds_of(seed: int, split: int, count: int) -> range:
    """Seeds of the items of a set's split (0 training, 1 test): no two sets or splits share one."""
    first = (seed + 1) * SEEDS + split * SEEDS // 2
    return range(first, first + count)


def row_of(kind: str, label: str, item: str, split: int, group: str, recipe: str) -> dict[str, str]:
    yaw = "0" if kind == "shape" else ""
    cells = (kind, label, item, SPLITS[split], group, "audio2shape", recipe, "Apache-2.0", yaw)
    return dict(zip(COLUMNS, cells))


def make_sounds(folder: Path, label: str, counts: Counts, seed: int) -> Iterator[dict[str, str]]:
    """Write a class's sounds, one recording a group; yields their rows."""
    (folder / "audio" / label).mkdir(parents=True)
    for split, count in enumerate(counts.sounds):
        for one in seeds_of(seed, split, count):
            item = f"audio/{label}/made_{one}.flac"
            soundfile.write(folder / item, synthesize(label, one), SAMPLE_RATE, subtype="PCM_16")
            yield row_of("audio", label, item, split, f"made_{label}_{one}", f"synthesize({label!r}, {one})")


def make_shapes(folder: Path, label: str, counts: Counts, seed: int) -> Iterator[dict[str, str]]:
    """Write a class's shapes into one archive; yields their rows."""
    arrays: dict[str, Any] = {}
    for split, count in enumerate(counts.shapes):
        for one in seeds_of(seed, split, count):
            key = f"made_{label}_{one}"
            points, arrays[f"{key}/colors"] = procedural_shape(label, one, NUM_POINTS)
            arrays[f"{key}/points"] = points.astype(np.float16)
            yield row_of("shape", label, f"shapes/{label}.npz:{key}", split, key, f"procedural_shape({label!r}, {one})")
    if arrays:
        (folder / "shapes").mkdir(exist_ok=True)
        np.savez_compressed(folder / "shapes" / f"{label}.npz", **arrays)


def make_photos(folder: Path, label: str, counts: Counts, seed: int) -> Iterator[dict[str, str]]:
    """Write pictures of a class's shapes, each of a shape of its own split; yields their rows."""
    for split, count in enumerate(counts.photos):
        shown = seeds_of(seed, split, max(1, counts.shapes[split]))
        for view in range(count):
            one = shown[view % len(shown)]
            item = f"photos/{label}/made_{one}_{view}.jpg"
            points, colors = procedural_shape(label, one, NUM_POINTS)
            write_picture(folder / item, points, colors, rng_of(seed, f"{label}/{one}", view))
            yield row_of("photo", label, item, split, f"made_{label}_{one}", f"photograph of {label} {one}")


def rng_of(seed: int, name: str, view: int) -> np.random.Generator:
    """Random numbers of one picture, whatever was drawn before it."""
    return np.random.default_rng((seed, view, *name.encode()))


def write_picture(path: Path, points: np.ndarray, colors: np.ndarray | None, rng: np.random.Generator) -> None:
    """Photograph a shape before a random background, into a JPEG file."""
    picture = over_background(photograph(points, colors, rng, PICTURE_SIZE), rng)
    pixels = (255 * picture[..., ::-1]).round().clip(0, 255).astype(np.uint8)  # OpenCV wants BGR
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "MANIFEST.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def plain(text: str) -> str:
    """A name of letters, digits, - and _ alone, which cannot lead out of a folder."""
    return re.sub(r"[^\w-]", "_", text)


def render_set(data: Path, output: Path, views: int, seed: int) -> int:
    """Photograph every shape of a data set `views` times; returns the number of pictures.

    The new or empty folder `output` becomes a data set of photos alone: each keeps its shape's class, split, group and
    licence, so that its rows and files may be added to the first set. Raises InputError for shapes that cannot be read.
    """
    shapes = [row for _, row in read_rows(data) if row["kind"] == "shape"]
    if not shapes:
        raise InputError(f"{data} has no shapes to render; expected rows of kind shape in its MANIFEST.csv")
    rows = []
    with new_folder(output) as folder:
        clouds = load_points([item_of(data, row) for row in shapes])
        for index, row in enumerate(tqdm(shapes, "pictures", disable=None)):
            points, colors = clouds[index]
            key = item_of(data, row).key
            for view in range(views):
                item = f"photos/{plain(row['class'])}/{plain(key)}_{index}_{view}.jpg"
                write_picture(folder / item, normalize(points), colors, rng_of(seed, key, view))
                rows.append({**row, "kind": "photo", "item": item, "yaw_deg": ""})
        write_manifest(folder, rows)
    return len(rows)
