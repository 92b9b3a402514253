"""Files appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audio2shape_core.errors import InputError


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` on success, removed on failure.

    Folders are made on the way. Raises InputError where the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose a place that can be written") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary folder beside `path` to fill; renamed to `path` on success, removed on failure.

    Raises InputError where `path` already holds something, or the place cannot be written.
    """
    path = Path(path).resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} already holds something; expected a new or empty folder: name another one")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, path)  # an empty folder gives way
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose a place that can be written") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_bytes(path: str | os.PathLike, largest: int = 2**30) -> bytes:
    """What a file holds. Raises InputError where there is no file, or one of over `largest` bytes."""
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(f"no file at {path}; expected a result of audio2shape")
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}); expected a file") from error
    if len(data) > largest:
        raise InputError(f"{path} holds over {largest >> 20} MiB; expected a smaller file")
    return data
