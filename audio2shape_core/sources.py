"""Files that a user names: opened with care, and refused in one line where they cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from audio2shape_core.errors import InputError


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed on one line, whatever bytes its name holds."""
    try:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # characters that no file name can hold
        name = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


@contextmanager
def open_source(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """Open a regular file to read bytes. `what` says in messages what was expected: "a sound file".

    Raises InputError for a name that leads to no file, to a folder, a pipe, a device or an empty file; never waits.
    """
    name = shown(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{name}: no such file, expected {what}: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{name[:200]}: cannot be opened ({reason}), expected {what}: check the path") from None
    try:
        _check_kind(os.fstat(descriptor), name, what)
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}), expected {what}") from error
    finally:
        os.close(descriptor)


def _check_kind(status: os.stat_result, name: str, what: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name}: is a folder, expected {what}: name one file inside it")
    if not stat.S_ISREG(status.st_mode):
        sort = "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device"
        raise InputError(f"{name}: is {sort}, expected {what}: save what comes from it to a file first")
    if status.st_size == 0:
        raise InputError(f"{name}: the file is empty, expected {what}: record or copy it again")


def read_bytes(path: str | os.PathLike[str], what: str = "a file", largest: int = 2**30) -> bytes:
    """What a regular file holds. Raises InputError as `open_source`, and for over `largest` bytes."""
    with open_source(path, what) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise InputError(f"{shown(path)}: holds over {largest >> 20} MiB, expected {what} of less")
    return data
