"""What others ask of the node: one action and four services. All of them wait in threads of a reentrant group."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, wait
from pathlib import Path
from urllib.parse import unquote, urlparse

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import SetBool, Trigger

from audio2shape_core.audio import load_audio
from audio2shape_core.errors import STAGES, Cancelled, InputError
from audio2shape_core.shape import SUFFIXES
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.requests import DeadlineMissed, ModelFailed, NoAudio, OutOfMemory, Silence
from audio2shape_ros.srv import SaveShape

INACTIVE = "the node is not active: run `ros2 lifecycle set {} configure` and `activate`"
Code = GenerateShape.Result


class BadRequest(InputError):
    """A goal field out of its range."""


def code_of(error: BaseException) -> tuple[int, str]:
    """The action's result code and message for whatever stopped a request."""
    table = (
        (NoAudio, Code.NO_AUDIO), (Silence, Code.SILENCE), (BadRequest, Code.BAD_REQUEST),
        (InputError, Code.UNSUPPORTED_FORMAT), (DeadlineMissed, Code.DEADLINE), (Cancelled, Code.CANCELED),
        (CancelledError, Code.CANCELED), (OutOfMemory, Code.OUT_OF_MEMORY), (ModelFailed, Code.MODEL_FAILED),
    )  # fmt: skip
    code = next((code for kind, code in table if isinstance(error, kind)), Code.INTERNAL)
    told = {
        Code.DEADLINE: "the deadline came before there was a shape: allow more time or fewer steps",
        Code.CANCELED: "canceled, or gave way to a newer request",
    }
    return code, told.get(code) or str(error) or type(error).__name__


class Servers:
    """The action ~/generate_shape and the services ~/generate, ~/set_enabled, ~/clear, ~/save_shape."""

    def __init__(self, node) -> None:
        self._node = node
        self._goal_lock = threading.Lock()
        self._goal_running = False
        self._cancel_current = threading.Event()
        group = ReentrantCallbackGroup()
        self._action = ActionServer(
            node, GenerateShape, "~/generate_shape", self._execute, callback_group=group,
            goal_callback=self._on_goal, cancel_callback=lambda _: CancelResponse.ACCEPT,
        )  # fmt: skip
        for kind, name, handle in (
            (Trigger, "generate", self._generate),
            (SetBool, "set_enabled", self._set_enabled),
            (Trigger, "clear", self._clear),
            (SaveShape, "save_shape", self._save),
        ):
            node.create_service(kind, f"~/{name}", handle, callback_group=group)

    def cancel(self) -> None:
        """Stop the running goal, for instance because the node is deactivated."""
        self._cancel_current.set()

    def _on_goal(self, _) -> GoalResponse:
        with self._goal_lock:
            if self._goal_running and self._node.settings["goal_policy"] == "reject":
                self._node.get_logger().info("goal rejected: another one runs (goal_policy is reject)")
                return GoalResponse.REJECT
            self._cancel_current.set()
            self._cancel_current = threading.Event()
            self._goal_running = True
            return GoalResponse.ACCEPT

    def _execute(self, handle) -> GenerateShape.Result:
        accepted, cancelled = time.monotonic(), self._cancel_current
        result = GenerateShape.Result()
        try:
            if not self._node.is_active:
                result.code, result.message = Code.NOT_ACTIVE, INACTIVE.format(self._node.get_fully_qualified_name())
            else:
                message = self._run(handle, accepted, cancelled)
                result.code, result.shape = Code.SUCCESS, message
                result.message = f"{message.labels[0]} ({message.confidence:.0%})"
        except BaseException as error:
            result.code, result.message = code_of(error)
        finally:
            with self._goal_lock:
                if cancelled is self._cancel_current:
                    self._goal_running = False
        if result.code == Code.SUCCESS:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    def _run(self, handle, accepted: float, cancelled: threading.Event) -> ShapeHypothesis:
        goal = handle.request

        def progress(stage: str, step: int, total: int) -> None:
            feedback = GenerateShape.Feedback(stage=STAGES.index(stage), step=step, total_steps=total)
            feedback.progress, feedback.elapsed_s = step / max(total, 1), time.monotonic() - accepted
            handle.publish_feedback(feedback)

        if not 0 <= goal.window_s <= 10:
            raise BadRequest(f"window_s is {goal.window_s}, expected 0 to 10 seconds")
        if goal.steps > 1000 or (goal.num_points and not 256 <= goal.num_points <= 262144):
            raise BadRequest("expected steps up to 1000 and num_points of 256 to 262144, or 0 for the parameters")
        job = self._node.job(
            waveform=load_audio(local_path(goal.audio_uri)) if goal.audio_uri else None,
            window_s=goal.window_s or None, seed=goal.seed, steps=goal.steps or None,
            num_points=goal.num_points or None, refine=goal.refine_with_camera, progress=progress,
            deadline=accepted + goal.deadline_s if goal.deadline_s > 0 else None, cancelled=cancelled,
        )  # fmt: skip
        future = self._node.submit(job, asked=True)
        while not wait([future], timeout=0.05).done:
            if handle.is_cancel_requested:
                cancelled.set()
        return future.result()

    def _generate(self, _, response: Trigger.Response) -> Trigger.Response:
        """The newest sound, with the node's parameters; needs no message of ours."""
        if not self._node.is_active:
            response.message = INACTIVE.format(self._node.get_fully_qualified_name())
            return response
        try:
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
        response.success = self._node.clear()
        response.message = "cleared" if response.success else INACTIVE.format(self._node.get_fully_qualified_name())
        return response

    def _save(self, request: SaveShape.Request, response: SaveShape.Response) -> SaveShape.Response:
        try:
            if self._node.latest is None:
                raise InputError("there is no shape yet: make one with ~/generate")
            message, shape = self._node.latest
            name = request.file_path or f"{shape.label}-{message.id}"
            path = confined(name, request.format, self._node.settings["export_dir"])
            if path.suffix == ".splat":  # made with torch, which only the model's process has loaded
                self._node.model.save(shape, path)
            else:
                shape.save(path)
            response.success, response.path, response.message = True, str(path), "saved"
        except Exception as error:
            response.message = code_of(error)[1]
        return response


def local_path(uri: str) -> Path:
    """A path or file:// address -> a path. Raises BadRequest for other addresses, NoAudio where no file is."""
    parts = urlparse(uri)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise BadRequest(f"audio_uri {uri!r}: expected a path or file:// on the node's machine")
    path = Path(unquote(parts.path) if parts.scheme else uri).expanduser()
    if not path.is_file():
        raise NoAudio(f"no sound file at {path} on the node's machine")
    return path


def confined(name: str, suffix: str, export_dir: str) -> Path:
    """Where to write `name`: inside `export_dir`, whatever the name tries. Raises InputError otherwise."""
    folder = Path(export_dir).expanduser().resolve()
    if Path(name).suffix not in SUFFIXES:
        name = f"{name}.{suffix or 'ply'}"
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise InputError(f"{name!r} leads outside export_dir ({folder}): give a path below it")
    if path.suffix not in SUFFIXES:
        raise InputError(f"format {path.suffix!r}: expected one of {', '.join(SUFFIXES)}")
    return path
