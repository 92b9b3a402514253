"""The data set on disk: `MANIFEST.csv` beside `audio/`, `shapes/`, `photos/`, `masks/` and `scenes/`.

Every row is one item: `kind,class,item,split,group`, and as you like `source_repo,source_path,licence,yaw_deg`.
kind: audio, shape, photo, other (a photograph of something else) or scene (a photograph of no object).
item: a path below the data set's folder; of a shape `shapes/<class>.npz:<id>`. split: any name.
yaw_deg: of a shape, the turn about z that brings it to the canonical heading; without it the heading is known for some
collections (`assets/headings.json`), else searched.
`PHOTOS.csv`, where there is one, holds what is known of photographs.
"""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from audio2shape_core.data.archives import READ_ERRORS, read_array
from audio2shape_core.errors import InputError

KINDS = ("audio", "shape", "photo", "other", "scene")
UNLABELLED = "unlabelled"  # the class of everyday sound that may hold anything
NEEDED = ("kind", "class", "item", "split", "group")
COLUMNS = (*NEEDED, "source_repo", "source_path", "licence", "yaw_deg")
SURPLUS = "more cells than columns"  # the key under which a row's cells beyond the last column are kept
LARGEST_TABLE = 200_000_000  # bytes

HEADINGS = Path(__file__).parents[1] / "assets" / "headings.json"


@dataclass(frozen=True)
class Item:
    """One row of the manifest. `path` is absolute; `key` is the model's id inside a shape archive, else empty;
    `yaw_deg` the turn that brings a shape to the canonical heading, None where it must be searched."""

    kind: str
    label: str
    split: str
    group: str
    path: Path
    key: str
    yaw_deg: float | None = None


def read_table(path: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Every row of a CSV file: the line of the file where it ends, and its cells by column, empty where missing.

    Raises InputError where it is larger than `LARGEST_TABLE`, not CSV in UTF-8, or lacks a column.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path} is larger than {LARGEST_TABLE >> 20} MiB; expected a table of a data set")
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin a file with a mark
            reader = csv.DictReader(file, restkey=SURPLUS, restval="")
            if missing := set(needed) - set(reader.fieldnames or ()):
                raise InputError(f"{path} lacks the column(s) {', '.join(sorted(missing))}; add them to its first line")
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a table ({error}); expected comma-separated values in UTF-8") from error


def read_rows(data: Path) -> list[tuple[int, dict[str, str]]]:
    """Every row of the manifest, as `read_table`. Raises InputError also where the folder has no manifest."""
    manifest = Path(data) / "MANIFEST.csv"
    if not manifest.is_file():
        raise InputError(f"{data} has no MANIFEST.csv; expected a data set folder: see `audio2shape data --help`")
    return read_table(manifest, NEEDED)


@cache
def _known_headings() -> Mapping[str, Mapping[str, float]]:
    """Degrees by collection and class: models of one class and collection share a heading."""
    return json.loads(HEADINGS.read_text())


def item_of(data: Path, row: Mapping[str, str]) -> Item:
    """The item of a row. Raises InputError for a yaw that is no angle."""
    path, _, key = row["item"].partition(":")
    yaw = None
    if text := row.get("yaw_deg", "").strip():
        try:
            yaw = float(text)
        except ValueError:
            yaw = math.nan
        if not abs(yaw) <= 360:
            raise InputError(f"yaw_deg is {text[:40]!r}; expected degrees from -360 to 360, or nothing")
    elif row["kind"] == "shape":
        collection = key.split("_", 1)[0]  # the first word of a shape's id
        yaw = _known_headings().get(collection, {}).get(row["class"])
    return Item(row["kind"], row["class"], row["split"], row["group"], Path(data) / path, key, yaw)


def read_manifest(data: Path, kind: str, split: str) -> list[Item]:
    """Items of one kind and split, in the order of the file.

    Raises InputError as `read_rows` and `item_of`, and when the split does not exist.
    """
    rows = [row for _, row in read_rows(data)]
    splits = sorted({row["split"] for row in rows})
    if split not in splits:
        names = ", ".join(splits[:20]) or "no rows"
        raise InputError(f"{data}/MANIFEST.csv has no split {split[:80]!r}; it has {names[:400]}")
    return [item_of(data, row) for row in rows if row["kind"] == kind and row["split"] == split]


def labels_of(data: Path, split: str) -> set[str]:
    """Classes that have a recording, a shape or a photograph in a split. Raises InputError as `read_manifest`."""
    return {item.label for kind in ("audio", "shape", "photo") for item in read_manifest(data, kind, split)}


def load_points(items: list[Item]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Points (N, 3) float32 and colours (N, 3) uint8 or None of shape items, as stored. Archives are opened once.

    Memory is bounded, whatever an archive claims. Raises InputError for one that cannot be read.
    """
    loaded: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
    by_archive: dict[Path, list[int]] = {}
    for index, item in enumerate(items):
        by_archive.setdefault(item.path, []).append(index)
    for path, indices in by_archive.items():
        try:
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
                for index in indices:
                    key = items[index].key
                    points = read_array(archive, f"{key}/points", "fiu").astype(np.float32)
                    colored = f"{key}/colors.npy" in names
                    colors = read_array(archive, f"{key}/colors", "u") if colored else None
                    if colors is not None and (colors.shape != points.shape or colors.dtype != np.uint8):
                        raise InputError(
                            f"colors are {colors.dtype} of shape {colors.shape}; expected uint8 of shape {points.shape}"
                        )
                    loaded[index] = (points, colors)
        except (InputError, *READ_ERRORS) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"cannot read shapes from {path} ({reason}); expected an npz with <id>/points") from error
    return [loaded[index] for index in range(len(items))]
