"""What others ask of the node: four services, beside the action (goals.py)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from audio2shape_core.errors import InputError
from audio2shape_core.files import inside
from audio2shape_core.shape import SUFFIXES
from audio2shape_ros.errors import Busy
from audio2shape_ros.outputs.records import verdict
from audio2shape_ros.parameters import Settings
from audio2shape_ros.requests.codes import code_of
from audio2shape_ros.requests.maker import Ask, Maker
from audio2shape_ros.srv import SaveShape

WAITING = 2  # callers that wait for the model at a time; each holds a thread of the executor


class Services:
    """~/generate, ~/set_enabled, ~/clear, ~/save_shape.

    `maker()` raises NotActive where the node is not configured; enabled: whether sounds make shapes of themselves.
    """

    def __init__(self, node: Node, group: CallbackGroup, settings: Settings, maker: Callable[[], Maker]) -> None:
        self._settings, self._maker = settings, maker
        self._places = threading.BoundedSemaphore(WAITING)
        self.enabled = True
        for kind, name, handle in (
            (Trigger, "generate", self._generate),
            (SetBool, "set_enabled", self._set_enabled),
            (Trigger, "clear", self._clear),
            (SaveShape, "save_shape", self._save),
        ):
            node.create_service(kind, f"~/{name}", handle, callback_group=group)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A thread to wait in. Raises Busy where none may be spared: audio, cancel and lifecycle need them too."""
        if not self._places.acquire(blocking=False):
            raise Busy(f"{WAITING} others wait for the model already: ask again when they have their answers")
        try:
            yield
        finally:
            self._places.release()

    def _generate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The newest sound, with the node's parameters; needs no message of ours."""
        try:
            with self._place():
                maker = self._maker()
                message = maker.submit(maker.job(Ask())).result()
            assert message is not None  # as for nobody who waits
            answer = verdict(message, message.confidence >= self._settings["trigger.min_confidence"])
            response.success, response.message = True, f"{answer} in {message.stage_ms[-1]:.0f} ms"
        except BaseException as error:
            response.message = code_of(error)[1]
        return response

    def _set_enabled(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.enabled = request.data
        response.success, response.message = True, "listening" if request.data else "answering requests only"
        return response

    def _clear(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._maker().clear()
            response.success, response.message = True, "cleared"
        except InputError as error:
            response.message = str(error)
        return response

    def _save(self, request: SaveShape.Request, response: SaveShape.Response) -> SaveShape.Response:
        try:
            latest = self._maker().latest
            if latest is None:
                raise InputError("there is no shape yet: make one with ~/generate")
            message, shape = latest
            name = request.file_path or f"{shape.label}-{message.id}"
            name = with_suffix(name, request.format)
            with inside(Path(self._settings["export_dir"]).expanduser(), name) as place:
                shape.save(place)
                response.path = os.path.realpath(place)
            response.success, response.message = True, "saved"
        except Exception as error:
            response.message = code_of(error)[1]
        return response


def with_suffix(name: str, kind: str) -> str:
    """The file name with the suffix of its format. Raises InputError where name and `kind` name two formats."""
    suffix = Path(name).suffix
    if suffix not in SUFFIXES:
        return f"{name}.{kind or 'ply'}"
    if kind not in ("", "ply") and not name.endswith(f".{kind}"):
        raise InputError(f"file_path ends in {suffix} and format is {kind}: expected one of them only")
    return name
