"""The data set on disk: `MANIFEST.csv` beside `audio/`, `shapes/` and `photos/`.

Every row is one item: `kind,class,item,split,group,source_repo,source_path,licence`. `kind` is audio, shape or photo;
`item` is a path below the data set's folder, for shapes `shapes/<class>.npz:<id>`; `split` is any name.
"""

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio2shape_core.errors import InputError

KINDS = ("audio", "shape", "photo")
NEEDED = ("kind", "class", "item", "split", "group")
COLUMNS = (*NEEDED, "source_repo", "source_path", "licence")
SURPLUS = "more cells than columns"  # the key under which a row's cells beyond the last column are kept


@dataclass(frozen=True)
class Item:
    """One row of the manifest. `path` is absolute; `key` is the model's id inside a shape archive, else empty."""

    kind: str
    label: str
    split: str
    group: str
    path: Path
    key: str

    @property
    def source(self) -> str:
        """First word of a shape's id: the collection it came from, whose models share a heading."""
        return self.key.split("_", 1)[0]


def read_rows(data: Path) -> list[tuple[int, dict[str, str]]]:
    """Every row of the manifest: the line of the file where it ends, and its cells by column, empty where missing.

    Raises InputError when the folder has no manifest, it is not CSV in UTF-8, or a column is missing.
    """
    manifest = Path(data) / "MANIFEST.csv"
    if not manifest.is_file():
        raise InputError(f"{data} has no MANIFEST.csv; expected a data set folder: see `audio2shape data --help`")
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin a file with a mark
            reader = csv.DictReader(file, restkey=SURPLUS, restval="")
            missing = set(NEEDED) - set(reader.fieldnames or ())
            if missing:
                columns = ", ".join(sorted(missing))
                raise InputError(f"{manifest} lacks the column(s) {columns}; add them to its first line")
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest} is not a table ({error}); expected comma-separated values in UTF-8") from error


def item_of(data: Path, row: dict[str, str]) -> Item:
    path, _, key = row["item"].partition(":")
    return Item(row["kind"], row["class"], row["split"], row["group"], Path(data) / path, key)


def read_manifest(data: Path, kind: str, split: str) -> list[Item]:
    """Items of one kind and split, in the order of the file.

    Raises InputError as `read_rows`, and when the split does not exist.
    """
    rows = [row for _, row in read_rows(data)]
    splits = sorted({row["split"] for row in rows})
    if split not in splits:
        raise InputError(f"{data}/MANIFEST.csv has no split {split!r}; it has {', '.join(splits) or 'no rows'}")
    return [item_of(data, row) for row in rows if row["kind"] == kind and row["split"] == split]


def load_points(items: list[Item]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Points (N, 3) float32 and colours (N, 3) uint8 or None of shape items, as stored. Archives are opened once."""
    loaded: list = [None] * len(items)
    by_archive: dict[Path, list[int]] = {}
    for index, item in enumerate(items):
        by_archive.setdefault(item.path, []).append(index)
    for path, indices in by_archive.items():
        try:
            with np.load(path) as archive:
                for index in indices:
                    key = items[index].key
                    colors = archive[f"{key}/colors"] if f"{key}/colors" in archive.files else None
                    loaded[index] = (archive[f"{key}/points"].astype(np.float32), colors)
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"cannot read shapes from {path} ({error}); expected an npz with <id>/points") from error
    return loaded
