"""Stanford PLY: vertices of any properties, and the coloured cloud that audio2shape writes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
NAMES = {"f4": "float", "u1": "uchar"}  # of the types that are written
ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
LONGEST_HEADER = 65_536  # bytes
COLORS = ("red", "green", "blue")
CLOUD = np.dtype([*((n, "<f4") for n in "xyz"), *((n, "u1") for n in COLORS), ("confidence", "<f4")])


def write_vertices(rows: np.ndarray, comments: Sequence[str] = ()) -> bytes:
    """Binary little-endian PLY of one element `vertex`; rows: a structured array of float32 and uint8."""
    properties = [f"property {NAMES[rows.dtype[name].str[1:]]} {name}" for name in names_of(rows)]
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in comments)]
    return "\n".join([*head, f"element vertex {len(rows)}", *properties, "end_header", ""]).encode() + rows.tobytes()


def read_vertices(data: bytes) -> tuple[np.ndarray, list[str]]:
    """The element `vertex` of a PLY, ascii or binary of either byte order, as a structured array; and the comments.

    Raises ValueError for anything else, also where vertices or what comes before them hold lists.
    """
    end = data.find(b"end_header", 0, LONGEST_HEADER)
    start = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or not start:
        raise ValueError("it has no PLY header")
    order, comments = "", []
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []  # name, count, and names and types of properties
    for line in data[:end].decode("utf-8", "replace").split("\n"):
        words = line.split()
        if words[:1] == ["format"] and len(words) == 3:
            order = ORDERS.get(words[1], "")
        elif words[:1] == ["comment"]:
            comments.append(line.strip()[len("comment ") :])
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdigit():
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements:
            elements[-1][2].append((words[-1], words[1] if len(words) == 3 else "list"))
    names = [name for name, *_ in elements]
    if not order or "vertex" not in names:
        raise ValueError("its PLY header names no known format or no element vertex")
    index = names.index("vertex")
    for kind in (kind for *_, properties in elements[: index + 1] for _, kind in properties):
        if kind not in TYPES:
            raise ValueError(f"its vertices, or what comes before them, hold a property of type {kind}")
    _, count, properties = elements[index]
    row = np.dtype([(name, order + TYPES[kind]) for name, kind in properties])
    if order == "=":
        least, before = 2 * len(properties), sum(rows for _, rows, _ in elements[:index])
    else:
        least = row.itemsize
        start += sum(rows * sum(int(TYPES[kind][1]) for _, kind in columns) for _, rows, columns in elements[:index])
    if not count * least <= len(data) - start + 1:  # the last line of an ascii file may lack its end
        raise ValueError(f"it is cut short: {count} vertices take {count * least} bytes, found {len(data) - start}")
    if not count * least:
        raise ValueError("it holds no points")
    if order != "=":
        return np.frombuffer(data, row, count, start), comments
    lines = data.count(b"\n", 0, start) + before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about no rows
        rows = np.loadtxt(io.BytesIO(data), row, comments=None, skiprows=lines, max_rows=count, ndmin=1)
    if len(rows) < count:
        raise ValueError(f"it is cut short: expected {count} vertices, found {len(rows)}")
    return rows, comments


def encode(points: np.ndarray, colors: np.ndarray, confidence: np.ndarray, label: str) -> bytes:
    """x y z, red green blue and confidence of every point, the label in a comment; shapes as in Shape."""
    rows = np.empty(len(points), CLOUD)
    for name, column in zip(names_of(rows), (*points.T, *colors.T, confidence)):
        rows[name] = column
    return write_vertices(rows, [f"label {label}"])


def decode(rows: np.ndarray, comments: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """points (N, 3) float32, colors (N, 3) uint8, confidence (N,) float32 and label, from what `read_vertices` gives.

    Points without colours are grey, without confidence trusted. Raises ValueError for vertices without x, y, z.
    """
    given = {*names_of(rows)}
    if not given.issuperset("xyz"):
        raise ValueError("its vertices have no x, y and z")
    points = columns(rows, *"xyz")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not finite")
    colors = np.full(points.shape, 178, np.uint8)
    if given.issuperset(COLORS):
        unit = 255 if rows.dtype[COLORS[0]].kind == "f" else 1  # whole numbers are 0 to 255, others 0 to 1
        colors = np.round(np.nan_to_num(unit * columns(rows, *COLORS)).clip(0, 255)).astype(np.uint8)
    confidence = np.ones(len(rows), np.float32)
    if "confidence" in given:
        confidence = np.nan_to_num(rows["confidence"].astype(np.float32)).clip(0, 1)
    return points, colors, confidence, next((text[6:] for text in comments if text.startswith("label ")), "")


def columns(rows: np.ndarray, *names: str) -> np.ndarray:
    """(N, len(names)) float32 of a structured array. Values beyond float32 become infinite."""
    with np.errstate(over="ignore"):
        return np.stack([rows[name].astype(np.float32) for name in names], axis=1)


def names_of(rows: np.ndarray) -> tuple[str, ...]:
    """Of the columns of a structured array."""
    return rows.dtype.names or ()
