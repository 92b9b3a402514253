"""Files appear whole or not at all. Nothing but a regular file is ever replaced. How they are read, sources.py says."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audio2shape_core.errors import InputError

StrPath = str | os.PathLike[str]
Named = Iterable[tuple[str, StrPath | None]]
LONGEST_NAME, DEEPEST = 255, 500  # bytes of a name, names of a path
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe"}


@contextmanager
def replacing(path: StrPath) -> Iterator[Path]:
    """A temporary name to write to; it becomes `path` on success, and is removed on failure.

    The name ends as `path` does. It lies in a new folder beside `path` that only this user may enter: nobody can guess
    it, put a link there or see half of a file, and any number of threads and processes may write the same path at once.
    Folders on the way are made. A link at `path` is itself replaced; what it leads to stays as it is.
    Raises InputError where the place cannot be written, and for a folder, device, pipe or socket, or a link to one.
    """
    with _beside(path, _check_regular) as temporary:
        yield temporary


@contextmanager
def new_folder(path: StrPath) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `path` on success, and is removed on failure, as in `replacing`.

    Raises InputError where `path` already holds something, or the place cannot be written.
    """
    with _beside(os.path.realpath(_checked(path)), _check_empty) as temporary:
        temporary.mkdir()
        yield temporary


@contextmanager
def inside(folder: StrPath, name: StrPath) -> Iterator[Path]:
    """The place of `name` below `folder`, to be used with `replacing` while the context lasts.

    No link leads it elsewhere, not even one that is put there meanwhile: the folders on the way are opened one by one,
    without following links, made where they are missing, and held. `folder` itself may be a link.
    Raises InputError for names that lead outside, through a link or beyond what can be written.
    """
    folder = Path(os.path.realpath(_checked(folder)))
    wanted = folder / _checked(name)
    below = wanted.relative_to(folder).parts if wanted.is_relative_to(folder) else ()
    if not below or ".." in below:
        raise InputError(f"{os.fspath(name)!r} leads outside {folder}; expected a path below it")
    held = -1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_DIRECTORY)
        for part in below[:-1]:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=held)
            above, held = held, os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
            os.close(above)
        place = Path(f"/proc/self/fd/{held}", below[-1])
        try:
            yield place
        except InputError as error:
            raise InputError(str(error).replace(str(place), str(wanted))) from error
    except OSError as error:
        raise _unwritable(wanted, error) from error
    finally:
        if held >= 0:
            os.close(held)


def check_writable(*paths: StrPath | None) -> None:
    """Refuse places that `replacing` could not write, before any work is done for them; leaves nothing behind."""
    for path in (_checked(path) for path in paths if path is not None):
        try:
            _check_regular(path)
            folder = Path(os.path.realpath(path)).parent
            while not folder.exists():
                folder = folder.parent
            tempfile.TemporaryFile(dir=folder).close()  # permission bits tell too little: a disk may be full
        except OSError as error:
            raise _unwritable(path, error) from error


def check_paths(inputs: Named, outputs: Named) -> None:
    """Refuse the paths of a command before any work is done: to be called once, with all of them.

    An output must be writable and must not be an input or another output, whether it is written in another form, in
    other case, or reached through soft or hard links. An output that is there already must not lie in an input folder,
    but for .json files, which audio2shape alone writes.

    Arguments:
        inputs, outputs: pairs of what the user calls a path, such as "AUDIO" or "--json", and the path; None where it
            is not given. A name may come twice.
    Raises InputError that names both.
    """
    read, written = ([(name, path) for name, path in pairs if path is not None] for pairs in (inputs, outputs))
    check_writable(*(path for _, path in written))
    known = {_identity(path): name for name, path in read}
    folders = [(name, path) for name, path in read if os.path.isdir(path)]
    for name, path in written:
        if other := known.get(_identity(path)):
            raise InputError(f"{name} and {other} are the same file, {path}; name different ones")
        known[_identity(path)] = name
        if not os.path.exists(path) or Path(path).suffix == ".json":
            continue
        for other, folder in folders:
            if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
                raise InputError(f"{name} would replace {path}, a file of {other}; choose a place outside {folder}")


def _identity(path: StrPath) -> object:
    """Equal for paths of one file; for those that are not there yet, also where only their case differs."""
    try:
        status = os.stat(_checked(path))
        return status.st_dev, status.st_ino
    except OSError:
        return os.path.realpath(path).casefold()


@contextmanager
def _beside(path: StrPath, check: Callable[[Path], None]) -> Iterator[Path]:
    """A name in a new private folder beside `path`, where `check(path)` allows it; renamed to `path` in the end."""
    path = _checked(path)
    private = None
    try:
        check(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        private = tempfile.mkdtemp(prefix=".audio2shape-", suffix=".part", dir=path.parent)
        temporary = Path(private, path.name)
        yield temporary
        check(path)
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if private:
            shutil.rmtree(private, ignore_errors=True)


def _check_regular(path: Path) -> None:
    """Raises InputError for anything but a regular file, a link to one, or nothing."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = KINDS.get(stat.S_IFMT(mode), "a socket")
            raise InputError(f"cannot write {path} (it is {kind}); expected the name of a file")


def _check_empty(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} already holds something; expected a new or empty folder: name another one")


def _checked(path: StrPath) -> Path:
    """Raises InputError for what cannot be the name of any file."""
    try:
        parts = os.fsencode(path).split(b"/")
        if len(parts) <= DEEPEST and all(len(part) <= LONGEST_NAME and b"\0" not in part for part in parts):
            return Path(path)
    except UnicodeEncodeError:
        pass
    expected = f"at most {DEEPEST} names of {LONGEST_NAME} bytes, none of them 0"
    raise InputError(f"{os.fspath(path)[:500]!r} cannot be the name of a file; expected {expected}")


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path} ({error.strerror or error}); choose a place that can be written")
