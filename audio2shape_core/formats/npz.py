"""NumPy archives: the arrays of a shape by name, read without pickle and within bounds."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Collection, Mapping
from tokenize import TokenError

import numpy as np

LARGEST = 2**28  # bytes of an array
LARGEST_FILE = 2**26  # bytes of an archive: its table of contents takes many times as much memory
BROKEN = (OSError, EOFError, KeyError, NotImplementedError, RuntimeError, TokenError, TypeError, zlib.error)


def encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def decode(data: bytes, names: Collection[str], largest: int = LARGEST) -> dict[str, np.ndarray]:
    """The arrays `names` of an archive. Raises ValueError for anything else, and for arrays of over `largest` bytes.

    What an archive says of its sizes is not believed: no more memory is taken than its arrays hold bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: _array(archive, f"{name}.npy", largest) for name in names}
    except (*BROKEN, zipfile.BadZipFile, SyntaxError, MemoryError) as error:
        raise ValueError(f"not an archive of the arrays {', '.join(names)}: {error}") from error


def _array(archive: zipfile.ZipFile, name: str, largest: int) -> np.ndarray:
    with archive.open(name) as member:
        raw = member.read(largest + 1)
    if len(raw) > largest:
        raise ValueError(f"{name} holds over {largest} bytes")
    stream = io.BytesIO(raw)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read_header(stream)
    count = math.prod(shape)
    if dtype.hasobject or not dtype.itemsize or count * dtype.itemsize != len(raw) - stream.tell():
        raise ValueError(f"{name} holds {dtype}{shape} by its header, and {len(raw) - stream.tell()} bytes")
    return np.frombuffer(raw, dtype, count, stream.tell()).reshape(shape, order="F" if by_columns else "C")
