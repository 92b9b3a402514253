"""Arrays in npz archives, read in bounded memory: a header may claim anything, and a small file may unpack to a large
one."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from audio2shape_core.errors import InputError

MOST_POINTS = 1_000_000
# What zipfile and NumPy raise for archives and headers that are cut, forged, encrypted or of another kind.
READ_ERRORS = (
    ArithmeticError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_array(archive: zipfile.ZipFile, name: str, kinds: str) -> np.ndarray:
    """An array (N, 3) of at most `MOST_POINTS` rows, of a NumPy kind ("f", "i", "u") among `kinds`.

    Raises InputError for another array, and one of `READ_ERRORS` for what is no array.
    """
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(file)
        word = name.rpartition("/")[2]
        if len(shape) != 2 or shape[1] != 3:
            raise InputError(f"{word} have shape {str(shape)[:80]}; expected (N, 3)")
        if not 0 < shape[0] <= MOST_POINTS:
            raise InputError(f"{shape[0]:.3g} rows of {word}; expected 1 to {MOST_POINTS}")
        if dtype.kind not in kinds:
            raise InputError(
                f"{word} are {str(dtype)[:40]} of shape {shape}; expected numbers of kind {', '.join(kinds)}"
            )
        size = math.prod(shape) * dtype.itemsize
        content = file.read(size)
        if len(content) < size:
            raise InputError(f"{word} end after {len(content)} of {size} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
