"""Rows that are made when they are first drawn and then kept in a file, so that no run makes them twice."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.files import replacing

Arrays = dict[str, np.ndarray]
Row = dict[str, np.ndarray | int | bool]
Fields = list[tuple[str, type, tuple[int, ...]]]  # name, type and shape of each array of a row


def fingerprint(*parts: object) -> str:
    """A short hash of what rows are made of. Rows of another fingerprint are made again."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def file_states(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of files: a changed data set has others. Missing files count as empty."""
    states = []
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            states.append((path.name, 0, 0))
        else:
            states.append((path.name, state.st_size, state.st_mtime_ns))
    return states


class Rows:
    """A table of `count` rows, as large as it will be from the beginning.

    make: called with the indices of rows that are missing, yields one row for each. What it gives must depend on the
    index and on what `made_of` names alone, so that an interrupted run goes on as if it had not been.
    folder, name: the file's place. Without a folder the rows are kept in memory.

    Raises InputError where the file cannot be written. Processes may share a file: the last to make a row writes it.
    """

    def __init__(
        self,
        count: int,
        fields: Fields,
        make: Callable[[list[int]], Iterable[Row]],
        *,
        folder: Path | None = None,
        name: str = "",
        made_of: str = "",
    ) -> None:
        dtype = np.dtype([*fields, ("made", bool)])
        self.make = make
        self.table: np.ndarray = np.zeros(count, dtype)
        if folder and count:
            stem = f"{re.sub(r'[^A-Za-z0-9-]', '_', name)[:80]}-{fingerprint(name)[:8]}"
            self.table = _open_table(folder, stem, fingerprint(made_of, count, dtype.descr), count, dtype)

    def __len__(self) -> int:
        return len(self.table)

    def take(self, indices: Sequence[int] | np.ndarray) -> Arrays:
        """The rows of B indices, missing ones made: each field as an array (B, ...)."""
        missing = sorted({int(i) for i in indices if not self.table["made"][i]})
        for index, row in zip(missing, self.make(missing) if missing else ()):
            for field, value in row.items():
                self.table[field][index] = value
            self.table["made"][index] = True  # last: what is interrupted before is made again
        chosen = np.asarray(indices, int)
        return {name: np.ascontiguousarray(self.table[name][chosen]) for name in (self.table.dtype.names or ())[:-1]}

    def draw(self, rng: np.random.Generator) -> Arrays:
        """A random row."""
        return {name: rows[0] for name, rows in self.take([int(rng.integers(len(self)))]).items()}


class RowsByClass:
    """Tables by class, all of the same fields."""

    def __init__(self, tables: dict[str, Rows]) -> None:
        self.tables = tables

    @classmethod
    def of(
        cls,
        counts: Mapping[str, int],
        fields: Fields,
        make: Callable[[str, list[int]], Iterable[Row]],
        *,
        folder: Path | None = None,
        name: str = "",
        made_of: str = "",
    ) -> RowsByClass:
        """A table of `counts[label]` rows for each class; `make(label, indices)` and the rest as in `Rows`."""
        return cls(
            {
                label: Rows(count, fields, partial(make, label), folder=folder, name=f"{name} {label}", made_of=made_of)
                for label, count in counts.items()
            }
        )

    @property
    def labels(self) -> list[str]:
        return list(self.tables)

    def draw(self, labels: Collection[str] | np.ndarray, rng: np.random.Generator) -> Arrays:
        """A random row of each of B classes: each field as an array (B, ...)."""
        labels = np.asarray(labels)
        where = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
        parts = [
            self.tables[label].take(rng.integers(len(self.tables[label]), size=len(at))) for label, at in where.items()
        ]
        order = np.argsort(np.concatenate(list(where.values())))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def _open_table(folder: Path, stem: str, made_of: str, count: int, dtype: np.dtype) -> np.ndarray:
    """The table stored in `folder`, or an empty one; those made of something else are removed."""
    path = folder / f"{stem}-{made_of}.npy"
    try:
        table = np.load(path, mmap_mode="r+")
        if table.dtype == dtype and table.shape == (count,):
            return table
    except (OSError, ValueError, EOFError):
        pass  # not there, or damaged
    with replacing(path) as temporary:
        for stale in folder.glob(f"{stem}-*.npy"):
            stale.unlink()
        np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=(count,)).flush()
        with temporary.open("r+b") as file:  # a full disk is noticed now, not when a row is written
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    try:
        return np.load(path, mmap_mode="r+")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot keep rows in {path} ({error}); choose an --output that can be written") from error
