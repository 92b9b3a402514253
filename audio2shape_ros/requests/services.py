"""What others ask of the node: four services, beside the action (goals.py)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from std_srvs.srv import SetBool, Trigger

from audio2shape_core.errors import InputError
from audio2shape_core.files import inside
from audio2shape_core.shape import SUFFIXES
from audio2shape_ros.requests.goals import code_of
from audio2shape_ros.requests.requests import Busy
from audio2shape_ros.srv import SaveShape

WAITING = 2  # callers that wait for the model at a time; each holds a thread of the executor


class Servers:
    """The services ~/generate, ~/set_enabled, ~/clear, ~/save_shape."""

    def __init__(self, node, group) -> None:
        self._node = node
        self._places = threading.BoundedSemaphore(WAITING)
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

    def _generate(self, _, response: Trigger.Response) -> Trigger.Response:
        """The newest sound, with the node's parameters; needs no message of ours."""
        try:
            with self._place():
                message = self._node.submit(self._node.job(), asked=True).result()
            response.success = True
            response.message = f"{message.labels[0]} ({message.confidence:.0%}) in {sum(message.stage_ms[:-1]):.0f} ms"
        except BaseException as error:
            response.message = code_of(error)[1]
        return response

    def _set_enabled(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._node.enabled = request.data
        response.success, response.message = True, "listening" if request.data else "answering requests only"
        return response

    def _clear(self, _, response: Trigger.Response) -> Trigger.Response:
        try:
            self._node.clear()
            response.success, response.message = True, "cleared"
        except InputError as error:
            response.message = str(error)
        return response

    def _save(self, request: SaveShape.Request, response: SaveShape.Response) -> SaveShape.Response:
        try:
            if self._node.latest is None:
                raise InputError("there is no shape yet: make one with ~/generate")
            message, shape = self._node.latest
            name = request.file_path or f"{shape.label}-{message.id}"
            if Path(name).suffix not in SUFFIXES:
                name = f"{name}.{request.format or 'ply'}"
            with inside(Path(self._node.settings["export_dir"]).expanduser(), name) as place:
                shape.save(place)
                response.path = os.path.realpath(place)
            response.success, response.message = True, "saved"
        except Exception as error:
            response.message = code_of(error)[1]
        return response
