"""Functions compiled by numba when they are first called, whose machine code is kept on disk where that works."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import event

logger = logging.getLogger(__name__)
_once = threading.Lock()  # compilation takes seconds, and only the first of several callers should do it


class Kernel:
    """A compiled function. What is wrong with the cache on disk costs time, never the call.

    Its first call says so in the log where it has to compile.
    """

    def __init__(self, function: Callable, options: dict[str, Any]) -> None:
        self.function, self.options = function, options
        self.ready: Callable | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.ready is None:
            with _once:
                if self.ready is None:
                    self.ready = self._compiled(tuple(map(numba.typeof, arguments)))
        return self.ready(*arguments)

    def _compiled(self, types: tuple) -> Callable:
        """The function compiled for these types, from the cache, into the cache, or, if that fails, without one."""
        for discard in (False, True):  # what is stored may be damaged: then once more without it
            try:
                kernel = numba.njit(cache=True, **self.options)(self.function)
                if discard:
                    for index in Path(kernel.stats.cache_path).glob(f"*.{self.function.__name__}-*.nbi"):
                        index.unlink()
                with event.install_listener("numba:compile", _Announcer()):
                    kernel.compile(types)
                return kernel
            except Exception as error:  # no folder that can be written, a full disk, a file that was cut short: any
                reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("compiled CPU kernels cannot be kept on disk (%s): set NUMBA_CACHE_DIR to a folder", reason)
        kernel = numba.njit(**self.options)(self.function)
        with event.install_listener("numba:compile", _Announcer()):
            kernel.compile(types)
        return kernel


class _Announcer(event.Listener):
    """Says once in a process that something is compiled, and not just loaded."""

    said = False

    def on_start(self, event: event.Event) -> None:
        if not _Announcer.said:
            logger.warning("compiling the CPU kernels, once: about 15 s")
        _Announcer.said = True

    def on_end(self, event: event.Event) -> None:
        pass


def compiled(**options: Any) -> Callable[[Callable], Kernel]:
    """A decorator: `numba.njit(**options)` at the first call."""
    return lambda function: Kernel(function, options)
