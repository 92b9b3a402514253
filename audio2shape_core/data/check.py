"""What is wrong with a data set, row by row, and how to mend it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from audio2shape_core.audio import load_audio
from audio2shape_core.data.manifest import (
    KINDS,
    NEEDED,
    SURPLUS,
    UNLABELLED,
    Item,
    item_of,
    load_points,
    read_rows,
    read_table,
)
from audio2shape_core.errors import InputError
from audio2shape_core.pictures import read_picture
from audio2shape_core.vocabulary import Vocabulary

MIN_POINTS = 64  # fewer do not describe a shape
LONGEST = 300  # characters of a line of the report


def one_line(text: str) -> str:
    """Text of a data set, which may hold anything, as part of a line."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 3] + "..."


@dataclass(frozen=True)
class Fault:
    """line: of MANIFEST.csv; item: as written there; text: what is wrong, what was expected, how to mend it."""

    line: int
    item: str
    text: str


@dataclass
class Report:
    """rows: how many; counts: of faultless ones by kind and split; faults: by line; notes: what is odd but allowed."""

    rows: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict:
        counts = {kind: {s: n for (k, s), n in sorted(self.counts.items()) if k == kind} for kind in KINDS}
        faults = [{"line": f.line, "item": f.item, "fault": f.text} for f in self.faults]
        faulty = len({fault.line for fault in self.faults})
        return {"rows": self.rows, "faulty_rows": faulty, "counts": counts, "faults": faults, "notes": self.notes}


def check_set(data: Path) -> Report:
    """Examine every row and every file of a data set. Raises InputError where there is no manifest to read."""
    rows = read_rows(data)
    report = Report(rows=len(rows))
    seen = Seen()
    for line, row in tqdm(rows, "checking", disable=None):
        texts = cell_faults(row)
        if not texts:
            texts = seen.faults(line, row)
            try:
                texts += seen.content_faults(line, row, fingerprint(item_of(data, row)))
            except InputError as error:
                texts.append(str(error))
        if not texts:
            report.counts[row["kind"], row["split"]] += 1
        report.faults += [Fault(line, one_line(row["item"]), one_line(text)) for text in texts]
    plain = [row for _, row in rows]
    report.notes = [one_line(note) for note in class_notes(plain) + photo_notes(data, plain)]
    return report


def cell_faults(row: dict[str, str]) -> list[str]:
    """What the cells of a row say wrong, whatever its file holds."""
    texts = [f"the column {name!r} is empty; every row needs one" for name in NEEDED if not row[name].strip()]
    if SURPLUS in row:
        texts.append("more cells than columns; put text that holds a comma between double quotes")
    if row["kind"].strip() and row["kind"] not in KINDS:
        texts.append(f"unknown kind {row['kind']!r}; expected one of {', '.join(KINDS)}")
    path, _, key = row["item"].partition(":")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        texts.append("the item lies outside the data set's folder; expected a path below it: move the file there")
    if row["kind"] == "shape" and row["item"].strip() and not key:
        texts.append("no model named; expected shapes/<class>.npz:<id>")
    return texts


class Seen:
    """The rows before the one at hand, to compare it with."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}
        self.groups: dict[tuple[str, str], tuple[str, int]] = {}
        self.contents: dict[bytes, tuple[str, int]] = {}

    def faults(self, line: int, row: dict[str, str]) -> list[str]:
        """Duplicates, and groups that a split divides: what was learned of one half would be measured on the other."""
        texts = []
        first = self.items.setdefault(row["item"], line)
        if first != line:
            texts.append(f"the same item as line {first}; drop one of them")
        split, first = self.groups.setdefault((row["kind"], row["group"]), (row["split"], line))
        if split != row["split"]:
            texts.append(
                f"group {row['group']!r} is in split {split!r} on line {first} and in {row['split']!r} here; a group "
                "belongs to one split: move one of them, or give unrelated items groups of their own"
            )
        return texts

    def content_faults(self, line: int, row: dict[str, str], content: bytes) -> list[str]:
        split, first = self.contents.setdefault(content, (row["split"], line))
        if split == row["split"]:
            return []
        return [f"the same content as line {first}, which is in split {split!r}; drop one of them"]


def fingerprint(item: Item) -> bytes:
    """A hash of what an item holds, once decoded. Raises InputError, with the reason, for one that cannot be used."""
    if not os.path.isfile(item.path):
        raise InputError("no such file; expected one below the data set's folder: add it, or drop the row")
    try:
        if item.kind == "audio":
            array = load_audio(item.path)
        elif item.kind == "shape":
            array = check_shape(item)
        else:
            array = read_picture(item.path).pixels
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{item.path}: ").removeprefix(f"{item.path} ")) from error
    return hashlib.sha256(np.ascontiguousarray(array).data).digest()


def check_shape(item: Item) -> np.ndarray:
    """Points (N, 3) of a shape that can be used. Raises InputError for others."""
    ((points, _),) = load_points([item])
    if len(points) < MIN_POINTS:
        raise InputError(f"points have shape {points.shape}; expected (N, 3) with N >= {MIN_POINTS}")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(1).sum())
        raise InputError(f"{bad} of {len(points)} points hold NaN or infinity; expected finite ones: drop those points")
    if not np.ptp(points, axis=0).any():
        raise InputError("all points coincide; expected a shape with an extent: export it again")
    return points


def class_notes(rows: list[dict[str, str]]) -> list[str]:
    """Classes that lack a kind, and names that nothing is trained on."""
    shipped = Vocabulary.default()
    have = {kind: {row["class"] for row in rows if row["kind"] == kind} for kind in ("audio", "shape", "photo")}
    known = [label for label in shipped.names if any(label in labels for labels in have.values())]
    notes = []
    for kind, name, instead in (
        ("audio", "sounds", "made ones stand in"),
        ("shape", "shapes", "made ones stand in"),
        ("photo", "photos", "renders stand in"),
    ):
        missing = [label for label in known if label not in have[kind]]
        if missing:
            notes.append(f"no {name} of {', '.join(missing)}: {instead}")
    strangers = set().union(*have.values()) - {*shipped.classes, *shipped.held_out, *shipped.zero_shot, UNLABELLED}
    if strangers:
        notes.append(
            f"not in the shipped vocabulary, so not trained on without --vocabulary: {', '.join(sorted(strangers))}"
        )
    splits = {row["split"] for row in rows}
    for split, command in (("train", "audio2shape train"), ("test", "audio2shape evaluate")):
        if split not in splits:
            notes.append(f"no split {split!r}, which `{command}` expects")
    return notes


def photo_notes(data: Path, rows: list[dict[str, str]]) -> list[str]:
    """What `PHOTOS.csv` says of pictures that are not there. Raises InputError where it is no table of photographs."""
    path = Path(data) / "PHOTOS.csv"
    if not path.is_file():
        return []
    table = [row for _, row in read_table(path, ("item", "class", "split", "mask"))]
    items = {row["item"] for row in rows}
    unknown = sum(row["item"] not in items for row in table)
    lost = sum(bool(row["mask"]) and not os.path.isfile(Path(data) / row["mask"]) for row in table)
    notes = [f"PHOTOS.csv: {unknown} rows of pictures that the manifest does not have"] if unknown else []
    return notes + ([f"PHOTOS.csv: {lost} masks are not there"] if lost else [])
